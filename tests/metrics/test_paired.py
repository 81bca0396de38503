"""Two models on the same galaxies: equal, alike, and by a loop."""

import numpy as np
import pytest

from mmae.errors import InputError
from mmae.metrics.bootstrap import bootstrap_interval
from mmae.metrics.paired import paired_difference
from mmae.metrics.redshift import sigma_nmad


@pytest.fixture
def models():
    """z_pred of two models whose errors are nearly the same, the second's 1% larger; z_spec."""
    rng = np.random.default_rng(0)
    z_spec = rng.uniform(0, 2, 2000)
    error = rng.normal(0, 0.05, 2000) * (1 + z_spec)
    return z_spec + error, z_spec + 1.01 * error + rng.normal(0, 0.001, 2000), z_spec


def test_a_model_is_as_good_as_itself(models):
    z_pred, _, z_spec = models
    result = paired_difference(sigma_nmad, z_pred, z_pred.copy(), z_spec, 50, 0)
    assert result == (0.0, 0.0, 0.0, 0.5)


def test_pairs_tell_far_more_than_two_intervals(models):
    result = paired_difference(sigma_nmad, *models, 300, 0)
    widths = []
    for z_pred in models[:2]:
        draw = bootstrap_interval({"": sigma_nmad}, z_pred, models[2], 300, 0)
        widths.append(np.ptp(draw[""]))
    assert result.high - result.low < 0.3 * np.hypot(*widths)
    assert result.low < result.difference < result.high < 0
    assert result.p_better > 0.95


def test_the_sign_says_which_is_smaller(models):
    better, worse, z_spec = models
    one = paired_difference(sigma_nmad, better, worse, z_spec, 100, 0)
    other = paired_difference(sigma_nmad, worse, better, z_spec, 100, 0)
    assert one.difference == sigma_nmad(better, z_spec) - sigma_nmad(worse, z_spec)
    assert one.difference < 0 < other.difference
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))
    assert other.p_better == pytest.approx(1 - one.p_better)


def test_it_is_what_a_loop_gives(models):
    a, b, z_spec = (z[:40] for z in models)
    result = paired_difference(sigma_nmad, a, b, z_spec, 60, 3)
    rng = np.random.default_rng(3)
    draws = []
    for _ in range(60):
        rows = rng.integers(0, 40, 40)
        draws.append(sigma_nmad(a[rows], z_spec[rows]) - sigma_nmad(b[rows], z_spec[rows]))
    assert result.low == pytest.approx(np.percentile(draws, 2.5))
    assert result.high == pytest.approx(np.percentile(draws, 97.5))
    assert 0 < result.p_better < 1
    assert result.p_better == sum((d < 0) + 0.5 * (d == 0) for d in draws) / 60


def test_models_of_other_galaxies_are_an_error(models):
    a, b, z_spec = models
    for pair in ((a, b[:-1]), (a[:-1], b), (np.append(a, 0.1), b), (a, np.append(b, 0.1))):
        with pytest.raises(InputError, match="as many of both"):
            paired_difference(sigma_nmad, *pair, z_spec, 5, 0)
    with pytest.raises(InputError, match="1 redshifts not finite"):
        paired_difference(sigma_nmad, a, np.where(z_spec == z_spec.max(), np.nan, b), z_spec, 5, 0)
