"""How honest the uncertainties of all models are, side by side."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from mmae.evaluation.comparison import ScoredRun

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
    for run in runs:
        if "conformal" in run.metrics and run.label not in reports:
            own = run.metrics.get("uncertainty", {})
            names = ("pit_histogram", "coverage_68", "coverage_95")
            reports[run.label] = {name: own.get(name) for name in names} | {
                "conformal": run.metrics["conformal"],
                "n": len(run.forecast),
            }
    return reports


def calibration_table(runs: Sequence[ScoredRun]) -> pd.DataFrame:
    """One row a model, the narrowest calibrated 68% interval first.

    Returns
    -------
    DataFrame
        label; OWN with `_low` and `_high` (95% interval), NaN for models without z_std;
        sigma_nmad; conformal_coverage_68, conformal_coverage_95, conformal_width_68,
        conformal_width_95 (median of the full width over 1 + z_spec).
    """
    rows: dict[str, dict[str, Any]] = {}
    for run in runs:
        if "conformal" not in run.metrics or run.label in rows:
            continue
        own = run.metrics.get("uncertainty", {})
        row = {"label": run.label, "sigma_nmad": run.metrics["all"].get("sigma_nmad")}
        for name in OWN:
            low, high = own.get(f"{name}_interval", (None, None))
            row |= {name: own.get(name), f"{name}_low": low, f"{name}_high": high}
        calibrated = run.metrics["conformal"]
        row |= {
            f"conformal_{name}_{level}": calibrated[f"{name}_{level}"]
            for name in ("coverage", "width")
            for level in ("68", "95")
        }
        rows[run.label] = row
    table = pd.DataFrame([*rows.values()])
    return table.sort_values("conformal_width_68", ignore_index=True)
