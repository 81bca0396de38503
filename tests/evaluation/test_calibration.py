"""Calibrations side by side, from made-up runs of known width."""

import numpy as np
import pandas as pd

from mmae.evaluation.calibration import calibration_reports, calibration_table
from mmae.evaluation.comparison import ScoredRun
from mmae.evaluation.scoring import full_report
from mmae.settings import Scoring

SCORING = Scoring(bootstrap_samples=60)


def run_of(
    model: str, seed: int, scatter: float, n: int, with_std: bool = False, n_test: int | None = None
) -> ScoredRun:
    rng = np.random.default_rng([seed, len(model)])
    parts = []
    for size in (n if n_test is None else n_test, n):
        z_spec = rng.uniform(0.1, 1.2, size)
        z_pred = z_spec + scatter * rng.normal(size=size) * (1 + z_spec)
        table = pd.DataFrame({"z_spec": z_spec, "z_pred": z_pred})
        parts.append(table.assign(z_std=scatter * (1 + z_pred)) if with_std else table)
    report = full_report(*parts, SCORING)
    return ScoredRun(model, "0.00", str(seed), "whole", report, parts[0], {})


def test_widths_are_compared_by_all_trainings_and_the_narrowest_is_first():
    scatters = {"a": (0.05, 0.052), "bb": (0.053, 0.05), "ccc": (0.15, 0.16)}
    runs = [
        run_of(model, seed, scatter, 600, model == "a")
        for model, values in scatters.items()
        for seed, scatter in enumerate(values)
    ]
    table = calibration_table(runs).set_index("label")
    assert table["conformal_width_68"].is_monotonic_increasing
    assert table["width_verdict"].fillna("").tolist() == ["", "undecided", "worse"]
    row = table.loc["a"]
    assert row["conformal_width_68_low"] < row["conformal_width_68"]
    assert row["conformal_width_68"] < row["conformal_width_68_high"]
    assert row["coverage_68_low"] < 0.68 < row["coverage_68_high"]
    assert row["low_redshift_coverage_95"] > 0.9 < row["high_redshift_coverage_95"]
    assert table.loc["ccc", ["crps", "coverage_68_low"]].isna().all(), "it has no z_std"
    assert (table["n"] == 600).all()
    assert (table["n_calibration"] == 600).all()
    assert [report["n"] for report in calibration_reports(runs).values()] == [600] * 3
    # a model that is given the truth is no rival
    with_truth = calibration_table([*runs, run_of("limit", 0, 0.01, 600)])
    assert with_truth["label"].tolist() == table.index.tolist()


def test_of_few_galaxies_the_width_has_no_interval_and_nothing_is_decided():
    """The 95% quantile of 36 scores is among the largest five; three galaxies are too few."""
    runs = [run_of("a", 0, 0.05, 36), run_of("bb", 0, 0.2, 36)]
    table = calibration_table(runs)
    assert table["conformal_width_68_low"].notna().all()
    assert table[["conformal_width_95_low", "conformal_width_95_high"]].isna().all(axis=None)
    few = calibration_table([run_of(model, 0, 0.05, 36, n_test=3) for model in ("a", "bb")])
    assert few["conformal_width_68_low"].isna().all()
    assert few["width_verdict"].fillna("").tolist() == ["", "undecided"]
