"""What the galaxies of a training are like travels with the model: others may be unlike them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mmae.errors import InputError
from mmae.modalities import from_plain, to_plain
from mmae.modalities.base import Modality

USUAL = "training_galaxies"
"""Key of model.json."""


class Usual(NamedTuple):
    """A modality of a training, whether or not the model reads it, and what was usual in it."""

    modality: Modality
    described: dict[str, Any]

    def unlike(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """In what values (B, *shape) are unlike those of the training: by name, (B,) bool each.

        Raises
        ------
        InputError
            If the description is of another form.
        """
        try:
            return self.modality.unlike(values, self.described)
        except (LookupError, TypeError, ValueError) as error:
            raise InputError(
                "model.json",
                key=f"{USUAL}.{self.modality.name}",
                found=f"another form ({error})",
                expected="what `mmae train` writes",
            ) from error


def describe_galaxies(
    modalities: Mapping[str, Modality], values: Mapping[str, np.ndarray], rows: np.ndarray
) -> list[dict[str, Any]]:
    """What is usual in training galaxies, for model.json: one entry a modality of which it is told.

    Parameters
    ----------
    modalities : mapping of str to Modality
    values : mapping of str to ndarray, shape (N, *shape)
    rows : ndarray of int
        Of the training galaxies.
    """
    found = []
    for name, modality in modalities.items():
        if (described := modality.describe(values[name], rows)) is not None:
            found.append({**to_plain([modality])[0], "usual": described})
    return found


def read_usual(description: Mapping[str, Any], where: object) -> list[Usual] | None:
    """What `describe_galaxies` gave to a model's description; None if it was saved without.

    Raises
    ------
    InputError
        If it is of another form.
    """
    if USUAL not in description:
        return None
    modalities = from_plain(description[USUAL], where)
    described = {one["name"]: one.get("usual", {}) for one in description[USUAL]}
    return [Usual(modality, described[name]) for name, modality in modalities.items()]
