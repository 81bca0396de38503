"""All models on the same test galaxies; published values stand in columns of their own."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mmae.errors import InputError
from mmae.evaluation.published import PUBLISHED
from mmae.evaluation.scoring import LIMITS, read_forecast
from mmae.files.read import read_json
from mmae.metrics.paired import paired_difference
from mmae.metrics.redshift import RedshiftRange, sigma_nmad
from mmae.workflow.runs import READOUTS

PARTS = {"": "all", "low_": "low_redshift"}
"""Prefix of a table's columns -> redshift range of the metrics."""
LABELS = ("model", "mask", "seed", "view", "metrics")
"""Keys of metrics.json."""
COSTS = ("parameters", "galaxies_seen", "training_seconds")
READABLE = {
    "label": "model",
    "sigma_nmad": "sigma_NMAD, all z",
    "low_sigma_nmad": "sigma_NMAD, low z",
    "outlier_fraction": "outliers, all z",
    "difference": "minus reference, all z",
    "p_better": "P(better)",
    "seeds": "seeds: mean ± spread",
    "published_sigma_nmad": "published, low z",
    "published_source": "source of the published value",
    "parameters": "parameters",
    "training_seconds": "training, s",
    "galaxies_seen": "galaxies seen",
    "galaxies_per_second": "galaxies/s",
}


class ScoredRun(NamedTuple):
    """One run under one view: what it predicted, how well, and at what cost."""

    model: str
    mask: str
    seed: str
    view: str
    metrics: Mapping[str, Any]
    forecast: pd.DataFrame
    """z_pred and z_spec, sorted by galaxy; NaN where unknown."""
    cost: Mapping[str, Any]
    shown: str = ""
    """The view in words."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What runs with other seeds have in common."""
        return self.model, self.mask, self.view

    @property
    def label(self) -> str:
        """As tables and figures call it."""
        words = [self.model]
        if float(self.mask):
            words.append(f"trained {float(self.mask):.0%} hidden")
        return ", ".join([*words, *[self.shown] * bool(self.shown)])


def load_runs(
    folders: Iterable[Path | str], view_labels: Mapping[str, str] | None = None
) -> list[ScoredRun]:
    """Read scored runs.

    Parameters
    ----------
    folders : iterable of path
        Each evaluation/<model>/mask<mask>/seed<seed>/<view>; what a training took stands beside
        the views of its model, and readouts have the cost of the model that they read.
    view_labels : mapping of str to str, optional
        View -> what it shows in words; without it, a view is called by its name.

    Raises
    ------
    InputError
        If a file is missing or damaged, or lacks a key.
    """
    runs = []
    for folder in map(Path, folders):
        path = folder / "metrics.json"
        scored = read_json(path)
        missing = [name for name in LABELS if name not in scored]
        if missing:
            raise InputError(
                path, key=missing[0], found=f"only {list(scored)}", expected=f"{list(LABELS)}"
            )
        name = re.sub(f"-({'|'.join(READOUTS)})$", "", scored["model"])
        trained = folder.parents[2].with_name(name) / folder.parents[1].name / folder.parent.name
        cost = {
            key: value
            for path in (trained / "cost.json", folder / "speed.json")
            if path.is_file()
            for key, value in read_json(path).items()
        }
        forecast = read_forecast(folder / "predictions.csv")
        # the authors' files name no galaxies and are in different orders; their redshifts pair them
        by = "targetid" if "targetid" in forecast else "z_spec"
        forecast = forecast.sort_values(by, ignore_index=True, kind="stable")
        shown = (view_labels or {}).get(scored["view"], scored["view"])
        runs.append(ScoredRun(*(scored[name] for name in LABELS), forecast, cost, shown))
    return runs


def comparison_table(
    runs: Sequence[ScoredRun],
    reference: tuple[str, str, str],
    published_as: Mapping[str, str],
    n_samples: int,
    bootstrap_seed: int,
) -> pd.DataFrame:
    """One row a model and view: measured here, published, and cost.

    Parameters
    ----------
    runs : sequence of ScoredRun
        The first seed of each model is the one whose intervals are given.
    reference : tuple of str
        Model, mask and view that all are compared with, galaxy by galaxy.
    published_as : mapping of str to str
        Model -> its name among published values.
    n_samples, bootstrap_seed : int
        Of the paired differences.

    Returns
    -------
    DataFrame
        label, model, mask, view; n, bias, sigma_nmad, outlier_fraction with `_low` and `_high`
        (95% intervals), and the same after `low_` at low redshift; difference (sigma_NMAD minus
        the reference's, of the same galaxies), its interval, p_better, and the same after `low_`;
        n_seeds, seed_mean, seed_std, seed_values; published_sigma_nmad, published_source; COSTS
        and galaxies_per_second. Best first; published models that have no row here come last.

    Raises
    ------
    InputError
        If the reference is not among the runs, or two runs are of other galaxies.
    """
    groups: dict[tuple[str, str, str], list[ScoredRun]] = {}
    for run in runs:
        groups.setdefault(run.key, []).append(run)
    if reference not in groups:
        raise InputError(
            "comparison", found=f"no run {reference}", expected=f"one of {list(groups)}"
        )
    base = groups[reference][0]
    rows = []
    for group in groups.values():
        row = {
            "label": group[0].label,
            **dict(zip(("model", "mask", "view"), group[0].key, strict=True)),
        }
        row |= _measured(group[0]) | _seeds(group)
        row |= _differences(group[0], base, n_samples, bootstrap_seed)
        row |= _published(group[0], published_as)
        row |= {name: group[0].cost.get(name) for name in (*COSTS, "galaxies_per_second")}
        rows.append(row)
    rows.sort(key=lambda row: row["sigma_nmad"])
    shown = {row["published_sigma_nmad"] for row in rows}
    rest = [value for value in PUBLISHED if value.sigma_nmad not in shown]
    rows += [
        {
            "label": value.label,
            "published_sigma_nmad": value.sigma_nmad,
            "published_source": value.source,
        }
        for value in rest
    ]
    return pd.DataFrame(rows)


