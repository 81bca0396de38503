"""Token dropping: what is hidden is neither seen nor paid for."""

from dataclasses import replace

import pytest
import torch

from galaxies import batch_of, made_up_galaxies, mask_of, modalities_of, paper_model
from mmae.modalities.vector import Vector
from mmae.models.batch import Batch
from mmae.models.masking import Mask, draw, random_mask
from mmae.models.paper import PaperMMAE, keep

KNOWN = modalities_of()
IMAGE, SPECTRUM = KNOWN["image"], KNOWN["spectrum"]
THREE = ["image", "spectrum", "photometry"]


def model_with(**keys) -> PaperMMAE:
    return paper_model(cross_layers=2, **keys)


def catalogue() -> Vector:
    """The photometry of made-up galaxies in five tokens."""
    photometry = modalities_of()["photometry"]
    settings = replace(photometry.settings, tokens=5)
    return Vector("photometry", settings, photometry.geometry)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return batch_of(made_up_galaxies(6))


def masks_of(image: tuple = (), spectrum: tuple = (), n: int = 6) -> dict[str, Mask]:
    return {"image": mask_of(IMAGE, *image, n=n), "spectrum": mask_of(SPECTRUM, *spectrum, n=n)}


def some(batch: Batch, masks: dict[str, Mask], rows: slice) -> tuple[dict, dict]:
    """Values and masks of some of the galaxies."""
    values = {name: part[rows] for name, part in batch.values.items()}
    return values, {name: mask.of(rows, "cpu") for name, mask in masks.items()}


def test_with_nothing_hidden_it_is_the_papers_model(batch):
    zeroed = model_with(masking="zero")(batch.values, masks_of())
    dropped = model_with(masking="drop")(batch.values, masks_of())
    torch.testing.assert_close(dropped, zeroed)


def test_with_something_hidden_it_is_another_model(batch):
    masks = masks_of((0,), (1, 2))
    zeroed = model_with(masking="zero")(batch.values, masks)
    dropped = model_with(masking="drop")(batch.values, masks)
    assert not torch.allclose(dropped.z_pred, zeroed.z_pred)


def test_hidden_patches_change_nothing_and_visible_ones_do(batch):
    model, masks = model_with(masking="drop"), masks_of((0,), (1,))
    said = model(batch.values, masks)
    image, spectrum = batch.values["image"].clone(), batch.values["spectrum"].clone()
    image[:, :, :8, :8], spectrum[:, 8:16] = 100.0, 100.0
    other = batch.values | {"image": image, "spectrum": spectrum}
    torch.testing.assert_close(model(other, masks), said)
    image[:, :, 8:, 8:] = 100.0
    assert not torch.allclose(model(other, masks).z_pred, said.z_pred)


def test_a_modality_hidden_whole_is_not_encoded(batch):
    model = model_with(masking="drop")

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("encoded")

    model.encoders["spectrum"].forward = refuse
    said = model(batch.values, masks_of((0,), range(4)))
    assert (said.embedding[:, 16:] == 0).all()
    assert (said.embedding[:, :16] != 0).any()
    with pytest.raises(AssertionError, match="encoded"):
        model(batch.values, masks_of((0,), (0,)))


def test_galaxies_do_not_depend_on_their_neighbours(batch):
    """Some with a spectrum, some without, one with nothing: each as it is alone."""
    model, masks = model_with(masking="drop"), masks_of((1,), (2,))
    masks["spectrum"].tokens[[1, 3]] = True
    masks["image"].tokens[[2, 4]] = True
    masks["spectrum"].tokens[4] = True
    together = model(batch.values, masks)
    for k in range(6):
        row = slice(k, k + 1)
        torch.testing.assert_close(model(*some(batch, masks, row)).z_pred, together.z_pred[row])
    assert (together.embedding[4] == 0).all()


