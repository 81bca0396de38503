"""Scores of forecasts: by a second road, calibrated by construction, and wrong on purpose."""

import json

import numpy as np
import pytest
from scipy import stats
from scoringrules import crps_normal

from mmae.errors import InputError
from mmae.metrics.redshift import sigma_nmad
from mmae.metrics.uncertainty import (
    ENDS,
    coverage,
    crps,
    drop_least_certain,
    pit,
    uncertainty_report,
)

N = 20_000


def forecast(n: int, true_over_claimed: float = 1.0, seed: int = 0):
    """z_pred, z_std and z_spec of errors that are so many times what z_std claims."""
    rng = np.random.default_rng(seed)
    z_pred = rng.uniform(0.05, 2, n)
    z_std = rng.uniform(0.01, 0.1, n) * (1 + z_pred)
    return z_pred, z_std, z_pred + true_over_claimed * z_std * rng.normal(size=n)


def binomial_spread(p: float) -> float:
    return 3 * np.sqrt(p * (1 - p) / N)


def test_crps_is_that_of_scoringrules():
    rng = np.random.default_rng(1)
    z_pred, z_spec = rng.uniform(0, 3, 500), rng.uniform(0, 3, 500)
    z_std = 10 ** rng.uniform(-3, 1, 500)
    np.testing.assert_allclose(
        crps(z_pred, z_std, z_spec), crps_normal(z_spec, z_pred, z_std), rtol=1e-10, atol=1e-14
    )


def test_crps_by_eye():
    # equation 21 at x = mu: sigma (2 phi(0) - 1 / sqrt(pi)); far away: the absolute error
    centre, far = crps([1.0, 1.0], [0.2, 1e-6], [1.0, 1.5])
    assert centre == pytest.approx(0.2 * (np.sqrt(2) - 1) / np.sqrt(np.pi))
    assert far == pytest.approx(0.5, rel=1e-5)


def test_a_calibrated_forecast_has_a_uniform_pit_and_the_nominal_coverage():
    galaxies = forecast(N)
    assert stats.kstest(pit(*galaxies), "uniform").statistic < 1.628 / np.sqrt(N)
    for level in (0.5, 0.68, 0.95):
        assert coverage(*galaxies, level) == pytest.approx(level, abs=binomial_spread(level))


def ends_of(galaxies, scale=(1, 1, 1, 1)) -> np.ndarray:
    """Ends of a Gaussian's intervals, each as many times farther away."""
    z_pred, z_std, _ = galaxies
    return z_pred[:, None] + stats.norm.ppf([*ENDS.values()]) * scale * z_std[:, None]


def test_intervals_of_a_gaussian_say_what_it_says():
    galaxies = forecast(500, 2.0)
    ends = ends_of(galaxies)
    np.testing.assert_allclose(pit(*galaxies, ends), pit(*galaxies), atol=1e-6)
    np.testing.assert_allclose(crps(*galaxies, ends), crps(*galaxies), rtol=2e-3)
    ours, theirs = uncertainty_report(*galaxies, 9, 0, ends), uncertainty_report(*galaxies, 9, 0)
    assert ours["coverage_68"] == theirs["coverage_68"]
    assert ours["pit_ks"] == pytest.approx(theirs["pit_ks"], abs=1e-6)


def test_coverage_is_of_the_intervals_not_of_their_width():
    galaxies = forecast(N)
    wide, z_spec = ends_of(galaxies, (1, 1, 3, 3)), galaxies[2]
    for level, (low, high) in ((0.68, (1, 2)), (0.95, (0, 3))):
        inside = np.mean((z_spec >= wide[:, low]) & (z_spec <= wide[:, high]))
        assert coverage(*galaxies, level, wide) == pytest.approx(inside)
    assert crps(*galaxies, wide).mean() > 1.05 * crps(*galaxies).mean(), "a proper score"


def test_intervals_out_of_order_are_an_error():
    galaxies = forecast(20)
    with pytest.raises(InputError, match="expected z_low95, z_low68, z_high68, z_high95, incr"):
        pit(*galaxies, ends_of(galaxies)[:, ::-1])


def test_pit_is_low_where_the_galaxy_is_nearer_than_predicted():
    values = pit([1.0, 1.0, 1.0], [0.1, 0.1, 0.1], [0.8, 1.0, 1.1])
    assert values == pytest.approx([0.022750, 0.5, 0.841345], abs=1e-6)


def test_an_overconfident_forecast_has_the_coverage_of_the_formula():
    galaxies = forecast(N, true_over_claimed=3)
    for level in (0.68, 0.95):
        # the interval claims t sigma and is t / 3 sigma wide
        expected = 2 * stats.norm.cdf(stats.norm.ppf((1 + level) / 2) / 3) - 1
        assert coverage(*galaxies, level) == pytest.approx(expected, abs=binomial_spread(expected))
    # the PIT is Phi(3 t): it is furthest from uniform where 3 phi(3 t) = phi(t)
    t = np.sqrt(np.log(3) / 4)
    expected = stats.norm.cdf(3 * t) - stats.norm.cdf(t)
    report = uncertainty_report(*galaxies, 20, 0)
    assert report["pit_ks"] == pytest.approx(expected, abs=0.01)
    assert report["pit_histogram"][0] > 3 * report["pit_histogram"][5]


