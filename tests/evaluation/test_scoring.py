"""Predictions scored: what is in a report, and intervals that validation galaxies calibrate."""

import numpy as np
import pandas as pd
import pytest

from mmae.errors import InputError
from mmae.evaluation.scoring import (
    check_targets,
    full_report,
    metrics_text,
    read_forecast,
    read_predictions,
)
from mmae.metrics.uncertainty import LEVELS
from mmae.settings import Scoring

SCORING = Scoring(bootstrap_samples=10)
N = 4000


def forecast(seed: int, claimed: float, n: int = N, tails: bool = False) -> pd.DataFrame:
    """Errors of 0.03 (1 + z), some galaxies worse; z_std is `claimed` times what is true."""
    rng = np.random.default_rng(seed)
    z_spec = rng.uniform(0.05, 2, n)
    true_std = 0.03 * (1 + z_spec) * rng.uniform(0.5, 2, n)
    noise = rng.standard_t(3, n) if tails else rng.normal(0, 1, n)
    z_pred = z_spec + true_std * noise
    return pd.DataFrame({"z_spec": z_spec, "z_pred": z_pred, "z_std": claimed * true_std})


@pytest.mark.parametrize("tails", [False, True], ids=["gaussian", "heavy tails"])
@pytest.mark.parametrize("claimed", [0.4, 1.0, 3.0])
def test_calibrated_intervals_cover_what_they_say_whatever_z_std_claims(claimed, tails):
    test, validation = (forecast(seed, claimed, tails=tails) for seed in (0, 1))
    report = full_report(test, validation, SCORING)
    for level in LEVELS:
        found = report["conformal"][f"coverage_{100 * level:g}"]
        assert found == pytest.approx(level, abs=0.03)
    if claimed != 1.0:
        raw = report["uncertainty"]["coverage_68"]
        assert abs(raw - 0.68) > 0.15, "z_std alone does not"
    # the factor undoes the claim
    if not tails:
        assert report["conformal"]["factor_68"] == pytest.approx(1 / claimed, rel=0.06)


def test_models_without_z_std_are_calibrated_with_1_plus_z():
    test, validation = (forecast(seed, 1.0).drop(columns="z_std") for seed in (0, 1))
    report = full_report(test, validation, SCORING)
    assert "uncertainty" not in report
    for level in LEVELS:
        found = report["conformal"][f"coverage_{100 * level:g}"]
        assert found == pytest.approx(level, abs=0.03)


def test_wrong_calibration_galaxies_are_seen():
    """Galaxies that the model knows better than those of the test give intervals too narrow."""
    test, known = forecast(0, 1.0), forecast(1, 1.0)
    known["z_pred"] = known["z_spec"] + 0.2 * (known["z_pred"] - known["z_spec"])
    report = full_report(test, known, SCORING)
    assert report["conformal"]["coverage_68"] < 0.3


def test_a_report_has_what_its_columns_allow():
    test, validation = forecast(0, 1.0, n=300), forecast(1, 1.0, n=300)
    both = {"uncertainty", "conformal"}
    plain = set(full_report(test[["z_spec", "z_pred"]], None, SCORING))
    assert plain == {"all", "low_redshift", "bins", "n_outside"}
    assert set(full_report(test, None, SCORING)) == plain | {"uncertainty"}
    assert set(full_report(test, validation, SCORING)) == plain | both
    with pytest.raises(InputError, match="found z_std in the test only"):
        full_report(test, validation.drop(columns="z_std"), SCORING)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("z_spec", [-99.0, -9.0, np.nan, np.inf, 1e308]),
        ("z_pred", [-99.0, 99.0, np.nan, -np.inf, 1e308]),
        ("z_std", [-99.0, 0.0, np.nan, np.inf, 1e-300]),
    ],
)
def test_all_parts_of_a_report_are_of_the_same_galaxies(column, values, recwarn):
    """Five of 500 redshifts at -99 once left the point metrics and took the CRPS to 1."""
    test, validation = forecast(0, 1.0, n=500), forecast(1, 1.0, n=300)
    rows, wrong = [3, 50, 51, 400, 499], test.copy()
    wrong.loc[rows, column] = values
    report = full_report(wrong, validation, SCORING)
    assert report.pop("left_out") == {"test": {column: 5}, "validation": {}}
    assert report == full_report(test.drop(index=rows), validation, SCORING)
    wrong = validation.copy()
    wrong.loc[rows[:2], column] = values[:2]
    report = full_report(test, wrong, SCORING)
    assert report.pop("left_out") == {"test": {}, "validation": {column: 2}}
    assert report == full_report(test, validation.drop(index=rows[:2]), SCORING)
    assert not recwarn.list


