"""Spectrum measures by hand, and on continua of known slope."""

import numpy as np
import pytest

from mmae.errors import InputError
from mmae.instruments import LINES
from mmae.metrics.spectrum_quality import continuum_slope_error, cosine_similarity, mse

WAVE = 3611.6 + 24.0 * np.arange(256)
KILO = (WAVE - WAVE.mean()) / 1000
HIDDEN = np.ones((1, 256), dtype=bool)
Z = np.array([0.1])


def slope_error(true, rebuilt, hidden=HIDDEN, z=Z):
    return continuum_slope_error(WAVE, np.atleast_2d(true), np.atleast_2d(rebuilt), hidden, z)


def test_errors_and_cosines_by_hand():
    true = np.array([[1.0, 2.0, 0.0, 5.0], [1.0, 0.0, 3.0, 5.0]])
    rebuilt = np.array([[1.0, 4.0, 3.0, 9.0], [-2.0, 0.0, 7.0, 0.0]])
    hidden = np.array([[True, True, True, False], [True, True, False, False]])
    assert mse(true, rebuilt, hidden) == pytest.approx([13 / 3, 4.5])
    cosines = cosine_similarity(true, rebuilt, hidden)
    assert cosines == pytest.approx([9 / np.sqrt(5 * 26), -1.0])
    # neither the unit nor what was shown counts
    assert cosine_similarity(true, 7 * rebuilt, hidden) == pytest.approx(cosines)


def test_without_hidden_pixels_or_flux_there_is_nothing():
    true = np.ones((2, 4))
    hidden = np.array([[False] * 4, [True] * 4])
    assert np.isnan(mse(true, true, hidden)).tolist() == [True, False]
    assert np.isnan(cosine_similarity(true, true, hidden)).tolist() == [True, False]
    assert np.isnan(cosine_similarity(true, 0 * true, hidden)).all()
    assert np.isnan(slope_error(KILO, KILO, ~HIDDEN)).all()


@pytest.mark.parametrize("slope", [-0.4, 0.0, 0.3])
def test_slopes_are_per_thousand_angstrom(slope):
    true = 0.2 + 0.5 * KILO
    assert slope_error(true, true + 3.0 + slope * KILO) == pytest.approx(slope, abs=1e-9)


def test_lines_and_spikes_do_not_bend_the_continuum():
    noise = np.random.default_rng(0).normal(0, 0.05, 256)
    true = 0.5 * KILO + noise
    with_lines = true.copy()
    for line in LINES.values():
        with_lines[np.abs(WAVE - line.wave * 1.1) <= 48] += 20.0
    assert slope_error(true, with_lines) == pytest.approx(0.0, abs=1e-12)
    # at another redshift the same lines are spikes, which weigh little
    assert slope_error(true, with_lines, z=np.array([0.17])) == pytest.approx(0.0, abs=0.03)
    blue = true + np.where(np.arange(256) % 16 == 3, 10.0, 0.0) * (WAVE < 5000)
    assert slope_error(true, blue) == pytest.approx(0.0, abs=0.01)
    assert abs(np.polyfit(KILO, blue, 1)[0] - 0.5) > 0.05, "least squares would be misled"


def test_slopes_are_of_the_hidden_pixels():
    red = HIDDEN & (WAVE > 7000)
    true, rebuilt = 0.5 * KILO, np.where(WAVE > 7000, 0.9 * KILO, 50.0)
    assert slope_error(true, rebuilt, red) == pytest.approx(0.4)


def test_a_few_pixels_have_no_slope():
    between = np.flatnonzero((WAVE > 5800) & (WAVE < 7100))  # no line at z = 0.1
    for n, found in ((16, True), (15, False)):
        hidden = np.isin(np.arange(256), between[:n])[None]
        assert np.isfinite(slope_error(KILO, KILO, hidden)).all() == found


def test_bad_spectra_are_named():
    with pytest.raises(InputError, match=r"spectra: found true \(1, 256\), reconstructed \(1, 9\)"):
        mse(KILO[None], KILO[None, :9], HIDDEN)
    with pytest.raises(InputError, match="1 values not finite"):
        cosine_similarity(KILO[None], np.where(WAVE > 9720, np.inf, KILO)[None], HIDDEN)
    with pytest.raises(InputError, match=r"\(256,\) wavelengths and \(2,\) redshifts, expected"):
        slope_error(KILO, KILO, z=np.array([0.1, 0.2]))
