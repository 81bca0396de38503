"""What the numbers of a run say, in sentences: each is made from the tables, none is written in.

Which of two things is better is said where `mmae.metrics.verdicts` has decided it, claims of the
paper are tested in its redshift range, and no number is of fewer than MIN_GALAXIES galaxies.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import permutation_test, spearmanr

from mmae.evaluation.published import Z_RANGE, is_papers_range
from mmae.metrics.intervals import MIN_GALAXIES
from mmae.metrics.verdicts import LOST, WORDS, state_of
from mmae.settings import HEADLINE_VIEW, WHOLE_IMAGE
from mmae.workflow.limit import LIMIT

SHOWN = 0.25
"""Test ratio of the paper's surprise: a quarter of the image hidden."""
SURPRISE = (
    "The paper's surprise is that a quarter hidden in the test gives less scatter than the whole "
    f"image, at z <= {Z_RANGE[1]:g}. "
)
MOST_PERMUTED = 5040
"""Orders of seven values: all are tried."""


def comparison_story(
    table: pd.DataFrame, reference: str, floors: Sequence[str], low_redshift: float
) -> str:
    """The comparison in plain words.

    Parameters
    ----------
    table : DataFrame
        As from `mmae.evaluation.comparison.comparison_table`.
    reference : str
        Label of the model that the others are compared with.
    floors : sequence of str
        Models that any network should beat.
    low_redshift : float
        Upper end of that range.

    Returns
    -------
    str
        Markdown, one item a finding.
    """
    known = table[table["sigma_nmad"].notna()]
    rows, possible = known[known["model"] != LIMIT], known[known["model"] == LIMIT]
    best, base = rows.iloc[0], rows[rows["label"] == reference].iloc[0]
    near = names(rows["label"][rows["best_verdict"] == "undecided"])
    items = [
        f"{len(rows)} rows on the same {best['n']:.0f} test galaxies, each by the mean of its "
        f"trainings. The first is {best['label']} with sigma_NMAD {_trainings(best)}; not decided "
        f"against it: {near}.",
        f"The reference is {base['label']} with sigma_NMAD {_trainings(base)} and "
        f"{base['outlier_fraction']:.1%} outliers. Scatter: {_verdicts(rows, 'verdict')} "
        f"Outliers: {_verdicts(rows, 'outlier_verdict')}",
    ]
    if base["low_n"] >= MIN_GALAXIES:
        items.append(
            f"At z <= {low_redshift:g} ({base['low_n']:.0f} galaxies) its sigma_NMAD is "
            f"{_trainings(base, 'low_')}. Scatter: {_verdicts(rows, 'low_verdict')} Outliers: "
            f"{_verdicts(rows, 'low_outlier_verdict')}"
        )
    items += _lost(rows)
    for floor in rows["model"][rows["model"].isin(floors)].unique():
        row = rows[rows["model"] == floor].iloc[0]
        items.append(
            f"{floor} has {_trainings(row)}. Against it, scatter: "
            f"{_verdicts(rows, f'{floor}_verdict')}"
        )
    items += [
        f"With the true magnitudes, sizes and types, without noise, {row['label']} has "
        f"{row['sigma_nmad']:.4f}: the least scatter of a model is "
        f"{best['sigma_nmad'] / row['sigma_nmad']:.1f} times that, the reference's "
        f"{base['sigma_nmad'] / row['sigma_nmad']:.1f} times."
        for _, row in possible.iterrows()
    ]
    items += _seeds(rows, base) + _surprise_by_trainings(rows, base, low_redshift)
    items += _unseen(rows) + _published(table)
    return listed(items)


def _trainings(row: pd.Series, prefix: str = "") -> str:
    """Mean sigma_NMAD over the trainings, and each, or the interval of a single one."""
    mean, others = row[f"{prefix}seed_mean"], row[f"{prefix}seed_values"]
    if others:
        each = ", ".join(f"{value:.4f}" for value in [row[f"{prefix}sigma_nmad"], *others])
        return f"{mean:.4f} ({row['n_seeds']:.0f} trainings: {each})"
    low, high = (row[f"{prefix}sigma_nmad_{end}"] for end in ("low", "high"))
    return f"{mean:.4f} (one training; 95% of the galaxies: {low:.4f} to {high:.4f})"


def _verdicts(rows: pd.DataFrame, column: str) -> str:
    """Who is better, who worse, and of whom nobody can say."""
    words = [
        f"{word}: {names(rows['label'][rows[column] == state])}" for state, word in WORDS.items()
    ]
    return "; ".join(words) + "."


