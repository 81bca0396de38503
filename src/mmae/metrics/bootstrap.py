"""Confidence intervals by resampling galaxies.

Of many galaxies not all are drawn again and again: of n, m are drawn with replacement, and how far
a metric of the m lies from that of all is scaled by sqrt(m / n), as its spread is with their number
(the m out of n bootstrap: Bickel, Götze & van Zwet 1997, Statistica Sinica 7, 1). Time and memory
then do not grow with n, nor does the number of resamplings shrink. Intervals are those of the whole
bootstrap within their own noise, which is that of this number: of 100,000 galaxies an end moves by
0.1 of sigma on average, that of sigma_NMAD by 0.3.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
from scipy.stats import norm

from mmae.metrics.intervals import CONFIDENCE, FEW, MIN_GALAXIES, wilson
from mmae.metrics.redshift import Errors, Mean, Metric, redshift_errors

ALL_DRAWN = 2**14
"""Of no more galaxies than these, as many as there are are drawn."""

PART_DRAWN = 2**12
"""Of more galaxies, so many are drawn: enough for medians, whatever the tails."""

Statistic = Callable[[np.ndarray], np.ndarray]
MEDIAN: Statistic = partial(np.median, axis=-1)

BLOCK = 2**16
"""Galaxies drawn at a time, of all resamplings in a block: what a processor's cache holds."""


def n_drawn(n: int) -> int:
    """How many of n galaxies a resampling draws."""
    return n if n <= ALL_DRAWN else PART_DRAWN


def of_all(draws: np.ndarray, value: float, n: int) -> np.ndarray:
    """What resamplings of all n galaxies would give, from what resamplings of `n_drawn` gave.

    Parameters
    ----------
    draws : ndarray, shape (K,)
        A metric of each resampling.
    value : float
        The metric of all galaxies.
    n : int
    """
    m = n_drawn(n)
    return draws if m == n else value + np.sqrt(m / n) * (draws - value)


def resamplings(n: int, n_samples: int, seed: int) -> Iterator[np.ndarray]:
    """Galaxies drawn with replacement, many resamplings at a time.

    Parameters
    ----------
    n : int
        Galaxies.
    n_samples : int
        Resamplings.
    seed : int

    Yields
    ------
    ndarray of int, shape (K, n_drawn(n))
        Rows of the galaxies of the next K resamplings. They do not depend on the size of blocks.
    """
    rng = np.random.default_rng(seed)
    m = n_drawn(n)
    in_block = max(1, BLOCK // m)
    for start in range(0, n_samples, in_block):
        yield rng.integers(0, n, (min(in_block, n_samples - start), m))


def statistic_draws(
    statistic: Statistic, values: np.ndarray, n_samples: int, seed: int
) -> np.ndarray:
    """A statistic, along the last axis, of values (N,) drawn again and again: (n_samples,)."""
    draws = [statistic(values[rows]) for rows in resamplings(len(values), n_samples, seed)]
    return of_all(np.concatenate(draws), float(statistic(values)), len(values))


def draws_of(
    metrics: Mapping[str, Metric], errors: Errors, n_samples: int, seed: int
) -> dict[str, np.ndarray]:
    """Metrics of galaxies drawn again and again, as of all N of them: shape (n_samples,) each.

    The same galaxies for all metrics.
    """
    draws: dict[str, list[np.ndarray]] = {name: [] for name in metrics}
    for rows in resamplings(len(errors.dz), n_samples, seed):
        drawn = errors.drawn(rows)
        for name, metric in metrics.items():
            draws[name].append(metric.of(drawn))
    n = len(errors.dz)
    return {
        name: of_all(np.concatenate(blocks), float(metrics[name].of(errors)), n)
        for name, blocks in draws.items()
    }


def bootstrap_interval(
    metrics: Mapping[str, Metric],
    z_pred: np.ndarray,
    z_spec: np.ndarray,
    n_samples: int,
    seed: int,
    confidence: float = CONFIDENCE,
) -> dict[str, tuple[float, float]]:
    """Intervals of metrics: over galaxies drawn with replacement, or of a fraction.

    Parameters
    ----------
    metrics : mapping of str to Metric
        As `mmae.metrics.redshift.METRICS`.
    z_pred, z_spec : ndarray, shape (N,)
    n_samples : int
        Resamplings; the same ones for all metrics.
    seed : int
    confidence : float

    Returns
    -------
    dict of str to (low, high)
        Without metrics that have none: see `Metric`, and means of fewer than FEW galaxies.

    Raises
    ------
    InputError
        If the arrays are empty, of unequal shape, or not finite.
    """
    errors = redshift_errors(z_pred, z_spec)
    n, found = len(errors.dz), {}
    drawn = {name: one for name, one in metrics.items() if one.interval in ("resampled", "scale")}
    draws = draws_of(drawn, errors, n_samples, seed)
    for name, metric in metrics.items():
        value = float(metric.of(errors))
        if metric.interval == "fraction":
            found[name] = wilson(value, n, confidence)
        elif isinstance(metric, Mean) and n >= FEW:
            found[name] = mean_interval(metric.terms(errors), n_samples, seed, confidence)
        elif metric.interval == "scale" and n < FEW and (draws[name] > 0).all():
            found[name] = _log_interval(draws[name], value, confidence)
        elif name in draws:
            found[name] = _percentile_interval(draws[name], confidence)
    return found


def mean_interval(
    values: np.ndarray, n_samples: int, seed: int, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Interval of a mean whose large values are rare: the bootstrap-t.

    Parameters
    ----------
    values : ndarray, shape (N,)
    n_samples, seed, confidence
        As for `bootstrap_interval`.

    Notes
    -----
    Source: Efron & Tibshirani 1993, section 12.5. The mean of each resampling is measured in its
    own standard error: where few large values were drawn, both are small.
    """
    mean, error = float(values.mean()), float(values.std() / np.sqrt(len(values)))
    if error == 0:
        return mean, mean
    t = []
    for rows in resamplings(len(values), n_samples, seed):
        drawn = values[rows]
        spread = drawn.std(axis=1) / np.sqrt(rows.shape[1])
        t.append((drawn.mean(axis=1) - mean) / np.maximum(spread, 1e-12 * error))
    low, high = _percentile_interval(np.concatenate(t), confidence)
    return mean - high * error, mean - low * error


def median_interval(
    values: np.ndarray, n_samples: int, seed: int, confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Median of finite values with its percentile interval: (median, low, high).

    Parameters
    ----------
    values : ndarray, shape (N,)
        NaN where there is none; fewer than MIN_GALAXIES others give NaN.
    n_samples, seed, confidence
        As for `bootstrap_interval`.
    """
    values = values[np.isfinite(values)]
    if len(values) < MIN_GALAXIES:
        return (np.nan, np.nan, np.nan)
    draws = statistic_draws(MEDIAN, values, n_samples, seed)
    return float(np.median(values)), *_percentile_interval(draws, confidence)


def _percentile_interval(draws: np.ndarray, confidence: float) -> tuple[float, float]:
    """The middle of what resamplings gave: (low, high)."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(draws, [tail, 100 - tail])
    return float(low), float(high)


def _log_interval(draws: np.ndarray, value: float, confidence: float) -> tuple[float, float]:
    """Around the value, as wide as resamplings are on a logarithmic scale: (low, high)."""
    reach = norm.ppf((1 + confidence) / 2) * np.log(draws).std()
    return float(value * np.exp(-reach)), float(value * np.exp(reach))
