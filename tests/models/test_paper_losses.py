"""What the paper's model is given in training, and which losses count."""

import pytest
import torch

from galaxies import batch_of, made_up_galaxies, modalities_of, paper_model
from mmae.dataset.arrays import TrainingArrays
from mmae.models.losses import Mean
from mmae.models.masking import draw, hidden_values, modality_dropout, random_mask


@pytest.fixture(scope="module")
def arrays() -> TrainingArrays:
    return made_up_galaxies()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def trained_with(arrays, dropped: float, seed: int = 0, ratio: float = 0.5, **keys) -> tuple:
    """Losses of one batch, what the network was given, and the tokens that it made of it."""
    model = paper_model(dropped={"spectrum": dropped}, **keys).train()
    given, seen = [], {}
    model.register_forward_pre_hook(lambda _, inputs: given.append(inputs))
    for name, layer in model.projections.items():
        layer.register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: inputs[0]}))
    drawn = generator(seed)
    masks = model.draw_masks(len(arrays.redshift), ratio, drawn, training=True)
    losses = model.losses(batch_of(arrays), masks, drawn).parts
    return losses, given[0][1], seen


@pytest.mark.parametrize("mask_channel", [False, True])
def test_half_of_the_spectra_are_zeroed(arrays, mask_channel):
    _, masks, seen = trained_with(arrays, 0.5, mask_channel=mask_channel)
    zeroed = (seen["spectrum"] == 0).all(dim=1)
    assert 15 < zeroed.sum() < 49
    spectra = torch.from_numpy(arrays.values["spectrum"])
    assert torch.equal(seen["spectrum"][~zeroed], spectra[~zeroed])
    assert torch.equal(seen["image"], torch.from_numpy(arrays.values["image"]))
    assert torch.equal(masks["spectrum"].counts, ~zeroed)
    for name in ("image", "spectrum"):
        assert (masks[name].tokens.sum(dim=1) == 2).all(), "zeroed ones carry their positions"


def test_or_those_of_whole_batches(arrays):
    shares = set()
    for seed in range(6):
        _, _, seen = trained_with(arrays, 0.5, seed, dropped_by="batch")
        shares.add((seen["spectrum"] == 0).all(dim=1).float().mean().item())
    assert shares == {0.0, 1.0}


def test_dropped_ones_are_left_out_where_hidden_tokens_are(arrays):
    _, masks, _ = trained_with(arrays, 0.5, masking="drop")
    gone = ~masks["spectrum"].counts
    assert 15 < gone.sum() < 49
    assert (masks["spectrum"].tokens.sum(dim=1) == torch.where(gone, 4, 2)).all()


def test_zeroed_spectra_are_not_reconstructed(arrays):
    losses, *_ = trained_with(arrays, 1.0)
    assert (losses["spectrum"].value, losses["spectrum"].n) == (0, 0)
    losses, *_ = trained_with(arrays, 0.0)
    assert losses["spectrum"].value > 0.5
    assert losses["spectrum"].n == 64 * 16


def test_any_modality_may_be_taken(arrays):
    model = paper_model(dropped={"image": 1.0, "spectrum": 0.0})
    masks = model.draw_masks(64, 0.5, generator(), training=True)
    losses = model.losses(batch_of(arrays), masks, generator()).parts
    assert losses["image"].n == 0
    assert losses["spectrum"].n == 64 * 16


def test_what_is_drawn_is_drawn_in_the_order_of_the_paper(arrays):
    """So that trainings have the random numbers that they always had."""
    masks = paper_model().draw_masks(9, 0.5, generator(3), training=True)
    stream = generator(3)
    for name in ("image", "spectrum"):
        assert torch.equal(masks[name].tokens, random_mask(9, 4, 0.5, stream))
    assert torch.equal(~masks["spectrum"].counts, modality_dropout(9, 0.5, "galaxy", stream))


