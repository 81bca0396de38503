"""Input scales that are learned from training galaxies."""

import pytest
import torch

from mmae.modalities.scaling import SOFTENING, AsinhScale, Identity, Standardise, asinh


def test_images_are_in_units_of_the_sky_noise():
    generator = torch.Generator().manual_seed(0)
    noise = torch.tensor([0.01, 0.1, 1.0, 2.0, 3.0])[:, None, None]
    image = 5 + noise * torch.randn((20, 5, 32, 32), generator=generator)
    image[:, :, 14:18, 14:18] += 1000  # a galaxy is no noise
    scale = AsinhScale(5)
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
    scale = AsinhScale(5)
    scale.fit(torch.zeros(2, 5, 4, 4))
    assert scale(torch.ones(1, 5, 4, 4)).isfinite().all()


def test_flux_comes_back_from_the_asinh_scale():
    scale = AsinhScale(2)
    image = torch.randn((50, 2, 8, 8), generator=torch.Generator().manual_seed(0))
    image[:, 1] = 3.0  # a band without noise
    scale.fit(image)
    flux = torch.tensor([-5.0, 0.0, 1e-3, 40.0, 1e5]).expand(1, 2, 1, 5)
    back = scale.inverse(scale(flux))
    assert torch.allclose(back[:, 0], flux[:, 0], rtol=1e-4, atol=1e-6)
    assert (back[:, 1] == 0).all()
    assert scale.inverse(torch.full((1, 2, 1, 1), 1e3)).isfinite().all()


def test_magnitudes_are_standardised_and_unknown_ones_are_the_mean():
    generator = torch.Generator().manual_seed(0)
    magnitudes = 20 + 3 * torch.randn((500, 5), generator=generator)
    magnitudes[::7, 2] = torch.nan
    magnitudes[:, 4] = torch.nan
    standardise = Standardise(5)
    standardise.fit(magnitudes)
    scaled = standardise(magnitudes)
    assert (scaled[::7, 2] == 0).all()
    assert (scaled[:, 4] == 0).all(), "a band that is nowhere known"
    known = scaled[:, :4][magnitudes[:, :4].isfinite()]
    assert known.mean().item() == pytest.approx(0, abs=1e-4)
    assert known.std().item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_a_band_of_which_nothing_was_learnt_is_0_ever_after(value):
    """Else the first galaxy that has it would be thousands of standard deviations away."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randn((20, 5, 8, 8), generator=generator)
    magnitudes = 20 + torch.randn((20, 5), generator=generator)
    image[:, 1], magnitudes[:, 1], magnitudes[:, 3] = value, torch.nan, 20 + value
    scale, standardise = AsinhScale(5), Standardise(5)
    scale.fit(image)
    standardise.fit(magnitudes)
    seen = scale(torch.full((1, 5, 2, 2), 7.0)), standardise(torch.full((1, 5), 23.0))
    for scaled, dead in zip(seen, ([1], [1, 3]), strict=True):
        alive = [band for band in range(5) if band not in dead]
        assert (scaled[:, dead] == 0).all()
        assert (scaled[:, alive] > 1).all()


def test_faint_noise_is_no_blank_band():
    image = torch.zeros(4, 5, 8, 8)
    image[:, :, 3:5, 3:5] = 2.0  # most pixels are alike, and yet there is a galaxy
    scale = AsinhScale(5)
    scale.fit(image)
    assert (scale(image)[:, :, 3, 3] > 1).all()


def test_pixels_that_are_missing_have_no_part_in_the_noise():
    generator = torch.Generator().manual_seed(0)
    image = 0.1 * torch.randn((20, 5, 8, 8), generator=generator)
    lacking = image.clone()
    # half of the images, and one band in all of them
    lacking[::2] = lacking[:, 3] = torch.nan
    whole, less, half = AsinhScale(5), AsinhScale(5), AsinhScale(5)
    whole.fit(image)
    less.fit(lacking)
    half.fit(image[1::2])
    rest = [0, 1, 2, 4]
    assert torch.equal(less.noise[rest], half.noise[rest])
    assert torch.allclose(less.noise[rest], whole.noise[rest], rtol=0.1)
    assert less.noise[3].isinf().all()


def catalogue() -> torch.Tensor:
    """Three numbers and their errors, of which some are unknown."""
    generator = torch.Generator().manual_seed(0)
    numbers = torch.tensor([20.0, 5.0, 7.0]) + torch.tensor([3.0, 0.5, 0.0]) * torch.randn(
        (400, 3), generator=generator
    )
    numbers[::5, 1] = torch.nan
    return torch.cat([numbers, torch.full((400, 3), 0.3)], dim=1)


def test_errors_are_relative_to_the_scatter_of_their_numbers():
    values, scale = catalogue(), Standardise(3)
    scale.fit(values)
    scaled = scale(values)
    assert scaled.shape == values.shape
    assert scaled[:, 3].mean().item() == pytest.approx(0.1, rel=0.1)
    assert scaled[:, 4].mean().item() == pytest.approx(0.6, rel=0.1)
    assert (scaled[:, 5] == 0).all(), "of a number that is the same in all"
    assert (scaled[::5, 1] == 0).all()


def test_numbers_come_back_from_their_scale():
    values, scale = catalogue(), Standardise(3)
    scale.fit(values)
    back = scale.inverse(scale(values))[:, :3]
    known = values[:, :3].isfinite()
    assert torch.allclose(back[known], values[:, :3][known], rtol=1e-5)
    assert torch.allclose(back[::5, 1], scale.mean[1]), "unknown ones become the mean"
    assert torch.allclose(back[:, 2], torch.tensor(7.0))


def test_what_has_no_scale_stays_as_it_is():
    values, scale = torch.randn(2, 5, 3, 3), Identity()
    scale.fit(values)
    assert scale(values) is values
    assert scale.inverse(values) is values
    assert not scale.state_dict()
