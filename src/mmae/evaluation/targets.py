"""What a new model must show against the paper's and all others, measured, and whether it does."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mmae.errors import InputError
from mmae.evaluation.comparison import ScoredRun
from mmae.evaluation.reconstruction import PROFILE
from mmae.files.read import read_table
from mmae.metrics.bootstrap import draws_of
from mmae.metrics.image_quality import COLOURS
from mmae.metrics.redshift import (
    Metric,
    RedshiftRange,
    outlier_fraction,
    redshift_errors,
    sigma_nmad,
)
from mmae.settings import BOTH_HIDDEN, HEADLINE_VIEW, WHOLE_IMAGE, Scoring
from mmae.workflow.limit import LIMIT

NO_RIVALS = (LIMIT, "median")
"""Models that nobody competes with: one is given the truth, the other reads nothing."""
TARGET_COLUMNS = ("point", "what", "target", "measured", "low", "high", "trainings", "n", "met")
QUALITY = "reconstruction.csv"


class Numbers(NamedTuple):
    """One number of several trainings."""

    values: Sequence[float] = ()
    interval: tuple[float, float] | None = None
    n: int | None = None
    """Galaxies."""


class Evidence(NamedTuple):
    """What was measured, of the models that are compared."""

    runs: dict[tuple[str, str], list[ScoredRun]]
    """By model and view, one a seed."""
    quality: pd.DataFrame
    """Tables of reconstructions, with model, seed and view."""
    ours: str
    paper: str
    scoring: Scoring


def read_quality(folders: Iterable[Path]) -> pd.DataFrame:
    """Tables of reconstructions of runs under views.

    Parameters
    ----------
    folders : iterable of Path
        Each evaluation/<model>/mask<mask>/seed<seed>/<view>.

    Returns
    -------
    DataFrame
        As from `mmae.evaluation.quality.quality_table`, with seed and view.
    """
    tables = [
        read_table(folder / QUALITY).assign(seed=folder.parent.name, view=folder.name)
        for folder in folders
    ]
    return pd.concat(tables, ignore_index=True).fillna({"line": ""})


def targets_table(
    runs: Sequence[ScoredRun], quality: pd.DataFrame, ours: str, paper: str, scoring: Scoring
) -> pd.DataFrame:
    """One row a target.

    Parameters
    ----------
    runs : sequence of ScoredRun
        Of all models, their seeds and views.
    quality : DataFrame
        Of `read_quality`.
    ours, paper : str
        The new model, and the paper's.
    scoring : Scoring

    Returns
    -------
    DataFrame
        TARGET_COLUMNS: `measured` is the mean over the trainings, whose values are in `trainings`;
        `low` and `high` its 95% interval over galaxies, where there is one; `n` the galaxies of
        one training; `met` yes, no, or not measured.

    Raises
    ------
    InputError
        If one of the two models is not among the runs.
    """
    found: dict[tuple[str, str], list[ScoredRun]] = {}
    for run in runs:
        found.setdefault((run.model, run.view), []).append(run)
    for model in (ours, paper):
        if (model, WHOLE_IMAGE) not in found:
            known = sorted({run.model for run in runs})
            raise InputError("targets", found=f"no run of {model}", expected=f"one of {known}")
    evidence = Evidence(found, quality, ours, paper, scoring)
    points = (_redshifts, _missing, _uncertainty, _lines, _synthesis, _images, _cost)
    rows = [row for point in points for row in point(evidence)]
    return pd.DataFrame(rows, columns=TARGET_COLUMNS)


def cost_table(runs: Iterable[ScoredRun], view: str) -> pd.DataFrame:
    """Scatter under a view and seconds of training, a row a training: what a figure shows.

    Readouts are there of models that give no redshifts themselves.
    """
    shown = [run for run in runs if run.view == view and "training_seconds" in run.cost]
    themselves = {run.trained for run in shown if run.trained[0] == run.model}
    rows = [
        (run.model, run.cost["training_seconds"], run.metrics["all"]["sigma_nmad"])
        for run in shown
        if run.model not in NO_RIVALS
        and (run.trained[0] == run.model or run.trained not in themselves)
    ]
    return pd.DataFrame(rows, columns=["model", "training_seconds", "sigma_nmad"])


def _row(point: int, what: str, sign: str, bound: float, numbers: Numbers) -> tuple:
    """One target: at most (<=), at least (>=), or of no larger size than (within) the bound.

    Where there is no sign, the number is told, and nothing is asked.
    """
    values = [value for value in numbers.values if value is not None and np.isfinite(value)]
    low, high = numbers.interval or (np.nan, np.nan)
    mean = float(np.mean(values)) if values else np.nan
    is_met = {"<=": mean <= bound, ">=": mean >= bound, "within": abs(mean) <= bound, "": None}
    met = {True: "yes", False: "no", None: ""}[is_met[sign]] if values else "not measured"
    told = " ".join(f"{value:.4g}" for value in values)
    target = f"{sign} {bound:g}" if sign else "told"
    return (point, what, target, mean, low, high, told, numbers.n, met)


# --- redshifts -----------------------------------------------------------------------------------


def _ranges(evidence: Evidence) -> dict[str, RedshiftRange]:
    """All redshifts, low and high ones."""
    low, high = evidence.scoring.full_range
    middle = evidence.scoring.low_redshift
    return {
        "all z": RedshiftRange(low, high),
        f"z < {middle:g}": RedshiftRange(low, middle),
        f"z > {middle:g}": RedshiftRange(middle, high),
    }


def _draws(
    metric: Metric, runs: Sequence[ScoredRun], part: RedshiftRange, scoring: Scoring
) -> tuple[list[float], np.ndarray, int]:
    """A metric of each training, its mean in resamplings of the galaxies, and how many they are."""
    values, draws, n = [], [], 0
    for run in runs:
        table = run.forecast[part.contains(run.forecast["z_spec"])].dropna(
            subset=["z_pred", "z_spec"]
        )
        errors = redshift_errors(table["z_pred"].to_numpy(), table["z_spec"].to_numpy())
        options = scoring.bootstrap_samples, scoring.bootstrap_seed
        values.append(float(metric.of(errors)))
        draws.append(draws_of({"": metric}, errors, *options)[""])
        n = len(table)
    return values, np.mean(draws, axis=0), n


def _ratio(
    evidence: Evidence,
    metric: Metric,
    ours: Sequence[ScoredRun],
    theirs: Sequence[ScoredRun],
    part: RedshiftRange,
) -> Numbers:
    """A metric relative to that of other trainings, galaxies resampled for both alike."""
    if not (ours and theirs):
        return Numbers()
    mine, my_draws, n = _draws(metric, ours, part, evidence.scoring)
    other, other_draws, _ = _draws(metric, theirs, part, evidence.scoring)
    with np.errstate(divide="ignore", invalid="ignore"):
        draws, values = my_draws / other_draws, np.array(mine) / np.mean(other)
    draws = draws[np.isfinite(draws)]
    interval = tuple(np.percentile(draws, [2.5, 97.5]).tolist()) if len(draws) else None
    return Numbers(values.tolist(), interval, n)


def _rivals(evidence: Evidence, view: str) -> dict[str, list[ScoredRun]]:
    """All other models but the paper's, under a view, and readouts of embeddings."""
    mine = evidence.ours, evidence.paper, *NO_RIVALS
    return {
        model: runs
        for (model, shown), runs in evidence.runs.items()
        if shown == view and not model.startswith(tuple(mine))
    }


