"""Two models on the same galaxies: which is better, and how surely."""

from typing import NamedTuple

import numpy as np

from mmae.metrics.bootstrap import draws_of
from mmae.metrics.redshift import Metric, redshift_errors


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
    metric : Metric
        One of which smaller is better, as `mmae.metrics.redshift.sigma_nmad`.
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
    a, b = (redshift_errors(z_pred, z_spec) for z_pred in (z_pred_a, z_pred_b))
    difference = float(metric.of(a) - metric.of(b))
    draws = np.subtract(*(draws_of({"": metric}, one, n_samples, seed)[""] for one in (a, b)))
    low, high = np.percentile(draws, [2.5, 97.5])
    return PairedDifference(
        difference=difference,
        low=float(low),
        high=float(high),
        p_better=float(np.mean(draws < 0) + 0.5 * np.mean(draws == 0)),
    )
