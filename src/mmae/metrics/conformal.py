"""Split-conformal intervals: honest whatever the model, as long as galaxies are exchangeable.

Source: Lei et al. 2018 (JASA 113, 1094), section 2.2; Angelopoulos & Bates 2021
(arXiv:2107.07511), section 2.3, for scores that are scaled by an uncertainty.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from mmae.errors import InputError
from mmae.metrics.bootstrap import MEDIAN, statistic_draws
from mmae.metrics.intervals import MIN_GALAXIES, calibration_rank
from mmae.metrics.redshift import redshift_errors
from mmae.metrics.uncertainty import LEVELS, check_uncertainty, redshift_scale

Predictions = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""z_pred, z_spec and, where the model has one, z_std; shape (N,) each."""


def conformal_report(
    calibration: Predictions,
    test: Predictions,
    levels: Sequence[float] = LEVELS,
    n_samples: int = 500,
    seed: int = 0,
) -> dict[str, Any]:
    """Coverage and width on test galaxies of intervals made from calibration galaxies.

    The interval of a galaxy is z_pred ± factor * scale. The scale is z_std, or 1 + z_pred for a
    model without it: errors of photometric redshifts grow as 1 + z, so that one factor of a
    constant scale would be too wide for near galaxies and too narrow for far ones.

    Parameters
    ----------
    calibration, test : tuple of (z_pred, z_spec, z_std or None)
        ndarrays of shape (N,). No galaxy of the calibration may have trained the model or be in
        the test.
    levels : sequence of float
        Nominal coverages.
    n_samples, seed : int
        Resamplings of calibration and test galaxies behind the interval of the width.

    Returns
    -------
    dict
        `n_calibration`, galaxies. For each level, as 68: `factor_68`, the ceil((n + 1) * level)-th
        smallest of the n calibration scores |z_spec - z_pred| / scale; `coverage_68`, the fraction
        of the test galaxies inside; `width_68`, the median of the full width over 1 + z_spec, and
        `width_68_interval` (95%), None where the quantile is among the largest MIN_GALAXIES scores.

    Raises
    ------
    InputError
        If there are too few calibration galaxies for a level, a level is not between 0 and 1,
        only one of the two has z_std, or arrays are as `mmae.metrics.uncertainty` refuses them.
    """
    if (calibration[2] is None) != (test[2] is None):
        with_std = "test" if calibration[2] is None else "calibration"
        raise InputError(
            "conformal intervals", found=f"z_std in the {with_std} only", expected="in both or none"
        )
    scores, _ = _scores(*calibration)
    test_scores, scale = _scores(*test)
    scores = np.sort(scores)
    n, relative = len(scores), scale / (1 + np.asarray(test[1]))
    report: dict[str, Any] = {"n_calibration": n}
    for level in levels:
        rank = _rank(n, level)
        factor, name = float(scores[rank - 1]), f"{100 * level:g}"
        report[f"factor_{name}"] = factor
        report[f"coverage_{name}"] = float(np.mean(test_scores <= factor))
        report[f"width_{name}"] = float(np.median(2 * factor * scale / (1 + np.asarray(test[1]))))
        report[f"width_{name}_interval"] = None
        if n - rank >= MIN_GALAXIES and len(relative) >= MIN_GALAXIES:
            quantile = partial(np.quantile, q=(rank - 1) / (n - 1), axis=-1)
            widths = 2 * statistic_draws(quantile, scores, n_samples, seed)
            # other galaxies, drawn on their own
            widths *= statistic_draws(MEDIAN, relative, n_samples, seed + 1)
            report[f"width_{name}_interval"] = np.percentile(widths, [2.5, 97.5]).tolist()
    return report


def _rank(n: int, level: float) -> int:
    """Which of n sorted scores is the quantile, from 1."""
    if not 0 < level < 1:
        raise InputError(
            "conformal intervals", found=f"level {level}", expected="a number between 0 and 1"
        )
    rank = calibration_rank(n, level)
    if rank > n:
        raise InputError(
            "conformal intervals",
            found=f"{n} calibration galaxies",
            expected=f"at least {int(np.ceil(round(level / (1 - level), 9)))} for level {level}",
        )
    return rank


def _scores(
    z_pred: np.ndarray, z_spec: np.ndarray, z_std: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """|z_spec - z_pred| / scale, and the scale; shape (N,) each."""
    errors = redshift_errors(z_pred, z_spec)
    if z_std is None:
        scale = redshift_scale(z_pred)
    else:
        check_uncertainty(z_pred, z_std)
        scale = np.asarray(z_std, dtype=float)
    return np.abs(errors.unscaled) / scale, scale