def _lost(rows: pd.DataFrame) -> list[str]:
    """Models that never predict redshifts which many galaxies have."""
    n_lost = rows["n_beyond"] * rows["beyond_outliers"]
    words = [
        f"{row['label']} from {row['z_pred_min']:.2f} to {row['z_pred_max']:.2f}, with "
        f"{row['n_beyond']:.0f} of {row['n']:.0f} galaxies beyond, {row['beyond_outliers']:.0%} of "
        "them outliers"
        for _, row in rows[n_lost >= LOST * rows["n"]].iterrows()
    ]
    return [f"Redshifts that are never predicted: {'; '.join(words)}."] if words else []


def _seeds(rows: pd.DataFrame, base: pd.Series) -> list[str]:
    """How far trainings of one recipe are apart."""
    fixed = rows["label"][rows["seed_spread"] == 0]
    same = f" The same in all trainings: {names(fixed)}." if len(fixed) else ""
    if not base["spread_dof"]:
        return [
            "No recipe that has anything random in it was trained twice: verdicts are of these "
            f"trainings, on other galaxies, and of no other seed.{same}"
        ]
    if pd.isna(base["seed_spread"]):
        return []
    spread = base["seed_spread"]
    return [
        f"Another training of the reference would be off by {spread:.4f} (standard deviation, "
        "pooled over recipes in units of their sigma_NMAD, with "
        f"{base['spread_dof']:.0f} degrees of freedom and without what the galaxies add), two "
        f"single trainings by {2**0.5 * spread:.4f}. Verdicts have this and the "
        f"galaxies in; one in twenty is wrong where nothing differs."
        f"{same}"
    ]


def _surprise_by_trainings(rows: pd.DataFrame, base: pd.Series, low_redshift: float) -> list[str]:
    """The paper's surprise, by all trainings of the reference."""
    same = (rows["model"] == base["model"]) & (rows["mask"] == base["mask"])
    whole = rows[same & (rows["view"] == WHOLE_IMAGE)]
    if base["view"] != HEADLINE_VIEW or whole.empty or not is_papers_range(low_redshift):
        return []
    row = whole.iloc[0]
    if pd.isna(row["low_difference"]):
        return []
    ends = -row["low_difference_high"], -row["low_difference_low"]
    # one training: the interval is of the galaxies alone
    by = f"{row['n_seeds']:.0f} trainings" if row["n_seeds"] > 1 else "one training"
    return [
        f"{SURPRISE}Here, a quarter hidden minus the whole image, by {by} of {base['model']} and "
        f"{row['low_n']:.0f} galaxies: "
        f"{_difference(-row['low_difference'], *ends)}."
    ]


def _difference(difference: float, low: float, high: float) -> str:
    """A difference with its interval and its verdict."""
    return f"{difference:+.4f} ({low:+.4f} to {high:+.4f}), {WORDS[state_of(low, high)]}"


def _unseen(rows: pd.DataFrame) -> list[str]:
    """Rows that show a model what no training showed it."""
    unseen = rows["label"][rows["unseen"].astype(bool)] if "unseen" in rows else []
    if not len(unseen):
        return []
    return [
        f"No training showed these models such galaxies, with a whole modality hidden that was "
        f"always there: {names(unseen)}. They are no bound on what can be read in what is shown."
    ]


def _published(table: pd.DataFrame) -> list[str]:
    """Published values, each with what was measured here of the same model."""
    rows = table[table["published_sigma_nmad"].notna()]
    if rows.empty:
        return []
    parts = [
        f"{row['label']}: {row['published_sigma_nmad']:.3f}"
        + ("" if pd.isna(row["low_seed_mean"]) else f", here {row['low_seed_mean']:.4f}")
        for _, row in rows.iterrows()
    ]
    return [
        f"Published at z <= {Z_RANGE[1]:g}, each for galaxies of its own and not to be ranked with "
        f"ours: {'; '.join(parts)}."
    ]


