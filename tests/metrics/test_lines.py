"""Line measurements on lines whose answer is known."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from mmae.errors import InputError
from mmae.instruments import LINES
from mmae.metrics.lines import WINDOW_ANGSTROM, fit_line, line_height

SHIFT = 120.0
H_ALPHA = LINES["H-alpha"].wave * 1.073
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
    fit = fit_line(WAVE, spectrum_with(centre, height, fwhm), H_ALPHA, SHIFT)
    assert fit.centre == pytest.approx(centre, abs=0.02 * fwhm)
    assert fit.height == pytest.approx(height, rel=0.1)
    assert fit.width == pytest.approx(fwhm, rel=0.15)


def test_where_there_is_no_line_none_is_found():
    nothing = spectrum_with(7000, 0.0, 100.0)
    assert fit_line(WAVE, nothing, H_ALPHA, SHIFT) is None
    absorbed = spectrum_with(7000, -2.0, 100.0)
    assert fit_line(WAVE, absorbed, 7000.0, SHIFT) is None


def test_lines_outside_the_spectrum_are_none():
    flux = spectrum_with(7000, 3.0, 60.0)
    assert fit_line(WAVE, flux, 10_500.0, SHIFT) is None
    assert fit_line(WAVE, flux, 1823.5, SHIFT) is None


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
    fit = fit_line(WAVE, flux, centre, SHIFT)
    assert fit.centre == pytest.approx(best[1], abs=0.02)
    assert fit.height == pytest.approx(best[0], rel=1e-4)
    assert fit.width == pytest.approx(best[2] * 2.3548, rel=1e-4)


def test_a_line_of_one_pixel_is_found_from_a_wide_start():
    expected = LINES["H-alpha"].wave * 1.073
    flux = np.random.default_rng(1).normal(0, 0.05, WAVE.shape)
    at = int(np.argmin(np.abs(WAVE - expected)))
    # two troughs beside it: a wide Gaussian there would have to be negative
    flux[[at - 2, at - 1, at + 1, at + 2]] -= 0.3
    flux[at] += 1.0
    fit = fit_line(WAVE, flux, expected, SHIFT)
    assert abs(fit.centre - WAVE[at]) < 12
    assert np.isnan(fit.width), "one pixel says that it is narrow, and not how narrow"


def test_a_line_at_the_end_of_the_search_is_none():
    flux = spectrum_with(H_ALPHA + 100, 0.8, 60.0, noise=0.05)
    assert fit_line(WAVE, flux, H_ALPHA, SHIFT).centre == pytest.approx(H_ALPHA + 100, abs=12)
    assert fit_line(WAVE, flux, H_ALPHA, 60.0) is None


@pytest.mark.parametrize("offset", [0.0, 6.0, 12.0])
def test_lines_narrower_than_a_pixel_have_no_width_and_the_height_of_a_pixel(offset):
    """A Gaussian between two pixels could be of any height."""
    centre = WAVE[140] + offset
    flux = np.random.default_rng(0).normal(0, 0.02, WAVE.shape)
    # averaged over pixels of 24 Å: all of it in one, or half in each of two
    flux += np.clip(1 - np.abs(WAVE - centre) / 24, 0, None)
    fit = fit_line(WAVE, flux, centre, 60.0)
    if np.isnan(fit.width):
        assert 0.4 < fit.height < 1.1
    else:
        assert fit.width < 45
    wide = fit_line(WAVE, spectrum_with(centre, 1.0, 90.0), centre, 60.0)
    assert wide.width == pytest.approx(90, rel=0.1)
    assert wide.flux == pytest.approx(wide.height * wide.width)


def test_a_bend_as_wide_as_the_window_is_no_line():
    bend = np.exp(-0.5 * ((WAVE - H_ALPHA) / 900) ** 2)
    flux = bend + np.random.default_rng(0).normal(0, 0.001, WAVE.shape)
    assert fit_line(WAVE, flux, H_ALPHA, SHIFT) is None


def test_noise_passes_for_a_line_in_less_than_one_of_a_hundred_windows():
    noise = np.random.default_rng(3).normal(0, 1, (1000, 41))
    wave = 6000 + 24.0 * np.arange(41)
    found = sum(fit_line(wave, flux, 6480.0, 60.0) is not None for flux in noise)
    assert found <= 14, "one of a hundred, and two sigma more"


def test_flat_flux_has_no_line_and_bad_flux_is_named():
    assert fit_line(WAVE, np.full(WAVE.shape, 3.0), H_ALPHA, SHIFT) is None
    assert fit_line(WAVE, np.zeros(WAVE.shape), H_ALPHA, SHIFT) is None
    with pytest.raises(InputError, match="spectrum: found flux not finite near 7044 Å"):
        fit_line(WAVE, np.where(WAVE > 7000, np.nan, 1.0), H_ALPHA, SHIFT)
