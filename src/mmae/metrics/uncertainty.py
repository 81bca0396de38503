"""How well a Gaussian forecast of the redshift knows its own error.

A forecast is z_pred, its mean, and z_std, its standard deviation: redshifts, as z_spec, and each
an ndarray of shape (N,). All functions raise InputError if the arrays are empty, of unequal
length or not finite, or if a z_std is not positive.
"""

from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from mmae.errors import InputError
from mmae.metrics.bootstrap import mean_interval, of_all, resamplings
from mmae.metrics.intervals import FEW, of_distance, wilson
from mmae.metrics.redshift import Errors, redshift_errors, sigma_nmad

LEVELS = (0.68, 0.95)
"""Central intervals whose coverage is reported."""

N_BINS = 10
"""Bins of the PIT histogram."""

LEAST_CERTAIN = 0.1
"""Fraction of the galaxies without which sigma_nmad_certain is measured."""

MIN_SCALE = 0.1
"""Least 1 + z_pred; without it a nonsense prediction of z < -1 would have a negative error."""


def redshift_scale(z_pred: np.ndarray) -> np.ndarray:
    """1 + z_pred, at least 0.1: the scale on which errors of a redshift grow, shape (N,)."""
    return np.maximum(1 + np.asarray(z_pred, dtype=float), MIN_SCALE)


def check_uncertainty(z_pred: np.ndarray, z_std: np.ndarray) -> None:
    """InputError unless there is a positive z_std for each z_pred, shape (N,) both."""
    if np.shape(z_std) != np.shape(z_pred):
        raise InputError(
            "redshift uncertainty",
            found=f"{np.shape(z_std)} uncertainties of {np.shape(z_pred)} redshifts",
            expected="as many of both",
        )
    bad = int((~(np.isfinite(z_std) & (np.asarray(z_std) > 0))).sum())
    if bad:
        raise InputError(
            "redshift uncertainty",
            found=f"{bad} values of z_std not finite or not above 0",
            expected="positive numbers",
        )


def pit(z_pred: np.ndarray, z_std: np.ndarray, z_spec: np.ndarray) -> np.ndarray:
    """Probability integral transform, Phi((z_spec - z_pred) / z_std), shape (N,).

    Uniform between 0 and 1 where the forecast is calibrated.
    Source: Gneiting, Balabdaoui & Raftery 2007 (JRSS B 69, 243), section 3.1.
    """
    return ndtr(_standardised(z_pred, z_std, z_spec))


