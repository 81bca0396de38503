"""Confidence intervals by resampling galaxies."""

from collections.abc import Callable

import numpy as np


def bootstrap_interval(
    metrics: Callable[[np.ndarray, np.ndarray], dict[str, float]],
    z_pred: np.ndarray,
    z_spec: np.ndarray,
    n_samples: int,
    seed: int,
    confidence: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of metrics over galaxies drawn with replacement.

    Parameters
    ----------
    metrics : callable
        (z_pred, z_spec) to numbers by name.
    z_pred, z_spec : ndarray, shape (N,)
    n_samples : int
        Resamplings; the same ones for all metrics.
    seed : int
    confidence : float

    Returns
    -------
    dict of str to (low, high)
    """
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(n_samples):
        rows = rng.integers(0, len(z_spec), len(z_spec))
        draws.append(metrics(z_pred[rows], z_spec[rows]))
    tail = 50 * (1 - confidence)
    intervals = {}
    for name in draws[0]:
        low, high = np.percentile([draw[name] for draw in draws], [tail, 100 - tail])
        intervals[name] = (float(low), float(high))
    return intervals


def median_interval(
    values: np.ndarray, n_samples: int, seed: int, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Median of finite values with its percentile interval: (median, low, high).

    Parameters
    ----------
    values : ndarray, shape (N,)
        NaN where there is none; all NaN gives NaN.
    n_samples, seed, confidence
        As for `bootstrap_interval`.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return (np.nan, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    draws = [np.median(values[rng.integers(0, len(values), len(values))]) for _ in range(n_samples)]
    tail = 50 * (1 - confidence)
    low, high = np.percentile(draws, [tail, 100 - tail])
    return float(np.median(values)), float(low), float(high)
