"""Prediction files in, metrics as text out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmae.errors import InputError
from mmae.files import read_npz, read_table
from mmae.metrics.conformal import conformal_report
from mmae.metrics.redshift import METRICS
from mmae.metrics.report import redshift_report
from mmae.metrics.uncertainty import uncertainty_report
from mmae.settings import Scoring

AUTHORS_COLUMNS = {"y_test": "z_spec", "y_pred": "z_pred"}
"""Columns of the authors' prediction files."""


def read_forecast(path: Path | str) -> pd.DataFrame:
    """Predictions of a CSV file with z_spec and z_pred, or the authors' y_test and y_pred.

    Returns
    -------
    DataFrame
        All columns of the file; z_spec, z_pred and, if it is there, z_std are float64.

    Raises
    ------
    InputError
        If the file is missing or no table, a column is missing, or a value is no finite number.
    """
    table = read_table(path)
    names = {theirs: ours for theirs, ours in AUTHORS_COLUMNS.items() if ours not in table}
    table = table.rename(columns=names)
    for name in ("z_pred", "z_spec", *({"z_std"} & {*table.columns})):
        if name not in table:
            raise InputError(
                path,
                key=f"column {name}",
                found=f"only {list(table.columns)}",
                expected="z_spec and z_pred, or y_test and y_pred",
            )
        if table[name].dtype.kind not in "fiu":
            raise InputError(
                path, key=f"column {name}", found="values that are no numbers", expected="redshifts"
            )
        bad = np.flatnonzero(~np.isfinite(table[name]))
        if len(bad):
            raise InputError(
                path,
                key=f"column {name}, row {bad[0] + 1}",
                found=table[name][bad[0]],
                expected="a finite redshift",
            )
        table[name] = table[name].astype(float)
    return table


def read_predictions(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """The redshifts of `read_forecast` alone.

    Returns
    -------
    z_pred, z_spec : ndarray of float64, shape (N,)
    """
    table = read_forecast(path)
    return table["z_pred"].to_numpy(), table["z_spec"].to_numpy()


def check_targets(path: Path | str, table: pd.DataFrame, split: Path | str, subset: str) -> None:
    """Check that predictions are of one subset of the split, in its order.

    Raises
    ------
    InputError
        If they have no targetid, or other ones.
    """
    name = f"{subset}_targetid"
    expected = read_npz(split, [name])[name]
    if "targetid" not in table:
        raise InputError(
            path, key="column targetid", found="no such column", expected=f"those of {split}"
        )
    found = table["targetid"].to_numpy()
    if len(found) != len(expected) or (found != expected).any():
        shared = int(np.isin(found, expected).sum())
        raise InputError(
            path,
            key="column targetid",
            found=f"{len(found)} galaxies, of which {shared} are {subset} galaxies",
            expected=f"the {len(expected)} {subset} galaxies of {split}, in their order",
        )


def full_report(
    test: pd.DataFrame, validation: pd.DataFrame | None, settings: Scoring
) -> dict[str, Any]:
    """Redshift metrics; with them, where there is what they need, those of the uncertainty.

    Parameters
    ----------
    test, validation : DataFrame
        z_pred, z_spec and, from models that give it, z_std.
    settings : Scoring

    Returns
    -------
    dict
        As `mmae.metrics.report.redshift_report`; `uncertainty` if there is z_std, and `conformal`
        if there are validation galaxies to calibrate with.
    """
    report = redshift_report(test["z_pred"].to_numpy(), test["z_spec"].to_numpy(), settings)
    if "z_std" in test:
        columns = [test[name].to_numpy() for name in ("z_pred", "z_std", "z_spec")]
        report["uncertainty"] = uncertainty_report(
            *columns, settings.bootstrap_samples, settings.bootstrap_seed
        )
    if validation is not None:
        report["conformal"] = conformal_report(_forecast(validation), _forecast(test))
    return report


def _forecast(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """z_pred, z_spec and z_std, which may be missing."""
    std = table["z_std"].to_numpy() if "z_std" in table else None
    return table["z_pred"].to_numpy(), table["z_spec"].to_numpy(), std


def metrics_text(report: Mapping[str, Any]) -> str:
    """A report as lines of text, one block a redshift range."""
    blocks = [_range_text("all", report["all"]), _range_text("low", report["low_redshift"])]
    blocks += [_range_text("bin", part) for part in report["bins"]]
    if report["n_outside"]:
        blocks.append(f"{report['n_outside']} galaxies are outside the full range")
    if "uncertainty" in report:
        blocks.append(_uncertainty_text(report["uncertainty"]))
    return "\n\n".join(blocks)


def _uncertainty_text(part: Mapping[str, Any]) -> str:
    """How well z_std is calibrated: each number with its interval."""
    lines = ["uncertainty: z_std against what happened"]
    for name in (name for name in part if f"{name}_interval" in part):
        ends = "[{:.4f}, {:.4f}]".format(*part[f"{name}_interval"])
        lines.append(f"  {name:<26} {part[name]:8.4f}  {ends}")
    return "\n".join(lines)


def _range_text(title: str, part: Mapping[str, Any]) -> str:
    """One range: each metric with its interval."""
    low, high = part["z_range"]
    lines = [f"{title}: {low:g} < z_spec <= {high:g}, {part['n']} galaxies"]
    for name in METRICS:
        if name in part:
            ends = "[{:.4f}, {:.4f}]".format(*part[f"{name}_interval"])
            lines.append(f"  {name:<26} {part[name]:8.4f}  {ends}")
    return "\n".join(lines)


def scatter_sentence(label: str, report: Mapping[str, Any]) -> str:
    """Scatter and outliers of a report, over all redshifts and at low redshift, in a sentence."""
    parts = []
    for name in ("all", "low_redshift"):
        part = report[name]
        low, high = part["z_range"]
        words = f"for the {part['n']} galaxies with {low:g} < z <= {high:g}"
        if part["n"]:
            ends = "{:.4f} to {:.4f}".format(*part["sigma_nmad_interval"])
            numbers = f"sigma_NMAD {part['sigma_nmad']:.4f} (95%: {ends})"
            words = f"{numbers}, outliers {part['outlier_fraction']:.1%} {words}"
        parts.append(words)
    return f"{label}: {'; '.join(parts)}."
