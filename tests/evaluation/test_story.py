"""Sentences follow the numbers, and say nothing else."""

import numpy as np
import pandas as pd
import pytest

from mmae.evaluation.masking_study import PREFIXES
from mmae.evaluation.story import comparison_story, masking_story, missing_story
from mmae.settings import HEADLINE_VIEW, WHOLE_IMAGE

NONE = {"z_pred_min": 0.0, "z_pred_max": 4.0, "n_beyond": 0, "beyond_outliers": np.nan}


def compared(*models: str, **verdicts: str) -> pd.DataFrame:
    """Rows of 100 galaxies and one training each, in the order given; the first is best."""
    rows = []
    for k, model in enumerate(models):
        sigma, verdict = 0.02 + 0.02 * k, verdicts.get(model)
        row = {"label": model, "model": model, "mask": "0.00", "view": WHOLE_IMAGE, "n_seeds": 1}
        row |= {"n": 100, "low_n": 40, "outlier_fraction": 0.1, "unseen": False} | NONE
        for p in PREFIXES:
            row |= {f"{p}sigma_nmad": sigma, f"{p}seed_mean": sigma, f"{p}seed_values": []}
            row |= {f"{p}sigma_nmad_low": sigma - 0.001, f"{p}sigma_nmad_high": sigma + 0.001}
            row |= {f"{p}verdict": verdict, f"{p}outlier_verdict": verdict}
        row |= {"best_verdict": verdict if k else None, "gbdt_verdict": verdict}
        row |= {"seed_spread": np.nan, "spread_dof": 0, "published_sigma_nmad": np.nan}
        rows.append(row)
    return pd.DataFrame(rows)


def told(table: pd.DataFrame, floors=(), low_redshift: float = 0.4) -> str:
    return comparison_story(table, "mmae", floors, low_redshift)


def test_verdicts_are_those_of_the_table_on_scatter_and_on_outliers():
    table = compared("mmae", "good", "bad", "close", good="better", bad="worse", close="undecided")
    table.loc[1, "outlier_verdict"] = "worse"
    table.loc[1, "low_verdict"] = "undecided"
    story = told(table)
    assert "Scatter: better: good; worse: bad; not decided: close. Outliers: better: none" in story
    assert "Outliers: better: none; worse: good / bad; not decided: close." in story
    assert "At z <= 0.4 (40 galaxies) its sigma_NMAD is" in story
    assert "Scatter: better: none; worse: bad; not decided: good / close." in story


def test_the_first_row_is_first_as_far_as_that_is_decided():
    table = compared("mmae", "near", "far", near="undecided", far="worse")
    story = told(table)
    assert "The first is mmae with sigma_NMAD 0.0200" in story
    assert "not decided against it: near." in story
    assert "surely" not in story
    assert "least" not in story


def test_few_galaxies_at_low_redshift_are_no_sentence():
    table = compared("mmae", "cnn", cnn="worse").assign(low_n=4)
    assert "At z <= 0.4" not in told(table)


def test_the_floor_is_beaten_as_verdicts_say():
    table = compared("mmae", "gbdt", "cnn", mmae="better", cnn="undecided")
    story = told(table, ["gbdt", "absent"])
    assert "Against it, scatter: better: mmae; worse: none; not decided: cnn." in story
    assert "absent" not in story


def test_redshifts_that_a_model_never_predicts_are_told():
    table = compared("mmae", "cnn", cnn="better")
    assert "never predicted" not in told(table)
    lost = {"z_pred_max": 0.66, "n_beyond": 14, "beyond_outliers": 1.0}
    table.loc[0, [*lost]] = [*lost.values()]
    words = "mmae from 0.00 to 0.66, with 14 of 100 galaxies beyond, 100% of them outliers."
    assert f"Redshifts that are never predicted: {words}" in told(table)
    table.loc[0, "beyond_outliers"] = 0.1
    assert "never predicted" not in told(table), "they are near"


def test_how_far_trainings_are_apart_is_told_as_far_as_it_is_known():
    table = compared("mmae", "cnn", cnn="worse")
    assert "No recipe that has anything random in it was trained twice" in told(table)
    assert "0.0200 (one training; 95% of the galaxies: 0.0190 to 0.0210)" in told(table)
    table = table.assign(seed_spread=[0.003, 0.0], spread_dof=5, n_seeds=2)
    table["seed_values"] = [[0.026], [0.02]]
    story = told(table)
    assert "0.0200 (2 trainings: 0.0200, 0.0260)" in story
    assert "off by 0.0030" in story
    assert "two single trainings by 0.0042" in story, "sqrt(2) times as much"
    assert "5 degrees of freedom" in story
    assert "The same in all trainings: cnn." in story


