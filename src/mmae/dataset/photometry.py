"""Sizes from images, and magnitudes where a dataset comes without any."""

from collections.abc import Callable
from functools import partial

import numpy as np

from mmae.instruments import BANDS, distance_from_middle, mag_from_flux

CMODEL = "_cmodel_mag"
"""Ends the names of HSC's magnitudes; a band stands before it."""
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


def _of_band(measure: Callable[[np.ndarray], np.ndarray], k: int, images: np.ndarray) -> np.ndarray:
    """A quantity of one band of images (B, 5, H, W): (B,)."""
    return measure(images[:, [k]])[:, 0]


MEASURED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    f"measured/{band}_{name}": partial(_of_band, measure, k)
    for name, measure in (
        ("aperture_mag", aperture_magnitudes),
        ("half_light_radius", half_light_radii),
    )
    for k, band in enumerate(BANDS)
}
"""Columns that are measured in images, and how: from (B, 5, H, W) to (B,)."""


def aperture_instead(column: str) -> str | None:
    """The measured column that stands for a magnitude which a dataset lacks."""
    band = column.removesuffix(CMODEL)
    return f"measured/{band}_aperture_mag" if band in BANDS else None
