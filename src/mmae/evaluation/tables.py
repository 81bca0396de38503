"""The paper's tables, from metrics and counts (sections 3 and 5)."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mmae.evaluation.published import CLEANING, PUBLISHED, TABLE_1, Z_RANGE
from mmae.evaluation.views import parse_view

COMPARISON_COLUMNS = (
    *("model", "mask", "test_mask", "z_range", "n", "bias"),
    *("sigma_nmad", "sigma_nmad_low", "sigma_nmad_high", "outlier_fraction", "source"),
)
SUMMARY_COLUMNS = ("dataset", "count", "z_90th_percentile", "z_max", "i_mag_90th_percentile")


def comparison_table(runs: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Redshift scatter of every run and of what is published, one row a redshift range.

    Parameters
    ----------
    runs : iterable of mapping
        Each a scored run: model, mask, seed, view, survey, and `metrics` as from
        `mmae.metrics.report.redshift_report`.

    Returns
    -------
    DataFrame
        COMPARISON_COLUMNS; measured rows first. `source` says which rows are measured here and
        which are published: they are of different galaxies and not to be ranked together.
    """
    rows = [
        _measured(run, run["metrics"][part]) for run in runs for part in ("all", "low_redshift")
    ]
    rows += [
        {
            "model": value.model,
            "test_mask": value.test_mask,
            "z_range": _range_words(Z_RANGE),
            "sigma_nmad": value.sigma_nmad,
            "source": value.source,
        }
        for value in PUBLISHED
    ]
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


def _measured(run: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """One row of a scored run; a range without galaxies has no numbers."""
    low, high = part.get("sigma_nmad_interval", (None, None))
    return {
        "model": run["model"],
        "mask": run["mask"],
        "test_mask": f"{parse_view(run['view']).image:.2f}",
        "z_range": _range_words(part["z_range"]),
        "n": part["n"],
        "bias": part.get("bias"),
        "sigma_nmad": part.get("sigma_nmad"),
        "sigma_nmad_low": low,
        "sigma_nmad_high": high,
        "outlier_fraction": part.get("outlier_fraction"),
        "source": _measured_source(run),
    }


def _measured_source(run: Mapping[str, Any]) -> str:
    """On what a run was measured."""
    if run["survey"] == "published":
        return "measured: the authors' predictions for real galaxies"
    return f"measured: {run['survey']} survey, seed {run['seed']}"


def _range_words(ends: Iterable[float]) -> str:
    """(0.0, 0.4) as '0.0 < z <= 0.4'."""
    low, high = ends
    return f"{low:g} < z <= {high:g}"


def summary_row(dataset: str, redshift: np.ndarray, i_mag: np.ndarray | None) -> dict[str, Any]:
    """One row of Table 1: count, 90th percentile and maximum of z, 90th percentile of i."""
    i_90th = None if i_mag is None else float(np.nanpercentile(i_mag, 90))
    return dict(
        zip(
            SUMMARY_COLUMNS,
            (
                dataset,
                len(redshift),
                float(np.percentile(redshift, 90)),
                float(redshift.max()),
                i_90th,
            ),
            strict=True,
        )
    )


def data_summary(measured: pd.DataFrame) -> pd.DataFrame:
    """Table 1: what this run has, and below it what the paper printed."""
    published = pd.DataFrame(
        [(name, *values) for name, values in TABLE_1.items()], columns=SUMMARY_COLUMNS
    )
    return pd.concat(
        [
            measured.assign(source="measured here"),
            published.assign(source="published: arXiv:2510.22527, Table 1"),
        ],
        ignore_index=True,
    ).astype({"count": "Int64"})


def cleaning_table(report: pd.DataFrame) -> pd.DataFrame:
    """The cuts of this run, and below them what the paper printed."""
    before, after = CLEANING.values()
    published = pd.DataFrame(
        {
            "cut": list(CLEANING),
            "removed": [0, before - after],
            "remaining": [before, after],
            "source": "published: arXiv:2510.22527, sec. 3",
        }
    )
    return pd.concat([report.assign(source="measured here"), published], ignore_index=True)


def mask_study(runs: Iterable[Mapping[str, Any]], model: str, seed: str) -> pd.DataFrame:
    """sigma_NMAD over all redshifts against the training mask ratio.

    Parameters
    ----------
    runs : iterable of mapping
        As for `comparison_table`.
    model, seed : str
        Whose runs.

    Returns
    -------
    DataFrame
        mask, test_mask, sigma_nmad, sigma_nmad_low, sigma_nmad_high; by test_mask and mask.
    """
    ours = [run for run in runs if (run["model"], run["seed"]) == (model, seed)]
    rows = pd.DataFrame([_measured(run, run["metrics"]["all"]) for run in ours])
    columns = ["mask", "test_mask", "sigma_nmad", "sigma_nmad_low", "sigma_nmad_high"]
    return rows[columns].astype(float).sort_values(["test_mask", "mask"], ignore_index=True)


def baseline_scatter(runs: Iterable[Mapping[str, Any]], model: str) -> dict[str, float]:
    """sigma_NMAD over all redshifts of the other models that hide nothing, by name."""
    return {
        run["model"]: run["metrics"]["all"]["sigma_nmad"]
        for run in runs
        if float(run["mask"]) == 0 and run["model"] != model
    }
