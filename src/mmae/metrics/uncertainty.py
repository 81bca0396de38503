"""How well a forecast of the redshift knows its own error.

A forecast is z_pred, its median, and z_std, its standard deviation: redshifts, as z_spec, and each
an ndarray of shape (N,). It is Gaussian unless `ends`, shape (N, 4), gives quantiles of it, those
of ENDS. All functions raise InputError if the arrays are empty, of unequal length or not finite, if
a z_std is not positive, or ends of intervals are out of order.
"""

from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from mmae.errors import InputError
from mmae.metrics.bootstrap import mean_interval, of_all, resamplings
from mmae.metrics.ends import ENDS, QUANTILES
from mmae.metrics.intervals import FEW, of_distance, wilson
from mmae.metrics.redshift import Errors, redshift_errors, sigma_nmad

LEVELS = (0.68, 0.95)
"""Central intervals whose coverage is reported."""

SCORES = ndtri(QUANTILES)
"""Normal scores of the ends and of the median."""

N_LEVELS = 400
"""Quantiles over which the CRPS of a density is averaged; exact to a thousandth of it."""

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


def pit(
    z_pred: np.ndarray, z_std: np.ndarray, z_spec: np.ndarray, ends: np.ndarray | None = None
) -> np.ndarray:
    """Probability integral transform, the forecast's probability below z_spec, shape (N,).

    Uniform between 0 and 1 where the forecast is calibrated.
    Source: Gneiting, Balabdaoui & Raftery 2007 (JRSS B 69, 243), section 3.1.
    """
    return ndtr(_standardised(z_pred, z_std, z_spec, ends))


def crps(
    z_pred: np.ndarray, z_std: np.ndarray, z_spec: np.ndarray, ends: np.ndarray | None = None
) -> np.ndarray:
    """Continuous ranked probability score of each galaxy, shape (N,): smaller is better.

    In units of redshift, not scaled by 1 + z; |z_pred - z_spec| as z_std goes to 0.
    Source: Gneiting & Raftery 2007 (JASA 102, 359), equation 21, with the opposite sign; with
    `ends`, twice the mean pinball loss of all quantiles (Gneiting & Ranjan 2011, JBES 29, 411).
    """
    t = _standardised(z_pred, z_std, z_spec, ends)
    if ends is not None:
        levels = (np.arange(N_LEVELS) + 0.5) / N_LEVELS
        knots, z_spec, score = _knots(z_pred, ends), np.asarray(z_spec), np.zeros(len(t))
        # one level after the other: ten million galaxies fit into memory
        for level in levels:
            above = _quantile(knots, ndtri(level)) - z_spec
            score += np.where(above >= 0, (1 - level) * above, -level * above)
        return 2 * score / N_LEVELS
    density = np.exp(-0.5 * t**2) / np.sqrt(2 * np.pi)
    score = t * (2 * ndtr(t) - 1) + 2 * density - 1 / np.sqrt(np.pi)
    return np.asarray(z_std, dtype=float) * score


def coverage(
    z_pred: np.ndarray,
    z_std: np.ndarray,
    z_spec: np.ndarray,
    level: float,
    ends: np.ndarray | None = None,
) -> float:
    """Fraction of the galaxies inside the central interval of probability `level`.

    Raises
    ------
    InputError
        As the module says, or if the level is not between 0 and 1.
    """
    return float(np.mean(_inside(_standardised(z_pred, z_std, z_spec, ends), level)))


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


def coverage_report(
    z_pred: np.ndarray,
    z_std: np.ndarray,
    z_spec: np.ndarray,
    n_samples: int,
    seed: int,
    ends: np.ndarray | None = None,
) -> dict[str, Any]:
    """`n`, `crps`, `coverage_68` and `coverage_95` of `uncertainty_report`."""
    t = _standardised(z_pred, z_std, z_spec, ends)
    scores = crps(z_pred, z_std, z_spec, ends)
    report: dict[str, Any] = {"n": len(t), "crps": float(scores.mean())}
    if len(t) >= FEW:
        report["crps_interval"] = [*map(float, mean_interval(scores, n_samples, seed))]
    for level in LEVELS:
        name = f"coverage_{100 * level:g}"
        report[name] = float(np.mean(_inside(t, level)))
        report[f"{name}_interval"] = [*map(float, wilson(report[name], len(t)))]
    return report


def uncertainty_report(
    z_pred: np.ndarray,
    z_std: np.ndarray,
    z_spec: np.ndarray,
    n_samples: int,
    seed: int,
    ends: np.ndarray | None = None,
) -> dict[str, Any]:
    """Scores of a forecast with their 95% intervals.

    Parameters
    ----------
    z_pred, z_std, z_spec : ndarray, shape (N,)
    n_samples : int
        Resamplings of the galaxies; the same ones for all scores.
    seed : int
    ends : ndarray, shape (N, 4), optional

    Returns
    -------
    dict
        `n`, `crps` (mean), `coverage_68`, `coverage_95`, `pit_ks` (largest distance of the PIT's
        distribution from the uniform one), `sigma_nmad_certain` (without the least certain 10%),
        for each that has one `<name>_interval`, and `pit_histogram` (galaxies in 10 equal bins).
        The CRPS of fewer than FEW galaxies has none.
    """
    report = coverage_report(z_pred, z_std, z_spec, n_samples, seed, ends)
    n, intervals = report["n"], {}
    chances = np.sort(pit(z_pred, z_std, z_spec, ends))
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


def _standardised(
    z_pred: np.ndarray, z_std: np.ndarray, z_spec: np.ndarray, ends: np.ndarray | None = None
) -> np.ndarray:
    """Normal score of z_spec in the forecast, (z_spec - z_pred) / z_std of a Gaussian; (N,)."""
    errors = redshift_errors(z_pred, z_spec)
    check_uncertainty(z_pred, z_std)
    if ends is None:
        return -errors.unscaled / np.asarray(z_std, dtype=float)
    knots, z_spec = _knots(z_pred, ends), np.asarray(z_spec, dtype=float)
    left = (z_spec[:, None] > knots[:, 1:-1]).sum(axis=1)
    rows = np.arange(len(knots))
    low, high = knots[rows, left], knots[rows, left + 1]
    return SCORES[left] + (z_spec - low) / (high - low) * np.diff(SCORES)[left]


def _knots(z_pred: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Redshifts at SCORES, increasing, (N, 5): the ends, and between them z_pred.

    Between these points, and beyond, a forecast is taken as Gaussian.
    """
    ends = np.asarray(ends, dtype=float)
    if ends.shape != (len(z_pred), len(ENDS)) or not (np.diff(ends, axis=1) >= 0).all():
        raise InputError(
            "redshift intervals",
            found=f"{ends.shape} ends, or some out of order",
            expected=f"{', '.join(ENDS)}, increasing, of {len(z_pred)} redshifts",
        )
    # a best fit may lie outside of the density's middle
    middle = np.clip(z_pred, ends[:, 1], ends[:, 2])
    knots = np.insert(ends, 2, middle, axis=1)
    return knots + 1e-9 * np.arange(knots.shape[1])


def _quantile(knots: np.ndarray, score: float) -> np.ndarray:
    """Redshifts at a normal score, (N,)."""
    left = int((score > SCORES[1:-1]).sum())
    part = (score - SCORES[left]) / (SCORES[left + 1] - SCORES[left])
    return knots[:, left] + part * (knots[:, left + 1] - knots[:, left])
