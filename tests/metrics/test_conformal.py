"""Conformal intervals: the coverage that theory promises, by hand, and of a wrong z_std."""

import numpy as np
import pytest
from scipy import stats

from mmae.errors import InputError
from mmae.metrics.conformal import conformal_report


def galaxies(n: int, rng: np.random.Generator, claimed: float | None = None):
    """z_pred, z_spec, and z_std where the true error is divided by `claimed`."""
    z_pred = rng.uniform(0, 2, n)
    true_std = rng.uniform(0.01, 0.1, n) * (1 + z_pred)
    z_spec = np.abs(z_pred + true_std * rng.standard_t(4, n))
    return z_pred, z_spec, None if claimed is None else true_std / claimed


@pytest.mark.parametrize("claimed", [None, 1.0, 5.0])
def test_exchangeable_galaxies_are_covered_as_the_beta_distribution_says(claimed):
    rng = np.random.default_rng(0)
    n, n_test, n_splits = 200, 300, 400
    reports = []
    for _ in range(n_splits):
        reports.append(conformal_report(galaxies(n, rng, claimed), galaxies(n_test, rng, claimed)))
    for name, level in (("68", 0.68), ("95", 0.95)):
        rank = int(np.ceil((n + 1) * level))
        # coverage of an endless test set is Beta(rank, n + 1 - rank): Vovk 2012
        expected = stats.betabinom(n_test, rank, n + 1 - rank)
        covered = np.array([report[f"coverage_{name}"] for report in reports])
        mean, spread = expected.mean() / n_test, expected.std() / n_test
        assert mean >= level
        assert covered.mean() == pytest.approx(mean, abs=3 * spread / np.sqrt(n_splits))
        assert covered.std() == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("claimed", [None, 2.0])
def test_the_report_by_hand(claimed):
    rng = np.random.default_rng(1)
    calibration, test = galaxies(74, rng, claimed), galaxies(50, rng, claimed)
    report = conformal_report(calibration, test)
    scales = [1 + part[0] if part[2] is None else part[2] for part in (calibration, test)]
    scores = sorted(abs(calibration[1] - calibration[0]) / scales[0])
    # (74 + 1) * 0.68 = 51 exactly, though not in floating point; 75 * 0.95 = 71.25
    for name, rank in (("68", 51), ("95", 72)):
        factor = scores[rank - 1]
        half = factor * scales[1]
        inside = (test[0] - half <= test[1]) & (test[1] <= test[0] + half)
        assert report[f"factor_{name}"] == factor
        assert report[f"coverage_{name}"] == pytest.approx(inside.mean())
        assert report[f"width_{name}"] == pytest.approx(np.median(2 * half / (1 + test[1])))
    assert report["n_calibration"] == 74
    assert report["width_95_interval"] is None, "two scores above it tell no interval"
    low, high = report["width_68_interval"]
    assert low < report["width_68"] < high
    assert len(report) == 9


def test_the_interval_of_the_width_holds_the_width_of_many_galaxies():
    rng = np.random.default_rng(3)
    truth = conformal_report(galaxies(100_000, rng), galaxies(100_000, rng), n_samples=1)[
        "width_68"
    ]
    held = []
    for seed in range(150):
        report = conformal_report(galaxies(200, rng), galaxies(200, rng), n_samples=200, seed=seed)
        held.append(report["width_68_interval"][0] <= truth <= report["width_68_interval"][1])
    assert 0.9 <= np.mean(held) <= 0.99


def test_a_wrong_scale_of_z_std_is_repaired():
    calibration, test = (galaxies(5000, np.random.default_rng(k), 5.0) for k in (2, 3))
    right = [(p, s, 5 * std) for p, s, std in (calibration, test)]
    repaired, honest = conformal_report(calibration, test), conformal_report(*right)
    for name, level in (("68", 0.68), ("95", 0.95)):
        assert repaired[f"coverage_{name}"] == pytest.approx(level, abs=0.025)
        assert repaired[f"width_{name}"] == pytest.approx(honest[f"width_{name}"])
        assert repaired[f"factor_{name}"] == pytest.approx(5 * honest[f"factor_{name}"])


def test_a_z_std_that_knows_gives_narrower_intervals_than_none():
    calibration, test = (galaxies(5000, np.random.default_rng(k), 1.0) for k in (4, 5))
    with_std = conformal_report(calibration, test)
    without = conformal_report((*calibration[:2], None), (*test[:2], None))
    assert with_std["width_95"] < 0.95 * without["width_95"]


def test_other_levels_have_their_names():
    rng = np.random.default_rng(6)
    report = conformal_report(galaxies(300, rng), galaxies(30, rng), levels=(0.5, 0.995))
    assert {"coverage_50", "width_99.5", "factor_99.5"} < set(report)


@pytest.mark.parametrize(("n", "is_enough"), [(18, False), (19, True)])
def test_too_few_calibration_galaxies_are_an_error(n, is_enough):
    rng = np.random.default_rng(7)
    calibration, test = galaxies(n, rng), galaxies(10, rng)
    if is_enough:
        scores = abs(calibration[1] - calibration[0]) / (1 + calibration[0])
        assert conformal_report(calibration, test)["factor_95"] == scores.max()
    else:
        with pytest.raises(InputError, match=r"18 calibration galaxies, expected at least 19"):
            conformal_report(calibration, test)


def test_bad_input_is_an_error():
    rng = np.random.default_rng(8)
    without, with_std = galaxies(30, rng), galaxies(30, rng, 1.0)
    with pytest.raises(InputError, match="z_std in the test only"):
        conformal_report(without, with_std)
    with pytest.raises(InputError, match="z_std in the calibration only"):
        conformal_report(with_std, without)
    with pytest.raises(InputError, match="30 values of z_std"):
        conformal_report(with_std, (*with_std[:2], -with_std[2]))
    with pytest.raises(InputError, match="as many of both"):
        conformal_report((without[0][:9], without[1], None), without)
    with pytest.raises(InputError, match="level 1"):
        conformal_report(without, without, levels=(1,))


def test_a_nonsense_prediction_has_a_positive_width():
    rng = np.random.default_rng(9)
    z_pred = np.full(30, -4.0)
    report = conformal_report(galaxies(100, rng), (z_pred, np.full(30, 0.1), None))
    assert report["coverage_95"] == 0
    assert report["width_95"] == pytest.approx(2 * report["factor_95"] * 0.1 / 1.1)
