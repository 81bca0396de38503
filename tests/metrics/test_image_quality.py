"""Image measures against other implementations, by hand, and on galaxies of known shape."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter
from skimage.metrics import peak_signal_noise_ratio

from mmae.errors import InputError
from mmae.instruments import PIXEL_SCALE_ARCSEC
from mmae.metrics.image_quality import (
    colour_error,
    ellipticity,
    half_light_radius,
    psnr,
    shape_errors,
    ssim,
)

OFFSET = PIXEL_SCALE_ARCSEC * (np.arange(64) - 31.5)
RADIUS = np.hypot(OFFSET[:, None], OFFSET)
ALL = np.ones((1, 64, 64), dtype=bool)
CHESS = np.indices((64, 64)).sum(axis=0)[None] % 2 > 0
PIXEL_MEASURES = [psnr, ssim, colour_error, lambda *a: np.stack(shape_errors(*a))]


def galaxy(sigma: float, flat: float = 0.0, angle: float = 0.0, index: float = 0.5) -> np.ndarray:
    """A Sersic profile, (1, 64, 64); a Gaussian by default, of this sigma (arcsec) along both axes
    together; flat is 1 - b/a."""
    x, y = OFFSET[None, :], OFFSET[:, None]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    stretch = np.sqrt(1 - flat)
    r = np.hypot(along * stretch, across / stretch) / sigma
    return np.exp(-0.5 * r ** (1 / index))[None]


def pictures(seed: int, n: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Made-up images of five bands, each with its own range, and a poor reconstruction."""
    rng = np.random.default_rng(seed)
    scale = np.array([1.0, 3.0, 10.0, 0.3, 30.0])[:, None, None]
    image = scale * (5 * galaxy(1.0) + rng.normal(0, 0.1, (n, 5, 64, 64)))
    return image, image + scale * rng.normal(0, 0.3, image.shape)


def test_psnr_is_that_of_scikit_image_where_all_is_hidden():
    image, rebuilt = pictures(0)
    expected = [
        np.mean(
            [
                peak_signal_noise_ratio(t, r, data_range=t.max() - t.min())
                for t, r in zip(*pair, strict=True)
            ]
        )
        for pair in zip(image, rebuilt, strict=True)
    ]
    assert psnr(image, rebuilt, np.repeat(ALL, 2, axis=0)) == pytest.approx(expected, rel=1e-12)


def test_psnr_by_hand_over_hidden_pixels_only():
    image = np.zeros((1, 1, 64, 64))
    image[..., 0, 0] = 2.0
    rebuilt = image + np.where(CHESS, 0.02, 5.0)
    assert psnr(image, rebuilt, CHESS) == pytest.approx(40.0)
    assert psnr(image, image, CHESS) == np.inf


def ssim_map(true: np.ndarray, rebuilt: np.ndarray) -> np.ndarray:
    """Wang et al.'s equation 13, with the sample covariance of windows of 7 pixels."""
    span, n = np.ptp(true), 49

    def mean(values):
        return uniform_filter(values, 7)

    mx, my = mean(true), mean(rebuilt)
    vx, vy, vxy = (
        n / (n - 1) * (mean(a * b) - mean(a) * mean(b))
        for a, b in ((true, true), (rebuilt, rebuilt), (true, rebuilt))
    )
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    return (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))


def test_ssim_is_the_mean_of_its_formula_over_hidden_pixels_of_the_composite():
    image, rebuilt = pictures(1)
    hidden = RADIUS[None].repeat(2, axis=0) < np.array([1.5, 4.0])[:, None, None]
    pasted = np.where(hidden[:, None], rebuilt, image)
    expected = [
        np.mean([ssim_map(image[k, c], pasted[k, c])[hidden[k]].mean() for c in range(5)])
        for k in range(2)
    ]
    assert ssim(image, rebuilt, hidden) == pytest.approx(expected, abs=1e-10)
    assert ssim(image, image, hidden) == pytest.approx(1.0)


@pytest.mark.parametrize("measure", PIXEL_MEASURES)
def test_what_was_shown_does_not_count(measure):
    image, rebuilt = pictures(2, n=1)
    spoilt = rebuilt + np.where(CHESS[:, None], 0.0, 1000.0)
    assert np.array_equal(measure(image, rebuilt, CHESS), measure(image, spoilt, CHESS))


@pytest.mark.parametrize("measure", PIXEL_MEASURES)
def test_nothing_hidden_is_nan(measure):
    image, rebuilt = pictures(3, n=1)
    assert np.isnan(measure(image, rebuilt, ~ALL)).all()
    assert np.isfinite(measure(image, rebuilt, ALL)).all()


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_a_constant_band_has_no_range(measure):
    image, rebuilt = pictures(4, n=1)
    image[:, 3] = 1.0
    assert np.isnan(measure(image, rebuilt, ALL)).all()


