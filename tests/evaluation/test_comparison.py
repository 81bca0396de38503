"""All models on the same galaxies, from made-up runs of known scatter."""

import json

import numpy as np
import pandas as pd
import pytest

from galaxies import TOY
from mmae.config import read_section
from mmae.errors import InputError
from mmae.evaluation.comparison import (
    READABLE,
    ScoredRun,
    comparison_table,
    load_runs,
    paired_rows,
    readable,
)
from mmae.evaluation.published import PUBLISHED, published_as
from mmae.evaluation.scoring import full_report
from mmae.evaluation.trainings import model_table
from mmae.metrics.bootstrap import draws_of
from mmae.metrics.redshift import redshift_errors, sigma_nmad
from mmae.metrics.verdicts import Recipe, compare, pooled_spread
from mmae.settings import Scoring, Settings
from mmae.workflow import runs as planned

SCORING = Scoring(bootstrap_samples=40)
SEEDS = READABLE["seeds"]
HEADLINE, WHOLE, SPECTRUM = planned.HEADLINE_VIEW, planned.WHOLE_IMAGE, planned.SPECTRUM_ALONE
REFERENCE = ("mmae", "0.75", HEADLINE)
SHOWN = {HEADLINE: "image 25% hidden", WHOLE: "", SPECTRUM: "spectrum alone"}
PUBLISHED_AS = {"mmae": "MMAE", "astroclip-knn": "AstroCLIP", "bcnn-mag": "BCNN"}
Z_SPEC = np.random.default_rng(0).uniform(0.01, 1.2, 900)
SCATTERS = {
    ("mmae", "0.75", HEADLINE, "0"): 0.040,
    ("mmae", "0.75", HEADLINE, "1"): 0.050,
    ("mmae", "0.75", HEADLINE, "2"): 0.060,
    ("mmae", "0.75", WHOLE, "0"): 0.060,
    ("astroclip-knn", "0.00", WHOLE, "0"): 0.080,
    ("astroclip-knn", "0.00", SPECTRUM, "0"): 0.010,
    ("bcnn-mag", "0.00", WHOLE, "0"): 0.030,
    ("gbdt", "0.00", WHOLE, "0"): 0.100,
    ("gbdt", "0.00", WHOLE, "1"): 0.120,
}
"""Model, mask, view and seed -> scatter."""


def run_of(key: tuple[str, str, str, str], scatter: float, z_spec=Z_SPEC, **cost) -> ScoredRun:
    model, mask, view, seed = key
    # hard galaxies are hard for all
    noise = np.random.default_rng([7, int(seed)]).normal(0, 1, len(z_spec))
    z_pred = z_spec + scatter * noise * (1 + z_spec)
    forecast = pd.DataFrame(
        {"targetid": np.arange(len(z_spec)), "z_spec": z_spec, "z_pred": z_pred}
    )
    report = full_report(forecast, None, SCORING)
    return ScoredRun(model, mask, seed, view, report, forecast, cost, SHOWN[view])


@pytest.fixture(scope="module")
def runs() -> list[ScoredRun]:
    cost = {"parameters": 1234567, "galaxies_seen": 20, "training_seconds": 9.4}
    return [run_of(key, scatter, **cost) for key, scatter in SCATTERS.items()]


def compared(runs: list[ScoredRun], reference=REFERENCE) -> pd.DataFrame:
    return comparison_table(runs, reference, PUBLISHED_AS, 60, 0)


@pytest.fixture(scope="module")
def table(runs) -> pd.DataFrame:
    return compared(runs)


def row_of(table: pd.DataFrame, *key: str) -> pd.Series:
    (row,) = (row for _, row in table.iterrows() if (row["model"], row["mask"], row["view"]) == key)
    return row


