"""Magnitudes of many spectra at once, beside speclite's of each."""

import numpy as np
import pytest
from speclite import filters

from mmae.instruments import BANDS
from mmae.survey.simulated.bands import REST_WAVE, line_maggies, maggies, observed_wave

HSC = filters.load_filters(*(f"hsc2017-{band}" for band in BANDS))
WAVE = np.arange(700.0, 12_000.0)


def magnitudes(flux: np.ndarray, z: float) -> np.ndarray:
    """Speclite's AB maggies of a rest-frame spectrum in 1e-17 erg / (s cm2 Å)."""
    table = HSC.get_ab_maggies((flux * 1e-17)[None], WAVE * (1 + z))
    return np.array([table[name][0] for name in HSC.names])


@pytest.mark.parametrize("z", [0.0, 0.31, 1.2, 3.5])
def test_maggies_are_those_of_speclite(z):
    flux = 2 + np.sin(WAVE / 150) + (WAVE > 4000)
    ours = maggies(np.interp(REST_WAVE, WAVE, flux)[None], np.array([z]))[0]
    assert ours == pytest.approx(magnitudes(flux, z), rel=0.004)


def test_a_transmission_is_of_the_observed_wavelength():
    flux, z = np.ones((1, len(REST_WAVE))), np.array([0.4])
    blocked = maggies(flux, z, (observed_wave() > 7000.0).astype(float)[None])[0]
    assert blocked[0] == pytest.approx(0, abs=1e-3 * blocked[2])
    assert blocked[3:] == pytest.approx(maggies(flux, z)[0, 3:], rel=1e-6)


def test_lines_add_what_narrow_gaussians_would():
    line, z = 5008.24, 0.5
    flux = 30 * np.exp(-0.5 * ((WAVE - line) / 4) ** 2) / (4 * np.sqrt(2 * np.pi))
    ours = line_maggies(np.array([[line * (1 + z)]]), np.array([[30 * (1 + z)]]))[0]
    assert ours[2] == pytest.approx(magnitudes(flux, z)[2], rel=0.03)
    assert ours[[0, 3, 4]] == pytest.approx(0, abs=1e-3 * ours[2])
