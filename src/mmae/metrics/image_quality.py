"""How well hidden parts of images are reconstructed: pixels, structure, colours and shapes.

Images are (B, C, H, W), fluxes with zero point 27.0 in g r i z y; hidden is True where the model
was not shown the image: (B, C, H, W), or (B, H, W) for all bands alike. Colours and shapes are of
the composite: the truth where it was shown, the reconstruction where it was hidden. Everything is
NaN for galaxies of which nothing that counts was hidden.
"""

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from photutils.aperture import CircularAperture
from skimage.metrics import structural_similarity

from mmae.instruments import BANDS, PIXEL_SCALE_ARCSEC, distance_from_middle, mag_from_flux
from mmae.metrics.hidden import checked, composite, mean_over

COLOURS = tuple(f"{blue}-{red}" for blue, red in pairwise(BANDS))
"""g-r, r-i, i-z, z-y."""

COLOUR_APERTURE_ARCSEC = 2.0
"""Radius. As for the magnitudes of datasets that come without any."""

SHAPE_APERTURE_ARCSEC = 3.0
"""Radius within which half of the light and the ellipticity are measured."""

SHAPE_WEIGHT_ARCSEC = 1.0
"""Sigma of the weight of the second moments; without one, they are those of the noise far out."""

SHAPE_BAND = BANDS.index("i")
"""HSC's band of best seeing."""

SSIM_WINDOW = 7
"""Pixels on a side, scikit-image's default."""


class ShapeErrors(NamedTuple):
    """Shapes of the composite against those of the true image, i band."""

    half_light_radius: np.ndarray
    """(B,) relative: reconstructed / true - 1."""
    ellipticity: np.ndarray
    """(B,) reconstructed minus true 1 - b/a."""


