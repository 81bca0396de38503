"""What the paper's model is given in training, and which losses count."""

import pytest
import torch

from galaxies import SMALL_PAPER, batch_of, made_up_galaxies
from mmae.dataset.arrays import TrainingArrays
from mmae.models import build_model
from mmae.models.losses import Losses


@pytest.fixture(scope="module")
def arrays() -> TrainingArrays:
    return made_up_galaxies()


def losses_with(arrays, zeroed: float, seed: int = 0, **keys) -> tuple[dict, list]:
    """Losses of one batch, and what the network was given."""
    torch.manual_seed(0)
    model = build_model(SMALL_PAPER | {"modality_dropout": zeroed} | keys)
    seen = []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    generator = torch.Generator().manual_seed(seed)
    losses = model.training_losses(batch_of(arrays, 32), 0.5, generator)
    return losses, seen[0]


def test_half_of_the_spectra_are_zeroed(arrays):
    _, (_, spectrum, image_mask, spectrum_mask) = losses_with(arrays, 0.5)
    zeroed = (spectrum == 0).all(dim=1)
    assert 15 < zeroed.sum() < 49
    assert torch.equal(spectrum[~zeroed], torch.from_numpy(arrays.spectra)[~zeroed])
    assert (image_mask.sum(dim=1) == 2).all()
    assert (spectrum_mask.sum(dim=1) == 2).all()


def test_or_those_of_whole_batches(arrays):
    shares = set()
    for seed in range(6):
        _, (_, spectrum, *_) = losses_with(arrays, 0.5, seed, modality_dropout_by="batch")
        shares.add((spectrum == 0).all(dim=1).float().mean().item())
    assert shares == {0.0, 1.0}


def test_zeroed_spectra_are_not_reconstructed(arrays):
    losses, _ = losses_with(arrays, 1.0)
    assert losses["spectrum"] == 0
    losses, _ = losses_with(arrays, 0.0)
    assert losses["spectrum"] > 0.5


def test_ratios_of_image_and_spectrum_apart(arrays):
    _, (*_, image_mask, spectrum_mask) = losses_with(arrays, 0.0, spectrum_mask=0.25)
    assert (image_mask.sum(dim=1) == 2).all()
    assert (spectrum_mask.sum(dim=1) == 1).all()


def test_the_total_has_the_papers_weights(arrays):
    model = build_model(SMALL_PAPER)
    losses = Losses(*(torch.tensor(value) for value in (1.0, 10.0, 0.5)))
    assert model.total_loss(losses).item() == pytest.approx(0.1 + 0.1 + 0.5)
    found, _ = losses_with(arrays, 0.5, image_weight=2.0, spectrum_weight=3.0, redshift_weight=4.0)
    total = 2 * found["image"] + 3 * found["spectrum"] + 4 * found["redshift"]
    assert found["total"].item() == pytest.approx(total.item(), rel=1e-6)


def test_validation_hides_the_spectrum_whole(arrays):
    model = build_model(SMALL_PAPER).eval()
    seen = []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    batch = batch_of(arrays, 32)
    losses, z_pred = model.validation_losses(batch, 0.25, torch.Generator().manual_seed(0))
    _, spectrum, image_mask, spectrum_mask = seen[0]
    assert (spectrum == 0).all()
    assert spectrum_mask.all()
    assert (image_mask.sum(dim=1) == 1).all()
    assert z_pred.shape == (len(arrays.redshift),)
    assert set(losses) == {"image", "redshift", "total"}, "there is no spectrum to compare with"