def test_each_model_and_view_has_one_row_the_best_first(table):
    measured = table[table["sigma_nmad"].notna()]
    assert measured["label"].tolist() == [
        "astroclip-knn, spectrum alone",
        "bcnn-mag",
        "mmae, trained 75% hidden, image 25% hidden",
        "mmae, trained 75% hidden",
        "astroclip-knn",
        "gbdt",
    ]
    assert list(measured.index) == [*range(6)], "published values come last"
    assert measured["seed_mean"].is_monotonic_increasing
    assert measured["sigma_nmad"].to_numpy() == pytest.approx(
        [0.01, 0.03, 0.04, 0.06, 0.08, 0.1], rel=0.1
    )


def test_numbers_are_those_of_the_scored_run_with_their_intervals(runs, table):
    row = row_of(table, "gbdt", "0.00", WHOLE)
    scored = next(run for run in runs if run.model == "gbdt").metrics
    for prefix, part in (("", "all"), ("low_", "low_redshift")):
        assert row[f"{prefix}n"] == scored[part]["n"]
        for name in ("bias", "sigma_nmad", "outlier_fraction"):
            ends = [row[f"{prefix}{name}_{end}"] for end in ("low", "high")]
            assert [row[f"{prefix}{name}"], *ends] == [
                scored[part][name],
                *scored[part][f"{name}_interval"],
            ]
    assert row["low_n"] < row["n"] == 900


def test_differences_are_of_the_means_of_trainings_and_to_the_reference(runs, table):
    base = row_of(table, *REFERENCE)
    names = ["difference", "difference_low", "p_better", "low_difference", "verdict"]
    assert base[names].isna().all()
    for _, row in table[table["difference"].notna()].iterrows():
        for prefix in ("", "low_"):
            low, value, high = (row[f"{prefix}difference{end}"] for end in ("_low", "", "_high"))
            assert value == pytest.approx(row[f"{prefix}seed_mean"] - base[f"{prefix}seed_mean"])
            assert low < value < high
            verdict = "better" if high < 0 else "worse" if low > 0 else "undecided"
            assert row[f"{prefix}verdict"] == verdict
            assert (row[f"{prefix}p_better"] > 0.975) == (verdict == "better")
    trees = row_of(table, "gbdt", "0.00", WHOLE)
    recipes = {}
    for name in ("mmae", "gbdt"):
        group = [run for run in runs if run.model == name and run.key != (name, "0.75", WHOLE)]
        errors = [redshift_errors(run.forecast["z_pred"], Z_SPEC) for run in group]
        draws = [draws_of({"": sigma_nmad}, one, 60, 0)[""] for one in errors]
        recipes[name] = Recipe([sigma_nmad.of(one) for one in errors], draws)
    spread = pooled_spread(recipes.values())
    found = compare(recipes["gbdt"], recipes["mmae"], spread)
    assert trees["difference_low"] == pytest.approx(found.low)
    assert trees["p_better"] == pytest.approx(found.p_better)
    assert base["seed_spread"] == pytest.approx(0.05 * spread.variance**0.5, rel=0.1)
    assert base["spread_dof"] == 3, "two of one recipe, and one of the other"


def test_outliers_are_compared_too(runs, table):
    worse = row_of(table, "gbdt", "0.00", WHOLE)
    assert worse["outlier_verdict"] == "worse"
    base = row_of(table, *REFERENCE)
    means = [
        np.mean([r.metrics["all"]["outlier_fraction"] for r in runs if r.key == tuple(key)])
        for key in (worse[["model", "mask", "view"]], base[["model", "mask", "view"]])
    ]
    assert worse["outlier_difference"] == pytest.approx(means[0] - means[1])


