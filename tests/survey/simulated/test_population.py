"""Densities that objects are drawn from: like the real ones, without memory of single galaxies."""

from importlib.resources import files

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.stats import ks_2samp

from mmae.survey.simulated.population import POPULATION, TARGETS, draw, real_sample
from mmae.survey.simulated.sources import make_sources


def test_the_real_sample_is_small_and_real():
    data = files("mmae.survey") / "data"
    assert (data / "hsc_specz_sample.npz").stat().st_size <= 500_000
    assert POPULATION.stat().st_size <= 20_000
    assert "MIT" in (data / "README.md").read_text()
    sample = real_sample()
    assert len(sample.redshift) == 80_000
    assert 22 < np.percentile(sample.i_mag, 90) < 24


def test_redshifts_are_those_of_the_authors_galaxies():
    drawn = draw(20_000, np.random.default_rng(0), {"matched": 1.0})
    z = drawn.redshift
    # the authors' test galaxies: half below 0.34, a tenth above 1.65, up to 4; 55% below 0.4; a
    # tenth is fainter than i = 20.635
    assert np.median(z) == pytest.approx(0.34, abs=0.02)
    assert np.percentile(z, 90) == pytest.approx(1.65, abs=0.1)
    assert (z < 0.4).mean() == pytest.approx(0.55, abs=0.02)
    assert 3.5 < z.max() < 4.2
    assert np.percentile(drawn.i_mag, 90) == pytest.approx(20.635, abs=0.1)
    near = drawn.redshift[drawn.is_quasar] < 0.8
    assert 0.02 < near.mean() < 0.3


def test_the_parent_density_is_that_of_the_real_sample():
    real, drawn = real_sample(), draw(20_000, np.random.default_rng(0), {"parent": 1.0})
    galaxies = ~real.is_quasar & (real.redshift > 0.01) & (real.redshift < 1.6)
    # large-scale structure is smoothed away in redshift
    for name, largest in {"i_mag": 0.02, "g_minus_z": 0.02, "redshift": 0.03}.items():
        pair = getattr(real, name)[galaxies], getattr(drawn, name)
        assert ks_2samp(*pair).statistic < largest, name


@pytest.mark.parametrize(
    ("kind", "redshift", "i_mag", "colour"),
    [
        ("bgs", (0.05, 0.45), (16.5, 19.8), (0.7, 3.0)),
        ("lrg", (0.40, 0.90), (18.3, 21.0), (2.4, 4.0)),
        ("elg", (0.80, 1.55), (21.0, 23.7), (0.2, 1.8)),
        ("qso", (0.60, 3.20), (19.0, 22.5), (-0.3, 1.5)),
    ],
)
def test_targets_are_as_desi_selects_them(kind, redshift, i_mag, colour):
    drawn = draw(2000, np.random.default_rng(0), {kind: 1.0})
    for name, (low, high) in {"redshift": redshift, "i_mag": i_mag, "g_minus_z": colour}.items():
        inside = (getattr(drawn, name) > low) & (getattr(drawn, name) < high)
        assert inside.mean() > 0.85, name
    assert drawn.is_quasar.all() == (kind == "qso")


def test_kinds_come_in_their_shares():
    drawn = draw(4000, np.random.default_rng(0), {"elg": 3.0, "qso": 1.0, "bgs": 0.0})
    assert drawn.is_quasar.mean() == pytest.approx(0.25, abs=0.02)
    assert set(TARGETS) >= {"matched", "bgs", "lrg", "elg", "qso", "parent"}


def copied(train: tuple, test: tuple) -> tuple[float, float]:
    """Of redshifts copied from the nearest galaxy: median error, and share within 0.002."""
    _, nearest = cKDTree(train[0]).query(test[0])
    error = np.abs(train[1][nearest] - test[1]) / (1 + test[1])
    return float(np.median(error)), float(np.mean(error < 0.002))


def noiseless(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """True magnitude i and colours, and redshifts."""
    rng = np.random.default_rng(seed)
    sources = make_sources(draw(n, rng, {"matched": 1.0}), rng)
    return np.c_[sources.mag[:, 2], -np.diff(sources.mag, axis=1)], sources.redshift


def test_copying_the_nearest_training_galaxy_gains_nothing():
    """Galaxies of one survey are as far from each other as from those of another survey."""
    n = 1500
    features, redshift = noiseless(2 * n, 1)
    other = noiseless(n, 2)
    train, test = (features[:n], redshift[:n]), (features[n:], redshift[n:])
    within, across = copied(train, test), copied(other, test)
    assert within[0] == pytest.approx(across[0], rel=0.1)
    # 1500 galaxies each: four standard deviations of a difference between two shares
    assert within[1] == pytest.approx(across[1], abs=4 * np.sqrt(2 * across[1] / n))
    # and a survey that displaces real galaxies a little would be found out
    rng = np.random.default_rng(3)
    moved = features + rng.normal(0, 0.02, features.shape)
    assert copied((moved[n:], redshift[n:]), test)[1] > 2 * across[1]
