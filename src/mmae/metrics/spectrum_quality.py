"""How well hidden parts of spectra are reconstructed: pixels, shape and continuum.

Spectra are (B, L), normalised flux; hidden is (B, L), True where the model was not shown the
spectrum. Everything is over the hidden pixels only, and NaN where there are none.
"""

import numpy as np

from mmae.errors import InputError
from mmae.instruments import LINES
from mmae.metrics.hidden import checked, mean_over

LINE_MARGIN_ANGSTROM = 48.0
"""Around each known line, two pooled pixels that no continuum is fitted to."""

MIN_CONTINUUM_PIXELS = 16
"""Fewer do not tell a slope: two patches of the paper's model."""

HUBER = 1.345
"""Residual, in units of the scatter, from which on a pixel weighs less; it keeps 95% of the
efficiency of least squares where noise is Gaussian."""

N_ITERATIONS = 30
"""Of the weights; the slope then stands still to some 1e-6."""


def mse(spectrum: np.ndarray, reconstruction: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Mean squared error, the loss of the training galaxy by galaxy.

    Parameters
    ----------
    spectrum, reconstruction : ndarray, shape (B, L)
    hidden : ndarray of bool, shape (B, L)

    Returns
    -------
    ndarray, shape (B,), squared normalised flux

    Raises
    ------
    InputError
        As `mmae.metrics.hidden.checked`.
    """
    spectrum, reconstruction, hidden = checked("spectra", spectrum, reconstruction, hidden)
    return mean_over(hidden, (reconstruction - spectrum) ** 2)


def noise(spectrum: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Squared noise of the hidden pixels, from neighbours: below it no squared error can be.

    Parameters
    ----------
    spectrum : ndarray, shape (B, L)
    hidden : ndarray of bool, shape (B, L)

    Returns
    -------
    ndarray, shape (B,), squared normalised flux
        Half the mean squared difference of neighbours; lines of a pixel's width are in it.

    Raises
    ------
    InputError
        As `mmae.metrics.hidden.checked`.
    """
    spectrum, _, hidden = checked("spectra", spectrum, spectrum, hidden)
    return mean_over(hidden[:, 1:] & hidden[:, :-1], np.diff(spectrum, axis=1) ** 2 / 2)


def cosine_similarity(
    spectrum: np.ndarray, reconstruction: np.ndarray, hidden: np.ndarray
) -> np.ndarray:
    """Cosine of the angle between the hidden pixels and their reconstruction.

    Parameters
    ----------
    spectrum, reconstruction : ndarray, shape (B, L)
    hidden : ndarray of bool, shape (B, L)

    Returns
    -------
    ndarray, shape (B,)
        NaN also where one of the two is 0 everywhere.

    Raises
    ------
    InputError
        As `mmae.metrics.hidden.checked`.
    """
    spectrum, reconstruction, hidden = checked("spectra", spectrum, reconstruction, hidden)
    product = mean_over(hidden, spectrum * reconstruction)
    lengths = np.sqrt(mean_over(hidden, spectrum**2) * mean_over(hidden, reconstruction**2))
    return product / np.where(lengths > 0, lengths, np.nan)


def continuum_slope_error(
    wave: np.ndarray,
    spectrum: np.ndarray,
    reconstruction: np.ndarray,
    hidden: np.ndarray,
    redshift: np.ndarray,
) -> np.ndarray:
    """Slope of the reconstructed continuum minus that of the true one.

    Each is that of a straight line fitted to the same hidden pixels; pixels around known lines are
    left out, and what is left of lines and noise spikes weighs little.

    Parameters
    ----------
    wave : ndarray, shape (L,), Å
    spectrum, reconstruction : ndarray, shape (B, L)
    hidden : ndarray of bool, shape (B, L)
    redshift : ndarray, shape (B,)
        z_spec.

    Returns
    -------
    ndarray, shape (B,), normalised flux per 1000 Å
        NaN where fewer than MIN_CONTINUUM_PIXELS are left.

    Raises
    ------
    InputError
        As `mmae.metrics.hidden.checked`, or if wavelengths or redshifts do not match the spectra.
    """
    spectrum, reconstruction, hidden = checked("spectra", spectrum, reconstruction, hidden)
    wave, redshift = np.asarray(wave, dtype=float), np.asarray(redshift, dtype=float)
    if (redshift.shape, wave.shape) != (spectrum.shape[:1], spectrum.shape[1:]):
        raise InputError(
            "spectra",
            found=f"{wave.shape} wavelengths and {redshift.shape} redshifts",
            expected=f"one for each row and column of {spectrum.shape}",
        )
    continuum = hidden & ~_near_lines(wave, redshift)
    enough = continuum.sum(axis=1) >= MIN_CONTINUUM_PIXELS
    slopes = [
        _slope((wave - wave.mean()) / 1000, flux[enough], continuum[enough])
        for flux in (spectrum, reconstruction)
    ]
    errors = np.full(len(spectrum), np.nan)
    errors[enough] = slopes[1] - slopes[0]
    return errors


def _near_lines(wave: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Which pixels are near a known line, bool, shape (B, L)."""
    near = np.zeros((len(redshift), len(wave)), dtype=bool)
    for line in LINES.values():
        near |= np.abs(wave - line.wave * (1 + redshift[:, None])) <= LINE_MARGIN_ANGSTROM
    return near


def _slope(x: np.ndarray, y: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Slope of a straight line through pixels, of which those far off weigh less.

    Parameters
    ----------
    x : ndarray, shape (L,)
    y : ndarray, shape (B, L)
    used : ndarray of bool, shape (B, L)
        At least three pixels of each row.

    Returns
    -------
    ndarray, shape (B,)

    Notes
    -----
    Source: Huber 1981, Robust Statistics, section 7.8 (iterated weights).
    """
    n_used = used.sum(axis=1, keepdims=True)
    weight = used.astype(float)
    for _ in range(N_ITERATIONS):
        norm = weight.sum(axis=1)
        dx = x - (weight @ x / norm)[:, None]
        dy = y - ((weight * y).sum(axis=1) / norm)[:, None]
        slope = (weight * dx * dy).sum(axis=1) / (weight * dx**2).sum(axis=1)
        residual = np.abs(dy - slope[:, None] * dx)
        ordered = np.sort(np.where(used, residual, np.inf), axis=1)
        scatter = 1.4826 * np.take_along_axis(ordered, n_used // 2, axis=1)
        # a line that fits exactly leaves no scatter to measure by
        limit = np.maximum(HUBER * scatter, 1e-9)
        weight = used * np.minimum(1.0, limit / np.maximum(residual, limit))
    return slope
