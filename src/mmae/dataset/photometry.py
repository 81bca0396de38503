"""Magnitudes from images, where a dataset comes without any."""

import numpy as np

from mmae.instruments import IMAGE_SIZE, PIXEL_SCALE_ARCSEC, mag_from_flux

APERTURE_ARCSEC = 2.0
"""Radius. Wide enough for most galaxies, narrow enough to leave out most neighbours."""


def aperture_magnitudes(images: np.ndarray) -> np.ndarray:
    """Magnitude within a circle around the middle of each image.

    Parameters
    ----------
    images : ndarray, shape (B, 5, 64, 64)
        Flux with zero point 27.0.

    Returns
    -------
    ndarray, shape (B, 5), AB
        NaN where the flux is not positive.
    """
    # the source is at pixel (32, 32), or between it and (31, 31)
    offset = np.arange(IMAGE_SIZE) - (IMAGE_SIZE - 1) / 2
    radius = PIXEL_SCALE_ARCSEC * np.hypot(offset[:, None], offset)
    flux = images[:, :, radius <= APERTURE_ARCSEC].sum(axis=2, dtype=np.float64)
    return mag_from_flux(flux)
