"""The losses, by eye."""

import torch

from mmae.models.losses import masked_mse, redshift_loss


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
