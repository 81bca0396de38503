"""Images: patches, and where they come from."""

import h5py
import numpy as np
import pytest
import torch

from galaxies import modalities_of
from mmae.dataset import layout
from mmae.instruments import BANDS
from mmae.limits import Known
from mmae.modalities.image import Image
from mmae.settings import ImageModality

SMALL = modalities_of(size=24)["image"]
"""3 x 3 patches of 8 pixels."""
BEYOND = modalities_of(size=20)["image"]
"""2 x 2 patches, and four pixels beyond them."""


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand((3, 5, 24, 24), generator=torch.Generator().manual_seed(1))


def tokens_of(modality: Image, *hidden: int) -> torch.Tensor:
    mask = torch.zeros(1, modality.n_tokens, dtype=torch.bool)
    mask[0, list(hidden)] = True
    return mask


def test_sizes_follow_from_the_geometry():
    assert (SMALL.shape, SMALL.n_tokens, SMALL.n_outputs) == ((5, 24, 24), 9, 9 * 5 * 64)
    assert (BEYOND.shape, BEYOND.n_tokens, BEYOND.n_outputs) == ((5, 20, 20), 4, 4 * 5 * 64)
    assert modalities_of(size=64)["image"].n_tokens == 64


def test_patches_come_back_where_they_were(image):
    patches = image.unfold(2, 8, 8).unfold(3, 8, 8)  # (B, C, H / 8, W / 8, 8, 8)
    values = patches.permute(0, 2, 3, 1, 4, 5).flatten(1)
    assert torch.equal(SMALL.arrange(values), image)


def test_pixels_beyond_the_last_patch_are_zeros_of_no_token(image):
    part = image[:, :, :20, :20]
    patches = part[:, :, :16, :16].unfold(2, 8, 8).unfold(3, 8, 8)
    found = BEYOND.arrange(patches.permute(0, 2, 3, 1, 4, 5).flatten(1))
    assert torch.equal(found[:, :, :16, :16], part[:, :, :16, :16])
    assert found.shape == part.shape
    assert not found[:, :, 16:].any()
    assert not found[:, :, :, 16:].any()
    assert BEYOND.covered(torch.ones(1, 4, dtype=torch.bool)).sum() == 256


def test_masks_cover_the_pixels_of_their_tokens():
    # second row, third column of 3 x 3
    pixels = SMALL.covered(tokens_of(SMALL, 5))
    assert pixels.shape == (1, 1, 24, 24)
    assert pixels[0, 0, 8:16, 16:24].all()
    assert pixels.sum() == 64


@pytest.mark.parametrize("modality", [SMALL, BEYOND], ids=["whole", "beyond"])
def test_tokens_are_hidden_where_all_their_pixels_are(modality):
    for hidden in ((), (0,), (1, 3), range(modality.n_tokens)):
        tokens = tokens_of(modality, *hidden)
        covered = modality.covered(tokens)
        assert torch.equal(modality.whole_tokens(covered), tokens)
        one_band = covered.expand(1, *modality.shape).clone()
        one_band[:, 4] = False
        assert not modality.whole_tokens(one_band).any(), "in all bands"
        one_pixel = covered.clone()
        one_pixel[..., 3, 11] = False
        tokens[:, 1] = False
        assert torch.equal(modality.whole_tokens(one_pixel), tokens)


def test_tokens_are_the_patches_through_one_layer(image):
    torch.manual_seed(0)
    layer = SMALL.projection(16, False)
    tokens = layer(image)
    assert tokens.shape == (3, 9, 16)
    by_hand = layer.weight.flatten(1) @ image[2, :, 8:16, 16:24].flatten() + layer.bias
    assert torch.allclose(tokens[2, 5], by_hand, atol=1e-6)
    hidden = torch.zeros(3, 1, 24, 24, dtype=torch.bool)
    hidden[2, :, 9, 17] = True
    assert torch.equal(layer(image, hidden), tokens), "it is not told"


def test_it_may_be_told_which_pixels_are_hidden(image):
    torch.manual_seed(0)
    layer = SMALL.projection(16, True)
    assert layer.weight.shape == (16, 10, 8, 8)
    hidden = torch.zeros(3, 5, 24, 24, dtype=torch.bool)
    assert torch.equal(layer(image), layer(image, hidden))
    hidden[2, 1, 9, 17] = True
    changed = (layer(image, hidden) - layer(image)).abs().sum(dim=2) > 0
    assert changed.nonzero().tolist() == [[2, 5]]


@pytest.mark.parametrize("size", [64, 127])
def test_images_are_read_as_they_are_or_their_middle(tmp_path, size):
    flux = np.random.default_rng(0).normal(0, 1, (4, 5, size, size)).astype("f4")
    with h5py.File(tmp_path / "f.hdf5", "w") as file, Known("f") as known:
        file[layout.IMAGE] = flux
        image = Image.of_file("image", ImageModality("image", 8), file, None)
        assert image.geometry.size == 64
        assert (image.geometry.bands, image.geometry.pixel_scale_arcsec) == (BANDS, 0.168)
        assert image.geometry.zero_point_mag == 27.0
        assert image.is_in(file)
        found = image.read(file, slice(1, 3), known)
    middle = slice(31, 95) if size == 127 else slice(None)
    assert np.array_equal(found, flux[1:3, :, middle, middle])


def test_pixels_that_are_no_numbers_are_missing_and_counted(tmp_path):
    flux = np.ones((4, 5, 64, 64), "f4")
    flux[1, 2, 3, 4], flux[2, 0] = np.inf, np.nan
    with h5py.File(tmp_path / "f.hdf5", "w") as file, Known("f") as known:
        file[layout.IMAGE] = flux
        image = Image.of_file("image", ImageModality("image", 8), file, None)
        found = image.read(file, slice(0, 4), known)
    assert np.array_equal(np.isnan(found), ~np.isfinite(flux))
    assert known.damaged == 2


def test_a_file_without_images_has_none(tmp_path):
    with h5py.File(tmp_path / "f.hdf5", "w") as file:
        assert not SMALL.is_in(file)