def test_galaxies_outside_the_full_range_are_in_no_part():
    test, validation = forecast(0, 1.0, n=500), forecast(1, 1.0, n=300)
    settings = Scoring(bootstrap_samples=10, full_range=(0.0, 1.5))
    report = full_report(test, validation, settings)
    inside = [table[table["z_spec"] <= 1.5] for table in (test, validation)]
    assert report.pop("n_outside") == len(test) - len(inside[0]) > 0
    expected = full_report(*inside, settings)
    assert expected.pop("n_outside") == 0
    assert report["all"]["n"] == sum(report["uncertainty"]["pit_histogram"])
    for name in ("all", "uncertainty", "conformal"):
        assert report[name] == expected[name]


def test_text_tells_who_is_left_out():
    test = forecast(0, 1.0, n=300)
    assert "left out" not in metrics_text(full_report(test, None, SCORING))
    test.loc[:2, "z_spec"], test.loc[2:6, "z_pred"] = -99.0, np.nan
    text = metrics_text(full_report(test, None, SCORING))
    assert "left out of all metrics: 3 test galaxies without z_spec, 4 test galaxies" in text
    assert "all: 0 < z_spec <= 4.2, 293 galaxies" in text


def test_what_cannot_be_is_unknown_when_read_and_told(tmp_path, caplog):
    lines = ["z_spec,z_pred,z_std", "-99,0.1,0.1", "0.5,99,0.1", "0.5,,-1", "0.2,0.3,0.1"]
    (tmp_path / "p.csv").write_text("\n".join(lines))
    table = read_forecast(tmp_path / "p.csv")
    assert table.notna().sum().to_dict() == {"z_spec": 3, "z_pred": 2, "z_std": 3}
    assert "z_spec: 1 of 4 values are not from -0.1 to 20 and taken as unknown, such as -99" in (
        caplog.text
    )
    z_pred, z_spec = read_predictions(tmp_path / "p.csv")
    assert (z_pred.tolist(), z_spec.tolist()) == ([0.3], [0.2])


def test_text_tells_the_uncertainty_where_there_is_one():
    report = full_report(forecast(0, 1.0, n=300), None, SCORING)
    text = metrics_text(report)
    value = report["uncertainty"]["coverage_68"]
    assert "uncertainty: z_std against what happened" in text
    assert f"coverage_68                  {value:.4f}" in text
    del report["uncertainty"]
    assert "uncertainty" not in metrics_text(report)


def test_intervals_of_a_density_are_scored_at_low_and_at_high_redshift():
    test = forecast(0, 1.0, n=400)
    low, t = test["z_spec"] <= SCORING.low_redshift, 3 * test["z_std"]
    sure = dict.fromkeys(["z_low95", "z_low68"], test["z_pred"] - 1e-6)
    sure |= dict.fromkeys(["z_high68", "z_high95"], test["z_pred"] + 1e-6)
    for name, value in sure.items():
        wide = test["z_pred"] + t * (1 if "high" in name else -1)
        test[name] = value.where(low, wide)
    report = full_report(test, None, SCORING)["uncertainty"]
    assert report["low_redshift"]["n"] == low.sum()
    assert report["low_redshift"]["coverage_95"] < 0.1
    assert report["high_redshift"]["coverage_68"] > 0.9
    assert "what happened, high redshift" in metrics_text({**full_report(test, None, SCORING)})


def test_forecasts_are_read_with_all_their_columns(tmp_path):
    (tmp_path / "p.csv").write_text("targetid,z_spec,z_pred,z_std\n39627000000000001,1,2,0.5\n")
    table = read_forecast(tmp_path / "p.csv")
    assert table["targetid"].tolist() == [39627000000000001], "not rounded"
    assert table[["z_spec", "z_pred", "z_std"]].dtypes.unique().tolist() == [np.dtype(float)]


def test_targets_are_those_of_the_split_in_its_order(tmp_path):
    split = tmp_path / "split.npz"
    np.savez(split, test_targetid=[5, 3, 9], validation_targetid=[1, 2])
    check_targets("p.csv", pd.DataFrame({"targetid": [5, 3, 9]}), split, "test")
    check_targets("p.csv", pd.DataFrame({"targetid": [1, 2]}), split, "validation")
    for wrong, shared in (([5, 9, 3], 3), ([5, 3], 2), ([1, 2], 0), ([5, 3, 8], 2)):
        with pytest.raises(InputError, match=f"p.csv: column targetid: .*which {shared} are test"):
            check_targets("p.csv", pd.DataFrame({"targetid": wrong}), split, "test")
