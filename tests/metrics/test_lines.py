"""Line measurements on lines whose answer is known."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from mmae.errors import InputError
from mmae.instruments import LINES
from mmae.metrics.lines import WINDOW_ANGSTROM, fit_line, line_height

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


def test_the_fit_is_the_least_squares_one():
    def model(x, height, middle, sigma, level, slope):
        return height * np.exp(-0.5 * ((x - middle) / sigma) ** 2) + level + slope * (x - 7000)

    z = 0.073
    centre = LINES["H-alpha"].wave * (1 + z)
    flux = spectrum_with(centre + 20, 1.0, 90.0, noise=0.05)
    near = np.abs(WAVE - centre) < WINDOW_ANGSTROM
    start = (1.0, centre, 40.0, 0.5, 0.0)
    best, _ = curve_fit(model, WAVE[near], flux[near], start)
    fit = fit_line(WAVE, flux, "H-alpha", z)
    assert fit.centre == pytest.approx(best[1], abs=0.02)
    assert fit.height == pytest.approx(best[0], rel=1e-4)
    assert fit.width == pytest.approx(best[2] * 2.3548, rel=1e-4)


def test_a_line_of_one_pixel_is_found_from_a_wide_start():
    expected = LINES["H-alpha"].wave * 1.073
    flux = np.random.default_rng(1).normal(0, 0.05, WAVE.shape)
    at = int(np.argmin(np.abs(WAVE - expected)))
    # two troughs beside it: a wide Gaussian there would have to be negative
    flux[[at - 2, at - 1, at + 1, at + 2]] -= 0.8
    flux[at] += 1.0
    fit = fit_line(WAVE, flux, "H-alpha", 0.073)
    assert abs(fit.centre - WAVE[at]) < 12
    assert fit.width < 24


def test_search_and_significance_can_be_narrowed():
    expected = LINES["H-alpha"].wave * 1.073
    flux = spectrum_with(expected + 100, 0.5, 60.0, noise=0.1)
    assert fit_line(WAVE, flux, "H-alpha", 0.073).centre == pytest.approx(expected + 100, abs=12)
    assert fit_line(WAVE, flux, "H-alpha", 0.073, significance=7.0) is None
    near = fit_line(WAVE, flux, "H-alpha", 0.073, shift=40.0)
    assert near is None or abs(near.centre - expected) <= 40


def test_no_line_is_beyond_the_last_pixel():
    z = (WAVE[-1] - 15) / LINES["H-alpha"].wave - 1
    flux = np.random.default_rng(2).normal(0, 0.02, WAVE.shape)
    flux[-1] += 1.0
    fit = fit_line(WAVE, flux, "H-alpha", z)
    assert fit.centre <= WAVE[-1] + 1e-6
    assert fit.height < 1.2


def test_flat_flux_has_no_line_and_bad_flux_is_named():
    assert fit_line(WAVE, np.full(WAVE.shape, 3.0), "H-alpha", 0.073) is None
    assert fit_line(WAVE, np.zeros(WAVE.shape), "H-alpha", 0.073) is None
    with pytest.raises(InputError, match="spectrum: found flux not finite near H-alpha"):
        fit_line(WAVE, np.where(WAVE > 7000, np.nan, 1.0), "H-alpha", 0.073)
