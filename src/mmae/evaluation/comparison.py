"""All models on the same test galaxies; published values stand in columns of their own."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mmae.errors import InputError
from mmae.evaluation.differences import COMPARED, Differences
from mmae.evaluation.published import PUBLISHED, is_papers_range
from mmae.evaluation.scoring import read_forecast
from mmae.evaluation.trainings import COSTS, Key, always_shown
from mmae.files.read import read_json
from mmae.metrics.redshift import OUTLIER_LIMIT, RedshiftRange
from mmae.workflow.limit import LIMIT
from mmae.workflow.runs import READOUTS

PARTS = {"": "all", "low_": "low_redshift"}
"""Prefix of a table's columns -> redshift range of the metrics."""
LABELS = ("model", "mask", "seed", "view", "metrics")
"""Keys of metrics.json."""
READABLE = {
    "label": "model",
    "sigma_nmad": "sigma_NMAD, all z",
    "low_sigma_nmad": "sigma_NMAD, low z",
    "outlier_fraction": "outliers, all z",
    "difference": "minus reference, all z",
    "verdict": "verdict, all z",
    "outlier_verdict": "verdict on outliers",
    "low_difference": "minus reference, low z",
    "low_verdict": "verdict, low z",
    "seeds": "trainings: mean ± spread of one",
    "z_pred_max": "highest z_pred",
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
    unseen: bool = False
    """Whether no training hid all that the view hides."""

    @property
    def key(self) -> Key:
        """What runs with other seeds have in common."""
        return self.model, self.mask, self.view

    @property
    def trained(self) -> Key:
        """The model that is trained; readouts have those that they read."""
        return re.sub(f"-({'|'.join(READOUTS)})$", "", self.model), self.mask

    @property
    def label(self) -> str:
        """As tables and figures call it."""
        words = [self.model]
        if float(self.mask):
            words.append(f"trained {float(self.mask):.0%} hidden")
        shown = f"{self.shown} (unseen in training)" if self.unseen else self.shown
        return ", ".join([*words, *[shown] * bool(shown)])


def load_runs(
    folders: Iterable[Path | str],
    view_labels: Mapping[str, str] | None = None,
    hidden_whole: Mapping[str, Sequence[str]] | None = None,
    trainings: pd.DataFrame | None = None,
) -> list[ScoredRun]:
    """Read scored runs.

    Parameters
    ----------
    folders : iterable of path
        Each evaluation/<model>/mask<mask>/seed<seed>/<view>; what a training took stands beside
        the views of its model, and readouts have the cost of the model that they read.
    view_labels : mapping of str to str, optional
        View -> what it shows in words; without it, a view is called by its name.
    hidden_whole : mapping of str to sequence of str, optional
        View -> modalities that it hides whole.
    trainings : DataFrame, optional
        As from `mmae.evaluation.trainings.trainings_table`: with it and the former it is known
        which model was shown what none of its trainings showed it.

    Raises
    ------
    InputError
        If a file is missing or damaged, or lacks a key.
    """
    runs, always = [], always_shown(trainings)
    for folder in map(Path, folders):
        path = folder / "metrics.json"
        scored = read_json(path)
        missing = [name for name in LABELS if name not in scored]
        if missing:
            raise InputError(
                path, key=missing[0], found=f"only {list(scored)}", expected=f"{list(LABELS)}"
            )
        run = ScoredRun(*(scored[name] for name in LABELS), pd.DataFrame(), {})
        trained = folder.parents[2].with_name(run.trained[0])
        trained = trained / folder.parents[1].name / folder.parent.name
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
        shown = (view_labels or {}).get(run.view, run.view)
        hidden = (hidden_whole or {}).get(run.view, ())
        unseen = not always.get(run.trained, set()).isdisjoint(hidden)
        runs.append(run._replace(forecast=forecast, cost=cost, shown=shown, unseen=unseen))
    return runs


def comparison_table(
    runs: Sequence[ScoredRun],
    reference: Key,
    published_as: Mapping[str, str],
    n_samples: int,
    bootstrap_seed: int,
    floors: Sequence[str] = (),
) -> pd.DataFrame:
    """One row a model and view: measured here, published, and cost.

    Parameters
    ----------
    runs : sequence of ScoredRun
        The first seed of each model is the one whose metrics and intervals are given.
    reference : tuple of str
        Model, mask and view that all are compared with, galaxy by galaxy.
    published_as : mapping of str to str
        Model -> its name among published values.
    n_samples, bootstrap_seed : int
        Of the differences.
    floors : sequence of str
        Models that all are compared with, too.

    Returns
    -------
    DataFrame
        label, model, mask, view, unseen (in training); n, bias, sigma_nmad, outlier_fraction with
        `_low` and `_high` (95% intervals, of this training on other galaxies), and the same after
        `low_` at low redshift; difference (mean sigma_NMAD of the trainings minus the reference's,
        of the same galaxies) with its 95% interval, which has galaxies and trainings in, p_better
        and verdict, the same of the outlier fraction after `outlier_`, and all these after `low_`;
        best_verdict and one such column a floor: the same against the first row but LIMIT's and
        against that model; n_seeds, seed_mean, seed_spread (standard deviation of one training,
        pooled over recipes), spread_dof, seed_values; z_pred_min, z_pred_max of all trainings,
        n_beyond galaxies outside of them and beyond_outliers, which fraction of their predictions
        are outliers; published_sigma_nmad, published_source; COSTS and galaxies_per_second. The
        least seed_mean first; published models that have no row here come last.

    Raises
    ------
    InputError
        If the reference is not among the runs, or two runs are of other galaxies.
    """
    groups: dict[Key, list[ScoredRun]] = {}
    for run in runs:
        groups.setdefault(run.key, []).append(run)
    if reference not in groups:
        raise InputError(
            "comparison", found=f"no run {reference}", expected=f"one of {list(groups)}"
        )
    parts = {
        prefix: Differences(
            {key: [run.forecast for run in group] for key, group in groups.items()},
            {key: group[0].trained for key, group in groups.items()},
            RedshiftRange(*groups[reference][0].metrics[part]["z_range"]),
            n_samples,
            bootstrap_seed,
        )
        for prefix, part in PARTS.items()
    }
    rows = []
    for key, group in groups.items():
        row = dict(zip(("label", "model", "mask", "view"), (group[0].label, *key), strict=True))
        row["unseen"] = group[0].unseen
        row |= _measured(group[0]) | _seeds(group, parts) | _reach(group)
        row |= _differences(key, reference, parts) | _published(group[0], published_as)
        row |= {name: group[0].cost.get(name) for name in (*COSTS, "galaxies_per_second")}
        rows.append(row)
    rows.sort(key=lambda row: row["seed_mean"])
    # a model that is given the truth is no rival
    best = next((row for row in rows if row["model"] != LIMIT), rows[0])
    against = {"best": (best["model"], best["mask"], best["view"])}
    against |= {key[0]: key for key in groups if key[0] in floors}
    for row in rows:
        key = row["model"], row["mask"], row["view"]
        for name, other in against.items():
            found = parts[""].between(key, other)
            row[f"{name}_verdict"] = found[""].verdict if found else None
    shown = {row["published_sigma_nmad"] for row in rows}
    rows += [
        {
            "label": value.label,
            "published_sigma_nmad": value.sigma_nmad,
            "published_source": value.source,
        }
        for value in PUBLISHED
        if value.sigma_nmad not in shown
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
    low, high = metrics.get(f"{name}_interval") or (None, None)
    column = f"{prefix}{name}"
    return {column: metrics.get(name), f"{column}_low": low, f"{column}_high": high}


def _seeds(group: Sequence[ScoredRun], parts: Mapping[str, Differences]) -> dict[str, Any]:
    """Mean of sigma_NMAD over seeds, and how far one training is from another."""
    row: dict[str, Any] = {"n_seeds": len(group)}
    for prefix, part in PARTS.items():
        values = [run.metrics[part].get("sigma_nmad", np.nan) for run in group]
        spread, pooled = parts[prefix].spread(group[0].key)
        row |= {
            f"{prefix}seed_mean": float(np.mean(values)),
            f"{prefix}seed_spread": spread,
            f"{prefix}spread_dof": pooled.dof,
            f"{prefix}seed_values": values[1:],
        }
    return row


def _reach(group: Sequence[ScoredRun]) -> dict[str, Any]:
    """Between which redshifts a model's predictions are, and what becomes of galaxies beyond."""
    full = RedshiftRange(*group[0].metrics["all"]["z_range"])
    tables = [run.forecast[full.contains(run.forecast["z_spec"])] for run in group]
    low, high = (float(getattr(pd.concat(tables)["z_pred"], name)()) for name in ("min", "max"))
    beyond = [table[~table["z_spec"].between(low, high)].dropna() for table in tables]
    dz = [(table["z_pred"] - table["z_spec"]) / (1 + table["z_spec"]) for table in beyond]
    n = len(beyond[0])
    missed = float((pd.concat(dz).abs() > OUTLIER_LIMIT).mean()) if n else None
    return {"z_pred_min": low, "z_pred_max": high, "n_beyond": n, "beyond_outliers": missed}


def _differences(key: Key, reference: Key, parts: Mapping[str, Differences]) -> dict[str, Any]:
    """Scatter and outliers minus the reference's, of the same galaxies; None for itself."""
    row: dict[str, Any] = {}
    for prefix, part in parts.items():
        found = part.between(key, reference)
        for name in COMPARED:
            start = f"{prefix}{name}"
            names = [f"{start}difference{end}" for end in ("", "_low", "_high")]
            names += [f"{start}p_better", f"{start}verdict"]
            row |= dict(zip(names, found.get(name, [None] * len(names)), strict=True))
    return row


def _published(run: ScoredRun, published_as: Mapping[str, str]) -> dict[str, Any]:
    """What was published of the same model, in the same view, for other galaxies."""
    ours = is_papers_range(run.metrics["low_redshift"]["z_range"][1])
    for value in PUBLISHED if ours else ():
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
            columns = (table[key] for key in ("n_seeds", "seed_mean", "seed_spread"))
            shown[title] = [_trainings(*numbers) for numbers in zip(*columns, strict=True)]
        elif name in ("parameters", "galaxies_seen", "galaxies_per_second", "training_seconds"):
            shown[title] = ["" if pd.isna(value) else f"{value:,.0f}" for value in table[name]]
        else:
            shown[title] = table[name]
    return shown


def _trainings(n: float, mean: float, spread: float | None) -> str:
    """The mean over trainings with the spread of one; where nothing is random there is none."""
    if pd.isna(n):
        return ""
    known = "" if pd.isna(spread) else f" ± {spread:.4f}" if spread else ", always the same"
    return f"{n:.0f}: {mean:.4f}{known}"


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
