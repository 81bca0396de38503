"""Redshifts read out of frozen embeddings: nearest neighbours and a small network."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from mmae.errors import InputError
from mmae.settings import Evaluation
from mmae.settings import models as settings_models

Readout = Callable[[Evaluation, int], Pipeline]


def nearest_neighbours(settings: Evaluation, seed: int) -> Pipeline:
    """Mean of the nearest galaxies, weighted by 1 / distance, as AstroCLIP's public code has it."""
    neighbours = KNeighborsRegressor(settings.neighbours, weights="distance")
    return make_pipeline(StandardScaler(), neighbours)


def small_network(settings: Evaluation, seed: int) -> Pipeline:
    """An MLP with AstroCLIP's layers, stopped early on a tenth of the galaxies that it is given."""
    network = MLPRegressor(
        hidden_layer_sizes=settings.probe_layers,
        early_stopping=True,
        max_iter=100,
        random_state=seed,
    )
    return make_pipeline(StandardScaler(), network)


READOUTS: dict[str, Readout] = dict(
    zip(settings_models.READOUTS, (nearest_neighbours, small_network), strict=True)
)


def read_out(
    readout: str,
    train: np.ndarray,
    z_train: np.ndarray,
    others: Sequence[np.ndarray],
    settings: Evaluation,
    seed: int,
) -> list[np.ndarray]:
    """Redshifts of galaxies from their embeddings.

    Parameters
    ----------
    readout : {"knn", "mlp"}
    train : ndarray, shape (N, E)
        Embeddings of the training galaxies.
    z_train : ndarray, shape (N,)
        Their z_spec; ln(1 + z) is what is fitted. Those whose redshift is unknown, NaN, do not
        count.
    others : sequence of ndarray, shape (B, E)
    settings : Evaluation
    seed : int

    Returns
    -------
    list of ndarray, shape (B,)
        z_pred of `others`.

    Raises
    ------
    InputError
        If there are fewer training galaxies than neighbours are asked for.
    """
    if settings.neighbours > len(train):
        raise InputError(
            "config",
            key="evaluation.neighbours",
            found=settings.neighbours,
            expected=f"at most the {len(train)} training galaxies",
        )
    pipeline, known = READOUTS[readout](settings, seed), np.isfinite(z_train)
    with warnings.catch_warnings():
        # a hundred passes are enough, converged or not
        warnings.simplefilter("ignore", ConvergenceWarning)
        pipeline.fit(train[known], np.log1p(z_train[known].astype(float)))
    return [np.expm1(pipeline.predict(embedding)) for embedding in others]
