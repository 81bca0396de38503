"""Galaxy spectra: mixtures of kcorrect's five templates, with narrow nebular lines.

The templates (Blanton & Roweis 2007, AJ 133, 734) have pixels of 257 km/s: enough for the stars,
too coarse for the gas. Their emission lines are therefore measured, taken out, and later drawn
again at DESI's resolution.
"""

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from scipy.optimize import nnls

from mmae.instruments import SPEED_OF_LIGHT_KMS

N_TEMPLATES = 5
OLD = (0, 3)
"""Templates of old, red stars, which make bulges; the others make disks."""

NEBULAR_WAVE = np.array(
    [
        *(3727.09, 3729.88, 3869.86, 4102.89, 4341.68, 4862.68, 4960.30, 5008.24, 5877.25),
        *(6302.05, 6549.85, 6564.61, 6585.27, 6718.29, 6732.67, 7137.77, 9071.10, 9533.20),
    ]
)
"""Vacuum wavelengths of the lines that are redrawn, Å."""

TEMPLATE_SIGMA_KMS = 180.0
"""Width of the lines in the templates."""


class Templates(NamedTuple):
    """Five galaxy templates; F_lambda in arbitrary units, one scale for each template."""

    wave: np.ndarray
    """Rest wavelength, shape (W,), Å."""
    flux: np.ndarray
    """Lines included, shape (5, W)."""
    continuum: np.ndarray
    """Lines taken out, shape (5, W)."""
    line_flux: np.ndarray
    """Flux of each nebular line, shape (5, len(NEBULAR_WAVE))."""


@cache
def load_templates() -> Templates:
    """Read kcorrect's templates between 600 Å and 2 µm and take their lines apart."""
    path = files("kcorrect") / "data" / "templates" / "kcorrect-default-v4.fits"
    with path.open("rb") as stream, fits.open(stream) as hdus:
        wave = hdus["FLUX"].data["wave"][0].astype(float)
        flux = hdus["FLUX"].data["flux"][0].astype(float)
    optical = wave < 20_000
    wave, flux = wave[optical], flux[:, optical]
    # one scale for all: the same flux at 5500 Å, in the rest frame
    flux = flux / np.array([np.interp(5500.0, wave, f) for f in flux])[:, None]
    parts = [_split_lines(wave, template) for template in flux]
    return Templates(
        wave, flux, np.array([continuum for continuum, _ in parts]), np.array([f for _, f in parts])
    )


def _split_lines(wave: np.ndarray, flux: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One template's continuum, shape (W,), and its line fluxes."""
    continuum, line_flux = flux.copy(), np.zeros(len(NEBULAR_WAVE))
    for lines in _groups():
        lo, hi = NEBULAR_WAVE[lines[0]] * 0.9965, NEBULAR_WAVE[lines[-1]] * 1.0035
        inside = (wave > lo) & (wave < hi)
        level = np.interp(wave[inside], [lo, hi], np.interp([lo, hi], wave, flux))
        shapes = gaussian_lines(
            wave[inside], NEBULAR_WAVE[lines], NEBULAR_WAVE[lines] * _relative(TEMPLATE_SIGMA_KMS)
        )
        line_flux[lines], _ = nnls(shapes.T, np.clip(flux[inside] - level, 0, None))
        # emission goes, absorption stays
        continuum[inside] = np.minimum(flux[inside], level)
    return continuum, line_flux


def _groups() -> list[list[int]]:
    """Lines that overlap at the templates' resolution are measured together."""
    groups: list[list[int]] = [[0]]
    for k in range(1, len(NEBULAR_WAVE)):
        if NEBULAR_WAVE[k] / NEBULAR_WAVE[k - 1] < 1.008:
            groups[-1].append(k)
        else:
            groups.append([k])
    return groups


def _relative(velocity_kms: float) -> float:
    """Velocity as a fraction of the speed of light."""
    return velocity_kms / SPEED_OF_LIGHT_KMS


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
