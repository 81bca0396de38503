"""HSC images: light, seeing, noise, zero points and faults."""

from collections.abc import Callable

import numpy as np
import pytest

from mmae.instruments import BANDS, PIXEL_SCALE_ARCSEC, flux_from_mag
from mmae.settings import ImageFaults
from mmae.survey.simulated.image_faults import NAMES
from mmae.survey.simulated.images import (
    PIXEL_NOISE,
    Conditions,
    Scene,
    draw_conditions,
    make_scene,
    one_pixel,
    render,
    sky_sigma,
)
from mmae.survey.simulated.population import draw
from mmae.survey.simulated.sources import Sources, make_sources, make_stars, take


def alone(n: int, dimming_mag: float = 0.0) -> Scene:
    """The first source in the middle of n images."""
    zeros = np.zeros(n, int)
    return Scene(np.arange(n), zeros, np.full(n, dimming_mag), np.zeros((n, 2)))


def nominal(clear: Callable[[int], Conditions], n: int) -> Conditions:
    """Conditions of the nominal depth, without an error of calibration."""
    conditions = clear(n)
    return conditions._replace(noise=np.ones((n, 5)), zero_point=np.ones((n, 5)))


def test_images_hold_the_flux_of_their_source(sources, clear):
    row = int(np.argmin(np.abs(sources.mag[:, 2] - 19)))
    images = render(take(sources, np.array([row])), alone(20), nominal(clear, 20), np.arange(20))
    flux = images.sum(axis=(2, 3)).mean(axis=0)
    assert flux == pytest.approx(flux_from_mag(sources.mag[row]), rel=0.1)


def test_zero_points_scatter_by_one_percent(sources, clear):
    """From image to image and band to band; the same galaxy shows it."""
    n = 200
    conditions = clear(n)
    assert conditions.zero_point.std(axis=0) == pytest.approx(0.012, abs=0.002)
    assert abs(np.corrcoef(conditions.zero_point.T)[0, 1]) < 0.25
    bright = take(sources, np.array([int(np.argmin(sources.mag[:, 2]))]))
    images = render(
        bright, alone(n), conditions._replace(noise=np.full((n, 5), 1e-6)), np.arange(n)
    )
    flux = images[:, :, 24:40, 24:40].sum(axis=(2, 3))
    steady = conditions._replace(zero_point=np.ones((n, 5)), noise=np.full((n, 5), 1e-6))
    true = render(bright, alone(n), steady, np.arange(n))[:, :, 24:40, 24:40].sum(axis=(2, 3))
    assert flux / true == pytest.approx(conditions.zero_point, abs=0.002)


def test_empty_sky_has_the_noise_it_should(sources, clear):
    """A pixel has its share of it, which it has in common with neighbours; large areas have all."""
    first = take(sources, np.array([0]))
    sky = render(first, alone(40, 20.0), nominal(clear, 40), np.arange(40))
    assert sky.std(axis=(0, 2, 3)) == pytest.approx(sky_sigma() * PIXEL_NOISE, rel=0.05)
    blocks = sky.reshape(40, 5, 4, 16, 4, 16).sum(axis=(3, 5))
    whole = 16 * sky_sigma() * PIXEL_NOISE / one_pixel()
    assert blocks.std(axis=(0, 2, 3)) == pytest.approx(whole, rel=0.1)


def test_neighbouring_pixels_share_their_noise_as_hscs_do(sources, clear):
    """Measured on HSC: 0.2 to 0.27 side by side, 0.07 on the diagonal, less than 0.05 farther."""
    first = take(sources, np.array([0]))
    sky = render(first, alone(40, 20.0), nominal(clear, 40), np.arange(40))
    sky = sky / sky.std(axis=(0, 2, 3), keepdims=True)
    assert (sky[..., 1:] * sky[..., :-1]).mean() == pytest.approx(0.24, abs=0.02)
    assert (sky[..., 1:, :] * sky[..., :-1, :]).mean() == pytest.approx(0.24, abs=0.02)
    assert (sky[..., 1:, 1:] * sky[..., :-1, :-1]).mean() == pytest.approx(0.06, abs=0.02)
    assert abs((sky[..., 3:] * sky[..., :-3]).mean()) < 0.02


def test_depth_and_seeing_vary(clear):
    conditions = clear(500)
    assert conditions.noise.std() == pytest.approx(0.1, abs=0.02)
    relative = conditions.seeing / np.median(conditions.seeing, axis=0)
    assert 0.05 < relative.std() < 0.12


def test_each_band_has_its_own_seeing(clear):
    star = make_stars(1, np.random.default_rng(0))
    star = star._replace(mag=np.full((1, 5), 15.0))
    image = render(star, alone(30), clear(30), np.arange(30)).mean(axis=0)
    y, x = np.mgrid[:64, :64] - 31.5
    inside = np.hypot(x, y) < 12
    radius = [np.sqrt((band * (x**2 + y**2))[inside].sum() / band[inside].sum()) for band in image]
    assert radius[BANDS.index("i")] == min(radius)
    assert radius[0] * PIXEL_SCALE_ARCSEC > 0.3


def test_pixels_are_as_bright_and_as_noisy_as_the_release(clear):
    """Of all its pixels, g r i z y: scatter of the negative ones, mean and standard deviation."""
    n, rng = 1500, np.random.default_rng(2)
    sources: Sources = make_sources(draw(n, rng, {"matched": 1.0}), rng)
    scene = make_scene(np.arange(n), np.zeros((n, 2)), n, rng)
    bands = render(sources, scene, clear(n), np.arange(n)).transpose(1, 0, 2, 3).reshape(5, -1)
    scatter = [band[band < 0].std() for band in bands]
    assert scatter == pytest.approx([0.021, 0.035, 0.037, 0.069, 0.137], rel=0.05)
    assert bands.mean(axis=1) == pytest.approx([0.29, 0.60, 0.91, 1.17, 1.39], rel=0.12)
    assert bands.std(axis=1) == pytest.approx([1.10, 2.20, 3.54, 4.39, 5.07], rel=0.15)


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_few_images_have_faults(sources, clear, name):
    row = take(sources, np.array([int(np.argmax(sources.mag[:, 2]))]))
    plain = render(row, alone(30), clear(30), np.arange(30))
    fault = clear(30)._replace(fault=np.full(30, NAMES.index(name)))
    damaged = render(row, alone(30), fault, np.arange(30))
    changed = (damaged != plain).any(axis=(2, 3)).sum(axis=1)
    assert set(changed) == ({5} if name == "bleed" else {1})
    if name == "blank":
        assert ((damaged == 0) == (damaged != plain)).all()
        assert 0.05 < (damaged == 0).any(axis=1).mean() < 0.5
    else:
        assert (damaged - plain >= -1e-5).all()
        assert np.median((damaged - plain).max(axis=(1, 2, 3)) / sky_sigma().mean()) > 3


def test_faults_are_as_many_as_asked_for():
    faults = ImageFaults(trail=0.1, bleed=0.0, blank=0.05)
    number = draw_conditions(4000, faults, np.random.default_rng(0)).fault
    share = {name: (number == k).mean() for k, name in enumerate(NAMES)}
    assert share["trail"] == pytest.approx(0.1, abs=0.02)
    assert share["blank"] == pytest.approx(0.05, abs=0.015)
    assert share["bleed"] == 0
