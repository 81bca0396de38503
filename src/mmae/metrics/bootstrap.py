"""Confidence intervals by resampling galaxies.

Of many galaxies not all are drawn again and again: of n, m are drawn with replacement, and how far
a metric of the m lies from that of all is scaled by sqrt(m / n), as its spread is with their number
(the m out of n bootstrap: Bickel, Götze & van Zwet 1997, Statistica Sinica 7, 1). Time and memory
then do not grow with n. Intervals are those of the whole bootstrap within their own noise, which is
that of the number of resamplings.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from mmae.metrics.redshift import Metric, redshift_errors

ALL_DRAWN = 2**16
"""Of no more galaxies than these, as many as there are are drawn."""

PART_DRAWN = 2**14
"""Of more galaxies, so many are drawn: enough for fractions of one in a thousand."""

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


def bootstrap_interval(
    metrics: Mapping[str, Metric],
    z_pred: np.ndarray,
    z_spec: np.ndarray,
    n_samples: int,
    seed: int,
    confidence: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of metrics over galaxies drawn with replacement.

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

    Raises
    ------
    InputError
        If the arrays are empty, of unequal shape, or not finite.
    """
    errors = redshift_errors(z_pred, z_spec)
    draws: dict[str, list[np.ndarray]] = {name: [] for name in metrics}
    for rows in resamplings(len(errors.dz), n_samples, seed):
        drawn = errors.drawn(rows)
        for name, metric in metrics.items():
            draws[name].append(metric.of(drawn))
    n = len(errors.dz)
    return {
        name: _percentile_interval(
            of_all(np.concatenate(blocks), metrics[name].of(errors), n), confidence
        )
        for name, blocks in draws.items()
    }


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
    draws = np.concatenate(
        [np.median(values[rows], axis=-1) for rows in resamplings(len(values), n_samples, seed)]
    )
    median = float(np.median(values))
    return median, *_percentile_interval(of_all(draws, median, len(values)), confidence)


def _percentile_interval(draws: np.ndarray, confidence: float) -> tuple[float, float]:
    """The middle of what resamplings gave: (low, high)."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(draws, [tail, 100 - tail])
    return float(low), float(high)
