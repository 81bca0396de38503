"""All redshift metrics of a set of predictions: overall, at low redshift, and in bins."""

from typing import Any

import numpy as np

from mmae.errors import InputError
from mmae.metrics.bootstrap import bootstrap_interval
from mmae.metrics.intervals import MIN_GALAXIES
from mmae.metrics.redshift import METRICS, RedshiftRange, bin_ranges, point_metrics
from mmae.progress import progress
from mmae.settings import Scoring


def redshift_report(z_pred: np.ndarray, z_spec: np.ndarray, settings: Scoring) -> dict[str, Any]:
    """Every metric with its 95% interval, if it has one.

    Parameters
    ----------
    z_pred, z_spec : ndarray, shape (N,)
    settings : Scoring

    Returns
    -------
    dict
        `all` and `low_redshift` (one range each), `bins` (a list of ranges) and `n_outside`, the
        galaxies outside the full range. A range has `z_range`, `n`, each metric, and for each
        metric that has one `<metric>_interval`; a range with fewer than MIN_GALAXIES has the first
        two only.

    Raises
    ------
    InputError
        If no galaxy is in the full range, or a redshift is not finite.
    """
    full = RedshiftRange(*settings.full_range)
    low = RedshiftRange(full.low, settings.low_redshift)
    if not full.contains(z_spec).any():
        raise InputError(
            "redshift metrics",
            found=f"{len(z_spec)} galaxies, none with z_spec in ({full.low}, {full.high}]",
            expected="at least one",
        )
    ranges = [full, low, *bin_ranges(settings.bin_edges)]
    of_all, of_low, *of_bins = (
        _range_report(z_pred, z_spec, part, settings)
        for part in progress(ranges, "redshift ranges")
    )
    return {
        "all": of_all,
        "low_redshift": of_low,
        "bins": of_bins,
        "n_outside": int((~full.contains(z_spec)).sum()),
    }


def _range_report(
    z_pred: np.ndarray, z_spec: np.ndarray, part: RedshiftRange, settings: Scoring
) -> dict[str, Any]:
    """Metrics and intervals of one redshift range."""
    inside = part.contains(z_spec)
    report: dict[str, Any] = {"z_range": list(part), "n": int(inside.sum())}
    if report["n"] >= MIN_GALAXIES:
        pair = z_pred[inside], z_spec[inside]
        report |= point_metrics(*pair)
        intervals = bootstrap_interval(
            METRICS, *pair, settings.bootstrap_samples, settings.bootstrap_seed
        )
        report |= {f"{name}_interval": list(ends) for name, ends in intervals.items()}
    return report
