"""Two models on the same galaxies: which is better, and how surely."""

from typing import NamedTuple

import numpy as np

from mmae.metrics.redshift import Metric, scaled_error


class PairedDifference(NamedTuple):
    """Metric of model a minus that of model b, in the unit of the metric."""

    difference: float
    """On all galaxies."""
    low: float
    """Lower end of the 95% interval."""
    high: float
    """Upper end of the 95% interval."""
    p_better: float
    """Fraction of the resamplings in which a is smaller than b; a tie counts half."""


def paired_difference(
    metric: Metric,
    z_pred_a: np.ndarray,
    z_pred_b: np.ndarray,
    z_spec: np.ndarray,
    n_samples: int,
    seed: int,
) -> PairedDifference:
    """Difference of a metric between two models, resampling galaxies for both alike.

    Galaxies that are hard for one model are hard for the other, so that two separate intervals
    would say far too little about the difference.

    Parameters
    ----------
    metric : callable
        (z_pred, z_spec) to a number of which smaller is better, as
        `mmae.metrics.redshift.sigma_nmad`.
    z_pred_a, z_pred_b, z_spec : ndarray, shape (N,)
        The same galaxies in the same order.
    n_samples : int
        Resamplings.
    seed : int

    Returns
    -------
    PairedDifference

    Raises
    ------
    InputError
        If the arrays are empty, of unequal length, or not finite.

    Notes
    -----
    Percentile interval of the paired bootstrap; source: Efron & Tibshirani 1993, chapter 13.
    """
    z_pred_a, z_pred_b, z_spec = (np.asarray(z) for z in (z_pred_a, z_pred_b, z_spec))
    for z_pred in (z_pred_a, z_pred_b):
        scaled_error(z_pred, z_spec)
    rng = np.random.default_rng(seed)
    draws = np.empty(n_samples)
    for k in range(n_samples):
        rows = rng.integers(0, len(z_spec), len(z_spec))
        draws[k] = metric(z_pred_a[rows], z_spec[rows]) - metric(z_pred_b[rows], z_spec[rows])
    low, high = np.percentile(draws, [2.5, 97.5])
    return PairedDifference(
        difference=float(metric(z_pred_a, z_spec) - metric(z_pred_b, z_spec)),
        low=float(low),
        high=float(high),
        p_better=float(np.mean(draws < 0) + 0.5 * np.mean(draws == 0)),
    )
