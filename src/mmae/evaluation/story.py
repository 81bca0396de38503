"""What the numbers of a run say, in sentences: each is made from the tables, none is written in."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

SURE = 0.975
"""Probability from which a difference counts as sure: its two-sided 95% interval excludes 0."""
SHOWN = 0.25
"""Test ratio of the paper's surprise: a quarter of the image hidden."""


def comparison_story(
    table: pd.DataFrame, reference: str, floors: Sequence[str], limit: str = "limit"
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
    limit : str
        Model that is given the truth, if there is one; it is not ranked with the others.

    Returns
    -------
    str
        Markdown, one item a finding.
    """
    known = table[table["sigma_nmad"].notna()]
    rows, possible = known[known["model"] != limit], known[known["model"] == limit]
    best, worst, base = rows.iloc[0], rows.iloc[-1], rows[rows["label"] == reference].iloc[0]
    items = [
        f"{len(rows)} rows on the same {best['n']:.0f} test galaxies. The least scatter has "
        f"{_with_interval(best)}, the most {_with_interval(worst)}.",
        f"The reference is {_with_interval(base)}. {_verdicts(rows, '')}",
        f"At low redshift ({base['low_n']:.0f} galaxies) it has {base['low_sigma_nmad']:.4f}. "
        f"{_verdicts(rows, 'low_')}",
    ]
    items += [_against_floor(rows, floor) for floor in floors if floor in {*rows["model"]}]
    items += [
        f"With the true magnitudes, sizes and types, without noise, {row['label']} has "
        f"{row['sigma_nmad']:.4f}: the least scatter of a model is "
        f"{best['sigma_nmad'] / row['sigma_nmad']:.1f} times that, the reference's "
        f"{base['sigma_nmad'] / row['sigma_nmad']:.1f} times."
        for _, row in possible.iterrows()
    ]
    items += _seeds(rows) + _published(table)
    return _listed(items)


def _with_interval(row: pd.Series) -> str:
    """A model and its scatter."""
    value, low, high = (row[f"sigma_nmad{end}"] for end in ("", "_low", "_high"))
    return f"{row['label']} with sigma_NMAD {value:.4f} (95%: {low:.4f} to {high:.4f})"


def _verdicts(rows: pd.DataFrame, prefix: str) -> str:
    """Who is better than the reference, who worse, and of whom nobody can say."""
    known = rows[rows[f"{prefix}p_better"].notna()]
    probability = known[f"{prefix}p_better"]
    kinds = {
        "Surely less scatter than it": probability >= SURE,
        "surely more": probability <= 1 - SURE,
        "not decided by these galaxies": (probability > 1 - SURE) & (probability < SURE),
    }
    words = [f"{kind}: {_names(known['label'][chosen])}" for kind, chosen in kinds.items()]
    return "; ".join(words) + "."


def _against_floor(rows: pd.DataFrame, floor: str) -> str:
    """Which rows beat a model that any network should beat."""
    row = rows[rows["model"] == floor].iloc[0]
    others = rows[rows["model"] != floor]
    below = others["sigma_nmad_high"] < row["sigma_nmad_low"]
    above = others["sigma_nmad_low"] > row["sigma_nmad_high"]
    return (
        f"{floor} has {row['sigma_nmad']:.4f}. With an interval wholly below its own: "
        f"{_names(others['label'][below])}; wholly above: {_names(others['label'][above])}; "
        f"overlapping: {_names(others['label'][~(below | above)])}."
    )


def _seeds(rows: pd.DataFrame) -> list[str]:
    """How far seeds move the scatter, against how far models are apart."""
    spread = rows[rows["seed_std"].notna() & (rows["seed_std"] > 0)]
    if spread.empty:
        return []
    most = spread.loc[spread["seed_std"].idxmax()]
    close = rows[rows["difference"].abs() < spread["seed_std"].median()]
    return [
        f"Seeds alone move the scatter by {spread['seed_std'].median():.4f} (median of the "
        f"standard deviations), at most {most['seed_std']:.4f} ({most['label']}); intervals do "
        f"not contain this. Nearer to the reference than that median: {_names(close['label'])}."
    ]


def _published(table: pd.DataFrame) -> list[str]:
    """Published values, each with what was measured here of the same model."""
    rows = table[table["published_sigma_nmad"].notna()]
    if rows.empty:
        return []
    parts = [
        f"{row['label']}: {row['published_sigma_nmad']:.3f}"
        + ("" if pd.isna(row["low_sigma_nmad"]) else f", here {row['low_sigma_nmad']:.4f}")
        for _, row in rows.iterrows()
    ]
    return [
        "Published at low redshift, each for galaxies of its own and not to be ranked with ours: "
        + "; ".join(parts)
        + "."
    ]


def masking_story(study: pd.DataFrame) -> str:
    """The masking study in plain words; the paper's surprise is tested.

    Parameters
    ----------
    study : DataFrame
        mask (in training), and the columns of `mmae.evaluation.masking_study.masking_study`.
    """
    best = study.loc[study["sigma_nmad"].idxmin()]
    items = [
        f"The least scatter, {best['sigma_nmad']:.4f} (95%: {best['sigma_nmad_low']:.4f} to "
        f"{best['sigma_nmad_high']:.4f}), has the model trained with {best['mask']:.0%} hidden, "
        f"shown images with {best['test_mask']:.0%} hidden."
    ]
    quarter = study[np.isclose(study["test_mask"], SHOWN)]
    if len(quarter):
        items.append(_surprise(quarter))
    items += _explanation(study)
    return _listed(items)


def _surprise(quarter: pd.DataFrame) -> str:
    """Whether a quarter hidden is better than the whole image, for each ratio in training."""
    words = []
    for _, row in quarter.iterrows():
        kind = "not decided"
        if row["p_better"] >= SURE:
            kind = "surely better"
        elif row["p_better"] <= 1 - SURE:
            kind = "surely worse"
        words.append(
            f"trained at {row['mask']:.0%}: {row['difference']:+.4f} "
            f"({row['difference_low']:+.4f} to {row['difference_high']:+.4f}), {kind}"
        )
    return (
        "The paper's surprise is that a quarter hidden in the test gives less scatter than the "
        "whole image. Scatter with a quarter hidden minus that of the whole image, of the same "
        "galaxies: " + "; ".join(words) + "."
    )


def _explanation(study: pd.DataFrame) -> list[str]:
    """Whether models do best when they are shown about as much as in their training."""
    # a model that is shown nothing at all says nothing about this
    shown = study[study["test_mask"] < 1]
    wide = shown.pivot(index="mask", columns="test_mask", values="sigma_nmad")
    if wide.shape[0] < 3 or wide.shape[1] < 3:
        return []
    favourite = wide.idxmin(axis=1)
    steps = ", ".join(f"{mask:.0%}: {test:.0%}" for mask, test in favourite.items())
    if favourite.nunique() == 1:
        return [
            f"Whatever is hidden in training, {favourite.iloc[0]:.0%} hidden in the test is best: "
            "these galaxies do not show that a model prefers what it was trained on."
        ]
    rank = float(spearmanr(favourite.index, favourite).statistic)
    verdict = (
        "it rises with that of the training, as it would if models did best with images that look "
        "like those of their training"
        if rank > 0.5
        else "it does not rise with that of the training"
    )
    return [
        f"Hidden in training, and best in the test: {steps}. Rank correlation {rank:.2f}: "
        f"{verdict}."
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
            f"{row['sigma_nmad_high']:.4f})"
            for _, row in rows.iterrows()
        ]
        items.append(f"{view}: sigma_NMAD {'; '.join(words)}.")
    return _listed(items)


def uncertainty_story(table: pd.DataFrame) -> str:
    """Honesty of the uncertainties in plain words.

    Parameters
    ----------
    table : DataFrame
        As from `mmae.evaluation.calibration.calibration_table`.
    """
    items = []
    for _, row in table[table["crps"].notna()].iterrows():
        side = "too narrow" if row["coverage_68"] < 0.68 else "too wide"
        honest = row["coverage_68_low"] <= 0.68 <= row["coverage_68_high"]
        verdict = "honest within the error" if honest else side
        items.append(
            f"{row['label']}: its own 68% intervals hold {row['coverage_68']:.1%} of the galaxies, "
            f"{verdict}; calibrated on validation galaxies {row['conformal_coverage_68']:.1%}. "
            f"Without the least certain 10% its scatter is {row['sigma_nmad_certain']:.4f} instead "
            f"of {row['sigma_nmad']:.4f}."
        )
    first, coverage = table.iloc[0], table["conformal_coverage_68"]
    farthest = table["label"][(coverage - 0.68).abs().idxmax()]
    items.append(
        f"After calibration the 68% intervals of all {len(table)} rows hold between "
        f"{coverage.min():.1%} and {coverage.max():.1%} of the galaxies (farthest from 68%: "
        f"{farthest}). The narrowest are those of "
        f"{first['label']}: {first['conformal_width_68']:.4f} (1 + z) from end to end."
    )
    return _listed(items)


def retrieval_story(table: pd.DataFrame) -> str:
    """What images tell of their spectra in plain words.

    Parameters
    ----------
    table : DataFrame
        As from `mmae.evaluation.embeddings.retrieval_table`.
    """
    return _listed(
        f"{row['model']}: of {row['n']:.0f} images {row['recall_at_1']:.1%} find their own "
        f"spectrum first and {row['recall_at_10']:.1%} among the first ten (by chance "
        f"{row['chance_at_1']:.1%} and {row['chance_at_10']:.1%}); the median rank is "
        f"{row['median_rank']:.0f}."
        for _, row in table.iterrows()
    )


def line_story(measured: pd.DataFrame) -> str:
    """Lines of reconstructed spectra in plain words.

    Parameters
    ----------
    measured : DataFrame
        As from `mmae.evaluation.reconstruction.reconstruction_table`.
    """
    whole = measured[measured["part"] == "all"].set_index(["quantity", "line"])
    items = []
    for line in dict.fromkeys(measured["line"].dropna()):
        words = []
        for quantity, form in (
            ("line missed", "missed in {value:.0%} of the {n} galaxies that have it"),
            ("line false", "drawn in {value:.0%} of the {n} that do not"),
            ("line centre", "centre off by {value:+.0f} km/s (median), scatter {scatter:.0f}"),
            ("line height", "{value:.2f} of the true height"),
            ("line width", "{value:.2f} of the true width"),
        ):
            if (quantity, line) in whole.index:
                words.append(form.format(**whole.loc[(quantity, line)]))
        if words:
            items.append(f"{line}: {'; '.join(words)}.")
    return _listed(items)


def _names(labels: Iterable[str]) -> str:
    """Labels in a row; labels hold commas."""
    return " / ".join(labels) or "none"


def _listed(items: Iterable[str]) -> str:
    """A list in Markdown."""
    return "\n".join(f"- {item}" for item in items)
