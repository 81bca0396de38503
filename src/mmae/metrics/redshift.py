"""Redshift metrics: numbers of (z_pred, z_spec), nothing else.

All are of dz = (z_pred - z_spec) / (1 + z_spec), dimensionless, unless said otherwise, and along
the last axis of their arrays.
Source: paper section 5 and the authors' photoz_utils.py; definitions of Tanaka et al. 2018
(PASJ 70, S9), section 4.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, partial, update_wrapper
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import norm

from mmae.errors import InputError

OUTLIER_LIMIT = 0.15
"""|dz| beyond which a prediction is an outlier, and the scale of the loss."""

CATASTROPHIC_LIMIT = 1.0
"""|z_pred - z_spec| beyond which a prediction is a catastrophic outlier."""

MANY = 2**18
"""Galaxies beyond which biweights are summed in blocks: they hold ten arrays as long."""

MAD_TO_SIGMA = 1 / norm.ppf(0.75)
"""1.4826: of a Gaussian."""

Values = float | np.ndarray
"""A number of some galaxies; where galaxies are drawn again and again, one for each draw."""


Interval = Literal["resampled", "scale", "fraction", "mean", "none"]


class Errors:
    """Errors of N redshifts, or of many draws of N of them: shape (..., N).

    What several metrics are made of is computed once.
    """

    def __init__(self, dz: np.ndarray, unscaled: np.ndarray):
        self.dz = dz
        """(z_pred - z_spec) / (1 + z_spec)."""
        self.unscaled = unscaled
        """z_pred - z_spec."""

    def drawn(self, rows: np.ndarray) -> "Errors":
        """Errors of the galaxies in `rows`, ints of any shape, out of N."""
        return Errors(self.dz[rows], self.unscaled[rows])

    @cached_property
    def median(self) -> Values:
        """Median of dz, shape (...)."""
        return np.median(self.dz, axis=-1)

    @cached_property
    def mad(self) -> Values:
        """Median of |dz - median|, shape (...)."""
        return np.median(np.abs(self.dz - np.expand_dims(self.median, -1)), axis=-1)

    @property
    def location(self) -> Values:
        """Biweight location of dz, shape (...)."""
        return self._biweight[0]

    @property
    def scale(self) -> Values:
        """Square root of the biweight midvariance of dz, shape (...)."""
        return self._biweight[1]

    @cached_property
    def _biweight(self) -> tuple[Values, Values]:
        """Location and scale as astropy defines them, from one median and MAD; in blocks."""
        median, mad = np.expand_dims(self.median, -1), np.expand_dims(self.mad, -1)
        n, sums = self.dz.shape[-1], 0.0
        for dz in np.array_split(self.dz, n // MANY + 1, axis=-1):
            d = dz - median
            u2 = np.square(d / np.where(mad > 0, mad, np.inf))
            # 1 - u^2, and 0 for galaxies that do not count; tuning constants as astropy's
            w, v = (np.maximum(1 - u2 / c**2, 0) for c in (6.0, 9.0))
            w2, v4 = np.square(w), np.square(np.square(v))
            terms = (d * w2, w2, np.square(d) * v4, v * (5 * v - 4))
            sums = sums + np.stack([term.sum(axis=-1) for term in terms])
        location = self.median + np.where(self.mad > 0, sums[0] / sums[1], 0)
        return location, np.where(self.mad > 0, np.sqrt(n * sums[2]) / np.abs(sums[3]), 0)[()]


class Metric:
    """A metric of redshifts: a function of (z_pred, z_spec), shape (..., N) to (...).

    Parameters
    ----------
    of : callable
        The same as a function of `Errors`.
    interval : str
        Which interval `mmae.metrics.bootstrap.bootstrap_interval` gives it: what resampled
        galaxies give (`scale`: on a logarithmic scale where they are few), that of a fraction, of
        a mean, or none. docs/statistics.md says why.
    """

    def __init__(self, of: Callable[[Errors], Values], interval: Interval = "resampled"):
        self.of, self.interval = of, interval
        update_wrapper(self, of)

    def __call__(self, z_pred: np.ndarray, z_spec: np.ndarray) -> Values:
        """The metric, a float of N redshifts; InputError as `redshift_errors`."""
        values = self.of(redshift_errors(z_pred, z_spec))
        # no number of numpy: checkpoints hold none
        return values if np.ndim(values) else float(values)


class Mean(Metric):
    """A metric that is the mean of a number of each galaxy.

    Parameters
    ----------
    terms : callable
        Those numbers, shape (..., N), as a function of `Errors`.
    """

    def __init__(self, terms: Callable[[Errors], np.ndarray]):
        super().__init__(lambda errors: np.mean(terms(errors), axis=-1), "mean")
        self.terms = terms
        update_wrapper(self, terms)


def redshift_errors(z_pred: np.ndarray, z_spec: np.ndarray) -> Errors:
    """Errors of redshifts, shape (..., N) each.

    Raises
    ------
    InputError
        If the arrays are empty, of unequal shape, or not finite.
    """
    z_pred, z_spec = np.asarray(z_pred, dtype=float), np.asarray(z_spec, dtype=float)
    if z_pred.shape != z_spec.shape or not z_pred.ndim or not z_pred.size:
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
    unscaled = z_pred - z_spec
    return Errors(unscaled / (1 + z_spec), unscaled)


@Metric
def bias(errors: Errors) -> Values:
    """Median of dz."""
    return errors.median


@Metric
def sigma_nmad(errors: Errors) -> Values:
    """Normalised median absolute deviation: 1.4826 * median(|dz - median(dz)|)."""
    return MAD_TO_SIGMA * errors.mad


@partial(Metric, interval="fraction")
def outlier_fraction(errors: Errors) -> Values:
    """Fraction of |dz| > 0.15."""
    return np.mean(np.abs(errors.dz) > OUTLIER_LIMIT, axis=-1)


@Metric
def bias_biweight(errors: Errors) -> Values:
    """Biweight location of dz."""
    return errors.location


@partial(Metric, interval="scale")
def scatter_biweight(errors: Errors) -> Values:
    """Square root of the biweight midvariance of dz."""
    return errors.scale


@partial(Metric, interval="fraction")
def outlier_fraction_biweight(errors: Errors) -> Values:
    """Fraction of |dz - bias| > 2 scatter, both biweight."""
    location, scale = np.expand_dims(errors.location, -1), np.expand_dims(errors.scale, -1)
    return np.mean(np.abs(errors.dz - location) > 2 * scale, axis=-1)


@Mean
def loss(errors: Errors) -> np.ndarray:
    """Mean of 1 - 1 / (1 + (dz / 0.15)^2): the redshift loss of the training."""
    return 1 - 1 / (1 + (errors.dz / OUTLIER_LIMIT) ** 2)


@partial(Metric, interval="none")
def mse(errors: Errors) -> Values:
    """Mean of (z_pred - z_spec)^2: not scaled."""
    return np.mean(errors.unscaled**2, axis=-1)


@partial(Metric, interval="none")
def rmse(errors: Errors) -> Values:
    """Root mean square of dz."""
    return np.sqrt(np.mean(errors.dz**2, axis=-1))


@partial(Metric, interval="fraction")
def catastrophic_fraction(errors: Errors) -> Values:
    """Fraction of |z_pred - z_spec| > 1: not scaled."""
    return np.mean(np.abs(errors.unscaled) > CATASTROPHIC_LIMIT, axis=-1)


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
    """All metrics of METRICS by name, of N galaxies; InputError as `redshift_errors`."""
    errors = redshift_errors(z_pred, z_spec)
    return {name: float(metric.of(errors)) for name, metric in METRICS.items()}


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
