"""Input scales that are learned from training galaxies."""

import pytest
import torch

from mmae.models.scaling import SOFTENING, AsinhScale, Standardise, asinh


def test_images_are_in_units_of_the_sky_noise():
    generator = torch.Generator().manual_seed(0)
    noise = torch.tensor([0.01, 0.1, 1.0, 2.0, 3.0])[:, None, None]
    image = 5 + noise * torch.randn((20, 5, 32, 32), generator=generator)
    image[:, :, 14:18, 14:18] += 1000  # a galaxy is no noise
    scale = AsinhScale()
    scale.fit(image)
    assert torch.allclose(scale.noise, noise, rtol=0.05)
    flux = torch.full((1, 5, 1, 1), 6.0)
    expected = torch.asinh(flux / (SOFTENING * scale.noise))
    assert torch.allclose(scale(flux), expected)
    assert set(scale.state_dict()) == {"noise"}, "kept with the weights"


def test_asinh_is_exact_to_the_last_digits_from_faint_to_bright():
    size = torch.logspace(-12, 12, 10_000, dtype=torch.float64)
    x = torch.cat([-size, torch.zeros(1), size])
    found = asinh(x.float()).double()
    assert torch.allclose(found, torch.asinh(x), rtol=3e-7, atol=0)


def test_images_without_noise_stay_finite():
    scale = AsinhScale()
    scale.fit(torch.zeros(2, 5, 4, 4))
    assert scale(torch.ones(1, 5, 4, 4)).isfinite().all()


def test_magnitudes_are_standardised_and_unknown_ones_are_the_mean():
    generator = torch.Generator().manual_seed(0)
    magnitudes = 20 + 3 * torch.randn((500, 5), generator=generator)
    magnitudes[::7, 2] = torch.nan
    magnitudes[:, 4] = torch.nan
    standardise = Standardise()
    standardise.fit(magnitudes)
    scaled = standardise(magnitudes)
    assert (scaled[::7, 2] == 0).all()
    assert (scaled[:, 4] == 0).all(), "a band that is nowhere known"
    known = scaled[:, :4][magnitudes[:, :4].isfinite()]
    assert known.mean().item() == pytest.approx(0, abs=1e-4)
    assert known.std().item() == pytest.approx(1, abs=0.01)
