"""Magnitudes and sizes measured in images."""

import numpy as np
import pytest

from mmae.dataset.arrays import open_arrays
from mmae.dataset.photometry import aperture_magnitudes, half_light_radii
from mmae.instruments import PIXEL_SCALE_ARCSEC


def blobs(sigmas: list[float], flux: float = 100.0, centre: float = 31.5) -> np.ndarray:
    """One Gaussian galaxy a width (pixels), the same in five bands."""
    offset = np.arange(64) - centre
    square = offset[:, None] ** 2 + offset**2
    images = np.array([np.exp(-square / (2 * s**2)) / (2 * np.pi * s**2) for s in sigmas])
    return np.repeat((flux * images)[:, None], 5, axis=1).astype("f4")


def test_half_light_radii_of_gaussians():
    """Half of the light of a circular Gaussian is within sqrt(2 ln 2) of its sigma."""
    sigmas = [1.5, 2.0, 3.0]
    found = half_light_radii(blobs(sigmas))
    expected = np.sqrt(2 * np.log(2)) * np.array(sigmas) * PIXEL_SCALE_ARCSEC
    assert found.shape == (3, 5)
    assert np.abs(found - expected[:, None]).max() < 0.6 * PIXEL_SCALE_ARCSEC


def test_half_light_radii_do_not_depend_on_flux_and_differ_by_band():
    images = blobs([2.0])
    assert np.array_equal(half_light_radii(images), half_light_radii(7 * images))
    images[:, 3] = blobs([4.0])[:, 3]
    radii = half_light_radii(images)[0]
    assert radii[3] > 1.3 * radii[0]
    assert (radii[[1, 2, 4]] == radii[0]).all()


def test_images_without_light_have_no_size_and_no_magnitude():
    images = np.zeros((2, 5, 64, 64), "f4")
    images[1] -= 1
    assert np.isnan(half_light_radii(images)).all()
    assert np.isnan(aperture_magnitudes(images)).all()


def test_magnitudes_have_the_zero_point_of_the_images():
    found = aperture_magnitudes(blobs([1.5], flux=100.0))
    assert found == pytest.approx(27.0 - 5.0, abs=0.01)


def test_arrays_keep_the_sizes_of_their_own_images(small_survey):
    arrays = open_arrays(small_survey.arrays)
    sizes = arrays.values["photometry"][:, 5:]
    assert sizes.shape == (150, 5)
    assert sizes.dtype == np.float32
    rows = [0, 70, 149]
    expected = half_light_radii(np.asarray(arrays.values["image"][rows]))
    assert np.allclose(sizes[rows], expected, equal_nan=True)
    assert np.nanmedian(sizes) > 0.3, "no smaller than the seeing"