def test_colours_by_hand():
    flux = np.array([1.0, 2.0, 3.0, 4.0, 5.0])[:, None, None] * np.ones((1, 5, 64, 64))
    rebuilt = flux * 10 ** (-0.4 * np.array([0.1, 0.0, -0.2, 0.0, 0.3]))[:, None, None]
    error = colour_error(flux, rebuilt, ALL)
    assert error[0] == pytest.approx([0.1, 0.2, -0.2, -0.3])
    # the left half hidden: half of the flux of g is a tenth of a magnitude too low
    left = ALL & (OFFSET < 0)
    half = -2.5 * np.log10((1 + 10**-0.04) / 2)
    assert colour_error(flux, rebuilt, left)[0, 0] == pytest.approx(half)


def test_colours_are_within_two_arcsec_and_of_positive_flux():
    image = np.ones((1, 5, 64, 64))
    rebuilt = np.where(np.arange(5)[:, None, None] == 1, 2 * image, image)
    just_in, just_out = ALL & (abs(RADIUS - 1.9) < 0.1), ALL & (abs(RADIUS - 2.2) < 0.19)
    assert colour_error(image, rebuilt, just_in)[0, 0] > 0.01
    assert np.isnan(colour_error(image, rebuilt, just_out)).all()
    rebuilt[:, 3] = -1.0
    error = colour_error(image, rebuilt, ALL)[0]
    assert np.isnan(error).tolist() == [False, False, True, True]


@pytest.mark.parametrize("sigma", [0.3, 0.6, 1.2])
def test_half_light_radii_of_gaussians(sigma):
    within = 1 - np.exp(-0.5 * (3.0 / sigma) ** 2)
    expected = sigma * np.sqrt(-2 * np.log(1 - within / 2))
    assert half_light_radius(galaxy(sigma)) == pytest.approx(expected, rel=0.03)


def test_half_light_radii_of_exponential_discs():
    r = np.linspace(0, 3.0, 3001)
    light = np.cumsum(r * np.exp(-0.5 * r / 0.5))
    expected = np.interp(0.5 * light[-1], light, r)
    assert half_light_radius(galaxy(0.5, index=1.0)) == pytest.approx(expected, rel=0.02)
    assert np.isnan(half_light_radius(-galaxy(0.5))).all()


@pytest.mark.parametrize("angle", [0.0, 0.7, 1.571])
@pytest.mark.parametrize("flat", [0.0, 0.3, 0.6])
def test_ellipticities_of_gaussians_and_discs(flat, angle):
    assert ellipticity(galaxy(0.6, flat, angle)) == pytest.approx(flat, abs=0.005)
    # the weight is round, and a disc no Gaussian
    assert ellipticity(galaxy(0.3, flat, angle, index=1.0)) == pytest.approx(flat, abs=0.07)


def test_noise_hardly_moves_shapes():
    true = galaxy(0.6, 0.4, 0.5)
    noisy = true + np.random.default_rng(0).normal(0, 0.02, (40, 64, 64))
    assert ellipticity(noisy).std() < 0.015
    # else a smooth reconstruction would seem flatter than a noisy truth
    assert ellipticity(noisy).mean() == pytest.approx(0.4, abs=0.005)
    assert half_light_radius(noisy).std() / half_light_radius(true) < 0.03
    assert half_light_radius(noisy).mean() == pytest.approx(half_light_radius(true), rel=0.01)


def test_shape_errors_are_relative_radii_and_differences_of_ellipticity():
    true, rebuilt = np.ones((1, 5, 64, 64)), np.ones((1, 5, 64, 64))
    true[:, 2], rebuilt[:, 2] = galaxy(0.5, 0.2), galaxy(0.55, 0.5)
    errors = shape_errors(true, rebuilt, ALL)
    radii = half_light_radius(rebuilt[:, 2]) / half_light_radius(true[:, 2])
    assert errors.half_light_radius == pytest.approx(radii - 1)
    assert errors.ellipticity == pytest.approx(0.3, abs=0.01)
    far = ALL & (RADIUS > 3.1)
    assert np.isnan(shape_errors(true, rebuilt, far)).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t, r, h: (t, r[:, :4], h), r"found true \(2, 5, 64, 64\), reconstructed \(2, 4,"),
        (lambda t, r, h: (t, r, h[:1]), r"hidden \(1, 1, 64, 64\), expected \(B, L\) or"),
        (lambda t, r, h: (t, r, h.astype(float)), "images: hidden: found float64, expected bool"),
        (lambda t, r, h: (t, r * np.nan, h), "40960 values not finite, expected numbers"),
    ],
)
@pytest.mark.parametrize("measure", PIXEL_MEASURES)
def test_bad_images_are_named(measure, change, words):
    with pytest.raises(InputError, match=words):
        measure(*change(*pictures(5), np.repeat(ALL, 2, axis=0)))
