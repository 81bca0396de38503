"""Line measurements on lines whose answer is known."""

import numpy as np
import pytest

from mmae.instruments import LINES
from mmae.metrics.lines import fit_line, line_height

WAVE = 3611.6 + 24.0 * np.arange(259)


def spectrum_with(centre: float, height: float, fwhm: float, noise: float = 0.02) -> np.ndarray:
    """A line on a sloped continuum."""
    x = (WAVE - centre) / (fwhm / 2.3548)
    continuum = 0.5 + 2e-4 * (WAVE - 6000)
    return (
        continuum
        + height * np.exp(-0.5 * x**2)
        + np.random.default_rng(0).normal(0, noise, WAVE.shape)
    )


@pytest.mark.parametrize(("height", "fwhm"), [(3.0, 60.0), (0.6, 300.0)])
def test_centre_height_and_width_are_found(height, fwhm):
    centre = LINES["H-alpha"].wave * 1.073 + 7.0
    fit = fit_line(WAVE, spectrum_with(centre, height, fwhm), "H-alpha", 0.073)
    assert fit.centre == pytest.approx(centre, abs=0.02 * fwhm)
    assert fit.height == pytest.approx(height, rel=0.1)
    assert fit.width == pytest.approx(fwhm, rel=0.15)


def test_where_there_is_no_line_none_is_found():
    nothing = spectrum_with(7000, 0.0, 100.0)
    assert fit_line(WAVE, nothing, "H-alpha", 0.073) is None
    absorbed = spectrum_with(7000, -2.0, 100.0)
    assert fit_line(WAVE, absorbed, "H-alpha", 7000 / LINES["H-alpha"].wave - 1) is None


def test_lines_outside_the_spectrum_are_none():
    flux = spectrum_with(7000, 3.0, 60.0)
    assert fit_line(WAVE, flux, "H-alpha", 0.6) is None
    assert fit_line(WAVE, flux, "Ly-alpha", 0.5) is None


def test_heights_without_a_fit():
    z = 0.073
    centre = LINES["H-alpha"].wave * (1 + z)
    flux = np.array([spectrum_with(centre, h, 80.0) for h in (0.0, 1.0, 3.0)])
    heights = line_height(WAVE, flux, "H-alpha", np.array([z, z, 0.6]))
    assert heights[0] < 0.2
    assert heights[1] == pytest.approx(1.0, abs=0.2)
    assert heights[2] == -np.inf
