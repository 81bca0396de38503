"""Hidden pixels from the radial profile and how it varies around."""

import pytest
import torch

from mmae.models.profile import Profile

SIZE = 32
PLACE = torch.arange(SIZE) - (SIZE - 1) / 2


@pytest.fixture
def round_image() -> torch.Tensor:
    radius = torch.hypot(PLACE[:, None], PLACE)
    return torch.exp(-radius / 8).expand(2, 3, SIZE, SIZE).clone()


def test_visible_pixels_stay_and_hidden_ones_do_not_matter(round_image):
    hidden = torch.rand(2, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) < 0.6
    filled = Profile(SIZE)(round_image, hidden)
    seen = ~hidden.expand(filled.shape)
    assert torch.equal(filled[seen], round_image[seen])
    assert torch.equal(Profile(SIZE)(round_image.masked_fill(hidden, 1e3), hidden), filled)


def test_what_is_round_is_known_from_its_rings(round_image):
    hidden = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) < 0.5
    # at the cusp in the middle a ring is not flat
    hidden[..., 12:20, 12:20] = False
    filled = Profile(SIZE)(round_image, hidden)
    assert (filled - round_image).abs()[..., 4:-4, 4:-4].max() < 0.05


@pytest.mark.parametrize(("shift", "flat"), [(1.5, 1.0), (0.0, 0.6)])
def test_what_is_off_the_middle_or_flat_is_better_known_than_from_its_rings(shift, flat):
    image = torch.exp(-torch.hypot((PLACE[:, None] - shift) / flat, PLACE) / 6)
    image = image.expand(1, 2, SIZE, SIZE)
    hidden = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(1)) < 0.4
    hidden = hidden.repeat_interleave(8, 2).repeat_interleave(8, 3)
    profile, seen = Profile(SIZE), (~hidden).float().expand(image.shape)
    rings = profile.profile(image * seen, seen).view(image.shape)
    errors = [((one - image) * hidden).square().mean() for one in (profile(image, hidden), rings)]
    assert errors[0] < 0.6 * errors[1]


def test_a_flat_image_is_filled_flat():
    hidden = torch.rand(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) < 0.9
    filled = Profile(SIZE)(torch.full((1, 2, SIZE, SIZE), 3.0), hidden)
    assert torch.allclose(filled, torch.full_like(filled, 3.0), atol=1e-4)


def test_of_a_whole_hidden_image_nothing_is_known(round_image):
    hidden = torch.ones(2, 1, SIZE, SIZE, dtype=torch.bool)
    assert (Profile(SIZE)(round_image, hidden) == 0).all()