def _redshifts(evidence: Evidence) -> Iterator[tuple]:
    """Point 1: redshifts from images."""
    runs, ours, paper = evidence.runs, evidence.ours, evidence.paper
    ranges = dict(list(_ranges(evidence).items())[:2])
    ratio = partial(_ratio, evidence)
    for view, shown in ((WHOLE_IMAGE, "whole image"), (HEADLINE_VIEW, "image 25% hidden")):
        mine, theirs = (runs.get((model, view), []) for model in (ours, paper))
        for name, part in ranges.items():
            numbers = ratio(sigma_nmad, mine, theirs, part)
            yield _row(1, f"sigma_NMAD / {paper}'s, {shown}, {name}", "<=", 0.5, numbers)
    mine, others = runs[ours, WHOLE_IMAGE], _rivals(evidence, WHOLE_IMAGE)
    annuli = others.pop("annuli", [])
    for name, part in ranges.items():
        scatter = {
            model: np.mean(_draws(sigma_nmad, theirs, part, evidence.scoring)[0])
            for model, theirs in others.items()
        }
        best = min(scatter, key=scatter.get, default="")
        what = f"sigma_NMAD / that of the best other, {best}, {name}"
        numbers = ratio(sigma_nmad, mine, others.get(best, []), part)
        yield _row(1, what, "<=", 0.9, numbers)
        numbers = ratio(sigma_nmad, mine, annuli, part)
        yield _row(1, f"sigma_NMAD / annuli's, {name}", "<=", 1.0, numbers)
    whole = ranges["all z"]
    for model, theirs in (others | {"annuli": annuli}).items():
        numbers = ratio(outlier_fraction, mine, theirs, whole)
        yield _row(1, f"outliers / {model}'s, all z", "<=", 1.0, numbers)