def test_a_second_training_can_undecide_what_galaxies_had_decided():
    """Trainings that differ by as much as two models do tell nothing of the models."""
    keys = [("a", "0.00", WHOLE, "0"), ("b", "0.00", WHOLE, "0")]
    alone = [run_of(key, scatter) for key, scatter in zip(keys, (0.04, 0.05), strict=True)]
    table = compared(alone, keys[0][:3])
    assert row_of(table, *keys[1][:3])["verdict"] == "worse"
    assert table["seed_spread"][:2].isna().all()
    more = [
        run_of((*key[:3], "1"), scatter) for key, scatter in zip(keys, (0.06, 0.04), strict=True)
    ]
    table = compared([*alone, *more], keys[0][:3])
    assert row_of(table, *keys[1][:3])["verdict"] == "undecided"


def test_what_is_deterministic_has_no_spread_and_lends_none(runs):
    trees = [run._replace(model="trees", mask="0.00", view=WHOLE, shown="") for run in runs[:1]]
    table = compared([*runs, *trees, trees[0]._replace(seed="1")])
    row = row_of(table, "trees", "0.00", WHOLE)
    assert (row["n_seeds"], row["seed_spread"]) == (2, 0)
    assert readable(table).set_index("model").loc["trees", SEEDS].endswith(", always the same")
    base, before = row_of(table, *REFERENCE), row_of(compared(runs), *REFERENCE)
    assert base["seed_spread"] == before["seed_spread"]


def test_how_far_predictions_reach_is_told(runs):
    near = runs[0].forecast.assign(z_pred=runs[0].forecast["z_pred"].clip(upper=0.6))
    row = row_of(compared([runs[0]._replace(forecast=near), *runs[3:]]), *REFERENCE)
    beyond = (Z_SPEC > 0.6) | (row["z_pred_min"] > Z_SPEC)
    assert (row["z_pred_max"], row["n_beyond"]) == (0.6, beyond.sum())
    dz = np.abs(near["z_pred"] - Z_SPEC)[beyond] / (1 + Z_SPEC[beyond])
    assert row["beyond_outliers"] == pytest.approx((dz > 0.15).mean())


def test_what_no_training_showed_is_said(tmp_path):
    folders = []
    for model in ("mmae-knn", "astroclip-knn"):
        run = run_of((model, "0.00", SPECTRUM, "0"), 0.1)
        folders.append(write_run(tmp_path, run, run.forecast))
    trainings = pd.DataFrame(
        {"model": ["mmae", "astroclip"], "mask": 0.0, "always_shown": ["image", None]}
    )
    found = load_runs(folders, {}, {SPECTRUM: ["image"]}, trainings)
    assert [run.unseen for run in found] == [True, False]
    assert found[0].label == f"mmae-knn, {SPECTRUM} (unseen in training)"
    assert not any(run.unseen for run in load_runs(folders))
    table = model_table(
        found, trainings.assign(seed=0, epochs=[5, 7], augment=["none", "dihedral"])
    )
    assert table[["model", "epochs", "augment"]].to_numpy().tolist() == [
        ["mmae", "5", "none"],
        ["astroclip", "7", "dihedral"],
    ]
    assert list(model_table(found, None)["model"]) == ["mmae", "astroclip"]


def test_differences_are_of_galaxies_that_both_have(runs):
    """Each run may lack some redshifts; z_spec may be unknown for all."""
    lacking, without = ([run.forecast.copy() for run in (runs[0], runs[7])] for _ in range(2))
    lacking[0].loc[5, "z_pred"] = lacking[1].loc[6, "z_pred"] = np.nan
    for k in range(2):
        lacking[k].loc[7, "z_spec"] = np.nan
        without[k] = without[k].drop(index=[5, 6, 7]).reset_index(drop=True)
    found = []
    for tables in (lacking, without):
        pair = [r._replace(forecast=t) for r, t in zip((runs[0], runs[7]), tables, strict=True)]
        found.append(row_of(compared(pair), "gbdt", "0.00", WHOLE))
    names = ["difference", "difference_low", "difference_high", "p_better"]
    assert found[0][names].equals(found[1][names])