def test_the_report_agrees_with_its_parts():
    galaxies = forecast(997)
    z_pred, z_std, z_spec = galaxies
    report = uncertainty_report(*galaxies, 50, 0)
    assert report["crps"] == pytest.approx(crps(*galaxies).mean())
    assert report["coverage_68"] == coverage(*galaxies, 0.68)
    assert report["coverage_95"] == coverage(*galaxies, 0.95)
    assert report["pit_ks"] == pytest.approx(stats.kstest(pit(*galaxies), "uniform").statistic)
    kept = np.argsort(z_std / (1 + z_pred))[: 997 - 99]
    assert report["sigma_nmad_certain"] == pytest.approx(sigma_nmad(z_pred[kept], z_spec[kept]))
    by_hand = [int(((pit(*galaxies) * 10).astype(int) == k).sum()) for k in range(10)]
    assert report["pit_histogram"] == by_hand
    assert json.loads(json.dumps(report)) == report, "plain numbers and lists"


def test_intervals_are_those_of_a_loop_over_resampled_galaxies():
    galaxies = forecast(203)
    report = uncertainty_report(*galaxies, 40, 7)
    rng = np.random.default_rng(7)
    draws = []
    for _ in range(40):
        rows = rng.integers(0, 203, 203)
        draws.append(sigma_nmad(*drop_least_certain(*(z[rows] for z in galaxies))))
    ends = np.percentile(draws, [2.5, 97.5])
    assert report["sigma_nmad_certain_interval"] == pytest.approx(ends, rel=1e-9)
    for level in ("68", "95"):
        test = stats.binomtest(round(203 * report[f"coverage_{level}"]), 203)
        ci = test.proportion_ci(method="wilson")
        assert report[f"coverage_{level}_interval"] == pytest.approx([ci.low, ci.high])


def test_the_distance_of_an_honest_pit_may_be_nothing():
    """The truth is 0, which no resampled distance reaches: DKW bounds hold it in 95 of 100."""
    reports = [uncertainty_report(*forecast(400, seed=k), 5, 0) for k in range(200)]
    held = np.mean([report["pit_ks_interval"][0] == 0 for report in reports])
    assert 0.92 <= held <= 0.98
    far = uncertainty_report(*forecast(400, 3.0), 5, 0)
    assert far["pit_ks_interval"][0] > 0.1


def test_few_forecasts_have_no_interval_of_their_mean():
    assert "crps_interval" not in uncertainty_report(*forecast(99), 5, 0)
    assert "crps_interval" in uncertainty_report(*forecast(100), 5, 0)


def test_the_report_of_20_000_galaxies_has_values_inside_their_intervals():
    report = uncertainty_report(*forecast(N), 500, 0)
    low, high = report["crps_interval"]
    assert low < report["crps"] < high


def test_the_least_certain_are_dropped_by_their_scaled_uncertainty():
    z_pred = np.array([0.0, 3.0, 1.0, 0.5, 0.1])
    z_std = np.array([0.20, 0.30, 0.10, 0.01, 0.50])  # scaled: 0.2, 0.075, 0.05, 0.007, 0.45
    kept = drop_least_certain(z_pred, z_std, z_pred + 7, 0.4)
    assert [z.tolist() for z in kept] == [[3.0, 1.0, 0.5], [10.0, 8.0, 7.5]]
    assert len(drop_least_certain(z_pred, z_std, z_pred)[0]) == 5, "10% of 5 is no galaxy"
    # a nonsense prediction is not certain because 1 + z_pred is negative
    assert drop_least_certain([-3.0, 0.5], [0.1, 0.1], [0.2, 0.5], 0.5)[0] == [0.5]


@pytest.mark.parametrize(
    ("z_std", "words"),
    [
        ([0.1, 0.0], "1 values of z_std not finite or not above 0"),
        ([0.1, -1.0], "1 values of z_std"),
        ([np.inf, np.nan], "2 values of z_std"),
        ([0.1], "as many of both"),
    ],
)
def test_bad_uncertainties_are_an_error(z_std, words):
    galaxies = np.array([0.5, 0.6]), np.array(z_std), np.array([0.5, 0.7])
    for score in (pit, crps, drop_least_certain):
        with pytest.raises(InputError, match=words):
            score(*galaxies)
    with pytest.raises(InputError, match=words):
        coverage(*galaxies, 0.68)
    with pytest.raises(InputError, match=words):
        uncertainty_report(*galaxies, 2, 0)


def test_bad_redshifts_levels_and_fractions_are_an_error():
    galaxies = forecast(10)
    with pytest.raises(InputError, match="as many of both"):
        crps(galaxies[0][:5], galaxies[1][:5], galaxies[2])
    with pytest.raises(InputError, match="1 redshifts not finite"):
        pit([np.nan], [0.1], [0.1])
    for level in (0, 1, 95):
        with pytest.raises(InputError, match=f"level {level}"):
            coverage(*galaxies, level)
    for fraction in (-0.1, 1.0):
        with pytest.raises(InputError, match="0 <= f < 1"):
            drop_least_certain(*galaxies, fraction)
