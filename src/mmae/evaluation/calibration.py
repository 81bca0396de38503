"""How honest the uncertainties of all models are, side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mmae.evaluation.comparison import ScoredRun, with_interval
from mmae.evaluation.scoring import RANGES
from mmae.metrics.verdicts import Recipe, compare, pooled_spread
from mmae.workflow.limit import LIMIT

OWN = ("crps", "coverage_68", "coverage_95", "pit_ks", "sigma_nmad_certain")
"""Of z_std as the model gives it; only such models have them."""

OF_RANGES = ("crps", "coverage_68", "coverage_95")
"""Those at low and at high redshift, too."""

WIDTH_IN_SIGMA = 3.92
"""From end to end of a 95% interval."""


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
    """The first seed of each model with calibrated intervals, by its label; LIMIT is no rival."""
    found: dict[str, ScoredRun] = {}
    for run in runs:
        if "conformal" in run.metrics and run.model != LIMIT:
            found.setdefault(run.label, run)
    return found


def calibration_table(runs: Sequence[ScoredRun]) -> pd.DataFrame:
    """One row a model, the narrowest calibrated 68% interval first.

    Parameters
    ----------
    runs : sequence of ScoredRun
        The first seed of each model counts; the others tell how far trainings are apart.

    Returns
    -------
    DataFrame
        label; OWN with `_low` and `_high` (95% interval), and OF_RANGES after `low_redshift_` and
        `high_redshift_`, NaN for models without z_std; sigma_nmad; n and n_calibration, test and
        calibration galaxies; conformal_coverage_68, conformal_coverage_95, conformal_width_68,
        conformal_width_95 (median of the full width over 1 + z_spec), the widths with `_low` and
        `_high`; width_verdict, the width at 68% against the first row's.
    """
    rows = []
    for label, run in _calibrated(runs).items():
        own, report = run.metrics.get("uncertainty", {}), run.metrics["conformal"]
        row = {"label": label, "sigma_nmad": run.metrics["all"].get("sigma_nmad")}
        for name in OWN:
            row |= with_interval(own, name)
        for part in RANGES:
            row |= {f"{part}_{name}": own.get(part, {}).get(name) for name in OF_RANGES}
        row |= {"n": run.metrics["all"]["n"], "n_calibration": report["n_calibration"]}
        # a coverage has no interval, but a band: see `mmae.metrics.intervals.of_calibrated`
        row |= {f"conformal_{name}": report[name] for name in ("coverage_68", "coverage_95")}
        for name in ("width_68", "width_95"):
            row |= with_interval(report, name, "conformal_")
        rows.append(row)
    table = pd.DataFrame(rows).sort_values("conformal_width_68", ignore_index=True)
    return table.assign(width_verdict=_width_verdicts(table, runs))


def _width_verdicts(table: pd.DataFrame, runs: Sequence[ScoredRun]) -> list[str | None]:
    """The 68% width of each row against that of the first one, by the mean over trainings."""
    widths: dict[str, list[float]] = {}
    for run in runs:
        if "conformal" in run.metrics:
            widths.setdefault(run.label, []).append(run.metrics["conformal"]["width_68"])
    recipes = {label: Recipe(widths[label]) for label in table["label"]}
    spread = pooled_spread(recipes.values(), len({run.trained for run in runs}))
    low, high = (table[f"conformal_width_68_{end}"].astype(float) for end in ("low", "high"))
    # galaxies are not drawn for both alike here, and so count twice
    variance = ((high - low) / WIDTH_IN_SIGMA) ** 2
    first, *others = table["label"]
    verdicts: list[str | None] = [None]
    for row, label in enumerate(others, start=1):
        of_galaxies = float(variance[0] + variance[row])
        found = compare(recipes[label], recipes[first], spread, of_galaxies)
        verdicts.append("undecided" if np.isnan(of_galaxies) else found.verdict)
    return verdicts