def test_the_papers_surprise_is_tested_where_the_paper_makes_it_and_by_all_trainings():
    table = compared("mmae", "whole", whole="worse")
    table["model"] = "mmae"
    table["view"] = [HEADLINE_VIEW, WHOLE_IMAGE]
    table["n_seeds"] = 2
    numbers = {
        "low_difference": 0.0134,
        "low_difference_low": -0.0013,
        "low_difference_high": 0.0282,
    }
    for name, value in numbers.items():
        table[name] = [np.nan, value]
    story = told(table)
    words = (
        "at z <= 0.4. Here, a quarter hidden minus the whole image, by 2 trainings of mmae and 40 "
        "galaxies: -0.0134 (-0.0282 to +0.0013)"
    )
    assert f"{words}, not decided." in story
    assert "surprise" not in told(table, low_redshift=0.5), "that is not the paper's range"
    table["low_difference_low"] = [np.nan, 0.001]
    assert "(-0.0282 to -0.0010), better." in told(table)


def test_views_that_no_training_had_are_no_bound():
    table = compared("mmae", "cnn", cnn="worse")
    assert "No training" not in told(table)
    table["unseen"] = [False, True]
    assert "always there: cnn. They are no bound" in told(table)


def test_a_model_that_is_given_the_truth_is_no_rival():
    table = compared("limit", "mmae", "cnn", mmae="worse", cnn="worse")
    story = told(table)
    assert "2 rows on the same 100" in story
    assert "The first is mmae" in story
    assert "limit has 0.0200: the least scatter of a model is 2.0 times that" in story
    assert "without noise" not in told(table[1:])


def test_published_values_stand_apart():
    table = compared("mmae", "cnn", cnn="worse")
    table.loc[0, "published_sigma_nmad"] = 0.016
    assert "not to be ranked with ours: mmae: 0.016, here 0.0200." in told(table)


def study(best_in_test: dict[float, float], **low: float) -> pd.DataFrame:
    """A study in which each training ratio does best at a given test ratio."""
    rows = []
    for mask, best in best_in_test.items():
        for test_mask in (0.0, 0.25, 0.5, 0.75):
            row = {"mask": mask, "test_mask": test_mask, "outlier_fraction": 0.1}
            for p in PREFIXES:
                sigma = 0.05 + 0.1 * abs(test_mask - best)
                row |= {f"{p}sigma_nmad{end}": sigma for end in ("", "_low", "_high")}
                ends = {"difference": 0.001, "difference_low": -0.001, "difference_high": 0.002}
                row |= {f"{p}{name}": value for name, value in ends.items()}
                row[f"{p}n"] = 400 if p == "" else 200
            rows.append(row)
    return pd.DataFrame(rows).assign(**low)


@pytest.mark.parametrize(
    ("ends", "verdict"), [((-3, -1), "better"), ((1, 3), "worse"), ((-1, 1), "not decided")]
)
def test_the_surprise_is_tested_at_low_redshift(ends, verdict):
    low, high = (0.001 * end for end in ends)
    given = {"low_difference": 0.0, "low_difference_low": low, "low_difference_high": high}
    story = masking_story(study({0.25: 0.0, 0.75: 0.5}, **given), 0.4)
    assert f"trained at 75%: +0.0000 ({low:+.4f} to {high:+.4f}), {verdict}" in story
    assert "galaxies in that range (200) and one training a ratio" in story
    assert "surely" not in story
    elsewhere = masking_story(study({0.25: 0.0, 0.75: 0.5}, **given), 0.5)
    assert "at all redshifts, which is not the paper's range (400)" in elsewhere
    assert "trained at 75%: +0.0010 (-0.0010 to +0.0020), not decided" in elsewhere


def test_the_smallest_number_of_single_trainings_decides_nothing():
    story = masking_story(study({0.25: 0.0, 0.75: 0.5}), 0.4)
    assert "The smallest sigma_NMAD at all redshifts (400 galaxies) is 0.0500" in story
    assert "The smallest sigma_NMAD at z <= 0.4 (200 galaxies)" in story
    assert story.count("which ratio in training is best is not decided") == 2


def test_the_explanation_needs_more_than_chance():
    """Three ratios in order are one of six orders, five are one of a hundred and twenty."""
    ratios = (0.1, 0.25, 0.5, 0.75, 0.9)
    five = masking_story(study(dict(zip(ratios, (0.0, 0.0, 0.25, 0.5, 0.75), strict=True))), 0.4)
    assert "of 5 ratios, 1.7% by chance: it rises" in five
    three = masking_story(study({0.1: 0.0, 0.5: 0.25, 0.9: 0.75}), 0.4)
    assert "correlation 1.00 of 3 ratios, 16.7% by chance: whether it rises" in three
    against = masking_story(study({0.1: 0.75, 0.5: 0.25, 0.9: 0.0}), 0.4)
    assert "correlation -1.00 of 3 ratios, 100.0% by chance: whether it rises" in against
    same = masking_story(study({0.1: 0.25, 0.5: 0.25, 0.9: 0.25}), 0.4)
    assert "25% hidden in the test is best at low redshift" in same


def test_what_is_missing_is_told_with_galaxies_and_outliers():
    rows = study({0.75: 0.5}).assign(model="mmae", view="no y band")[:1]
    words = "no y band, 400 galaxies: sigma_NMAD mmae 0.1000 (0.1000 to 0.1000), outliers 10.0%"
    assert f"{words}; one training each." in missing_story(rows)