def _missing(evidence: Evidence) -> Iterator[tuple]:
    """Point 1: what a missing band costs, relative to what it costs the BCNN."""
    whole, runs = _ranges(evidence)["all z"], evidence.runs
    for view in sorted({view for model, view in runs if view.startswith("no-")}):
        cost = {}
        for model in (evidence.ours, "bcnn"):
            pair = runs.get((model, view), []), runs.get((model, WHOLE_IMAGE), [])
            cost[model] = _ratio(evidence, sigma_nmad, *pair, whole)
        ours, theirs = cost.values()
        values = [value / np.mean(theirs.values) for value in ours.values] if theirs.values else []
        what = f"sigma_NMAD without / with, {view}, / the BCNN's"
        yield _row(1, what, "<=", 1.0, Numbers(values, None, ours.n))


def _uncertainty(evidence: Evidence) -> Iterator[tuple]:
    """Point 2: coverage of stated intervals, and CRPS."""
    mine = [run.metrics["uncertainty"] for run in evidence.runs[evidence.ours, WHOLE_IMAGE]]
    parts = zip(("", "low_redshift", "high_redshift"), _ranges(evidence), strict=True)
    for part, name in parts:
        reports = [report.get(part, {}) if part else report for report in mine]
        for level in (68, 95):
            key = f"coverage_{level}"
            known = [report for report in reports if key in report]
            values = [report[key] - level / 100 for report in known]
            ends = [np.array(report[f"{key}_interval"]) - level / 100 for report in known]
            interval = tuple(np.mean(ends, axis=0).tolist()) if ends else None
            n = known[0].get("n") if known else None
            what = f"coverage of the stated {level}% intervals minus {level / 100:g}, {name}"
            yield _row(2, what, "within", 0.02, Numbers(values, interval, n))
    others = {
        model: [run.metrics["uncertainty"]["crps"] for run in theirs]
        for (model, view), theirs in evidence.runs.items()
        if view == WHOLE_IMAGE
        and model not in (evidence.ours, *NO_RIVALS)
        and all("uncertainty" in run.metrics for run in theirs)
    }
    best = min(others, key=lambda model: np.mean(others[model]), default="")
    values = [report["crps"] / np.mean(others[best]) for report in mine] if best else []
    what = f"CRPS / that of the best other, {best}, all z"
    yield _row(2, what, "<=", 1.0, Numbers(values, None, mine[0].get("n")))


# --- reconstructions -----------------------------------------------------------------------------


def _measured(
    evidence: Evidence, view: str, quantity: str, model: str = "", column: str = "value", **at: Any
) -> Numbers:
    """A quantity of the table of reconstructions, over all redshifts; of our model unless named."""
    table = evidence.quality
    wanted = {"model": model or evidence.ours, "view": view, "quantity": quantity, "part": "all"}
    for name, value in (wanted | {"line": ""} | at).items():
        table = table[table[name] == value]
    if not len(table):
        return Numbers()
    ends = [f"{column}_{end}" if column != "value" else end for end in ("low", "high")]
    interval = tuple(table[ends].mean().tolist())
    return Numbers(table[column].tolist(), interval, int(table["n"].iloc[0]))


def _relative(ours: Numbers, theirs: Numbers) -> Numbers:
    """Numbers relative to the mean of others."""
    if not theirs.values:
        return Numbers()
    return Numbers([value / np.mean(theirs.values) for value in ours.values], None, ours.n)


def _minus(numbers: Numbers, constant: float) -> Numbers:
    """Numbers minus a constant."""
    ends = numbers.interval
    shifted = None if ends is None else (ends[0] - constant, ends[1] - constant)
    return Numbers([value - constant for value in numbers.values], shifted, numbers.n)


