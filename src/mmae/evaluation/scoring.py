"""Prediction files in, metrics as text out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmae.errors import InputError
from mmae.files import read_table
from mmae.metrics.redshift import METRICS

AUTHORS_COLUMNS = {"y_test": "z_spec", "y_pred": "z_pred"}
"""Columns of the authors' prediction files."""


def read_predictions(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Redshifts of a CSV file with z_spec and z_pred, or the authors' y_test and y_pred.

    Returns
    -------
    z_pred, z_spec : ndarray of float64, shape (N,)

    Raises
    ------
    InputError
        If the file is missing or no table, a column is missing, or a value is no finite number.
    """
    table = read_table(path)
    names = {theirs: ours for theirs, ours in AUTHORS_COLUMNS.items() if ours not in table}
    table = table.rename(columns=names)
    pair = []
    for name in ("z_pred", "z_spec"):
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
        pair.append(table[name].to_numpy(dtype=float))
    return pair[0], pair[1]


def metrics_text(report: Mapping[str, Any]) -> str:
    """A report as lines of text, one block a redshift range."""
    blocks = [_range_text("all", report["all"]), _range_text("low", report["low_redshift"])]
    blocks += [_range_text("bin", part) for part in report["bins"]]
    if report["n_outside"]:
        blocks.append(f"{report['n_outside']} galaxies are outside the full range")
    return "\n\n".join(blocks)


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
