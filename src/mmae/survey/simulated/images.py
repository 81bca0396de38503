"""HSC images: galaxies through each band's seeing, the noise of sky and photons, and faults."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import convolve1d

from mmae.instruments import (
    BANDS,
    DEPTH_MAG,
    IMAGE_SIZE,
    PIXEL_SCALE_ARCSEC,
    SEEING_ARCSEC,
    flux_from_mag,
)
from mmae.settings import ImageFaults
from mmae.survey.simulated import profiles
from mmae.survey.simulated.image_faults import damage, draw_image_faults
from mmae.survey.simulated.sources import Sources

PHOTONS_PER_FLUX = (3800.0, 4100.0, 5200.0, 2300.0, 1700.0)
"""Photo-electrons behind a flux of 1 in each band.

ASSUME: HSC's throughput and the exposure times of the Wide layer (10 to 20 minutes).
"""

PIXEL_NOISE = (0.86, 0.98, 0.79, 0.76, 0.72)
"""Noise of a single pixel in each band, relative to what the depth for point sources asks for.

With these the negative pixels scatter as in the released images (0.021 0.035 0.037 0.069 0.137 in
g r i z y).
"""

SHARED = 0.1
"""What a pixel's noise gives to each neighbour along an axis, as resampled and coadded images do.

Measured on HSC images of COSMOS: pixels side by side correlate by 0.2 to 0.27, diagonal ones by
0.07, others by less than 0.05 (docs/survey.md).
"""

NEIGHBOURS = 1.2
"""Mean number of other sources in an image: galaxies brighter than i = 24."""


def sky_sigma() -> np.ndarray:
    """Noise of the sky in each band, flux a pixel, shape (5,).

    The 5-sigma depth for point sources is five times the sky noise over the effective area of the
    seeing, 4 pi sigma^2 pixels.
    """
    sigma_pixels = np.array(SEEING_ARCSEC) / 2.355 / PIXEL_SCALE_ARCSEC
    return flux_from_mag(DEPTH_MAG) / 5 / np.sqrt(4 * np.pi * sigma_pixels**2)


class Conditions(NamedTuple):
    """Under which each image was taken; each array but the last has shape (N, 5)."""

    seeing: np.ndarray
    """FWHM, arcsec."""
    noise: np.ndarray
    """Of the sky, relative to that of the nominal depth."""
    zero_point: np.ndarray
    """Flux in the image over the true one."""
    fault: np.ndarray
    """Number of its fault (`image_faults.NAMES`), shape (N,)."""


def draw_conditions(n: int, faults: ImageFaults, rng: np.random.Generator) -> Conditions:
    """Conditions of images, which differ from band to band and from place to place.

    Zero points scatter by 1.2%: HSC's stars are measured to 1% (Huang et al. 2018, PASJ 70, S6),
    its zero points to 1 to 1.5% (Aihara et al. 2019, PASJ 71, 114). ASSUME: depth by 0.1 mag.
    """
    shape = (n, len(BANDS))
    return Conditions(
        np.array(SEEING_ARCSEC) * np.exp(rng.normal(0, 0.08, shape)),
        np.exp(rng.normal(0, 0.1, shape)),
        np.exp(rng.normal(0, 0.012, shape)),
        draw_image_faults(n, faults, rng),
    )


class Scene(NamedTuple):
    """Sources in images: the galaxies in the middle and those that happen to be near."""

    image: np.ndarray
    """Which image each belongs to, shape (K,)."""
    source: np.ndarray
    """Row of `Sources`, shape (K,)."""
    dimming_mag: np.ndarray
    """Magnitudes added to the source's own, shape (K,)."""
    position: np.ndarray
    """(x, y) from the middle of the image, arcsec, shape (K, 2)."""