@pytest.mark.parametrize("names", [THREE[:2], THREE], ids=["two", "three"])
def test_galaxies_with_different_numbers_of_visible_tokens_are_each_as_alone(batch, names):
    """Padding is read by nobody."""
    known = modalities_of() | {"photometry": catalogue()}
    model = paper_model(known, masking="drop", cross_layers=2, modalities=names)
    generator = torch.Generator().manual_seed(5)
    masks = {
        name: Mask(torch.rand(6, known[name].n_tokens, generator=generator) < 0.5) for name in names
    }
    # one lacks a modality, one has nothing
    masks["spectrum"].tokens[1] = True
    for mask in masks.values():
        mask.tokens[2] = True
        assert len(mask.tokens.sum(dim=1).unique()) > 2
    together = model(batch.values, masks)
    for k in range(6):
        alone, row = model(*some(batch, masks, slice(k, k + 1))), slice(k, k + 1)
        torch.testing.assert_close(alone.embedding, together.embedding[row], atol=1e-5, rtol=1e-4)
        for name in names:
            ours, theirs = alone.reconstruction[name], together.reconstruction[name][row]
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_bands_that_are_missing_are_missing_of_each_galaxy(batch):
    """Values hidden inside tokens go with the galaxies as they are divided by what is visible."""
    model = model_with(masking="drop", mask_channel=True)
    masks = masks_of()
    masks["image"] = draw(IMAGE, 6, {"bands": "g"}, torch.Generator())
    masks["spectrum"].tokens[[0, 3]] = True
    together = model(batch.values, masks)
    for k in range(6):
        alone = model(*some(batch, masks, slice(k, k + 1)))
        torch.testing.assert_close(alone.z_pred, together.z_pred[k : k + 1])
    other = batch.values | {"image": batch.values["image"].clone()}
    other["image"][:, 0] = 100.0
    torch.testing.assert_close(model(other, masks), together)


def test_all_parameters_learn(batch):
    model = model_with(masking="drop").train()
    generator = torch.Generator().manual_seed(1)
    masks = model.draw_masks(6, 0.5, generator, training=True)
    parts = model.losses(batch, masks, generator).parts
    model.total({name: part.value for name, part in parts.items()}).backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent


def test_visible_tokens_keep_their_order():
    tokens = torch.arange(6.0).reshape(1, 6, 1).expand(2, 6, 1)
    hidden = torch.tensor([[1, 0, 1, 0, 1, 0], [0, 1, 1, 1, 0, 0]]).bool()
    kept = keep(tokens, hidden)
    assert kept.values.squeeze(2).tolist() == [[1, 3, 5], [0, 4, 5]]
    assert kept.padding is None


def test_fewer_visible_tokens_are_padded_at_the_end():
    tokens = torch.arange(1.0, 7.0).reshape(1, 6, 1).expand(3, 6, 1)
    hidden = torch.tensor([[1, 0, 1, 0, 1, 0], [1, 1, 1, 1, 0, 1], [0, 1, 1, 1, 0, 1]]).bool()
    kept = keep(tokens, hidden)
    assert kept.padding.tolist() == [[False] * 3, [False, True, True], [False, False, True]]
    values = kept.values.squeeze(2).masked_fill(kept.padding, 0)
    assert values.tolist() == [[2, 4, 6], [5, 0, 0], [1, 5, 0]]


def test_masks_are_read_by_galaxies_that_are_sorted_by_what_is_visible(batch):
    """The result is in the order of the batch, whatever the patterns are."""
    model = model_with(masking="drop")
    masks = {
        name: Mask(random_mask(6, 4, 0.5, torch.Generator().manual_seed(9))) for name in THREE[:2]
    }
    masks["spectrum"].tokens[::2] = True
    order = torch.tensor([5, 2, 0, 4, 1, 3])
    values = {name: part[order] for name, part in batch.values.items()}
    shuffled = {name: mask.of(order, "cpu") for name, mask in masks.items()}
    torch.testing.assert_close(
        model(values, shuffled).z_pred, model(batch.values, masks).z_pred[order]
    )
