"""Sentences on uncertainties, embeddings and lines follow their tables."""

import numpy as np
import pandas as pd

from mmae.evaluation.lines import LINE_COLUMNS
from mmae.evaluation.quality_story import (
    found_story,
    line_story,
    retrieval_story,
    seen_story,
    uncertainty_story,
)


def calibrated(**widths: float) -> pd.DataFrame:
    rows = [
        {"label": name, "crps": np.nan, "n": 1050, "n_calibration": 199, "width_verdict": "worse"}
        | {"conformal_coverage_68": 0.67, "conformal_width_68": width, "sigma_nmad": 0.05}
        for name, width in widths.items()
    ]
    return pd.DataFrame(rows)


def test_uncertainty_says_too_narrow_too_wide_or_honest():
    table = calibrated(narrow=0.1, wide=0.2, honest=0.3, silent=0.4)
    table["coverage_68"] = [0.5, 0.9, 0.67, np.nan]
    table["coverage_68_low"] = table["coverage_68"] - 0.02
    table["coverage_68_high"] = table["coverage_68"] + 0.02
    table["sigma_nmad_certain"] = 0.04
    table.loc[:2, "crps"] = 0.01
    story = uncertainty_story(table)
    words = "its own 68% intervals hold 50.0% (48.0% to 52.0%) of 1050 galaxies, too narrow;"
    assert f"narrow: {words}" in story
    assert "galaxies, too wide; calibrated on 199 validation galaxies 67.0%" in story
    assert "honest within the error" in story
    assert "silent: its own" not in story


def test_calibrations_are_held_to_what_their_galaxies_allow():
    """With 199 calibration galaxies one of twenty is beyond 60.4% or 75.3%, not 65.1% and 70.8%."""
    table = calibrated(a=0.1, b=0.2, c=0.3)
    table["conformal_coverage_68"] = [0.62, 0.70, 0.59]
    story = uncertainty_story(table)
    assert "between 59.0% and 70.0%" in story
    assert "outside is c." in story
    assert "also chose learning rates" in story


def test_the_first_width_is_first_as_far_as_that_is_decided():
    table = calibrated(a=0.1, b=0.11, c=0.3)
    table["width_verdict"] = [None, "undecided", "worse"]
    story = uncertainty_story(table)
    words = "a: 0.1000 (1 + z) from end to end, which hold 67.0%; not decided against it: b."
    assert f"The first width is that of {words}" in story
    assert "narrowest" not in story


def test_retrieval_names_how_embeddings_are_compared():
    found = {"recall_at_1": 0.5, "recall_at_10": 1, "chance_at_1": 0.1, "chance_at_10": 1}
    found |= {"recall_at_10_low": 0.7, "recall_at_10_high": 1.0, "compared_by": "cosine"}
    table = pd.DataFrame([{"model": "mmae", "n": 10, "median_rank": 2} | found])
    words = "mmae, cosine: of 10 images 50.0% find their own spectrum first and 100.0% (70.0%"
    assert words in retrieval_story(table)


def lines(*rows: tuple[str, str, float, int]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["quantity", "line", "value", "n"])
    table["line"] = table["line"].replace("", np.nan)
    return table.assign(part="all", low=table["value"] / 2, high=table["value"] * 2, scatter=9.0)


def test_lines_are_found_too_wide_or_missed_with_their_denominators():
    story = line_story(
        lines(
            ("line noise", "", 0.01, 400),
            ("line found", "H-alpha", 0.25, 80),
            ("line right", "H-alpha", 0.2, 80),
            ("line too wide", "H-alpha", 0.125, 80),
            ("line missed", "H-alpha", 0.625, 80),
            ("line false", "H-alpha", 0.05, 120),
            ("line width", "H-alpha", 15.3, 30),
            ("line unresolved", "H-alpha", 0.5, 80),
        )
    )
    assert "Noise passes for a line in 1.0% (0.5% to 2.0%) of 400 windows" in story
    words = (
        "H-alpha: of 80 galaxies that have it, about 2 of them by noise, found in 25% (12% to 50%)"
    )
    assert f"{words}; right in height and width in 20%; too wide in 12%; missed in 62%;" in story
    assert "drawn above the noise in 5% of 120 that do not have it" in story
    assert "15.30 of the true width (median of 30)" in story
    assert "the true width is not resolved in 50% of 80" in story


def test_how_often_each_model_finds_a_line_is_one_sentence():
    tables = {
        "mmae": lines(("line found", "H-alpha", 0.0, 80), ("line found", "H-beta", 0.5, 40)),
        "restframe": lines(("line found", "H-alpha", 0.89, 75)),
    }
    assert found_story(tables) == "H-alpha is found by mmae in 0% of 80, by restframe in 89% of 75."
    assert found_story(tables, "Mg II") == "Mg II was not measured."


def test_what_is_seen_of_one_galaxy_is_told_in_numbers():
    rows = [
        ("H-alpha", "true", "found", 7000.0, 2.0, 40.0),
        ("H-alpha", "reconstructed", "too wide", 7012.4, 0.5, 500.0),
        ("H-beta", "true", "unresolved", 5200.0, 1.0, np.nan),
        ("H-beta", "reconstructed", "found", 5200.0, 1.1, 30.0),
        ("[O III]", "true", "found", 5400.0, 1.0, 30.0),
        ("[O III]", "reconstructed", "missed", np.nan, np.nan, np.nan),
    ]
    table = pd.DataFrame(rows, columns=LINE_COLUMNS)
    story = seen_story({"one": table, "two": table[:0]})
    words = "one: H-alpha is seen +12 Å from its place, with 0.25 of the true height and 12.5 times"
    assert words in story
    assert (
        "H-beta is seen +0 Å from its place, with 1.10 of the true height; [O III] is not" in story
    )
    assert "two: no line is in range." in story


def test_no_number_of_one_galaxy_is_told():
    """The table has none of fewer than five: what it lacks, no sentence has."""
    story = line_story(
        lines(("line found", "Mg II", 0.04, 24), ("line height", "Mg II", np.nan, 1))
    )
    assert "of 24 galaxies" in story
    assert "height" not in story
    assert "nan" not in story