def psnr(image: np.ndarray, reconstruction: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio over the hidden pixels, mean of the bands.

    Parameters
    ----------
    image, reconstruction : ndarray, shape (B, C, H, W)
    hidden : ndarray of bool, shape (B, C, H, W), or (B, H, W) for all bands alike

    Returns
    -------
    ndarray, shape (B,), dB
        The peak is the range, largest minus smallest flux, of each true image and band, so that
        bright and faint galaxies weigh alike. NaN where a band is constant.

    Raises
    ------
    InputError
        As `mmae.metrics.hidden.checked`.
    """
    image, reconstruction, hidden = checked("images", image, reconstruction, hidden)
    error = mean_over(hidden, (reconstruction - image) ** 2)  # (B, C)
    with np.errstate(divide="ignore"):
        return _over_bands(10 * np.log10(_data_range(image) ** 2 / error), hidden)


def ssim(image: np.ndarray, reconstruction: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Structural similarity of the composite to the true image, mean over hidden pixels and bands.

    Parameters
    ----------
    image, reconstruction : ndarray, shape (B, C, H, W)
    hidden : ndarray of bool, shape (B, C, H, W), or (B, H, W) for all bands alike

    Returns
    -------
    ndarray, shape (B,)
        1 for the truth. The range is that of each true image and band. Windows reach beyond the
        hidden pixels, into what was shown. NaN where a band is constant.

    Raises
    ------
    InputError
        As `mmae.metrics.hidden.checked`.

    Notes
    -----
    Source: Wang et al. 2004, IEEE Trans. Image Process. 13, 600; scikit-image.
    """
    image, reconstruction, hidden = checked("images", image, reconstruction, hidden)
    pasted = composite(image, reconstruction, hidden)
    # a common range of 1 serves all bands: SSIM does not change with the unit
    scale = _data_range(image)[..., None, None]
    maps = np.empty_like(image)
    for k in range(len(image)):
        pair = image[k] / scale[k], pasted[k] / scale[k]
        _, maps[k] = structural_similarity(
            *pair, win_size=SSIM_WINDOW, data_range=1.0, channel_axis=0, full=True
        )
    return _over_bands(mean_over(hidden, maps), hidden)


def _over_bands(values: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Mean of values (B, C) over the bands in which pixels (B, C, H, W) are hidden: (B,)."""
    touched = hidden.any(axis=(2, 3))
    n_bands = touched.sum(axis=1)
    total = np.where(touched, values, 0).sum(axis=1)
    return np.where(n_bands > 0, total / np.maximum(n_bands, 1), np.nan)


def _data_range(image: np.ndarray) -> np.ndarray:
    """Largest minus smallest flux, shape (B, C); NaN where they are the same."""
    ranges = np.ptp(image, axis=(2, 3))
    return np.where(ranges > 0, ranges, np.nan)


def colour_error(image: np.ndarray, reconstruction: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Colours of the composite minus the true ones, within 2 arcsec of the middle.

    Parameters
    ----------
    image, reconstruction : ndarray, shape (B, 5, H, W)
    hidden : ndarray of bool, shape (B, C, H, W), or (B, H, W) for all bands alike

    Returns
    -------
    ndarray, shape (B, 4), mag
        COLOURS. NaN where a flux is not positive, or nothing within the circle was hidden.

    Raises
    ------
    InputError
        As `mmae.metrics.hidden.checked`.
    """
    image, reconstruction, hidden = checked("images", image, reconstruction, hidden)
    inside = distance_from_middle(*image.shape[2:]) <= COLOUR_APERTURE_ARCSEC
    pasted = composite(image, reconstruction, hidden)
    mags = [mag_from_flux(pixels[:, :, inside].sum(axis=2)) for pixels in (image, pasted)]
    touched = hidden[:, :, inside].any(axis=(1, 2))
    return np.where(touched[:, None], -np.diff(mags[1] - mags[0], axis=1), np.nan)


def shape_errors(image: np.ndarray, reconstruction: np.ndarray, hidden: np.ndarray) -> ShapeErrors:
    """Half-light radius and ellipticity of the composite against the true image's, in the i band.

    Parameters
    ----------
    image, reconstruction : ndarray, shape (B, 5, H, W)
    hidden : ndarray of bool, shape (B, C, H, W), or (B, H, W) for all bands alike

    Returns
    -------
    ShapeErrors
        NaN where nothing within 3 arcsec was hidden, or there is no light.

    Raises
    ------
    InputError
        As `mmae.metrics.hidden.checked`.
    """
    image, reconstruction, hidden = checked("images", image, reconstruction, hidden)
    pasted = composite(image, reconstruction, hidden)
    true, rebuilt = image[:, SHAPE_BAND], pasted[:, SHAPE_BAND]
    inside = distance_from_middle(*true.shape[1:]) <= SHAPE_APERTURE_ARCSEC
    touched = hidden[:, SHAPE_BAND, inside].any(axis=1)
    radii = half_light_radius(rebuilt) / half_light_radius(true)
    errors = radii - 1, ellipticity(rebuilt) - ellipticity(true)
    return ShapeErrors(*(np.where(touched, error, np.nan) for error in errors))


def half_light_radius(images: np.ndarray) -> np.ndarray:
    """Radius of the circle with half of the light within 3 arcsec of the middle.

    Parameters
    ----------
    images : ndarray, shape (B, H, W)
        One band.

    Returns
    -------
    ndarray, shape (B,), arcsec
        As seen, seeing included; NaN where there is no light.
    """
    radii, weights = _apertures(*images.shape[1:])
    grown = images.reshape(len(images), -1) @ weights.T  # (B, K)
    total = grown[:, -1]
    # noise may take light away again
    rising = np.maximum.accumulate(grown, axis=1)
    half = [np.interp(0.5 * flux, row, radii) for flux, row in zip(total, rising, strict=True)]
    return np.where(total > 0, half, np.nan)


def ellipticity(images: np.ndarray) -> np.ndarray:
    """1 - b/a of the second moments around the middle.

    The moments are weighted by a Gaussian, whose own width is then taken out: this is exact for
    elliptical Gaussians, and noise counts little. (photutils' moments leave out negative pixels,
    which makes noisy galaxies rounder than smooth ones.)

    Parameters
    ----------
    images : ndarray, shape (B, H, W)
        One band.

    Returns
    -------
    ndarray, shape (B,)
        NaN where there is no light, or no ellipse fits.
    """
    y, x = _offsets(*images.shape[1:])
    radius = distance_from_middle(*images.shape[1:])
    weight = np.exp(-0.5 * (radius / SHAPE_WEIGHT_ARCSEC) ** 2) * (radius <= SHAPE_APERTURE_ARCSEC)
    light = images * weight
    total = light.sum(axis=(1, 2))
    total = np.where(total > 0, total, np.nan)

    def mean(values: np.ndarray) -> np.ndarray:
        return (light * values).sum(axis=(1, 2)) / total

    xx, yy = mean(x**2) - mean(x) ** 2, mean(y**2) - mean(y) ** 2
    xy = mean(x * y) - mean(x) * mean(y)
    middle, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    # inverse squares of the semi-axes: those of a product of Gaussians add
    with np.errstate(invalid="ignore", divide="ignore"):
        long, short = (1 / (middle + sign * half) - SHAPE_WEIGHT_ARCSEC**-2 for sign in (1, -1))
        return np.where((long > 0) & (middle > half), 1 - np.sqrt(long / short), np.nan)


def _offsets(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each row (H, 1) and column (W,) from the middle of the image, arcsec."""
    y, x = (PIXEL_SCALE_ARCSEC * (np.arange(n) - (n - 1) / 2) for n in (height, width))
    return y[:, None], x


@cache
def _apertures(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Radii (K,), arcsec, and how much of each pixel is within them (K, H W); the first is 0."""
    radii = np.linspace(0, SHAPE_APERTURE_ARCSEC, 37)
    middle = ((width - 1) / 2, (height - 1) / 2)
    weights = np.zeros((len(radii), height * width))
    for k, radius in enumerate(radii[1:], start=1):
        mask = CircularAperture(middle, radius / PIXEL_SCALE_ARCSEC).to_mask(method="exact")
        weights[k] = mask.to_image((height, width)).ravel()
    return radii, weights
