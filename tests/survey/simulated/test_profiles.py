"""Galaxies in Fourier space, beside GalSim's."""

import galsim
import numpy as np
import pytest

from mmae.instruments import BANDS, PIXEL_SCALE_ARCSEC
from mmae.survey.simulated.profiles import SIZE, galaxy, seeing, shifted
from mmae.survey.simulated.shapes import Shapes, draw_shapes

I_BAND = BANDS.index("i")
SHARES = {"bulge": (1, 0, 0), "disk": (0, 1, 0), "nucleus": (0, 0, 1), "all": (0.3, 0.6, 0.1)}
PLAIN = Shapes(
    **{"radius": 1.0, "bulge_radius": 0.7, "disk_radius": 1.2, "gradient": 0.1, "axis_ratio": 0.5},
    **{"angle": 30.0, "concentration": 1.0, "bar": 0.0, "knots": 0.0, "tint": 0.5, "arms": 2},
    **{"pitch": 0.3, "offset": 0.0},
)


def image(shapes: Shapes, share: tuple, band: int = I_BAND, fwhm: float = 0.6) -> np.ndarray:
    """The middle of one galaxy's image, shape (64, 64)."""
    light = galaxy(shapes, np.tile(np.array(share, float)[:, None], (1, 5)), 0)[band]
    return np.fft.irfft2(light * seeing(fwhm) * shifted(0.3, -0.2))[32:96, 32:96]


@pytest.mark.parametrize("share", SHARES.values(), ids=SHARES)
def test_smooth_galaxies_are_those_of_galsim(share):
    angle = PLAIN.angle * galsim.degrees
    disk = galsim.Exponential(half_light_radius=PLAIN.disk_radius)
    bulge = galsim.Spergel(nu=-0.6, half_light_radius=PLAIN.bulge_radius)
    parts = (
        bulge.shear(galsim.Shear(q=0.5 + 0.5 * PLAIN.axis_ratio, beta=angle)).withFlux(share[0]),
        disk.shear(galsim.Shear(q=PLAIN.axis_ratio, beta=angle)).withFlux(share[1]),
    )
    psf = galsim.Kolmogorov(fwhm=0.6)
    seen = [galsim.Convolve(p, psf) for p in parts if p.flux > 0]
    light = galsim.Add([*seen, psf.withFlux(max(share[2], 1e-9))]).shift(0.3, -0.2)
    expected = light.drawImage(nx=64, ny=64, scale=PIXEL_SCALE_ARCSEC, method="no_pixel").array
    ours = image(PLAIN, share)
    # the wings of a bulge come back from the other side, a little
    assert np.abs(ours - expected).max() < 0.006 * expected.max()
    assert ours.sum() == pytest.approx(expected.sum(), rel=0.02)


def test_disks_are_larger_in_the_blue():
    def size(band: int) -> float:
        pixels = np.clip(image(PLAIN, SHARES["disk"], band), 0, None)
        y, x = np.mgrid[:64, :64] - 31.5
        return np.sqrt((pixels * (x**2 + y**2)).sum() / pixels.sum())

    assert size(0) > 1.02 * size(4)


@pytest.mark.parametrize("arms", [-1, 0, 2])
def test_knots_are_structure_that_smooth_disks_lack(arms):
    clumpy = PLAIN._replace(knots=0.5, arms=arms, disk_radius=2.5, axis_ratio=0.9)
    difference = image(clumpy, SHARES["disk"]) - image(clumpy._replace(knots=0.0), SHARES["disk"])
    assert difference.sum() == pytest.approx(0, abs=0.06)
    assert difference.std() > 0.1 * image(clumpy._replace(knots=0.0), SHARES["disk"]).std()
    # bluer than the disk
    blue = image(clumpy, SHARES["disk"], 0) - image(clumpy._replace(knots=0.0), SHARES["disk"], 0)
    assert blue.std() > difference.std()


def test_arms_and_rings_have_their_place():
    y, x = np.mgrid[:64, :64] - 31.5
    radius = PIXEL_SCALE_ARCSEC * np.hypot(x - 0.3 / 0.168, y + 0.2 / 0.168)
    face = PLAIN._replace(knots=0.9, axis_ratio=1.0, disk_radius=3.0, tint=0.0)
    ring, plain = (image(face._replace(arms=k), SHARES["disk"]) for k in (-1, 0))
    at_ring = np.abs(radius - 3.0) < 0.5
    assert ring[at_ring].sum() > 1.3 * plain[at_ring].sum()


def test_bars_are_long():
    barred = PLAIN._replace(bar=0.8, axis_ratio=1.0)

    def elongation(pixels: np.ndarray) -> float:
        y, x = np.mgrid[:64, :64] - 31.5
        q = np.cov(np.vstack([x.ravel(), y.ravel()]), aweights=np.clip(pixels, 0, None).ravel())
        low, high = np.linalg.eigvalsh(q)
        return high / low

    both = [elongation(image(s, SHARES["bulge"])) for s in (barred, PLAIN._replace(axis_ratio=1.0))]
    assert both[0] > 1.15 * both[1]


def test_shapes_scatter_and_old_galaxies_are_smooth():
    n = 400
    quiescent = np.arange(n) < n // 2
    shapes = draw_shapes(np.full(n, -21.0), np.full(n, 0.2), quiescent, np.random.default_rng(0))
    assert not shapes.knots[quiescent].any()
    assert not shapes.bar[quiescent].any()
    assert 0.2 < (shapes.bar[~quiescent] > 0).mean() < 0.5
    assert {-1, 0, 2} <= set(shapes.arms)
    assert shapes.gradient.std() > 0.05
    assert 0.1 < np.log10(shapes.radius).std() < 0.2
    assert SIZE == 128