def make_scene(
    rows: np.ndarray, offset_arcsec: np.ndarray, n_sources: int, rng: np.random.Generator
) -> Scene:
    """Put each galaxy near the middle of its image, and a few fainter sources around it.

    Parameters
    ----------
    rows : ndarray of int, shape (N,)
        Source in the middle of each image.
    offset_arcsec : ndarray, shape (N, 2)
        Where it stands relative to the middle. Up to half a pixel is added, as images are cut at
        whole pixels.
    n_sources : int
        Sources that neighbours are drawn from.
    rng : numpy Generator
    """
    n = len(rows)
    image = np.repeat(np.arange(n), rng.poisson(NEIGHBOURS, n))
    half = 0.5 * IMAGE_SIZE * PIXEL_SCALE_ARCSEC
    shift = rng.uniform(-0.5, 0.5, (n, 2)) * PIXEL_SCALE_ARCSEC
    return Scene(
        image=np.concatenate([np.arange(n), image]),
        source=np.concatenate([rows, rng.integers(n_sources, size=len(image))]),
        dimming_mag=np.concatenate([np.zeros(n), rng.uniform(0.0, 4.0, len(image))]),
        position=np.concatenate([offset_arcsec + shift, rng.uniform(-half, half, (len(image), 2))]),
    )


def render(sources: Sources, scene: Scene, conditions: Conditions, seeds: np.ndarray) -> np.ndarray:
    """Images of scenes, each with noise from its own seed.

    Parameters
    ----------
    sources : Sources
    scene : Scene
        Of images 0 to B - 1.
    conditions : Conditions
        Of B images.
    seeds : ndarray of int, shape (B,)

    Returns
    -------
    ndarray, shape (B, 5, 64, 64), float32
        Flux with zero point 27.0.
    """
    images = np.empty((len(seeds), len(BANDS), IMAGE_SIZE, IMAGE_SIZE), dtype=np.float32)
    for k, seed in enumerate(seeds):
        members = Scene(*(part[scene.image == k] for part in scene))
        under = Conditions(*(part[k] for part in conditions))
        images[k] = _render_one(sources, members, under, np.random.default_rng(seed))
    return images


def _render_one(
    sources: Sources, scene: Scene, conditions: Conditions, rng: np.random.Generator
) -> np.ndarray:
    """One image, shape (5, 64, 64), with the noise of sky and photons."""
    light = np.zeros((len(BANDS), profiles.SIZE, profiles.SIZE // 2 + 1), dtype=complex)
    for _, row, dimming_mag, (x, y) in zip(*scene, strict=True):
        flux = flux_from_mag(sources.mag[row] + dimming_mag)[:, None, None]
        where = profiles.shifted(x, y)
        shapes = type(sources.shapes)(*(part[row] for part in sources.shapes))
        light += flux * where * profiles.galaxy(shapes, sources.share[row], sources.seed[row])
    margin = (profiles.SIZE - IMAGE_SIZE) // 2
    part = slice(margin, margin + IMAGE_SIZE)
    light *= np.array([profiles.seeing(fwhm) for fwhm in conditions.seeing])
    image = np.fft.irfft2(light, s=(profiles.SIZE, profiles.SIZE))[:, part, part]
    image *= conditions.zero_point[:, None, None]
    sky = sky_sigma() * PIXEL_NOISE / one_pixel() * conditions.noise
    variance = sky[:, None, None] ** 2
    variance = variance + np.clip(image, 0, None) / np.array(PHOTONS_PER_FLUX)[:, None, None]
    image += _share(rng.normal(0, 1, image.shape) * np.sqrt(variance))
    damage(image, conditions.fault, sky, rng)
    return image


def one_pixel() -> float:
    """Noise of a pixel relative to what it would be if neighbours shared none."""
    return (1 - 2 * SHARED) ** 2 + 2 * SHARED**2


def _share(noise: np.ndarray) -> np.ndarray:
    """Let neighbours share noise (5, H, W); sums over large areas keep theirs."""
    for axis in (1, 2):
        noise = convolve1d(noise, [SHARED, 1 - 2 * SHARED, SHARED], axis=axis, mode="wrap")
    return noise