def _lines(evidence: Evidence) -> Iterator[tuple]:
    """Point 3: the spectrum hidden whole; lines at the model's own redshift."""
    of = partial(_measured, evidence, HEADLINE_VIEW)
    own = {"kind": "mode", "at": "z_pred"}
    limits = {"H-alpha": (0.95, 0.05, 0.1), "[O III]": (0.75,), "[O II]": (0.75,)}
    limits |= dict.fromkeys(("Ly-alpha", "C IV", "Mg II"), (0.8, 0.1))
    for line, (found, *ratios) in limits.items():
        yield _row(3, f"{line} found", ">=", found, of("line found", line=line, **own))
        for name, bound in zip(("width", "height"), ratios, strict=False):
            numbers = _minus(of(f"line {name}", line=line, **own), 1.0)
            yield _row(3, f"{line}: {name} / true - 1", "within", bound, numbers)
        false = of("line false", line=line, **own)
        yield _row(3, f"{line} drawn in galaxies without it", "", np.nan, false)
    for ratio in ("[O III]/H-beta", "[S II]/H-alpha"):
        scatter, constant = (
            of(f"bpt {ratio}{end}", column="scatter", **own) for end in ("", " true")
        )
        what = f"{ratio}: scatter / that of a constant"
        yield _row(3, what, "<=", 1.0, _relative(scatter, constant))
    error, theirs, noise = (
        of(name, model, kind="mean")
        for name, model in (
            ("spectrum mse", ""),
            ("spectrum mse", evidence.paper),
            ("spectrum noise", ""),
        )
    )
    what = f"squared error of the mean spectrum / {evidence.paper}'s"
    yield _row(3, what, "<=", 0.5, _relative(error, theirs))
    floor = float(np.mean(noise.values)) if noise.values else np.nan
    above = _relative(_minus(error, floor), _minus(theirs, floor))
    yield _row(3, "the same above the noise of the pixels", "<=", 0.5, above)


def _synthesis(evidence: Evidence) -> Iterator[tuple]:
    """Point 4: 75% of both hidden."""
    of = partial(_measured, evidence, BOTH_HIDDEN)
    scatter = of("redshift", column="scatter")
    yield _row(4, "sigma_NMAD by synthesis, 75% of both hidden", "<=", 0.0013, scatter)
    yield _row(4, "outliers by synthesis", "<=", 0.05, of("redshift outlier"))
    found = of("line found", line="H-alpha", kind="mode", at="z_spec")
    yield _row(4, "H-alpha found", ">=", 0.85, found)


def _images(evidence: Evidence) -> Iterator[tuple]:
    """Point 5: images against the radial profile of what is visible."""
    for view, share in ((HEADLINE_VIEW, "25%"), (BOTH_HIDDEN, "75%")):
        of = partial(_measured, evidence, view)

        def both(quantity: str, of: partial = of, column: str = "value") -> tuple[Numbers, Numbers]:
            return tuple(of(quantity, kind=kind, column=column) for kind in ("mean", PROFILE))

        ours, profile = both("image psnr")
        gain = _minus(ours, float(np.mean(profile.values))) if profile.values else Numbers()
        what = f"PSNR minus the radial profile's (dB), {share} hidden"
        yield _row(5, what, ">=", 1.0, gain._replace(interval=None))
        for name in (
            *(f"colour {colour}" for colour in COLOURS),
            "half-light radius",
            "ellipticity",
        ):
            ratio = _relative(*both(name, column="scatter"))
            what = f"scatter of {name} / the radial profile's, {share} hidden"
            yield _row(5, what, "<=", 1.0, ratio)


def _cost(evidence: Evidence) -> Iterator[tuple]:
    """Point 6: what the training took."""
    costs: list[Mapping[str, Any]] = [
        run.cost for run in evidence.runs[evidence.ours, WHOLE_IMAGE] if run.cost
    ]
    seconds = [cost["training_seconds"] for cost in costs]
    speed = [cost["galaxies_seen"] / cost["training_seconds"] for cost in costs]
    yield _row(6, "seconds of training", "<=", 60, Numbers(seconds))
    yield _row(6, "galaxies a second in training", ">=", 2000, Numbers(speed))
    parameters = [cost["parameters"] for cost in costs]
    yield _row(6, "parameters", "<=", 1.5e6, Numbers(parameters))
