"""Hidden pixels from point symmetry and the radial profile."""

import pytest
import torch

from mmae.models.profile import Profile

SIZE = 32


@pytest.fixture
def round_image() -> torch.Tensor:
    place = torch.arange(SIZE) - (SIZE - 1) / 2
    radius = torch.hypot(place[:, None], place)
    return torch.exp(-radius / 8).expand(2, 3, SIZE, SIZE).clone()


def test_visible_pixels_stay_and_hidden_ones_do_not_matter(round_image):
    hidden = torch.rand(2, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) < 0.6
    filled = Profile(SIZE)(round_image, hidden)
    seen = ~hidden.expand(filled.shape)
    assert torch.equal(filled[seen], round_image[seen])
    assert torch.equal(Profile(SIZE)(round_image.masked_fill(hidden, 1e3), hidden), filled)


def test_a_hidden_pixel_is_its_counterpart(round_image):
    image = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    hidden = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.bool)
    hidden[..., 3, 5] = True
    filled = Profile(SIZE)(image, hidden)
    assert torch.equal(filled[..., 3, 5], image[..., SIZE - 4, SIZE - 6])


def test_without_a_counterpart_it_is_the_mean_of_its_ring(round_image):
    hidden = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.bool)
    for row, column in ((3, 5), (SIZE - 4, SIZE - 6)):
        hidden[..., row, column] = True
    filled = Profile(SIZE)(round_image, hidden)
    assert (filled - round_image).abs().max() < 0.03 * round_image[0, 0, 3, 5]


def test_a_flat_image_is_filled_flat():
    hidden = torch.rand(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) < 0.9
    filled = Profile(SIZE)(torch.full((1, 2, SIZE, SIZE), 3.0), hidden)
    assert torch.allclose(filled, torch.full_like(filled, 3.0), atol=1e-4)