def masking_story(study: pd.DataFrame, low_redshift: float) -> str:
    """The masking study in plain words; the paper's surprise is tested.

    Parameters
    ----------
    study : DataFrame
        mask (in training), and the columns of `mmae.evaluation.masking_study.masking_study`.
    low_redshift : float
        Upper end of that range.
    """
    items = []
    prefixes = {"": "all redshifts"}
    if study["low_n"].min() >= MIN_GALAXIES:
        prefixes["low_"] = f"z <= {low_redshift:g}"
    for prefix, where in prefixes.items():
        best = study.loc[study[f"{prefix}sigma_nmad"].idxmin()]
        low, high = (best[f"{prefix}sigma_nmad_{end}"] for end in ("low", "high"))
        items.append(
            f"The smallest sigma_NMAD at {where} ({best[f'{prefix}n']:.0f} galaxies) is "
            f"{best[f'{prefix}sigma_nmad']:.4f} ({low:.4f} to {high:.4f}): trained with "
            f"{best['mask']:.0%} hidden, shown images with {best['test_mask']:.0%} hidden. With "
            "one training a ratio, which ratio in training is best is not decided."
        )
    quarter = study[np.isclose(study["test_mask"], SHOWN)]
    if len(quarter):
        tested = is_papers_range(low_redshift) and "low_" in prefixes
        items.append(_surprise(quarter, "low_" if tested else ""))
    items += _explanation(study, "low_" if "low_" in prefixes else "")
    return listed(items)


def _surprise(quarter: pd.DataFrame, prefix: str) -> str:
    """Whether a quarter hidden is better than the whole image, for each ratio in training."""
    names = [f"{prefix}difference{end}" for end in ("", "_low", "_high")]
    words = [
        f"trained at {row['mask']:.0%}: {_difference(*row[names])}" for _, row in quarter.iterrows()
    ]
    where = "in that range" if prefix else "at all redshifts, which is not the paper's range"
    return (
        f"{SURPRISE}Scatter with a quarter hidden minus that of the whole image, of the same "
        f"galaxies {where} ({quarter[f'{prefix}n'].iloc[0]:.0f}) and one training a ratio, which "
        f"another may not confirm: {'; '.join(words)}."
    )


def _explanation(study: pd.DataFrame, prefix: str) -> list[str]:
    """Whether models do best when they are shown about as much as in their training."""
    # a model that is shown nothing at all says nothing about this
    shown = study[study["test_mask"] < 1]
    wide = shown.pivot(index="mask", columns="test_mask", values=f"{prefix}sigma_nmad")
    if wide.shape[0] < 3 or wide.shape[1] < 3:
        return []
    favourite = wide.idxmin(axis=1)
    steps = ", ".join(f"{mask:.0%}: {test:.0%}" for mask, test in favourite.items())
    where = "at low redshift" if prefix else "at all redshifts"
    if favourite.nunique() == 1:
        return [
            f"Whatever is hidden in training, {favourite.iloc[0]:.0%} hidden in the test is best "
            f"{where}: these galaxies do not show that a model prefers what it was trained on."
        ]
    masks = np.array(favourite.index)
    found = permutation_test(
        (favourite.to_numpy(),),
        lambda tests: spearmanr(masks, tests).statistic,
        permutation_type="pairings",
        alternative="greater",
        n_resamples=MOST_PERMUTED,
        rng=0,
    )
    verdict = (
        "it rises with that of the training, as it would if models did best with images that look "
        "like those of their training"
        if found.pvalue <= 0.025
        else "whether it rises with that of the training is not decided"
    )
    return [
        f"Hidden in training, and least scatter in the test {where}: {steps}. Rank correlation "
        f"{found.statistic:.2f} of {len(masks)} ratios, {found.pvalue:.1%} by chance: {verdict}."
    ]


def missing_story(study: pd.DataFrame) -> str:
    """Tests with something missing in plain words.

    Parameters
    ----------
    study : DataFrame
        model, view (in words), and the columns of `mmae.evaluation.masking_study.masking_study`.
    """
    items = []
    for view, rows in study.groupby("view", sort=False):
        words = [
            f"{row['model']} {row['sigma_nmad']:.4f} ({row['sigma_nmad_low']:.4f} to "
            f"{row['sigma_nmad_high']:.4f}), outliers {row['outlier_fraction']:.1%}"
            for _, row in rows.iterrows()
        ]
        items.append(
            f"{view}, {rows['n'].iloc[0]:.0f} galaxies: sigma_NMAD {'; '.join(words)}; one "
            "training each."
        )
    return listed(items)


def names(labels: Iterable[str]) -> str:
    """Labels in a row; labels hold commas."""
    return " / ".join(labels) or "none"


def listed(items: Iterable[str]) -> str:
    """A list in Markdown."""
    return "\n".join(f"- {item}" for item in items)
