"""Which test galaxies the figures show."""

import logging

import numpy as np

from mmae.dataset.arrays import TrainingArrays
from mmae.errors import InputError
from mmae.evaluation.predict import WAVE
from mmae.instruments import LINES
from mmae.metrics.lines import line_height
from mmae.settings import Example

log = logging.getLogger(__name__)

N_NEAREST = 20
"""Galaxies nearest in redshift among which the line is looked for."""


def choose_example(arrays: TrainingArrays, rows: np.ndarray, example: Example) -> int:
    """Row of the galaxy that a figure shows.

    Chosen by its true spectrum alone, never by what a model says of it: among the test galaxies
    nearest to a redshift, the one in which a line stands as high as asked for; if none of them has
    the line in range, the nearest, with a warning.

    Parameters
    ----------
    arrays : TrainingArrays
    rows : ndarray of int
        Of the test galaxies.
    example : Example

    Raises
    ------
    InputError
        If the target asked for is not a test galaxy, or the line is unknown.
    """
    if example.targetid is not None:
        found = rows[arrays.targetid[rows] == example.targetid]
        if not len(found):
            raise InputError(
                "config",
                key="evaluation.examples",
                found=f"targetid {example.targetid}, which is not a test galaxy",
                expected="one of the test set, or null",
            )
        return int(found[0])
    if example.line not in LINES:
        raise InputError(
            "config",
            key="evaluation.examples",
            found=f"line {example.line!r}",
            expected=f"one of {list(LINES)}",
        )
    distance = np.abs(arrays.redshift[rows] - example.redshift)
    nearest = rows[np.argsort(distance, kind="stable")[:N_NEAREST]]
    name, wave = _spectrum_of(arrays)
    heights = line_height(
        wave, np.nan_to_num(arrays.values[name][nearest]), example.line, arrays.redshift[nearest]
    )
    if np.isinf(heights).all():
        log.warning("no test galaxy near z = %g has %s in range", example.redshift, example.line)
        return int(nearest[0])
    return int(nearest[np.argmin(np.abs(heights - example.height))])


def _spectrum_of(arrays: TrainingArrays) -> tuple[str, np.ndarray]:
    """Name and wavelengths, (L,) Å, of the modality that has wavelengths."""
    for one in arrays.modalities:
        if "wave" in one["geometry"]:
            return one["name"], np.array(one["geometry"]["wave"])
    raise InputError(
        "config", key="evaluation.examples", found="no modality with wavelengths", expected="one"
    )


def example_of(reconstructions: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """One galaxy of a file of reconstructions; wavelengths, shared by all, stay whole.

    Raises
    ------
    InputError
        If there is no example of that name.
    """
    names = reconstructions["name"].tolist()
    if name not in names:
        raise InputError("reconstructions", key="name", found=f"only {names}", expected=repr(name))
    row = names.index(name)
    return {
        key: values if key.endswith(WAVE) else values[row]
        for key, values in reconstructions.items()
    }