def crps(z_pred: np.ndarray, z_std: np.ndarray, z_spec: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of each galaxy, shape (N,): smaller is better.

    In units of redshift, not scaled by 1 + z; |z_pred - z_spec| as z_std goes to 0.
    Source: Gneiting & Raftery 2007 (JASA 102, 359), equation 21, with the opposite sign.
    """
    t = _standardised(z_pred, z_std, z_spec)
    density = np.exp(-0.5 * t**2) / np.sqrt(2 * np.pi)
    score = t * (2 * ndtr(t) - 1) + 2 * density - 1 / np.sqrt(np.pi)
    return np.asarray(z_std, dtype=float) * score


def coverage(z_pred: np.ndarray, z_std: np.ndarray, z_spec: np.ndarray, level: float) -> float:
    """Fraction of the galaxies inside the central interval of probability `level`.

    Raises
    ------
    InputError
        As the module says, or if the level is not between 0 and 1.
    """
    return float(np.mean(_inside(_standardised(z_pred, z_std, z_spec), level)))


def drop_least_certain(
    z_pred: np.ndarray, z_std: np.ndarray, z_spec: np.ndarray, fraction: float = LEAST_CERTAIN
) -> tuple[np.ndarray, np.ndarray]:
    """Leave out the galaxies with the largest z_std / (1 + z_pred).

    Parameters
    ----------
    z_pred, z_std, z_spec : ndarray, shape (N,)
    fraction : float
        How many to leave out, of all; rounded down to whole galaxies.

    Returns
    -------
    z_pred, z_spec : ndarray, shape (M,)
        The others, in their order.

    Raises
    ------
    InputError
        As the module says, or if the fraction is not in [0, 1).
    """
    _standardised(z_pred, z_std, z_spec)
    if not 0 <= fraction < 1:
        raise InputError(
            "least certain galaxies", found=f"a fraction of {fraction}", expected="0 <= f < 1"
        )
    order = np.argsort(z_std / redshift_scale(z_pred), kind="stable")
    kept = np.sort(order[: _n_kept(len(order), fraction)])
    return np.asarray(z_pred)[kept], np.asarray(z_spec)[kept]


def uncertainty_report(
    z_pred: np.ndarray, z_std: np.ndarray, z_spec: np.ndarray, n_samples: int, seed: int
) -> dict[str, Any]:
    """Scores of a forecast with their 95% intervals.

    Parameters
    ----------
    z_pred, z_std, z_spec : ndarray, shape (N,)
    n_samples : int
        Resamplings of the galaxies; the same ones for all scores.
    seed : int

    Returns
    -------
    dict
        `crps` (mean), `coverage_68`, `coverage_95`, `pit_ks` (largest distance of the PIT's
        distribution from the uniform one), `sigma_nmad_certain` (without the least certain 10%),
        for each that has one `<name>_interval`, and `pit_histogram` (galaxies in 10 equal bins).
        The CRPS of fewer than FEW galaxies has none.
    """
    t = _standardised(z_pred, z_std, z_spec)
    n, intervals = len(t), {}
    scores, chances = crps(z_pred, z_std, z_spec), np.sort(ndtr(t))
    report: dict[str, Any] = {"crps": float(scores.mean())}
    if n >= FEW:
        intervals["crps"] = mean_interval(scores, n_samples, seed)
    for level in LEVELS:
        name = f"coverage_{100 * level:g}"
        report[name] = float(np.mean(_inside(t, level)))
        intervals[name] = wilson(report[name], n)
    steps = np.arange(n + 1) / n
    report["pit_ks"] = float(max((steps[1:] - chances).max(), (chances - steps[:-1]).max()))
    intervals["pit_ks"] = of_distance(report["pit_ks"], n)
    order = np.argsort(z_std / redshift_scale(z_pred), kind="stable")
    errors = redshift_errors(z_pred, z_spec).drawn(order)
    report["sigma_nmad_certain"] = float(_without_least_certain(errors, np.arange(n)))
    # of galaxies drawn again and again, too, the first in that order are the most certain
    place = np.argsort(order)
    draws = [
        _without_least_certain(errors, place[rows]) for rows in resamplings(n, n_samples, seed)
    ]
    values = of_all(np.concatenate(draws), report["sigma_nmad_certain"], n)
    intervals["sigma_nmad_certain"] = np.percentile(values, [2.5, 97.5])
    counts, _ = np.histogram(chances, bins=N_BINS, range=(0, 1))
    report |= {f"{name}_interval": [*map(float, ends)] for name, ends in intervals.items()}
    return report | {"pit_histogram": counts.tolist()}


def _without_least_certain(errors: Errors, places: np.ndarray) -> np.ndarray:
    """sigma_NMAD of galaxies in their order of certainty (..., N) without the last 10%: (...)."""
    kept = np.sort(places, axis=-1)[..., : _n_kept(places.shape[-1], LEAST_CERTAIN)]
    return sigma_nmad.of(errors.drawn(kept))


def _n_kept(n: int, fraction: float) -> int:
    """How many of n galaxies stay."""
    return n - int(fraction * n)


def _inside(t: np.ndarray, level: float) -> np.ndarray:
    """Which standardised errors are in the central interval, bool, shape (N,)."""
    if not 0 < level < 1:
        raise InputError("coverage", found=f"level {level}", expected="a number between 0 and 1")
    return np.abs(t) <= ndtri((1 + level) / 2)


def _standardised(z_pred: np.ndarray, z_std: np.ndarray, z_spec: np.ndarray) -> np.ndarray:
    """(z_spec - z_pred) / z_std, shape (N,), or InputError."""
    errors = redshift_errors(z_pred, z_spec)
    check_uncertainty(z_pred, z_std)
    return -errors.unscaled / np.asarray(z_std, dtype=float)
