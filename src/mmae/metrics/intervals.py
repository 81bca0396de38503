"""Intervals that need no resampling, and how many galaxies a number needs to be told."""

import numpy as np
from scipy.stats import betabinom, chi2, norm

MIN_GALAXIES = 5
"""Of fewer galaxies no number is told, in no table and no sentence: they say nothing of others."""

FEW = 100
"""Of fewer galaxies a mean has no interval, as the rare large errors that decide it may not be
among them, and that of a scale is made on a logarithmic one."""

FEW_OF = 50
"""Of no more galaxies, one and two are rare; of more, three, too."""

CONFIDENCE = 0.95


def wilson(fraction: float, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval of a fraction of n galaxies (Wilson 1927, JASA 22, 209): never empty at 0 and 1.

    Of one to three galaxies, or all but so many, the nearer end is that of a Poisson distribution
    (Brown, Cai & DasGupta 2001, Statist. Sci. 16, 101, section 4.1.1): Wilson's would hold rare
    fractions in 88%.
    """
    z = norm.ppf((1 + confidence) / 2)
    middle = (fraction + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(fraction * (1 - fraction) / n + z**2 / (4 * n**2))
    low, high = middle - half, middle + half
    few, rare = round(min(fraction, 1 - fraction) * n), 2 if n <= FEW_OF else 3
    if 0 < few <= rare:
        end = chi2.ppf(1 - confidence, 2 * few) / (2 * n)
        low, high = (end, high) if fraction < 0.5 else (low, 1 - end)
    return max(0.0, float(low)), min(1.0, float(high))


def of_distance(distance: float, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval of the largest distance of a distribution from a given one, seen in n galaxies.

    By the inequality of Dvoretzky, Kiefer & Wolfowitz with the constant of Massart (1990, Ann.
    Probab. 18, 1269): it holds 0 for 95% of the forecasts whose PIT is uniform.
    """
    reach = np.sqrt(np.log(2 / (1 - confidence)) / (2 * n))
    return max(0.0, float(distance - reach)), min(1.0, float(distance + reach))


def of_calibrated(
    level: float, n: int, n_calibration: int, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """What fraction of n galaxies calibrated intervals hold, if galaxies are exchangeable.

    Beta-binomial: the calibration galaxies are a sample, too. Source: Angelopoulos & Bates 2021
    (arXiv:2107.07511), section 3.2.
    """
    k = calibration_rank(n_calibration, level)
    tail = (1 - confidence) / 2
    low, high = betabinom.ppf([tail, 1 - tail], n, k, n_calibration + 1 - k) / n
    return float(low), float(high)


def calibration_rank(n: int, level: float) -> int:
    """Which of n sorted scores is the quantile, from 1; n + 1 if n are too few for the level."""
    # rounded first: 75 * 0.68 is 51.00000000000001
    return int(np.ceil(round((n + 1) * level, 9)))
