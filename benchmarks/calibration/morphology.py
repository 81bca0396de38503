"""Shapes of galaxies that HST has seen, beside simulated ones of the same magnitude and redshift.

Needs statmorph (pip install statmorph) and GalSim, which only this benchmark and tests use.
"""

import warnings

import galsim
import numpy as np
import statmorph
from scipy.ndimage import gaussian_filter, label

from calibration.rows import REAL, Row, absent, numbers
from mmae.instruments import PIXEL_SCALE_ARCSEC, flux_from_mag
from mmae.survey.simulated import profiles
from mmae.survey.simulated.population import Population
from mmae.survey.simulated.sources import Sources, make_sources

SEEING = 0.58
"""HSC's in i, arcsec."""

NOISE = 0.01
"""Of a pixel: a third of the Wide layer's, so that the shapes are seen."""

NAMES = ("half-light radius, arcsec", "concentration", "asymmetry", "smoothness", "Gini", "M20")
SIDE = 64
DRAWS = 4


def measured(image: np.ndarray, psf: np.ndarray) -> list[float] | None:
    """Shape of the source in the middle; None if there is none, or if statmorph is unsure."""
    islands, _ = label(gaussian_filter(image, 1) > 0.75 * NOISE)
    middle = islands[SIDE // 2, SIDE // 2]
    if not middle:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shape = statmorph.source_morphology(
            image, (islands == middle).astype(int), weightmap=np.full(image.shape, NOISE), psf=psf
        )[0]
    if shape.flag > 1:
        return None
    radius = shape.rhalf_circ * PIXEL_SCALE_ARCSEC
    return [radius, shape.concentration, shape.asymmetry, shape.smoothness, shape.gini, shape.m20]


def as_hsc_sees(image: np.ndarray, i_mag: float) -> np.ndarray:
    """An image of HST (0.03 arcsec a pixel) in HSC's seeing and pixels, without noise."""
    seen = galsim.InterpolatedImage(galsim.Image(image, scale=0.03), flux=float(image.sum()))
    seen = galsim.Convolve(
        seen.withFlux(float(flux_from_mag(i_mag))), galsim.Kolmogorov(fwhm=SEEING)
    )
    return seen.drawImage(nx=SIDE, ny=SIDE, scale=PIXEL_SCALE_ARCSEC, method="no_pixel").array


def as_simulated(sources: Sources, row: int, rng: np.random.Generator) -> np.ndarray:
    """The i image of a simulated source in the same seeing, without noise."""
    shapes = type(sources.shapes)(*(part[row] for part in sources.shapes))
    light = profiles.galaxy(shapes, sources.share[row], sources.seed[row])[2]
    light = light * profiles.seeing(SEEING) * profiles.shifted(*rng.uniform(-0.08, 0.08, 2))
    margin = (profiles.SIZE - SIDE) // 2
    image = np.fft.irfft2(light, s=(profiles.SIZE, profiles.SIZE))
    return (
        flux_from_mag(sources.mag[row, 2]) * image[margin : margin + SIDE, margin : margin + SIDE]
    )


def morphology() -> list[Row]:
    """Medians and scatters of shapes in i, seen as HSC sees."""
    if missing := absent("hst/cosmos_even.npz"):
        return [missing]
    psf = galsim.Kolmogorov(fwhm=SEEING)
    psf = psf.drawImage(nx=21, ny=21, scale=PIXEL_SCALE_ARCSEC, method="no_pixel").array
    rng = np.random.default_rng(0)
    with np.load(REAL / "hst/cosmos_even.npz") as d:
        i_mag, colour, z = d["HSC_i"], d["HSC_g"] - d["HSC_z"], d["ZPHOT"]
        use = np.flatnonzero((i_mag < 25) & (z > 0.05) & (z < 2.5) & np.isfinite(colour))
        stamps = [d["image"][k][: d["shape"][k][0], : d["shape"][k][1]] for k in use]
    real = [as_hsc_sees(s.astype(float), i_mag[k]) for s, k in zip(stamps, use, strict=True)]
    ours = []
    for _ in range(DRAWS):
        no = np.zeros(len(use), bool)
        sources = make_sources(Population(i_mag[use], colour[use], z[use], no), rng)
        ours += [as_simulated(sources, row, rng) for row in range(len(use))]
    tables = []
    for images in (ours, real):
        noisy = [image + rng.normal(0, NOISE, image.shape) for image in images]
        found = [shape for image in noisy if (shape := measured(image, psf))]
        tables.append(np.array(found))
    medians = [np.median(table, axis=0) for table in tables]
    spread = [
        1.4826 * np.median(np.abs(t - m), axis=0) for t, m in zip(tables, medians, strict=True)
    ]
    return [
        Row(
            f"{name} in i, as HSC sees (scatter)",
            f"{numbers([medians[0][k]], 3)} ({numbers([spread[0][k]], 3)})",
            f"{numbers([medians[1][k]], 3)} ({numbers([spread[1][k]], 3)})",
            f"{len(tables[1])} galaxies of HST COSMOS, i < 25",
        )
        for k, name in enumerate(NAMES)
    ]
