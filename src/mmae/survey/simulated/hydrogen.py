"""The intergalactic hydrogen in front of distant sources: its mean, and its forest of lines."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

# (wavelength, A) of the Lyman series: Madau 1995, ApJ 441, 18, equation 12 and figure 3
LYMAN_SERIES = ((1215.67, 3.6e-3), (1025.72, 1.7e-3), (972.54, 1.2e-3), (949.74, 9.3e-4))
LYMAN_LIMIT = 911.75

FOREST_SIGMA = 1.3
"""Scatter of the logarithm of the optical depth at DESI's resolution."""

FOREST_PIXELS = (1.5, 40.0)
"""Lengths over which the forest is correlated, pixels of 0.8 Å: lines, and structure at large."""

_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(24)


def igm_transmission(wave: np.ndarray, redshift: float) -> np.ndarray:
    """Mean transmission of intergalactic hydrogen, dimensionless, shape of `wave`.

    Parameters
    ----------
    wave : ndarray
        Observed wavelength, Å.
    redshift : float
        Of the source.

    Notes
    -----
    Madau 1995, ApJ 441, 18: line blanketing (equation 15) and the approximate integral of the
    photoelectric absorption (footnote 3).
    """
    tau = np.zeros_like(wave, dtype=float)
    for line, strength in LYMAN_SERIES:
        tau += np.where(wave < line * (1 + redshift), strength * (wave / line) ** 3.46, 0.0)
    xc, xe = wave / LYMAN_LIMIT, 1 + redshift
    with np.errstate(invalid="ignore"):
        limit = (
            0.25 * xc**3 * (xe**0.46 - xc**0.46)
            + 9.4 * xc**1.5 * (xe**0.18 - xc**0.18)
            - 0.7 * xc**3 * (xc**-1.32 - xe**-1.32)
            - 0.023 * (xe**1.68 - xc**1.68)
        )
    tau += np.where((xc > 1) & (xc < xe), np.clip(limit, 0, None), 0.0)
    return np.exp(-tau)


def forest(mean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A line of sight of the given mean transmission, shape (W,).

    Optical depths are lognormal (Bi & Davidsen 1997, ApJ 479, 523), scaled so that the mean
    transmission is kept.
    """
    narrow, wide = (
        gaussian_filter1d(rng.normal(0, np.sqrt(2 * np.sqrt(np.pi) * pixels), mean.shape), pixels)
        for pixels in FOREST_PIXELS
    )
    depth = np.exp(FOREST_SIGMA * (np.sqrt(0.85) * narrow + np.sqrt(0.15) * wide))
    # which scale of optical depths has which mean
    scale = np.geomspace(1e-4, 1e3, 60)
    means = np.exp(-scale[:, None] * np.exp(FOREST_SIGMA * _NODES)) @ _NODE_WEIGHTS
    means /= np.sqrt(2 * np.pi)
    return np.where(mean < 1, np.exp(-depth * np.interp(-mean, -means, scale)), 1.0)
