"""How honest the uncertainties of all models are, side by side."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from mmae.evaluation.comparison import ScoredRun, with_interval

OWN = ("crps", "coverage_68", "coverage_95", "pit_ks", "sigma_nmad_certain")
"""Of z_std as the model gives it; only such models have them."""


def calibration_reports(runs: Sequence[ScoredRun]) -> dict[str, dict[str, Any]]:
    """What `mmae.plots.uncertainty.uncertainty_figure` draws, by the label of each model.

    Parameters
    ----------
    runs : sequence of ScoredRun
        The first seed of each model counts; those without calibrated intervals are left out.
    """
    reports: dict[str, dict[str, Any]] = {}
    for label, run in _calibrated(runs).items():
        own = run.metrics.get("uncertainty", {})
        names = ("pit_histogram", "coverage_68", "coverage_95")
        reports[label] = {name: own.get(name) for name in names} | {
            "conformal": run.metrics["conformal"],
            "n": run.metrics["all"]["n"],
        }
    return reports


def _calibrated(runs: Sequence[ScoredRun]) -> dict[str, ScoredRun]:
    """The first seed of each model with calibrated intervals, by its label."""
    found: dict[str, ScoredRun] = {}
    for run in runs:
        if "conformal" in run.metrics:
            found.setdefault(run.label, run)
    return found


def calibration_table(runs: Sequence[ScoredRun]) -> pd.DataFrame:
    """One row a model, the narrowest calibrated 68% interval first.

    Returns
    -------
    DataFrame
        label; OWN with `_low` and `_high` (95% interval), NaN for models without z_std;
        sigma_nmad; conformal_coverage_68, conformal_coverage_95, conformal_width_68,
        conformal_width_95 (median of the full width over 1 + z_spec).
    """
    rows = []
    for label, run in _calibrated(runs).items():
        own = run.metrics.get("uncertainty", {})
        row = {"label": label, "sigma_nmad": run.metrics["all"].get("sigma_nmad")}
        for name in OWN:
            row |= with_interval(own, name)
        calibrated = run.metrics["conformal"]
        row |= {
            f"conformal_{name}_{level}": calibrated[f"{name}_{level}"]
            for name in ("coverage", "width")
            for level in ("68", "95")
        }
        rows.append(row)
    return pd.DataFrame(rows).sort_values("conformal_width_68", ignore_index=True)
