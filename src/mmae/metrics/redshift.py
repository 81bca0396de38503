"""Redshift metrics: numbers of (z_pred, z_spec), nothing else.

All are of dz = (z_pred - z_spec) / (1 + z_spec), dimensionless, unless said otherwise.
Source: paper section 5 and the authors' photoz_utils.py; definitions of Tanaka et al. 2018
(PASJ 70, S9), section 4.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from astropy.stats import biweight_location, biweight_midvariance, mad_std

from mmae.errors import InputError

OUTLIER_LIMIT = 0.15
"""|dz| beyond which a prediction is an outlier, and the scale of the loss."""

CATASTROPHIC_LIMIT = 1.0
"""|z_pred - z_spec| beyond which a prediction is a catastrophic outlier."""

Metric = Callable[[np.ndarray, np.ndarray], float]


def scaled_error(z_pred: np.ndarray, z_spec: np.ndarray) -> np.ndarray:
    """Dz = (z_pred - z_spec) / (1 + z_spec), shape (N,).

    Raises
    ------
    InputError
        If the arrays are empty, of unequal length, or not finite.
    """
    z_pred, z_spec = np.asarray(z_pred, dtype=float), np.asarray(z_spec, dtype=float)
    if z_pred.shape != z_spec.shape or z_pred.ndim != 1 or not len(z_pred):
        raise InputError(
            "redshift metrics",
            found=f"{z_pred.shape} predicted and {z_spec.shape} spectroscopic redshifts",
            expected="as many of both, and at least one",
        )
    bad = int((~(np.isfinite(z_pred) & np.isfinite(z_spec))).sum())
    if bad:
        raise InputError(
            "redshift metrics", found=f"{bad} redshifts not finite", expected="numbers"
        )
    return (z_pred - z_spec) / (1 + z_spec)


def bias(z_pred: np.ndarray, z_spec: np.ndarray) -> float:
    """Median of dz."""
    return float(np.median(scaled_error(z_pred, z_spec)))


def sigma_nmad(z_pred: np.ndarray, z_spec: np.ndarray) -> float:
    """Normalised median absolute deviation: 1.4826 * median(|dz - median(dz)|)."""
    return float(mad_std(scaled_error(z_pred, z_spec)))


def outlier_fraction(z_pred: np.ndarray, z_spec: np.ndarray) -> float:
    """Fraction of |dz| > 0.15."""
    return float(np.mean(np.abs(scaled_error(z_pred, z_spec)) > OUTLIER_LIMIT))


def bias_biweight(z_pred: np.ndarray, z_spec: np.ndarray) -> float:
    """Biweight location of dz."""
    return float(biweight_location(scaled_error(z_pred, z_spec)))


def scatter_biweight(z_pred: np.ndarray, z_spec: np.ndarray) -> float:
    """Square root of the biweight midvariance of dz."""
    return float(np.sqrt(biweight_midvariance(scaled_error(z_pred, z_spec))))


def outlier_fraction_biweight(z_pred: np.ndarray, z_spec: np.ndarray) -> float:
    """Fraction of |dz - bias| > 2 scatter, both biweight."""
    deviation = np.abs(scaled_error(z_pred, z_spec) - bias_biweight(z_pred, z_spec))
    return float(np.mean(deviation > 2 * scatter_biweight(z_pred, z_spec)))


def loss(z_pred: np.ndarray, z_spec: np.ndarray) -> float:
    """Mean of 1 - 1 / (1 + (dz / 0.15)^2): the redshift loss of the training."""
    return float(np.mean(1 - 1 / (1 + (scaled_error(z_pred, z_spec) / OUTLIER_LIMIT) ** 2)))


def mse(z_pred: np.ndarray, z_spec: np.ndarray) -> float:
    """Mean of (z_pred - z_spec)^2: not scaled."""
    scaled_error(z_pred, z_spec)
    return float(np.mean(np.square(np.subtract(z_pred, z_spec, dtype=float))))


def rmse(z_pred: np.ndarray, z_spec: np.ndarray) -> float:
    """Root mean square of dz."""
    return float(np.sqrt(np.mean(scaled_error(z_pred, z_spec) ** 2)))


def catastrophic_fraction(z_pred: np.ndarray, z_spec: np.ndarray) -> float:
    """Fraction of |z_pred - z_spec| > 1: not scaled."""
    scaled_error(z_pred, z_spec)
    return float(np.mean(np.abs(np.subtract(z_pred, z_spec, dtype=float)) > CATASTROPHIC_LIMIT))


METRICS: dict[str, Metric] = {
    "bias": bias,
    "sigma_nmad": sigma_nmad,
    "outlier_fraction": outlier_fraction,
    "bias_biweight": bias_biweight,
    "scatter_biweight": scatter_biweight,
    "outlier_fraction_biweight": outlier_fraction_biweight,
    "loss": loss,
    "mse": mse,
    "rmse": rmse,
    "catastrophic_fraction": catastrophic_fraction,
}


class RedshiftRange(NamedTuple):
    """Half-open range of z_spec: (low, high]."""

    low: float
    high: float

    def contains(self, z_spec: np.ndarray) -> np.ndarray:
        """Which redshifts are inside, bool, shape of `z_spec`."""
        return (z_spec > self.low) & (z_spec <= self.high)


def point_metrics(z_pred: np.ndarray, z_spec: np.ndarray) -> dict[str, float]:
    """All metrics of METRICS by name."""
    return {name: metric(z_pred, z_spec) for name, metric in METRICS.items()}


def bin_ranges(edges: Sequence[float]) -> list[RedshiftRange]:
    """Ranges between neighbouring edges.

    Raises
    ------
    InputError
        If the edges do not increase.
    """
    if any(high <= low for low, high in pairwise(edges)):
        raise InputError(
            "redshift bins", found=f"edges {list(edges)}", expected="increasing numbers"
        )
    return [RedshiftRange(low, high) for low, high in pairwise(edges)]
