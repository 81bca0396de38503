"""Galaxy continua from kcorrect's templates, and the narrow lines that are drawn over them.

The templates (Blanton & Roweis 2007, AJ 133, 734) have pixels of 257 km/s: enough for the stars,
too coarse for the gas. Their emission lines are therefore taken out, and later drawn again at
DESI's resolution, with fluxes of their own.
"""

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from scipy.ndimage import gaussian_filter1d

OLD, YOUNG = (3, 5, 6), (1, 2, 4)
"""Templates of old stars, which make bulges, and of younger ones. Template 0 is an old one behind
much dust, which is drawn separately here; 6 is 4 once more, stars of a gigayear among old ones."""

NEBULAR_WAVE = np.array(
    [
        *(3727.09, 3729.88, 3869.86, 4102.89, 4341.68, 4862.68, 4960.30, 5008.24),
        *(6302.05, 6549.85, 6564.61, 6585.27, 6718.29, 6732.67, 7137.77, 9071.10, 9533.20),
    ]
)
"""Vacuum wavelengths of the lines that are redrawn, Å."""

LINE_WINDOWS = (
    *((3714, 3743), (3856, 3883), (4088, 4117), (4326, 4357), (4845, 4880), (4943, 5026)),
    *((6280, 6324), (6526, 6608), (6694, 6757), (7113, 7163), (9040, 9103), (9500, 9567)),
)
"""Where the templates have these lines, Å."""

SMOOTH_PIXELS = 30
"""Of the template, sigma: 7,700 km/s. What is narrower is absorption lines and the 4000 Å break."""


class Templates(NamedTuple):
    """Seven galaxy templates; F_lambda, 1 at 5500 Å."""

    wave: np.ndarray
    """Rest wavelength, shape (W,), Å; equidistant in its logarithm."""
    flux: np.ndarray
    """Lines included, shape (7, W)."""
    continuum: np.ndarray
    """Lines taken out, shape (7, W)."""
    h_alpha: np.ndarray
    """Flux of H-alpha with [N II], Å, shape (7,)."""
    absorption: np.ndarray
    """Logarithm of the old stars' absorption lines and breaks, without the slope, shape (W,)."""


@cache
def load_templates() -> Templates:
    """Read kcorrect's templates between 600 Å and 1.2 µm and take their lines out."""
    flux = []
    for name in ("default", "lrg1"):
        path = files("kcorrect") / "data" / "templates" / f"kcorrect-{name}-v4.fits"
        with path.open("rb") as stream, fits.open(stream) as hdus:
            wave = hdus["FLUX"].data["wave"][0].astype(float)
            flux += list(np.atleast_2d(hdus["FLUX"].data["flux"][0]).astype(float))
    optical = wave < 12_000
    wave = wave[optical]
    flux = np.array([f[optical] / np.interp(5500.0, wave, f[optical]) for f in flux])
    flux = flux[[0, 1, 2, 3, 4, 5, 4]]
    continuum = flux.copy()
    for lo, hi in LINE_WINDOWS:
        inside = (wave > lo) & (wave < hi)
        for k, template in enumerate(flux):
            level = np.interp(wave[inside], [lo, hi], np.interp([lo, hi], wave, template))
            # emission goes, absorption stays
            continuum[k, inside] = np.minimum(template[inside], level)
        if lo < 6564.61 < hi:
            h_alpha = ((flux - continuum) * np.gradient(wave))[:, inside].sum(1)
    old = np.log(continuum[OLD[0]])
    absorption = old - gaussian_filter1d(old, SMOOTH_PIXELS)
    # the ultraviolet of old stars is faint and unsure
    absorption *= np.clip((wave - 2500) / 1000, 0, 1)
    return Templates(wave, flux, continuum, h_alpha, absorption)


def gaussian_lines(wave: np.ndarray, centre: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Gaussian profiles of unit area.

    Parameters
    ----------
    wave : ndarray, shape (W,), Å
    centre, sigma : ndarray, shape (K,), Å

    Returns
    -------
    ndarray, shape (K, W), 1/Å
    """
    x = (wave - centre[:, None]) / sigma[:, None]
    return np.exp(-0.5 * x**2) / (np.sqrt(2 * np.pi) * sigma[:, None])
