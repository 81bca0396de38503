"""The losses, by eye: sums, and of how many."""

import math

import pytest
import torch

from mmae.models.losses import Mean, info_nce, masked_mse, mean_of, redshift_loss


def test_masked_mse_by_eye():
    truth = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    guess = torch.tensor([[1.0, 4.0, 3.0, 0.0]])
    assert masked_mse(guess, truth, torch.tensor([[True, True, False, False]])) == (4.0, 2)
    assert masked_mse(guess, truth, torch.tensor([[True, True, False, False]])).value == 2.0
    assert masked_mse(guess, truth, torch.tensor([[False, False, False, True]])).value == 16.0
    nothing = masked_mse(guess, truth, torch.zeros(1, 4, dtype=torch.bool))
    assert (nothing.value, nothing.n) == (0.0, 0)


def test_one_mask_serves_all_bands():
    truth, guess = torch.zeros(1, 5, 2, 2), torch.ones(1, 5, 2, 2)
    guess[:, :, 0, 0] = 3.0
    hidden = torch.tensor([[True, False], [False, True]])[None, None]
    assert masked_mse(guess, truth, hidden).value == 5.0
    assert masked_mse(guess, truth, hidden).n == 10


def test_redshift_loss_by_eye():
    z_spec = torch.tensor([0.0, 1.0])
    assert redshift_loss(z_spec, z_spec).value == 0.0
    # an error of 0.15 (1 + z) costs one half
    half = redshift_loss(torch.tensor([0.15, 1.3]), z_spec)
    assert torch.allclose(half.value, torch.tensor(0.5))
    assert half.n == 2
    assert redshift_loss(z_spec + 1000, z_spec).value > 0.999


def test_unknown_redshifts_cost_nothing_and_teach_nothing():
    z_spec = torch.tensor([0.0, torch.nan, 1.0, torch.inf])
    z_pred = torch.tensor([0.15, 0.7, 1.3, 0.2], requires_grad=True)
    loss = redshift_loss(z_pred, z_spec)
    assert loss.n == 2
    assert loss.value.item() == pytest.approx(0.5)
    loss.value.backward()
    assert (z_pred.grad != 0).tolist() == [True, False, True, False]
    nothing = redshift_loss(z_pred, torch.full((4,), torch.nan))
    assert (nothing.value, nothing.n) == (0.0, 0)


def test_means_that_are_not_divided_yet_add_up():
    parts = torch.arange(7.0).split([3, 4])
    sums = [mean_of(part) for part in parts]
    whole = Mean(sum(one.total for one in sums), sum(one.n for one in sums))
    assert whole.value == torch.arange(7.0).mean()


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
    assert info_nce(image, spectrum, scale).value.item() == pytest.approx(total / 2, rel=1e-12)


def test_info_nce_is_symmetric_and_wants_pairs_together():
    image, spectrum = embeddings()
    loss, other = info_nce(image, spectrum, 15.5), info_nce(spectrum, image, 15.5)
    assert loss.value.item() == pytest.approx(other.value.item(), rel=1e-12)
    assert info_nce(image, image, 100.0).value < 1e-3
    assert info_nce(image, image.roll(1, 0), 100.0).value > 10
    # no galaxy is told from another: the logarithm of how many there are
    alike = torch.ones_like(image) / math.sqrt(5)
    assert info_nce(alike, alike, 15.5).value.item() == pytest.approx(math.log(7))
