"""Intervals that hold the truth as often as they say."""

import numpy as np
import pytest
from scipy.stats import betabinom, binomtest, poisson

from helpers import benchmark
from mmae.metrics.intervals import calibration_rank, of_calibrated, of_distance, wilson

coverage = benchmark("coverage")
"""Simulations with a known truth."""


@pytest.mark.parametrize(("k", "n"), [(0, 14), (14, 14), (3, 14), (5, 1000), (996, 1000)])
def test_fractions_have_wilsons_interval(k, n):
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_nearer_end_of_a_few_is_poissons():
    for n, k in ((20, 1), (20, 2), (1000, 3)):
        low, high = wilson(k / n, n)
        assert poisson.sf(k - 1, n * low) == pytest.approx(0.05), "so many or more by chance"
        assert high == pytest.approx(binomtest(k, n).proportion_ci(method="wilson").high)
        assert wilson(1 - k / n, n) == pytest.approx((1 - high, 1 - low))


def test_all_of_fourteen_may_be_four_of_five():
    low, high = wilson(1.0, 14)
    assert low == pytest.approx(0.785, abs=0.001)
    assert high == 1


def test_distances_are_at_least_nothing_and_at_most_one():
    assert of_distance(0.01, 1000)[0] == 0
    assert of_distance(0.99, 50)[1] == 1
    low, high = of_distance(0.2, 1000)
    assert high - low == pytest.approx(2 * 1.3581 / np.sqrt(1000), rel=1e-3)


def test_calibrated_intervals_are_beta_binomial():
    low, high = of_calibrated(0.68, 1050, 199)
    assert (low * 1050, high * 1050) == tuple(betabinom.ppf([0.025, 0.975], 1050, 136, 64))
    assert calibration_rank(74, 0.68) == 51
    narrow = of_calibrated(0.68, 1050, 10**7)
    assert high - low > 2 * (narrow[1] - narrow[0])


@pytest.mark.parametrize("kind", coverage.KINDS)
def test_every_kind_of_interval_holds_the_truth(kind):
    found = coverage.held(kind, 200, 200, 1)
    assert found is None or found >= 0.88, "and 200 simulations scatter by 1.5%"


@pytest.mark.nightly
@pytest.mark.parametrize("n", [20, 200, 1000])
@pytest.mark.parametrize("kind", coverage.KINDS)
def test_every_kind_of_interval_holds_the_truth_in_92_to_98_of_a_hundred(kind, n):
    found = coverage.held(kind, n, 2000, 0)
    if found is not None:
        lowest, highest = (0.92, 0.98) if kind not in coverage.CAUTIOUS else (0.92, 1.0)
        assert lowest - 0.006 <= found <= highest + 0.006, "and a sigma of 2,000 simulations"
