"""The two instruments: HSC's bands and pixels, DESI's arms and wavelengths, the lines between.

Wavelengths are in vacuum, in Å; magnitudes are AB; angles are in arcsec.
"""

from typing import NamedTuple

import numpy as np

# --- Hyper Suprime-Cam, Wide layer of PDR2 (Aihara et al. 2019, PASJ 71, 114) ---------------------

BANDS = ("g", "r", "i", "z", "y")
PIXEL_SCALE_ARCSEC = 0.168
IMAGE_SIZE = 64
ZERO_POINT_MAG = 27.0
"""AB magnitude of a flux of 1 in HSC's coadded images."""

SEEING_ARCSEC = (0.77, 0.76, 0.58, 0.68, 0.68)
"""Median seeing (FWHM) of each band."""

DEPTH_MAG = (26.6, 26.2, 26.2, 25.3, 24.5)
"""5-sigma depth for point sources in each band."""


def flux_from_mag(mag: np.ndarray) -> np.ndarray:
    """HSC image flux (zero point 27.0) of an AB magnitude."""
    return 10 ** (-0.4 * (np.asarray(mag) - ZERO_POINT_MAG))


def mag_from_flux(flux: np.ndarray) -> np.ndarray:
    """AB magnitude of an HSC image flux; NaN where the flux is not positive."""
    flux = np.asarray(flux, dtype=float)
    positive = np.where(flux > 0, flux, np.nan)
    return ZERO_POINT_MAG - 2.5 * np.log10(positive)


def distance_from_middle(height: int, width: int) -> np.ndarray:
    """Distance of each pixel of an image from its middle, arcsec, shape (H, W).

    The source is in the middle or half a pixel from it: at (32, 32) of 64.
    """
    y, x = (np.arange(n) - (n - 1) / 2 for n in (height, width))
    return PIXEL_SCALE_ARCSEC * np.hypot(y[:, None], x)


# --- DESI (DESI Collaboration 2022, AJ 164, 207; data model of the coadd files) -------------------

WAVE_STEP = 0.8
"""Å a pixel, in each arm and in the combined spectrum."""


class Arm(NamedTuple):
    """One arm of DESI's spectrographs."""

    name: str
    """B, R or Z, as in the names of the coadd files' HDUs."""
    wave_min: float
    """Wavelength of the first pixel, Å."""
    n_pixels: int

    @property
    def wave(self) -> np.ndarray:
        """Wavelengths, shape (n_pixels,), Å."""
        return self.wave_min + WAVE_STEP * np.arange(self.n_pixels)

    @property
    def offset(self) -> int:
        """Index of the arm's first pixel in the combined spectrum."""
        return round((self.wave_min - ARMS[0].wave_min) / WAVE_STEP)


ARMS = (Arm("B", 3600.0, 2751), Arm("R", 5760.0, 2326), Arm("Z", 7520.0, 2881))
N_WAVE = ARMS[-1].offset + ARMS[-1].n_pixels
"""Pixels of the combined spectrum: 7781."""


def desi_wave() -> np.ndarray:
    """Wavelengths of the combined spectrum: 3600 to 9824 Å, shape (7781,)."""
    return ARMS[0].wave_min + WAVE_STEP * np.arange(N_WAVE)


def resolving_power(wave: np.ndarray) -> np.ndarray:
    """DESI's R at `wave` (Å): 2000 at 3600 Å to 5500 at 9800 Å (paper, section 3)."""
    return np.interp(wave, [3600.0, 9800.0], [2000.0, 5500.0])


SKY_LINE_WAVE = (
    *(5578.8, 6302.0, 7752.7, 7796.2, 7915.9, 7966.9, 7995.5, 8346.9, 8401.5, 8432.5),
    *(8467.7, 8770.3, 8829.5, 8888.3, 8922.0, 9316.0, 9378.6, 9422.3, 9442.3, 9479.5),
)
"""The brightest lines of the night sky, in vacuum (Hanuschik 2003, A&A 407, 1157)."""


# --- Spectral lines -------------------------------------------------------------------------------

SPEED_OF_LIGHT_KMS = 299_792.458


class Line(NamedTuple):
    """A spectral line."""

    label: str
    """As written in figures (matplotlib's mathtext)."""
    wave: float
    """Rest wavelength in vacuum, Å."""


LINES = {
    "Ly-alpha": Line(r"Ly$\alpha$", 1215.67),
    "N V": Line("N V", 1240.14),
    "Si IV": Line("Si IV", 1396.76),
    "C IV": Line("C IV", 1549.06),
    "C III]": Line("C III]", 1908.73),
    "Mg II": Line("Mg II", 2798.75),
    "[O II]": Line("[O II]", 3728.48),
    "H-delta": Line(r"H$\delta$", 4102.89),
    "H-gamma": Line(r"H$\gamma$", 4341.68),
    "H-beta": Line(r"H$\beta$", 4862.68),
    "[O III]": Line("[O III]", 5008.24),
    "H-alpha": Line(r"H$\alpha$", 6564.61),
    "[S II]": Line("[S II]", 6725.5),
}
"""Lines that figures label and metrics measure (NIST, Vanden Berk et al. 2001)."""
