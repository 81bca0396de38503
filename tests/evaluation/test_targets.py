"""Targets held against numbers that are made up."""

import numpy as np
import pandas as pd
import pytest

from mmae.errors import InputError
from mmae.evaluation.comparison import ScoredRun
from mmae.evaluation.reconstruction import PROFILE
from mmae.evaluation.scoring import full_report
from mmae.evaluation.targets import TARGET_COLUMNS, cost_table, targets_table
from mmae.settings import BOTH_HIDDEN, HEADLINE_VIEW, WHOLE_IMAGE, Scoring

SCORING = Scoring(bootstrap_samples=30)
SCATTER = {"new": 0.01, "old": 0.04, "cnn": 0.02, "annuli": 0.0095, "median": 0.001, "bcnn": 0.03}
COST = {"training_seconds": 50.0, "galaxies_seen": 60_000, "parameters": 10**6}


def run_of(model: str, seed: int, view: str, factor: float = 1.0) -> ScoredRun:
    rng = np.random.default_rng(seed)
    z_spec = rng.uniform(0.05, 1.0, 400)
    scatter = factor * SCATTER[model]
    table = pd.DataFrame({"z_spec": z_spec})
    table["z_pred"] = z_spec + scatter * (1 + z_spec) * rng.normal(size=400)
    table["z_std"] = scatter * (1 + z_spec)
    return ScoredRun(model, "0.00", str(seed), view, full_report(table, None, SCORING), table, COST)


@pytest.fixture(scope="module")
def runs() -> list[ScoredRun]:
    views = [WHOLE_IMAGE, HEADLINE_VIEW]
    found = [run_of(model, s, view) for model in SCATTER for s in (0, 1) for view in views]
    found += [run_of("new", s, "no-y", 1.5) for s in (0, 1)]
    return found + [run_of("bcnn", s, "no-y", 1.2) for s in (0, 1)]


def quality() -> pd.DataFrame:
    """One row a quantity that a target asks for, of two trainings that differ by 0.1."""
    both, images = (BOTH_HIDDEN, HEADLINE_VIEW), ("mean", "z_spec")
    rows = [
        ("new", HEADLINE_VIEW, "mode", "z_pred", "line found", "H-alpha", 0.9),
        ("new", HEADLINE_VIEW, "mode", "z_pred", "line width", "H-alpha", 1.0),
        ("new", HEADLINE_VIEW, "mode", "z_spec", "line found", "H-alpha", 0.1),
        ("new", HEADLINE_VIEW, "mode", "z_pred", "line false", "H-alpha", 0.3),
        ("new", HEADLINE_VIEW, *images, "spectrum mse", "", 0.25),
        ("old", HEADLINE_VIEW, *images, "spectrum mse", "", 0.85),
        ("new", HEADLINE_VIEW, *images, "spectrum noise", "", 0.15),
        *(("new", view, *images, "image psnr", "", 30.0) for view in both),
        *(("new", view, PROFILE, "z_spec", "image psnr", "", 29.5) for view in both),
        ("new", BOTH_HIDDEN, *images, "redshift", "", 0.0),
    ]
    columns = ["model", "view", "kind", "at", "quantity", "line", "value"]
    table = pd.DataFrame(rows, columns=columns).assign(part="all", n=77)
    table = pd.concat([table.assign(seed=s, value=table["value"] + 0.1 * s) for s in (0, 1)])
    scatter = table["seed"].map({0: 0.001, 1: 0.0014})
    for name, values in (("", table["value"]), ("scatter_", scatter)):
        table = table.assign(**{f"{name}low": values - 0.01, f"{name}high": values + 0.01})
    return table.assign(scatter=scatter)


@pytest.fixture(scope="module")
def found(runs) -> pd.DataFrame:
    table = targets_table(runs, quality(), "new", "old", SCORING)
    assert list(table) == [*TARGET_COLUMNS]
    return table.set_index("what")


def test_redshifts_are_held_against_the_paper_the_best_other_and_annuli(found):
    row = found.loc["sigma_NMAD / old's, whole image, all z"]
    assert row["measured"] == pytest.approx(0.25, rel=0.01)
    assert row["low"] < row["measured"] < row["high"]
    assert (row["target"], row["met"], row["n"]) == ("<= 0.5", "yes", 400)
    assert len(row["trainings"].split()) == 2
    best = found.loc["sigma_NMAD / that of the best other, cnn, all z"]
    assert best["measured"] == pytest.approx(0.5, rel=0.01), "the median is no rival"
    assert found.loc["sigma_NMAD / annuli's, all z", "met"] == "no"


def test_a_missing_band_costs_what_it_costs_relative_to_the_bcnn(found):
    row = found.loc["sigma_NMAD without / with, no-y, / the BCNN's"]
    assert (row["measured"], row["met"]) == (pytest.approx(1.5 / 1.2, rel=0.01), "no")


def test_intervals_are_held_against_what_they_state_in_each_range(found):
    coverage = found[found.index.str.startswith("coverage of the stated 68%")]
    assert len(coverage) == 3
    assert (coverage["measured"].abs() < 0.05).all()
    assert (coverage["low"] < coverage["measured"]).all()
    (crps,) = found.index[found.index.str.startswith("CRPS")]
    assert "annuli" in crps
    assert found.loc[crps, "met"] == "no"


def test_lines_are_those_at_the_models_own_redshift_with_their_denominators(found):
    row = found.loc["H-alpha found"].iloc[0]
    assert (row["measured"], row["met"], row["n"]) == (pytest.approx(0.95), "yes", 77)
    assert (row["low"], row["high"]) == pytest.approx((0.94, 0.96))
    assert found.loc["H-alpha: width / true - 1", "measured"] == pytest.approx(0.05)
    assert found.loc["H-alpha drawn in galaxies without it", ["target", "met"]].tolist() == [
        "told",
        "",
    ]
    assert found.loc["Ly-alpha found", "met"] == "not measured"


def test_squared_errors_are_compared_whole_and_above_the_noise(found):
    whole = found.loc["squared error of the mean spectrum / old's", "measured"]
    assert whole == pytest.approx(0.3 / 0.9)
    above = found.loc["the same above the noise of the pixels", "measured"]
    assert above == pytest.approx(0.1 / 0.7)


def test_synthesis_images_and_cost(found):
    row = found.loc["sigma_NMAD by synthesis, 75% of both hidden"]
    assert (row["measured"], row["met"]) == (pytest.approx(0.0012), "yes")
    row = found.loc["PSNR minus the radial profile's (dB), 25% hidden"]
    assert (row["measured"], row["met"]) == (pytest.approx(0.5), "no")
    assert found.loc["seconds of training", "met"] == "yes"
    assert found.loc["galaxies a second in training", "measured"] == 1200
    assert found.loc["galaxies a second in training", "met"] == "no"


def test_a_model_without_runs_is_an_error(runs):
    with pytest.raises(
        InputError, match=r"targets: found no run of other[,;] expected one of .*new"
    ):
        targets_table(runs, quality(), "other", "old", SCORING)


def test_the_figure_of_cost_has_a_training_a_row_and_no_models_that_are_no_rivals(runs):
    table = cost_table(runs, WHOLE_IMAGE)
    assert sorted(table["model"]) == sorted([*(set(SCATTER) - {"median"})] * 2)
    assert (table["training_seconds"] == 50).all()
