"""Hydrogen in front of quasars."""

import numpy as np
import pytest

from mmae.instruments import desi_wave
from mmae.survey.simulated.hydrogen import forest, igm_transmission


def test_blue_ends_are_absorbed():
    observed = np.array([4000.0, 5500.0, 7000.0])
    assert (np.diff(igm_transmission(observed, 4.0)) >= 0).all()
    assert igm_transmission(observed, 4.0)[0] < 0.1
    assert igm_transmission(observed, 0.5).tolist() == [1, 1, 1]


def test_the_forest_scatters_about_its_mean():
    wave = desi_wave()
    mean = igm_transmission(wave, 3.0)
    lines = np.array([forest(mean, np.random.default_rng(k)) for k in range(60)])
    inside = (wave > 4300) & (wave < 4700)
    assert lines[:, inside].mean() == pytest.approx(mean[inside].mean(), rel=0.03)
    assert 0.15 < lines[:, inside].std() < 0.4
    assert ((lines >= 0) & (lines <= 1)).all()
    assert lines[:, wave > 4900].min() > 0.99
    # neighbouring pixels are in the same line, distant ones are not
    part = lines[:, inside] - lines[:, inside].mean()
    assert (part[:, 1:] * part[:, :-1]).mean() > 0.6 * part.var()
    assert abs((part[:, 100:] * part[:, :-100]).mean()) < 0.2 * part.var()