def test_seeds_are_told_as_mean_and_pooled_spread(runs, table):
    row = row_of(table, *REFERENCE)
    values = [run.metrics["all"]["sigma_nmad"] for run in runs[:3]]
    assert row["sigma_nmad"] == values[0], "the first seed's, whose interval is given"
    assert row["n_seeds"] == 3
    assert row["seed_mean"] == pytest.approx(sum(values) / 3)
    assert row["seed_values"] == values[1:]
    alone = row_of(table, "bcnn-mag", "0.00", WHOLE)
    assert alone["n_seeds"] == 1
    # one training spreads as those of others do, relative to its scatter
    ratio = alone["seed_spread"] / row["seed_spread"]
    assert ratio == pytest.approx(alone["seed_mean"] / row["seed_mean"])
    assert alone["seed_values"] == []


def test_published_and_measured_values_share_no_column(table):
    values = table[["model", "view", "published_sigma_nmad"]].set_index(["model", "view"])
    found = values["published_sigma_nmad"].dropna()
    assert found.to_dict() == {
        **{("mmae", HEADLINE): 0.016, ("mmae", WHOLE): 0.026},
        **{("astroclip-knn", WHOLE): 0.020, ("bcnn-mag", WHOLE): 0.012},
    }
    assert table["published_source"].notna().sum() == len(found)
    assert (table["sigma_nmad"].notna() & (table["n"] == 900)).sum() == 6
    assert set(table["sigma_nmad"]).isdisjoint(value.sigma_nmad for value in PUBLISHED)


def test_published_models_without_a_row_here_come_last_with_nothing_measured(runs):
    table = compared([run for run in runs if run.model == "mmae"])
    last = table[table["model"].isna()]
    assert last["label"].tolist() == ["AstroCLIP", "BCNN"]
    assert last.index.tolist() == [2, 3]
    assert last["published_sigma_nmad"].tolist() == [0.020, 0.012]
    rest = last.drop(columns=["label", "published_sigma_nmad", "published_source"])
    assert rest.isna().all(axis=None)


def test_what_was_published_of_which_model_follows_the_kinds():
    settings = read_section(Settings, TOY, "config")
    assert published_as(settings) == PUBLISHED_AS | {"himes2025": "MMAE"}


@pytest.mark.parametrize(
    "z_spec", [Z_SPEC[::-1], Z_SPEC[:-1], np.append(Z_SPEC[:-1], 1.3)], ids=["order", "n", "one"]
)
def test_runs_of_other_galaxies_are_refused(runs, z_spec):
    other = run_of(("cnn", "0.00", WHOLE, "0"), 0.05, z_spec)
    with pytest.raises(InputError, match=r"comparison: cnn 0.00 .* predictions of other gal"):
        compared([*runs, other])


def test_a_reference_that_is_no_run_is_told(runs):
    with pytest.raises(InputError, match=r"comparison: found no run \('vit', '0.75', .*expected"):
        compared(runs, ("vit", "0.75", HEADLINE))


def test_a_range_without_galaxies_has_no_numbers():
    far = Z_SPEC[Z_SPEC > 0.4]
    keys = [("mmae", "0.75", HEADLINE, "0"), ("gbdt", "0.00", WHOLE, "0")]
    table = compared([run_of(key, 0.1 * k + 0.1, far) for k, key in enumerate(keys)])
    measured = table[table["sigma_nmad"].notna()]
    assert measured["low_n"].tolist() == [0, 0]
    assert measured[["low_sigma_nmad", "low_difference", "low_seed_mean"]].isna().all(axis=None)
    assert readable(table)["sigma_NMAD, low z"].tolist()[:2] == ["", ""]


