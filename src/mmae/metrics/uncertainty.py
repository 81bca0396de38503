"""How well a Gaussian forecast of the redshift knows its own error.

A forecast is z_pred, its mean, and z_std, its standard deviation: redshifts, as z_spec, and each
an ndarray of shape (N,). All functions raise InputError if the arrays are empty, of unequal
length or not finite, or if a z_std is not positive.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from mmae.errors import InputError
from mmae.metrics.bootstrap import n_drawn, of_all, resamplings
from mmae.metrics.redshift import redshift_errors, sigma_nmad

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
        for each `<name>_interval`, and `pit_histogram` (galaxies in 10 equal bins).

    Notes
    -----
    The interval of pit_ks lies high, and can lie above the value: a distance is never negative,
    and a resampling adds its own.
    """
    t = _standardised(z_pred, z_std, z_spec)
    n, columns = len(t), [t, *(np.asarray(z, dtype=float) for z in (z_pred, z_std, z_spec))]
    scores = _Scores(*columns)
    report: dict[str, Any] = {name: float(values[0]) for name, values in scores.once().items()}
    draws = [
        scores.of(_times_drawn(rows, n)) if n_drawn(n) == n else _of_part(columns, rows)
        for rows in resamplings(n, n_samples, seed)
    ]
    for name in [*report]:
        values = of_all(np.concatenate([block[name] for block in draws]), report[name], n)
        report[f"{name}_interval"] = np.percentile(values, [2.5, 97.5]).tolist()
    counts, _ = np.histogram(ndtr(t), bins=N_BINS, range=(0, 1))
    return report | {"pit_histogram": counts.tolist()}


def _of_part(columns: Sequence[np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    """The scores, shape (K,), of K draws of m galaxies out of many more: rows (K, m)."""
    draws = [_Scores(*(values[row] for values in columns)).once() for row in rows]
    return {name: np.concatenate([draw[name] for draw in draws]) for name in draws[0]}


def _times_drawn(rows: np.ndarray, n: int) -> np.ndarray:
    """How many times each of n galaxies is in each resampling: (K, n) rows to (K, n) counts."""
    shifted = rows + n * np.arange(len(rows))[:, None]
    return np.bincount(shifted.ravel(), minlength=n * len(rows)).reshape(len(rows), n)


class _Scores:
    """Scores of galaxies that count several times or not at all, sorted once and for all."""

    def __init__(self, t: np.ndarray, z_pred: np.ndarray, z_std: np.ndarray, z_spec: np.ndarray):
        self.means = {"crps": crps(z_pred, z_std, z_spec)}
        self.means |= {f"coverage_{100 * level:g}": _inside(t, level) for level in LEVELS}
        self.errors = redshift_errors(z_pred, z_spec)
        self.most_certain_first = np.argsort(z_std / redshift_scale(z_pred), kind="stable")
        self.lowest_first = np.argsort(t)
        self.pit = ndtr(t)[self.lowest_first]

    def once(self) -> dict[str, np.ndarray]:
        """The scores, shape (1,), where each galaxy counts once."""
        return self.of(np.ones((1, len(self.pit)), dtype=np.int8))

    def of(self, times: np.ndarray) -> dict[str, np.ndarray]:
        """The scores, shape (K,), where galaxy k counts times[:, k] times, N in all: (K, N)."""
        n = times.shape[1]
        report = {name: (times * values).sum(axis=1) / n for name, values in self.means.items()}
        order = self.most_certain_first
        drawn = np.repeat(np.tile(order, len(times)), times[:, order].ravel()).reshape(times.shape)
        kept = self.errors.drawn(drawn[:, : _n_kept(n, LEAST_CERTAIN)])
        report["sigma_nmad_certain"] = sigma_nmad.of(kept)
        steps = np.cumsum(times[:, self.lowest_first], axis=1) / n
        before = np.hstack([np.zeros((len(times), 1)), steps[:, :-1]])
        report["pit_ks"] = np.maximum(
            (steps - self.pit).max(axis=1), (self.pit - before).max(axis=1)
        )
        return report


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
