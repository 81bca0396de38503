"""Fluxes in annuli against direct sums."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from mmae.modalities.annuli import CLAMP, EDGES_ARCSEC, SUBPIXELS, Annuli

SIZE, SCALE = 64, 0.168


@pytest.fixture
def annuli() -> Annuli:
    return Annuli(2, SIZE, SCALE)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(6, 2, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def test_fluxes_are_sums_over_small_pixels(annuli, images):
    """Each pixel is cut into small ones, and each of these lies in one annulus."""
    fine = np.repeat(np.repeat(images[0, 1].numpy(), SUBPIXELS, 0), SUBPIXELS, 1) / SUBPIXELS**2
    place = ((np.arange(SIZE * SUBPIXELS) + 0.5) / SUBPIXELS - SIZE / 2) * SCALE
    radius = np.hypot(place[:, None], place)
    flux, shown = annuli.fluxes(images)
    for k, (low, high) in enumerate(pairwise(EDGES_ARCSEC)):
        direct = fine[(radius >= low) & (radius < high)].sum()
        assert flux[0, 1, k].item() == pytest.approx(direct, rel=1e-3, abs=1e-3)
    assert (shown == 1).all()


def test_hidden_pixels_of_a_symmetric_image_are_known_from_the_other_side(annuli, images):
    symmetric = images + images.flip(2, 3)
    hidden = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.bool)
    hidden[..., : SIZE // 2, :] = True
    flux, shown = annuli.fluxes(symmetric.masked_fill(hidden, 1e6), hidden)
    assert torch.allclose(flux, annuli.fluxes(symmetric)[0], atol=1e-3)
    assert torch.allclose(shown, torch.ones_like(shown))


def test_a_flat_image_has_the_same_flux_whatever_is_hidden(annuli):
    flat = torch.ones(1, 2, SIZE, SIZE)
    hidden = torch.rand(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(1)) < 0.5
    flux, shown = annuli.fluxes(flat, hidden)
    some = shown > 0
    assert torch.allclose(flux[some], annuli.fluxes(flat)[0][some], rtol=1e-4)
    # a pixel is lost where its counterpart is hidden too
    assert (shown[..., -1] - 0.75).abs().max() < 0.05


def test_a_band_that_is_hidden_has_no_flux(annuli, images):
    hidden = torch.tensor([False, True])[None, :, None, None]
    flux, shown = annuli.fluxes(images, hidden)
    assert (flux[:, 1] == 0).all()
    assert (shown[:, 1] == 0).all()
    assert torch.allclose(flux[:, 0], annuli.fluxes(images)[0][:, 0], rtol=1e-4, atol=1e-4)


def test_features_of_what_it_was_fitted_to_are_standardised(annuli, images):
    annuli.fit(images)
    assert annuli.noise.tolist() == pytest.approx([1.0, 1.0], rel=0.02)
    features = annuli(images)
    assert features.shape == (6, annuli.n_features)
    measured = features[:, : len(annuli.mean)]
    assert measured.mean(dim=0).abs().max() < 1e-4
    assert (measured.std(dim=0, correction=0) - 1).abs().max() < 1e-3
    assert annuli(1e4 * images).abs().max() <= CLAMP
