"""Spectral lines: centre, height and width by a fit, as in the paper's Figures 1 and 2."""

import warnings
from typing import NamedTuple

import numpy as np
from astropy.modeling import fitting, models
from astropy.utils.exceptions import AstropyUserWarning

from mmae.instruments import LINES

WINDOW_ANGSTROM = 480.0
"""Half-width of the window of a fit, 20 pooled pixels of 24 Å."""

SHIFT_ANGSTROM = 120.0
"""How far from its place a line is looked for, five pooled pixels."""

MIN_SIGNIFICANCE = 3.0
"""Height of a line in units of the scatter around the fit; below it there is no line."""

MIN_HEIGHT = 0.2
"""Height in normalised flux, whose rms is 1; below it there is no line, however smooth the flux."""


class LineFit(NamedTuple):
    """A Gaussian on a straight continuum."""

    centre: float
    """Observed wavelength, Å."""
    height: float
    """Above the continuum, in the unit of the flux."""
    width: float
    """Full width at half maximum, Å."""


def fit_line(wave: np.ndarray, flux: np.ndarray, line: str, redshift: float) -> LineFit | None:
    """Fit a line of a spectrum.

    Parameters
    ----------
    wave : ndarray, shape (L,), Å
    flux : ndarray, shape (L,)
        Normalised flux.
    line : str
        A key of `mmae.instruments.LINES`.
    redshift : float

    Returns
    -------
    LineFit or None
        None if the line is outside the spectrum or does not stand out from the scatter.

    Notes
    -----
    Source: paper section 5.1 measures "peak location, amplitude and width" in the pooled spectra.
    """
    expected = LINES[line].wave * (1 + redshift)
    near = np.abs(wave - expected) < WINDOW_ANGSTROM
    if not (wave[0] < expected < wave[-1]) or near.sum() < 8:
        return None
    # wavelengths relative to the expected one, so that slope and level do not trade places
    x, y = wave[near] - expected, flux[near]
    step, level = float(np.median(np.diff(x))), float(np.median(y))
    peak = int(np.argmax(np.where(np.abs(x) < SHIFT_ANGSTROM, y, -np.inf)))
    gaussian = models.Gaussian1D(
        amplitude=max(y[peak] - level, 0.0),
        mean=x[peak],
        stddev=2 * step,
        bounds={
            "amplitude": (0, None),
            "mean": (-SHIFT_ANGSTROM, SHIFT_ANGSTROM),
            "stddev": (step / 3, WINDOW_ANGSTROM),
        },
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyUserWarning)
        continuum = models.Linear1D(slope=0.0, intercept=level)
        fitted = fitting.TRFLSQFitter()(gaussian + continuum, x, y, maxiter=500)
    gaussian = fitted[0]
    scatter = float(np.std(y - fitted(x)))
    if gaussian.amplitude.value <= max(MIN_SIGNIFICANCE * scatter, MIN_HEIGHT):
        return None
    return LineFit(
        float(gaussian.mean.value + expected),
        float(gaussian.amplitude.value),
        float(gaussian.fwhm),
    )


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
