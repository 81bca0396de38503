"""Prediction files in, metrics as text out."""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmae.errors import InputError
from mmae.files.read import read_npz, read_table
from mmae.limits import REDSHIFT, Z_PRED, Z_STD, Known, Limits
from mmae.metrics.conformal import conformal_report
from mmae.metrics.ends import ENDS
from mmae.metrics.intervals import MIN_GALAXIES
from mmae.metrics.redshift import METRICS, RedshiftRange, outlier_fraction
from mmae.metrics.report import redshift_report
from mmae.metrics.uncertainty import coverage_report, uncertainty_report
from mmae.settings import Scoring

log = logging.getLogger(__name__)

AUTHORS_COLUMNS = {"y_test": "z_spec", "y_pred": "z_pred"}
"""Columns of the authors' prediction files."""

RANGES = ("low_redshift", "high_redshift")
"""Of redshift, in which uncertainties are scored besides."""

NEEDED: dict[str, Limits] = {"z_spec": REDSHIFT, "z_pred": Z_PRED}
LIMITS: dict[str, Limits] = NEEDED | {"z_std": Z_STD} | dict.fromkeys(ENDS, Z_PRED)
"""What the columns of a forecast can be; those that are not NEEDED may be absent."""


def read_forecast(
    path: Path | str, only_redshifts: bool = False, names: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Predictions of a table with z_spec and z_pred, or the authors' y_test and y_pred.

    Parameters
    ----------
    path : path
    only_redshifts : bool
        Leave out all other columns.
    names : mapping of str to str, optional
        Columns that the file calls otherwise, as of `read_table`.

    Returns
    -------
    DataFrame
        The columns of the file; those of LIMITS are float64, NaN where unknown. What they cannot be
        is unknown, and counted in a warning.

    Raises
    ------
    InputError
        If the file is missing or no table, a column is missing, or values are no numbers.
    """
    only = [*LIMITS, *AUTHORS_COLUMNS] if only_redshifts else None
    for name in {*(names or ())} - {*LIMITS}:
        raise InputError("--columns", found=repr(name), expected=f"some of {[*LIMITS]}")
    table = read_table(path, only=only, names=names)
    names = {theirs: ours for theirs, ours in AUTHORS_COLUMNS.items() if ours not in table}
    table = table.rename(columns=names)
    with Known(path) as known:
        for name in (name for name in LIMITS if name in NEEDED or name in table):
            found, expected = "values that are no numbers", "redshifts"
            if name not in table:
                found = f"only {list(read_table(path))}"
                expected = "z_spec and z_pred, or y_test and y_pred"
            if name not in table or table[name].dtype.kind not in "fiu":
                raise InputError(path, key=f"column {name}", found=found, expected=expected)
            table[name] = known(name, table[name].to_numpy(dtype=float), LIMITS[name])
    return table


def read_predictions(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """The redshifts of `read_forecast` alone, of galaxies that have both.

    Returns
    -------
    z_pred, z_spec : ndarray of float64, shape (N,)
    """
    table, _ = scored_rows(read_forecast(path)[["z_spec", "z_pred"]])
    return table["z_pred"].to_numpy(), table["z_spec"].to_numpy()


def scored_rows(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """The galaxies of which all is known that can be scored: all metrics are of the same ones.

    Returns
    -------
    DataFrame
        Those columns of LIMITS that are there, of these galaxies.
    dict of str to int
        How many are left out for want of each; of several, the first counts. Those that want none
        are not named.

    Raises
    ------
    InputError
        If no galaxy is left.
    """
    columns = [name for name in LIMITS if name in table]
    kept, left_out = np.ones(len(table), dtype=bool), {}
    for name in columns:
        known = LIMITS[name].contain(table[name].to_numpy())
        left_out[name] = int((kept & ~known).sum())
        kept &= known
    if not kept.any():
        raise InputError(
            "redshift metrics",
            found=f"{len(table)} galaxies, none with {', '.join(columns)}",
            expected="at least one",
        )
    left_out = {name: count for name, count in left_out.items() if count}
    return table.loc[kept, columns].reset_index(drop=True), left_out


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
        z_pred, z_spec and, from models that give them, z_std and the ends of intervals.
    settings : Scoring

    Returns
    -------
    dict
        As `mmae.metrics.report.redshift_report`; `uncertainty` if there is z_std, and `conformal`
        if there are validation galaxies to calibrate with, both of galaxies in the full range.
        Within `uncertainty` are `low_redshift` and `high_redshift`, as `coverage_report`.
        `left_out`, if galaxies are: as `scored_rows` counts them, of `test` and `validation`.

    Raises
    ------
    InputError
        If no galaxy is in the full range, or as `conformal_report`.
    """
    full_range, left_out = RedshiftRange(*settings.full_range), {}
    test, left_out["test"] = scored_rows(test)
    report = redshift_report(test["z_pred"].to_numpy(), test["z_spec"].to_numpy(), settings)
    test = test[full_range.contains(test["z_spec"])]
    if "z_std" in test:
        report["uncertainty"] = _uncertainty(uncertainty_report, test, settings)
        low = test["z_spec"] <= settings.low_redshift
        for name, part in zip(RANGES, (test[low], test[~low]), strict=True):
            if len(part) >= MIN_GALAXIES:
                report["uncertainty"][name] = _uncertainty(coverage_report, part, settings)
    if validation is not None:
        validation, left_out["validation"] = scored_rows(validation)
        validation = validation[full_range.contains(validation["z_spec"])]
        report["conformal"] = conformal_report(
            _forecast(validation),
            _forecast(test),
            n_samples=settings.bootstrap_samples,
            seed=settings.bootstrap_seed,
        )
    if any(left_out.values()):
        report["left_out"] = left_out
        log.warning("%s", _left_out_text(left_out))
    return report


def _uncertainty(
    scores: Callable[..., dict[str, Any]], table: pd.DataFrame, settings: Scoring
) -> dict[str, Any]:
    """Scores of forecasts: of densities where there are ends of intervals, else of Gaussians."""
    columns = [table[name].to_numpy() for name in ("z_pred", "z_std", "z_spec")]
    ends = table[[*ENDS]].to_numpy() if set(ENDS) <= set(table) else None
    return scores(*columns, settings.bootstrap_samples, settings.bootstrap_seed, ends)


def _left_out_text(left_out: Mapping[str, Mapping[str, int]]) -> str:
    """How many galaxies are in no number, and why."""
    parts = [
        f"{count} {name} galaxies without {column}"
        for name, counts in left_out.items()
        for column, count in counts.items()
    ]
    return f"left out of all metrics: {', '.join(parts)}"


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
    if "left_out" in report:
        blocks.append(_left_out_text(report["left_out"]))
    if "uncertainty" in report:
        blocks.append(_uncertainty_text(report["uncertainty"]))
    return "\n\n".join(blocks)


def _uncertainty_text(part: Mapping[str, Any]) -> str:
    """How well z_std is calibrated: each number with its interval."""
    lines = []
    for title, one in (("", part), *((f", {k}", part[k]) for k in RANGES if k in part)):
        names = [name for name in one if isinstance(one[name], float)]
        head = f"uncertainty: z_std against what happened{title.replace('_', ' ')}"
        lines += [head, *_numbers(one, names)]
    return "\n".join(lines)


def _range_text(title: str, part: Mapping[str, Any]) -> str:
    """One range: each metric with its interval; nothing of fewer than MIN_GALAXIES."""
    low, high = part["z_range"]
    head = f"{title}: {low:g} < z_spec <= {high:g}, {part['n']} galaxies"
    return "\n".join([head, *_numbers(part, [name for name in METRICS if name in part])])


def _numbers(part: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Numbers with the intervals that they have."""
    lines = []
    for name in names:
        ends = part.get(f"{name}_interval")
        interval = "no interval" if ends is None else "[{:.4f}, {:.4f}]".format(*ends)
        lines.append(f"  {name:<26} {part[name]:8.4f}  {interval}")
    return lines


def scatter_sentence(
    label: str, report: Mapping[str, Any], z_pred: np.ndarray, z_spec: np.ndarray
) -> str:
    """Scatter, outliers and reach of predictions in a sentence.

    Parameters
    ----------
    label : str
    report : mapping
        As `full_report`: told are all redshifts, and low redshift.
    z_pred, z_spec : ndarray, shape (N,)
    """
    parts = []
    for name in ("all", "low_redshift"):
        part = report[name]
        low, high = part["z_range"]
        words = f"for the {part['n']} galaxies with {low:g} < z <= {high:g}"
        if "sigma_nmad" in part:
            ends = "{:.4f} to {:.4f}".format(*part["sigma_nmad_interval"])
            numbers = f"sigma_NMAD {part['sigma_nmad']:.4f} (95%: {ends})"
            words = f"{numbers}, outliers {part['outlier_fraction']:.1%} {words}"
        parts.append(words)
    beyond = (z_spec < z_pred.min()) | (z_spec > z_pred.max())
    reach = (
        f"predictions are between {z_pred.min():.2f} and {z_pred.max():.2f}, where "
        f"{int((~beyond).sum())} of {len(z_spec)} galaxies are"
    )
    if beyond.sum() >= MIN_GALAXIES:
        missed = outlier_fraction(z_pred[beyond], z_spec[beyond])
        reach += f"; of the {int(beyond.sum())} beyond, {missed:.0%} are outliers"
    return f"{label}: {'; '.join([*parts, reach])}."
