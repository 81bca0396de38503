"""HSC images: bulge and disk through GalSim, each band's seeing, sky and photon noise."""

from typing import NamedTuple

import galsim
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
from mmae.survey.simulated.sources import Sources

PHOTONS_PER_FLUX = (3800.0, 4100.0, 5200.0, 2300.0, 1700.0)
"""Photo-electrons behind a flux of 1 in each band.

ASSUME: HSC's throughput and the exposure times of the Wide layer (10 to 20 minutes).
"""

PIXEL_NOISE = (0.86, 0.98, 0.79, 0.76, 0.72)
"""Noise of a single pixel in each band, relative to what the depth for point sources asks for.

Resampled and coadded pixels share their noise with their neighbours. With these shares the negative
pixels scatter as in the released images (0.021 0.035 0.037 0.069 0.137 in g r i z y).
"""

NEIGHBOURS = 1.0
"""Mean number of other sources in an image: galaxies brighter than i = 24."""

_ACCURACY = galsim.GSParams(
    folding_threshold=1e-2, maxk_threshold=1e-2, kvalue_accuracy=1e-4, xvalue_accuracy=1e-4
)
"""GalSim's numerical accuracy: errors stay below a hundredth of the sky noise."""


def sky_sigma() -> np.ndarray:
    """Noise of the sky in each band, flux a pixel, shape (5,).

    The 5-sigma depth for point sources is five times the sky noise over the effective area of the
    seeing, 4 pi sigma^2 pixels.
    """
    sigma_pixels = np.array(SEEING_ARCSEC) / 2.355 / PIXEL_SCALE_ARCSEC
    return flux_from_mag(DEPTH_MAG) / 5 / np.sqrt(4 * np.pi * sigma_pixels**2)


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
        dimming_mag=np.concatenate([np.zeros(n), rng.uniform(1.0, 4.0, len(image))]),
        position=np.concatenate([offset_arcsec + shift, rng.uniform(-half, half, (len(image), 2))]),
    )


def render(sources: Sources, scene: Scene, seeds: np.ndarray) -> np.ndarray:
    """Images of scenes, each with noise from its own seed.

    Parameters
    ----------
    sources : Sources
    scene : Scene
        Of images 0 to B - 1.
    seeds : ndarray of int, shape (B,)

    Returns
    -------
    ndarray, shape (B, 5, 64, 64), float32
        Flux with zero point 27.0.
    """
    images = np.empty((len(seeds), len(BANDS), IMAGE_SIZE, IMAGE_SIZE), dtype=np.float32)
    for k, seed in enumerate(seeds):
        members = Scene(*(part[scene.image == k] for part in scene))
        images[k] = _render_one(sources, members, np.random.default_rng(seed))
    return images


def _render_one(sources: Sources, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """One image, shape (5, 64, 64), with the noise of sky and photons."""
    seeing = np.array(SEEING_ARCSEC) * np.exp(rng.normal(0, 0.06, len(BANDS)))
    image = np.zeros((len(BANDS), IMAGE_SIZE, IMAGE_SIZE))
    for band in range(len(BANDS)):
        psf = galsim.Kolmogorov(fwhm=seeing[band], gsparams=_ACCURACY)
        for _, source, dimming_mag, position in zip(*scene, strict=True):
            flux = flux_from_mag(sources.mag[source, band] + dimming_mag)
            profile = _profile(sources, source, band, psf).withFlux(flux).shift(*position)
            stamp = galsim.Image(image[band], scale=PIXEL_SCALE_ARCSEC)
            # the seeing is that of the pixels: no second convolution with the pixel
            profile.drawImage(stamp, method="no_pixel", add_to_image=True)
    variance = sky_sigma()[:, None, None] ** 2
    variance = variance + np.clip(image, 0, None) / np.array(PHOTONS_PER_FLUX)[:, None, None]
    noise = rng.normal(0, 1, image.shape) * np.sqrt(variance)
    for band, share in enumerate(PIXEL_NOISE):
        noise[band] = _share(noise[band], share)
    return image + noise


def _share(noise: np.ndarray, ratio: float) -> np.ndarray:
    """Let neighbours share noise (H, W) until a pixel has `ratio` of it; sums keep theirs."""
    # squares of (side, 1 - 2 side, side) add up to the ratio along each of two axes
    side = (1 - np.sqrt(1 - 1.5 * (1 - ratio))) / 3
    for axis in (0, 1):
        noise = convolve1d(noise, [side, 1 - 2 * side, side], axis=axis, mode="wrap")
    return noise


def _profile(sources: Sources, row: int, band: int, psf: galsim.GSObject) -> galsim.GSObject:
    """Bulge and disk of one source as seen through the seeing, of unit flux."""
    if sources.disk_radius[row] == 0:
        return psf
    share = float(sources.bulge_fraction[row, band])
    angle = sources.angle[row] * galsim.degrees
    disk = galsim.Exponential(half_light_radius=sources.disk_radius[row], gsparams=_ACCURACY)
    disk = disk.shear(galsim.Shear(q=sources.axis_ratio[row], beta=angle))
    # Spergel's profile of index -0.6 is close to de Vaucouleurs' and quick to transform (Spergel
    # 2010, ApJS 191, 58)
    bulge = galsim.Spergel(nu=-0.6, half_light_radius=sources.bulge_radius[row], gsparams=_ACCURACY)
    bulge = bulge.shear(galsim.Shear(q=0.5 + 0.5 * sources.axis_ratio[row], beta=angle))
    light = bulge.withFlux(share) + disk.withFlux(1 - share)
    return galsim.Convolve(light, psf, gsparams=_ACCURACY)
