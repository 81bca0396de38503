"""The losses, by eye."""

import math

import pytest
import torch

from mmae.models.losses import info_nce, masked_mse, redshift_loss


def test_masked_mse_by_eye():
    truth = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    guess = torch.tensor([[1.0, 4.0, 3.0, 0.0]])
    assert masked_mse(guess, truth, torch.tensor([[True, True, False, False]])) == 2.0
    assert masked_mse(guess, truth, torch.tensor([[False, False, False, True]])) == 16.0
    assert masked_mse(guess, truth, torch.zeros(1, 4, dtype=torch.bool)) == 0.0


def test_one_mask_serves_all_bands():
    truth, guess = torch.zeros(1, 5, 2, 2), torch.ones(1, 5, 2, 2)
    guess[:, :, 0, 0] = 3.0
    hidden = torch.tensor([[True, False], [False, True]])[None, None]
    assert masked_mse(guess, truth, hidden) == 5.0


def test_redshift_loss_by_eye():
    z_spec = torch.tensor([0.0, 1.0])
    assert redshift_loss(z_spec, z_spec) == 0.0
    # an error of 0.15 (1 + z) costs one half
    assert torch.allclose(redshift_loss(torch.tensor([0.15, 1.3]), z_spec), torch.tensor(0.5))
    assert redshift_loss(z_spec + 1000, z_spec) > 0.999


def embeddings(n: int = 7, length: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    pair = torch.randn((2, n, length), generator=generator, dtype=torch.float64)
    return tuple(torch.nn.functional.normalize(pair, dim=2))


def test_info_nce_is_the_published_formula():
    """Parker et al. 2024, equation 1, with sums over galaxies written out; both directions."""
    image, spectrum = embeddings()
    scale, n, total = 15.5, len(image), 0.0
    for one, other in ((image, spectrum), (spectrum, image)):
        for i in range(n):
            terms = [math.exp(scale * float((one[i] * other[j]).sum())) for j in range(n)]
            total -= math.log(terms[i] / sum(terms)) / n
    assert info_nce(image, spectrum, scale).item() == pytest.approx(total / 2, rel=1e-12)


def test_info_nce_is_symmetric_and_wants_pairs_together():
    image, spectrum = embeddings()
    loss = info_nce(image, spectrum, 15.5)
    assert loss.item() == pytest.approx(info_nce(spectrum, image, 15.5).item(), rel=1e-12)
    assert info_nce(image, image, 100.0) < 1e-3
    assert info_nce(image, image.roll(1, 0), 100.0) > 10
    # no galaxy is told from another: the logarithm of how many there are
    alike = torch.ones_like(image) / math.sqrt(5)
    assert info_nce(alike, alike, 15.5).item() == pytest.approx(math.log(7))
