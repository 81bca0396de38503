"""Every measure of a model's reconstructions, of each kind that it gives, in one table."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
import torch

from mmae.evaluation.predict import true_and_rebuilt
from mmae.evaluation.reconstruction import PROFILE, reconstruction_table
from mmae.metrics.redshift import OUTLIER_LIMIT, redshift_errors
from mmae.modalities.base import Measured
from mmae.models.base import GalaxyModel
from mmae.models.profile import Profile
from mmae.settings import Scoring


def quality_table(
    model: GalaxyModel, said: Mapping[str, np.ndarray], scoring: Scoring
) -> pd.DataFrame:
    """Redshifts and reconstructions of galaxies of which something was hidden.

    Parameters
    ----------
    model : GalaxyModel
    said : mapping of str to ndarray
        What `mmae.evaluation.predict.reconstruct` gives, of all kinds of the model.
    scoring : Scoring

    Returns
    -------
    DataFrame
        As `mmae.evaluation.reconstruction.reconstruction_table`, after the columns `kind`, one of
        the model's or PROFILE, and `at`, the redshift at which lines are looked for: z_spec or, for
        the last kind, also z_pred. What does not differ between kinds has the first. `redshift` is
        the error of z_pred over 1 + z_spec, whose `scatter` is sigma_NMAD.
    """
    z_spec, z_pred = said["z_spec"].astype(float), said["z_pred"].astype(float)
    tables = []

    def add(kind: str, at: str, measured: Iterable[Measured]) -> None:
        table = reconstruction_table(measured, z_spec, scoring)
        tables.append(table.assign(kind=kind, at=at))

    first, *others = model.settings.reconstructions
    add(first, "z_spec", _redshifts(z_pred, z_spec))
    for name, modality in model.modalities.items():
        drawn = {first: true_and_rebuilt(said, name)}
        for kind in others:
            one = true_and_rebuilt(said, name, kind)
            if not np.array_equal(one[1], drawn[first][1]):
                drawn[kind] = one
        for kind, arrays in drawn.items():
            add(kind, "z_spec", modality.quality(*arrays, z_spec))
        last = list(drawn)[-1]
        add(last, "z_pred", modality.quality_at(*drawn[last], z_spec, z_pred))
        if len(modality.shape) == 3:
            true, _, hidden = drawn[first]
            add(PROFILE, "z_spec", modality.quality(true, radial(true, hidden), hidden, z_spec))
    table = pd.concat([one for one in tables if len(one)], ignore_index=True)
    ahead = ["kind", "at"]
    return table[[*ahead, *table.columns.drop(ahead)]]


def _redshifts(z_pred: np.ndarray, z_spec: np.ndarray) -> Iterator[Measured]:
    """Errors of the redshifts that the model reconstructs with."""
    error = redshift_errors(z_pred, z_spec).dz
    yield Measured("redshift", "", "relative to 1 + z", "median", True, error)
    far = (np.abs(error) > OUTLIER_LIMIT).astype(float)
    yield Measured("redshift outlier", "", "dimensionless", "fraction", False, far)


def radial(image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Images (B, C, H, W) whose hidden pixels have the mean of their ring's visible ones."""
    flux, seen = torch.from_numpy(image), torch.from_numpy(~hidden).float()
    profile = Profile(image.shape[-1]).profile(flux * seen, seen).view(flux.shape)
    return torch.where(seen > 0, flux, profile).numpy()
