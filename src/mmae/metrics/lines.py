"""Spectral lines: centre, height and width by a fit, as in the paper's Figures 1 and 2."""

from typing import NamedTuple

import numpy as np
from astropy.stats import gaussian_sigma_to_fwhm
from scipy.optimize import Bounds, minimize

from mmae.errors import InputError
from mmae.instruments import LINES

WINDOW_ANGSTROM = 480.0
"""Half-width of the window of a fit, 20 pooled pixels of 24 Å."""

SIGNIFICANCE = 5.0
"""Height of the highest pixel of a line's fit, in units of the scatter around the fit; below it
there is no line. Where there is none, noise passes it within 60 Å in less than one of a hundred
spectra (measured on the embedded survey). The Gaussian's own height would not do: between two
pixels a narrow one is three times as high as either, and noise of 5 in one of thirty spectra."""

MIN_HEIGHT = 0.2
"""Height in normalised flux, whose rms is 1; below it there is no line, however smooth the flux."""


NARROWEST = 1 / 3
"""Least sigma of a fit, in pixels: a FWHM of 0.78 pixel."""


class LineFit(NamedTuple):
    """A Gaussian on a straight continuum."""

    centre: float
    """Observed wavelength, Å."""
    height: float
    """Above the continuum, in the unit of the flux; if the width is not resolved, that of the
    highest pixel."""
    width: float
    """Full width at half maximum, Å; NaN if it is not resolved: the narrowest of the fit."""
    flux: float
    """Height times width of the Gaussian, resolved or not."""


def fit_line(wave: np.ndarray, flux: np.ndarray, expected: float, shift: float) -> LineFit | None:
    """Fit a line of a spectrum.

    Parameters
    ----------
    wave : ndarray, shape (L,), Å
        Increasing; gaps do no harm.
    flux : ndarray, shape (L,)
        Normalised flux.
    expected : float, Å
        Where the line should be.
    shift : float, Å
        How far from there it may be.

    Returns
    -------
    LineFit or None
        None if the line is outside the spectrum, does not stand out from the scatter, is at the
        end of the search, or as wide as the window, and so a bend of the continuum.

    Raises
    ------
    InputError
        If a flux near the line is not finite.

    Notes
    -----
    Source: paper section 5.1 measures "peak location, amplitude and width" in the pooled spectra.
    """
    near = np.abs(wave - expected) < WINDOW_ANGSTROM
    if near.sum() < 8 or not (wave[0] < expected < wave[-1]):
        return None
    # wavelengths relative to the expected one, so that slope and level do not trade places
    x, y = wave[near] - expected, np.asarray(flux[near], dtype=float)
    if not np.isfinite(y).all():
        raise InputError(
            "spectrum", found=f"flux not finite near {expected:.0f} Å", expected="numbers"
        )
    if not (np.abs(x) < shift).any():
        return None
    height, centre, sigma, scatter = _fit_gaussian(x, y, shift)
    highest = height * float(np.exp(-0.5 * ((x - centre) / sigma) ** 2).max())
    if highest <= max(SIGNIFICANCE * scatter, MIN_HEIGHT):
        return None
    if abs(centre) >= 0.99 * shift or sigma >= 0.99 * WINDOW_ANGSTROM:
        return None
    width = sigma * gaussian_sigma_to_fwhm
    is_resolved = sigma > 1.01 * NARROWEST * float(np.median(np.diff(x)))
    shown = (height, width) if is_resolved else (highest, np.nan)
    return LineFit(float(expected + centre), *shown, height * width)


def _fit_gaussian(x: np.ndarray, y: np.ndarray, shift: float) -> tuple[float, float, float, float]:
    """Height, centre and sigma of a Gaussian on a straight continuum, and the scatter around it.

    The continuum is linear in its two parameters and leaves the problem by projection (Golub &
    Pereyra 1973); the other three are found with their analytic gradient. A trust region over all
    five finds the same lines in four times the time.
    """
    step, level = float(np.median(np.diff(x))), float(np.median(y))
    ramp = x - x.mean()
    detrend = np.eye(len(x)) - 1 / len(x) - np.outer(ramp, ramp) / (ramp @ ramp)
    line = detrend @ y
    power = line @ line
    if power == 0:
        return 0.0, 0.0, step, 0.0
    unit = np.array([np.sqrt(power / len(x)), step / 2, step / 2])

    def cost(scaled: np.ndarray) -> tuple[float, np.ndarray]:
        height, centre, sigma = scaled * unit
        u = (x - centre) / sigma
        shape = np.exp(-0.5 * u * u)
        residual = detrend @ (height * shape) - line
        by_height = residual * shape
        by_centre = (height / sigma) * by_height * u
        gradient = np.array([by_height.sum(), by_centre.sum(), by_centre @ u])
        return 0.5 * (residual @ residual) / power, gradient * unit / power

    peak = int(np.argmax(np.where(np.abs(x) < shift, y, -np.inf)))
    # beyond the last pixel nothing holds the height
    low = np.array([0.0, max(-shift, x[0]), NARROWEST * step])
    high = np.array([np.inf, min(shift, x[-1]), WINDOW_ANGSTROM])
    # from too wide a start a narrow line may end at no height, where nothing leads away
    for sigma in (2 * step, step):
        found = minimize(
            cost,
            np.array([max(y[peak] - level, 0.0), x[peak], sigma]) / unit,
            jac=True,
            method="SLSQP",
            bounds=Bounds(low / unit, high / unit),
            options={"ftol": 1e-10, "maxiter": 500},
        )
        if found.x[0] > 1e-6:
            break
    height, centre, sigma = (float(value) for value in found.x * unit)
    return height, centre, sigma, float(np.sqrt(2 * found.fun * power / len(x)))


def line_height(wave: np.ndarray, flux: np.ndarray, line: str, redshift: np.ndarray) -> np.ndarray:
    """How far the highest pixel near a line stands above the spectrum around it, without a fit.

    Parameters
    ----------
    wave : ndarray, shape (L,), Å
    flux : ndarray, shape (B, L)
    line : str
    redshift : ndarray, shape (B,)

    Returns
    -------
    ndarray, shape (B,)
        -inf where the line is outside the spectrum.
    """
    expected = LINES[line].wave * (1 + np.asarray(redshift)[:, None])
    distance = np.abs(wave - expected)
    peak = np.where(distance < WINDOW_ANGSTROM / 8, flux, -np.inf).max(axis=1)
    around = np.where(distance < WINDOW_ANGSTROM, flux, np.nan)
    inside = (expected[:, 0] > wave[0]) & (expected[:, 0] < wave[-1])
    heights = np.full(len(flux), -np.inf)
    heights[inside] = peak[inside] - np.nanmedian(around[inside], axis=1)
    return heights