def test_ratios_of_single_modalities(arrays):
    _, masks, _ = trained_with(arrays, 0.0, mask_ratios={"spectrum": 0.25})
    assert (masks["image"].tokens.sum(dim=1) == 2).all()
    assert (masks["spectrum"].tokens.sum(dim=1) == 1).all()


def test_the_total_has_the_papers_weights(arrays):
    model = paper_model()
    values = {"image": 1.0, "spectrum": 10.0, "redshift": 0.5}
    parts = {name: torch.tensor(value) for name, value in values.items()}
    assert model.total(parts).item() == pytest.approx(0.1 + 0.1 + 0.5)
    weights = {"image": 2.0, "spectrum": 3.0, "redshift": 4.0}
    assert paper_model(weights=weights).total(parts).item() == pytest.approx(2.0 + 30.0 + 2.0)
    # what is not said is as in the paper
    assert paper_model(weights={}).total(parts).item() == pytest.approx(0.1 + 0.1 + 0.5)
    del parts["spectrum"]
    assert model.total(parts).item() == pytest.approx(0.1 + 0.5), "nothing to compare with"


def test_validation_hides_the_spectrum_whole(arrays):
    model, seen = paper_model(), []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    masks = model.draw_masks(64, 0.25, generator(), training=False)
    losses = model.losses(batch_of(arrays), masks, generator())
    _, masks = seen[0]
    assert masks["spectrum"].tokens.all()
    assert (masks["image"].tokens.sum(dim=1) == 1).all()
    assert losses.z_pred.shape == (len(arrays.redshift),)
    assert losses.parts["spectrum"].n == 0, "there is no spectrum to compare with"
    assert losses.parts["image"].n == 64 * 5 * 8 * 8
    # neither its values nor its positions
    other = batch_of(arrays)
    other.values["spectrum"] += 1
    assert torch.equal(model.losses(other, masks, generator()).z_pred, losses.z_pred)


def test_what_is_not_dropped_is_shown_at_validation(arrays):
    model = paper_model(dropped={})
    masks = model.draw_masks(64, 0.5, generator(), training=False)
    assert (masks["spectrum"].tokens.sum(dim=1) == 2).all()


MORE = {"image": {"lost_band": 0.5, "dead_pixels": 0.1}, "spectrum": {"gap": 0.5}}


def test_training_hides_named_masks_too_and_validation_does_not(arrays):
    model = paper_model(more_masks=MORE, dropped={})
    masks = model.draw_masks(64, 0.5, generator(4), training=True)
    stream, known = generator(4), modalities_of()
    for name, kinds in MORE.items():
        expected = draw(known[name], 64, {"random": 0.5} | kinds, stream)
        assert torch.equal(masks[name].tokens, expected.tokens)
        assert torch.equal(masks[name].values, expected.values)
    part = model.losses(batch_of(arrays), masks, generator()).parts["image"]
    hidden = hidden_values(known["image"], masks["image"]).expand(64, 5, 16, 16)
    assert part.n == hidden.sum() > 64 * 5 * 16 * 8
    for mask in model.draw_masks(64, 0.5, generator(), training=False).values():
        assert mask.values is None


def test_masks_of_a_training_are_not_seen_through(arrays):
    _, masks, seen = trained_with(arrays, 0.5, more_masks=MORE)
    for name, values in seen.items():
        hidden = masks[name].values.expand_as(values)
        assert (values[hidden] == 0).all()
        assert (values[~hidden] != 0).all()
    assert torch.equal(
        ~masks["spectrum"].counts, masks["spectrum"].values.expand(64, 32).all(dim=1)
    )


def test_losses_are_sums_and_how_many(arrays):
    losses, *_ = trained_with(arrays, 0.5)
    assert set(losses) == {"image", "spectrum", "redshift"}
    assert all(isinstance(part, Mean) for part in losses.values())
    assert losses["redshift"].n == 64
