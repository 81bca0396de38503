"""Token dropping: what is hidden is neither seen nor paid for."""

import pytest
import torch
from mmae.models.visible import keep

from galaxies import SMALL_PAPER, batch_of, made_up_galaxies
from mmae.errors import InputError
from mmae.models import build_model

N, M = 4, 4
"""Tokens of images of 16 pixels and spectra of 32, in patches of 8."""


def model_with(**keys) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model(SMALL_PAPER | {"cross_layers": 2} | keys).eval()


@pytest.fixture(scope="module")
def batch():
    return batch_of(made_up_galaxies(6), 32)


def mask(n_tokens: int, *hidden: int, n: int = 6) -> torch.Tensor:
    found = torch.zeros(n, n_tokens, dtype=torch.bool)
    found[:, list(hidden)] = True
    return found


def test_with_nothing_hidden_it_is_the_papers_model(batch):
    masks = mask(N), mask(M)
    zeroed = model_with(masking="zero")(batch.image, batch.spectrum, *masks)
    dropped = model_with(masking="drop")(batch.image, batch.spectrum, *masks)
    for ours, theirs in zip(dropped, zeroed, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_with_something_hidden_it_is_another_model(batch):
    masks = mask(N, 0), mask(M, 1, 2)
    zeroed = model_with(masking="zero")(batch.image, batch.spectrum, *masks)
    dropped = model_with(masking="drop")(batch.image, batch.spectrum, *masks)
    assert not torch.allclose(dropped.z_pred, zeroed.z_pred)


def test_hidden_patches_change_nothing_and_visible_ones_do(batch):
    model, masks = model_with(masking="drop"), (mask(N, 0), mask(M, 1))
    said = model(batch.image, batch.spectrum, *masks)
    image, spectrum = batch.image.clone(), batch.spectrum.clone()
    image[:, :, :8, :8], spectrum[:, 8:16] = 100.0, 100.0
    torch.testing.assert_close(model(image, spectrum, *masks), said)
    image[:, :, 8:, 8:] = 100.0
    assert not torch.allclose(model(image, spectrum, *masks).z_pred, said.z_pred)


def test_a_modality_hidden_whole_is_not_encoded(batch):
    model = model_with(masking="drop")

    def refuse(*arguments: object) -> None:
        raise AssertionError("encoded")

    model.spectrum_encoder.forward = refuse
    said = model(batch.image, batch.spectrum, mask(N, 0), mask(M, *range(M)))
    assert (said.embedding[:, 16:] == 0).all()
    assert (said.embedding[:, :16] != 0).any()
    with pytest.raises(AssertionError, match="encoded"):
        model(batch.image, batch.spectrum, mask(N, 0), mask(M, 0))


def test_galaxies_do_not_depend_on_their_neighbours(batch):
    """Some with a spectrum, some without, one with nothing: each as it is alone."""
    model = model_with(masking="drop")
    image_mask, spectrum_mask = mask(N, 1), mask(M, 2)
    spectrum_mask[[1, 3]] = True
    image_mask[[2, 4]] = True
    spectrum_mask[4] = True
    together = model(batch.image, batch.spectrum, image_mask, spectrum_mask)
    for k in range(6):
        row = slice(k, k + 1)
        alone = model(batch.image[row], batch.spectrum[row], image_mask[row], spectrum_mask[row])
        torch.testing.assert_close(alone.z_pred, together.z_pred[row])
    assert (together.embedding[4] == 0).all()


def test_all_parameters_learn(batch):
    model = model_with(masking="drop").train()
    losses = model.training_losses(batch, 0.5, torch.Generator().manual_seed(1))
    losses["total"].backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent


def test_visible_tokens_keep_their_order():
    tokens = torch.arange(6.0).reshape(1, 6, 1).expand(2, 6, 1)
    hidden = torch.tensor([[1, 0, 1, 0, 1, 0], [0, 1, 1, 1, 0, 0]]).bool()
    assert keep(tokens, hidden).squeeze(2).tolist() == [[1, 3, 5], [0, 4, 5]]


def test_unequal_numbers_of_visible_tokens_are_told():
    hidden = torch.tensor([[True, False, False], [True, True, False]])
    with pytest.raises(InputError, match="found 1 to 2 visible tokens, expected as many"):
        keep(torch.zeros(2, 3, 1), hidden)
