"""Sizes from images, and magnitudes where a dataset comes without any."""

import numpy as np

from mmae.instruments import distance_from_middle, mag_from_flux

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
    flux = images[:, :, distance_from_middle(*images.shape[2:]) <= APERTURE_ARCSEC].sum(
        axis=2, dtype=np.float64
    )
    return mag_from_flux(flux)


def half_light_radii(images: np.ndarray) -> np.ndarray:
    """Radius of the circle with half of the light within 2 arcsec of the middle of each image.

    Parameters
    ----------
    images : ndarray, shape (B, 5, 64, 64)

    Returns
    -------
    ndarray, shape (B, 5), arcsec
        Of the galaxy as it is seen, seeing included; NaN where there is no light.
    """
    radius = distance_from_middle(*images.shape[2:])
    inside = radius <= APERTURE_ARCSEC
    order = np.argsort(radius[inside], kind="stable")
    radii = radius[inside][order]
    grown = images[:, :, inside][:, :, order].cumsum(axis=2, dtype=np.float64)
    total = grown[:, :, -1]
    # the first radius from which on half of the light is inside; noise may cross it before
    below = (grown < 0.5 * total[:, :, None]).sum(axis=2)
    return np.where(total > 0, radii[np.minimum(below, len(radii) - 1)], np.nan)
