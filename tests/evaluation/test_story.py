"""Sentences follow the numbers, and say nothing else."""

import numpy as np
import pandas as pd
import pytest

from mmae.evaluation.story import (
    comparison_story,
    line_story,
    masking_story,
    missing_story,
    retrieval_story,
    uncertainty_story,
)


def compared(**p_better: float) -> pd.DataFrame:
    """Rows of 100 galaxies, in the order given; the first is the reference."""
    rows = []
    for k, (model, probability) in enumerate(p_better.items()):
        sigma = 0.02 + 0.02 * k
        rows.append(
            {"label": model, "model": model, "n": 100, "low_n": 40, "difference": 0.02 * k}
            | {f"{p}sigma_nmad": sigma for p in ("", "low_")}
            | {f"{p}sigma_nmad_low": sigma - 0.001 for p in ("", "low_")}
            | {f"{p}sigma_nmad_high": sigma + 0.001 for p in ("", "low_")}
            | {f"{p}p_better": probability for p in ("", "low_")}
            | {"seed_std": np.nan, "published_sigma_nmad": np.nan}
        )
    return pd.DataFrame(rows)


def test_the_verdict_on_each_model_is_that_of_the_bootstrap():
    table = compared(mmae=np.nan, good=0.99, bad=0.01, close=0.6)
    story = comparison_story(table, "mmae", [])
    assert "Surely less scatter than it: good; surely more: bad" in story
    assert "not decided by these galaxies: close." in story


def test_a_changed_result_changes_the_story():
    table = compared(mmae=np.nan, cnn=0.01)
    swapped = compared(mmae=np.nan, cnn=0.99)
    assert "surely more: cnn" in comparison_story(table, "mmae", [])
    assert "surely more: none" in comparison_story(swapped, "mmae", [])


def test_the_floor_is_beaten_only_with_a_whole_interval():
    table = compared(mmae=np.nan, gbdt=0.5, cnn=0.5)
    table.loc[2, ["sigma_nmad_low", "sigma_nmad_high"]] = [0.0405, 0.07]
    story = comparison_story(table, "mmae", ["gbdt", "absent"])
    assert "wholly below its own: mmae; wholly above: none; overlapping: cnn." in story
    assert "absent" not in story


def test_seeds_are_told_only_where_there_are_some():
    table = compared(mmae=np.nan, cnn=0.5)
    assert "Seeds alone" not in comparison_story(table, "mmae", [])
    table["seed_std"] = [0.001, 0.005]
    assert "at most 0.0050 (cnn)" in comparison_story(table, "mmae", [])


def test_published_values_stand_apart():
    table = compared(mmae=np.nan, cnn=0.5)
    table.loc[0, "published_sigma_nmad"] = 0.016
    story = comparison_story(table, "mmae", [])
    assert "not to be ranked with ours: mmae: 0.016, here 0.0200." in story


def study(best_in_test: dict[float, float], p_better: float = 0.5) -> pd.DataFrame:
    """A study in which each training ratio does best at a given test ratio."""
    rows = []
    for mask, best in best_in_test.items():
        for test_mask in (0.0, 0.25, 0.5, 0.75):
            sigma = 0.05 + 0.1 * abs(test_mask - best)
            rows.append(
                {"mask": mask, "test_mask": test_mask, "sigma_nmad": sigma, "difference": 0.001}
                | {"sigma_nmad_low": sigma, "sigma_nmad_high": sigma, "p_better": p_better}
                | {"difference_low": -0.001, "difference_high": 0.002}
            )
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("p_better", "verdict"), [(0.99, "surely better"), (0.01, "surely worse"), (0.5, "not decided")]
)
def test_the_surprise_is_tested(p_better, verdict):
    story = masking_story(study({0.25: 0.0, 0.75: 0.5}, p_better))
    assert f"trained at 75%: +0.0010 (-0.0010 to +0.0020), {verdict}" in story


def test_the_explanation_depends_on_the_study():
    follows = masking_story(study({0.1: 0.0, 0.5: 0.25, 0.9: 0.75}))
    against = masking_story(study({0.1: 0.75, 0.5: 0.25, 0.9: 0.0}))
    same = masking_story(study({0.1: 0.25, 0.5: 0.25, 0.9: 0.25}))
    assert "correlation 1.00: it rises" in follows
    assert "correlation -1.00: it does not rise" in against
    assert "25% hidden in the test is best" in same


def test_what_is_missing_is_told_view_by_view():
    rows = [
        {"model": model, "view": view, "sigma_nmad": sigma}
        | {"sigma_nmad_low": sigma - 0.01, "sigma_nmad_high": sigma + 0.01}
        for model, sigmas in (("mmae", (0.05, 0.09)), ("mmae-masked", (0.06, 0.07)))
        for view, sigma in zip(("no y band", "no g band"), sigmas, strict=True)
    ]
    story = missing_story(pd.DataFrame(rows))
    told = "mmae 0.0500 (0.0400 to 0.0600); mmae-masked 0.0600 (0.0500 to 0.0700)."
    assert f"no y band: sigma_NMAD {told}" in story
    assert "no g band: sigma_NMAD mmae 0.0900" in story
    assert story.index("no y band") < story.index("no g band"), "in the order of the table"


def test_uncertainty_says_too_narrow_too_wide_or_honest():
    common = {
        "crps": 0.01,
        "sigma_nmad": 0.05,
        "sigma_nmad_certain": 0.04,
        "conformal_coverage_68": 0.67,
        "conformal_width_68": 0.1,
    }
    rows = [
        common | {"label": name, "coverage_68": c, "coverage_68_low": c - 0.02}
        for name, c in (("narrow", 0.5), ("wide", 0.9), ("honest", 0.67))
    ]
    table = pd.DataFrame(rows)
    table["coverage_68_high"] = table["coverage_68"] + 0.02
    table.loc[3] = {"label": "silent", "conformal_coverage_68": 0.7, "conformal_width_68": 0.3}
    story = uncertainty_story(table)
    assert "narrow: its own 68% intervals hold 50.0% of the galaxies, too narrow;" in story
    assert "wide: its own 68% intervals hold 90.0% of the galaxies, too wide;" in story
    assert "honest within the error" in story
    assert "silent: its own" not in story
    assert "between 67.0% and 70.0%" in story


def test_lines_and_retrieval_are_told_by_their_numbers():
    measured = pd.DataFrame(
        {
            "part": "all",
            "quantity": ["line missed", "line false"],
            "line": ["H-alpha", "Ly-alpha"],
            "value": [0.25, 0.5],
            "n": [8, 2],
            "scatter": np.nan,
        }
    )
    story = line_story(measured)
    assert "H-alpha: missed in 25% of the 8 galaxies that have it." in story
    assert "Ly-alpha: drawn in 50% of the 2 that do not." in story
    found = {"recall_at_1": 0.5, "recall_at_10": 1, "chance_at_1": 0.1, "chance_at_10": 1}
    table = pd.DataFrame([{"model": "mmae", "n": 10, "median_rank": 2} | found])
    assert "mmae: of 10 images 50.0% find their own spectrum first" in retrieval_story(table)