def test_the_readable_table(table):
    shown = readable(table)
    assert list(shown) == [READABLE[name] for name in READABLE]
    first = shown.iloc[2]
    assert first["model"] == "mmae, trained 75% hidden, image 25% hidden"
    row = table.iloc[2]
    ends = f"({row['sigma_nmad_low']:.4f} to {row['sigma_nmad_high']:.4f})"
    assert first["sigma_NMAD, all z"] == f"{row['sigma_nmad']:.4f} {ends}"
    assert first[SEEDS] == f"3: {row['seed_mean']:.4f} ± {row['seed_spread']:.4f}"
    assert first["minus reference, all z"] == "", "it is the reference"
    assert (first["parameters"], first["training, s"]) == ("1,234,567", "9")
    assert first["galaxies/s"] == "", "not measured"
    assert shown[SEEDS].tolist()[1].startswith("1: 0.0")
    assert first["published, low z"] == 0.016
    assert all(word not in shown["sigma_NMAD, low z"][2] for word in ("0.016", "0.026"))


def test_rows_for_the_figure_of_differences(table):
    label, pairs = paired_rows(table, REFERENCE)
    assert label == "mmae, trained 75% hidden, image 25% hidden"
    measured = table[table["sigma_nmad"].notna()]
    assert pairs["label"].tolist() == measured["label"].tolist()
    assert pairs.loc[pairs["difference"].isna(), "label"].tolist() == [label]
    others = pairs[["difference", "low", "high", "p_better"]].dropna()
    names = ["difference", "difference_low", "difference_high", "p_better"]
    assert others.to_numpy().tolist() == measured[names].dropna().to_numpy().tolist()


def write_run(home, run: ScoredRun, forecast: pd.DataFrame):
    folder = home / run.model / f"mask{run.mask}" / f"seed{run.seed}" / run.view
    folder.mkdir(parents=True)
    forecast.to_csv(folder / "predictions.csv", index=False)
    labels = {name: getattr(run, name) for name in ("model", "mask", "seed", "view", "metrics")}
    (folder / "metrics.json").write_text(json.dumps(labels))
    return folder


def test_runs_are_read_from_their_folders(tmp_path):
    clip, knn, trees = (
        run_of((name, "0.00", WHOLE, "0"), 0.1) for name in ("astroclip", "astroclip-knn", "gbdt")
    )
    shuffled = knn.forecast.sample(frac=1, random_state=0)
    folders = [write_run(tmp_path, knn, shuffled), write_run(tmp_path, trees, trees.forecast)]
    cost = tmp_path / "astroclip" / "mask0.00" / "seed0" / "cost.json"
    cost.parent.mkdir(parents=True)
    cost.write_text(json.dumps({"parameters": 11}))
    (folders[1].parent / "cost.json").write_text(json.dumps({"parameters": None}))
    (folders[1] / "speed.json").write_text(json.dumps({"galaxies_per_second": 5.0}))
    found = load_runs(folders)
    assert [run.key for run in found] == [knn.key, trees.key]
    assert found[0].cost == {"parameters": 11}, "of the model that the readout reads"
    assert found[1].cost == {"parameters": None, "galaxies_per_second": 5.0}
    for run in found:
        assert np.array_equal(run.forecast["z_spec"], clip.forecast["z_spec"])
        assert np.allclose(run.forecast["z_pred"], clip.forecast["z_pred"])
        assert run.shown == WHOLE, "a view without words is called by its name"
    named = load_runs(folders, {WHOLE: "whole images"})
    assert [run.label for run in named] == ["astroclip-knn, whole images", "gbdt, whole images"]
    assert [run.label for run in load_runs(folders, {WHOLE: ""})] == ["astroclip-knn", "gbdt"]
    assert found[1].metrics["all"]["sigma_nmad"] == trees.metrics["all"]["sigma_nmad"]


@pytest.mark.parametrize("name", ["metrics.json", "predictions.csv"])
def test_a_run_that_lacks_a_file_is_told(tmp_path, name):
    run = run_of(("gbdt", "0.00", WHOLE, "0"), 0.1)
    folder = write_run(tmp_path, run, run.forecast)
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{name}: found no such file"):
        load_runs([folder])
