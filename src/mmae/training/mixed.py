"""A few real spectra among simulated ones: what a trained model is tuned on."""

import numpy as np

from mmae.dataset.arrays import TrainingArrays
from mmae.errors import InputError
from mmae.modalities.base import Modality

SIMULATED = 2000
"""Spectra of the arrays in an epoch; the real ones are repeated until there are as many."""


def mixed(
    arrays: TrainingArrays,
    split: dict[str, np.ndarray],
    spectrum: Modality,
    values: np.ndarray,
    redshift: np.ndarray,
    seed: int,
) -> tuple[TrainingArrays, dict[str, np.ndarray]]:
    """Training arrays of spectra alone, with real ones behind them, and a split that has both.

    Parameters
    ----------
    arrays : TrainingArrays
    split : dict of str to ndarray of int
        Validation stays simulated.
    spectrum : Modality
        The spectra of the arrays.
    values : ndarray, shape (N, 2, L)
        Real spectra as `spectrum` reads them, with their ivar.
    redshift : ndarray, shape (N,)
    seed : int
        Of the choice of simulated ones.

    Raises
    ------
    InputError
        If no real redshift is known, or the inverse variance of the arrays is not.
    """
    if not spectrum.has_ivar:
        raise InputError("arrays", found="spectra without ivar", expected="pooling: ivar")
    known = np.flatnonzero(np.isfinite(redshift) & (values[:, 1] > 0).any(axis=1))
    if not len(known):
        raise InputError("spectra", found="none with a redshift", expected="one or more")
    n, name = len(arrays.redshift), spectrum.name
    both = TrainingArrays(
        {name: np.concatenate([arrays.values[name], values[known, 0]])},
        np.concatenate([arrays.redshift, redshift[known]]).astype(np.float32),
        np.concatenate([arrays.targetid, -1 - known]),
        [one for one in arrays.modalities if one["name"] == name],
        ivar={name: np.concatenate([arrays.ivar[name], values[known, 1]])},
    )
    train = split["train"]
    rng = np.random.default_rng(seed)
    simulated = rng.choice(train, min(SIMULATED, len(train)), replace=False)
    real = n + np.resize(rng.permutation(len(known)), len(simulated))
    return both, split | {"train": np.concatenate([simulated, real])}