def _measured(run: ScoredRun) -> dict[str, Any]:
    """Metrics of a run in both redshift ranges; a range without galaxies has none."""
    row: dict[str, Any] = {}
    for prefix, part in PARTS.items():
        metrics = run.metrics[part]
        row[f"{prefix}n"] = metrics["n"]
        for name in ("bias", "sigma_nmad", "outlier_fraction"):
            row |= with_interval(metrics, name, prefix)
    return row


def with_interval(metrics: Mapping[str, Any], name: str, prefix: str = "") -> dict[str, Any]:
    """A metric as three columns: value, `_low` and `_high`; None where a report lacks it."""
    low, high = metrics.get(f"{name}_interval", (None, None))
    column = f"{prefix}{name}"
    return {column: metrics.get(name), f"{column}_low": low, f"{column}_high": high}


def _seeds(group: Sequence[ScoredRun]) -> dict[str, Any]:
    """Mean and spread of sigma_NMAD over seeds; no spread from one seed."""
    row: dict[str, Any] = {"n_seeds": len(group)}
    for prefix, part in PARTS.items():
        values = [run.metrics[part].get("sigma_nmad", np.nan) for run in group]
        row |= {
            f"{prefix}seed_mean": float(np.mean(values)),
            f"{prefix}seed_std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            f"{prefix}seed_values": values[1:],
        }
    return row


def _differences(
    run: ScoredRun, base: ScoredRun, n_samples: int, bootstrap_seed: int
) -> dict[str, Any]:
    """sigma_NMAD minus the reference's, on the same resampled galaxies that both have."""
    if not np.array_equal(run.forecast["z_spec"], base.forecast["z_spec"], equal_nan=True):
        raise InputError(
            "comparison",
            key=f"{run.label} and {base.label}",
            found="predictions of other galaxies",
            expected="the same galaxies",
        )
    z_spec = base.forecast["z_spec"].to_numpy()
    known = (table.filter([*LIMITS]).notna().all(axis=1) for table in (run.forecast, base.forecast))
    in_both = np.logical_and(*known).to_numpy()
    row: dict[str, Any] = {}
    for prefix, part in PARTS.items():
        inside = RedshiftRange(*base.metrics[part]["z_range"]).contains(z_spec) & in_both
        names = [f"{prefix}{name}" for name in ("difference", "difference_low", "difference_high")]
        names.append(f"{prefix}p_better")
        if run.key == base.key or not inside.any():
            row |= dict.fromkeys(names)
            continue
        pair = [table["z_pred"].to_numpy()[inside] for table in (run.forecast, base.forecast)]
        found = paired_difference(sigma_nmad, *pair, z_spec[inside], n_samples, bootstrap_seed)
        row |= dict(zip(names, found, strict=True))
    return row


def _published(run: ScoredRun, published_as: Mapping[str, str]) -> dict[str, Any]:
    """What was published of the same model, in the same view, for other galaxies."""
    for value in PUBLISHED:
        if (value.model, value.view) == (published_as.get(run.model), run.view):
            return {
                "published_sigma_nmad": value.sigma_nmad,
                "published_source": value.source,
            }
    return {"published_sigma_nmad": None, "published_source": None}


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The comparison for a page: fewer columns, values with their intervals in one.

    Published and measured values stay in columns of their own.
    """
    shown = pd.DataFrame(index=table.index)
    for name, title in READABLE.items():
        if f"{name}_low" in table:
            shown[title] = [
                "" if pd.isna(value) else f"{value:.4f} ({low:.4f} to {high:.4f})"
                for value, low, high in zip(
                    table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True
                )
            ]
        elif name == "seeds":
            columns = (table[key] for key in ("n_seeds", "seed_mean", "seed_std"))
            shown[title] = [
                "" if not n > 1 else f"{n:.0f}: {mean:.4f} ± {std:.4f}"
                for n, mean, std in zip(*columns, strict=True)
            ]
        elif name in ("parameters", "galaxies_seen", "galaxies_per_second", "training_seconds"):
            shown[title] = ["" if pd.isna(value) else f"{value:,.0f}" for value in table[name]]
        else:
            shown[title] = table[name]
    return shown


def paired_rows(table: pd.DataFrame, reference: tuple[str, str, str]) -> tuple[str, pd.DataFrame]:
    """What `mmae.plots.differences.differences_figure` draws.

    Returns
    -------
    label : str
        Of the reference.
    rows : DataFrame
        label, difference, low, high and p_better of all that is measured here; NaN for itself.
    """
    is_reference = (table[["model", "mask", "view"]] == list(reference)).all(axis=1)
    names = {"difference_low": "low", "difference_high": "high"}
    rows = table[table["sigma_nmad"].notna()].rename(columns=names)
    columns = ["label", "difference", "low", "high", "p_better"]
    return table["label"][is_reference].iloc[0], rows[columns].reset_index(drop=True)
