"""When two things differ: planted recipes, and how often equal ones are called different."""

import numpy as np
import pytest
from scipy.stats import norm

from helpers import benchmark
from mmae.metrics.verdicts import (
    Difference,
    Recipe,
    Spread,
    compare,
    fraction_unit,
    pooled_spread,
    state_of,
)

coverage = benchmark("coverage")
"""Simulations with a known truth."""


def recipe(*values: float, noise: float = 0.0, seed: int = 0, **unit) -> Recipe:
    """Trainings of known values on galaxies that move all of them alike."""
    galaxies = np.random.default_rng(seed).normal(0, 1, 1000)
    return Recipe(values, [value + noise * galaxies for value in values], **unit)


def test_states_are_those_of_intervals():
    assert state_of(-2, -1) == "better"
    assert state_of(1, 2) == "worse"
    assert state_of(-1, 1) == "undecided"
    assert state_of(0, 0) == "undecided"


def test_trainings_of_many_recipes_are_pooled_relative_to_their_scatter():
    # standard deviations of 10% of 1, and of 0
    spread = pooled_spread([recipe(0.9, 1.1), recipe(0.02, 0.02, noise=0.01, seed=1)])
    assert spread.dof == 1, "nothing is random in the second"
    assert spread.variance == pytest.approx(0.02)
    three = pooled_spread([recipe(0.9, 1.1), recipe(0.09, 0.10, 0.11), recipe(5.0)])
    assert three.dof == 3
    assert three.variance == pytest.approx((0.02 + 2 * 0.01) / 3)
    assert pooled_spread([recipe(1.0), recipe(2.0)]) == Spread(0.0, 0)


def test_readouts_of_one_training_do_not_count_as_many():
    recipes = [recipe(0.9, 1.1, seed=k) for k in range(6)]
    assert pooled_spread(recipes).dof == 6
    assert pooled_spread(recipes, 2).dof == 2


def test_what_galaxies_add_to_the_spread_of_trainings_is_taken_out():
    rng = np.random.default_rng(0)
    own = rng.normal(0, 0.1, (2, 100_000))
    noisy = Recipe([1.0, 1.2], 1 + own)
    # half of the squared difference, less the variance that other galaxies would give
    assert noisy.spread * noisy.unit**2 == pytest.approx(0.02 - 0.01, rel=0.02)
    assert pooled_spread([Recipe([1.0, 1.0 + 1e-9], 1 + own)]).variance == 0, "never below nothing"


def test_the_variance_is_that_of_galaxies_and_trainings():
    a, b = recipe(1.0, 1.1, noise=0.3), recipe(1.5, noise=0.3)
    found = compare(a, b, Spread(0.04, 7))
    # the galaxies move both alike; two trainings of one, one of the other
    error = 0.2 * np.sqrt(1.05**2 / 2 + 1.5**2)
    assert found.difference == pytest.approx(-0.45)
    assert found.high - found.low == pytest.approx(2 * 2.3646 * error, rel=1e-3), "t of 7"
    assert found.verdict == "undecided"
    fixed = compare(recipe(1.0, 1.0, noise=0.3), b, Spread(0.04, 7))
    assert fixed.high - fixed.low == pytest.approx(2 * 2.3646 * 0.2 * 1.5, rel=1e-3)


def test_without_a_second_training_only_galaxies_count():
    a, b = recipe(1.0, noise=0.1), recipe(1.2, noise=0.1, seed=5)
    found = compare(a, b, pooled_spread([a, b]))
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.1 * np.sqrt(2), rel=0.1)
    error = (found.high - found.low) / 3.92
    assert found.p_better == pytest.approx(norm.cdf(0.2 / error), rel=1e-3)


def test_a_recipe_is_as_good_as_itself():
    one = recipe(1.0, 1.0)
    assert compare(one, one, Spread(0.0, 0)) == Difference(0.0, 0.0, 0.0, 0.5, "undecided")


def test_fractions_spread_as_binomials():
    assert fraction_unit(0.5) == 0.5
    assert fraction_unit(0.1) == pytest.approx(0.3)
    assert fraction_unit(0.0) > 0


@pytest.mark.parametrize("n_seeds", [2, 3])
def test_equal_recipes_are_rarely_called_different_and_others_are(n_seeds):
    equal = coverage.false_verdicts(200, n_seeds, 0.08, 150, 1)
    assert all(rate <= 0.11 for rate in equal.values()), equal
    # galaxies alone would say so of one in ten
    different = coverage.false_verdicts(200, n_seeds, 0.02, 40, 2, ratio=1.6)
    assert different["sigma_nmad"] > 0.8


@pytest.mark.nightly
@pytest.mark.parametrize("n_seeds", [2, 3])
@pytest.mark.parametrize("n", [200, 1000])
@pytest.mark.parametrize("spread", [0.02, 0.08])
def test_equal_recipes_are_called_different_in_four_to_six_of_a_hundred(n, n_seeds, spread):
    rates = coverage.false_verdicts(n, n_seeds, spread, 2000, 0)
    # and two sigma of 2,000 simulations
    assert all(0.03 <= rate <= 0.07 for rate in rates.values()), rates
