"""Galaxies that lack a modality, some of its values, or their redshift."""

import numpy as np
import pytest
import torch

from galaxies import (
    SMALL_PAPER,
    TOY,
    batch_of,
    made_up_galaxies,
    mask_of,
    modalities_of,
    paper_model,
    split_of,
    training_with,
)
from mmae.dataset.arrays import TrainingArrays
from mmae.evaluation.predict import predict, reconstruct
from mmae.models import build_model
from mmae.models.masking import Mask
from mmae.settings import View
from mmae.training.run import train_model

N = 64
KNOWN = modalities_of()
WITHOUT_SPECTRUM, WITHOUT_IMAGE, WITHOUT_REDSHIFT = [2, 5, 40, 41], [7, 20], [5, 9, 33]
HALF = {
    name: Mask(torch.tensor([[True, False] * 2]).repeat(N, 1)) for name in ("image", "spectrum")
}
"""Two of the four tokens."""


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def lacking(arrays: TrainingArrays, redshifts: bool = True) -> TrainingArrays:
    """Galaxies some of which lack a spectrum, an image, a redshift."""
    values = {name: part.copy() for name, part in arrays.values.items()}
    values["spectrum"][WITHOUT_SPECTRUM] = np.nan
    values["image"][WITHOUT_IMAGE] = np.nan
    redshift = arrays.redshift.copy()
    redshift[WITHOUT_REDSHIFT if redshifts else []] = np.nan
    return arrays._replace(values=values, redshift=redshift)


@pytest.fixture(scope="module")
def whole() -> TrainingArrays:
    return made_up_galaxies(N)


@pytest.fixture(scope="module")
def arrays(whole) -> TrainingArrays:
    return lacking(whole)


def test_a_batch_knows_what_is_missing(arrays):
    batch = batch_of(arrays)
    assert (~batch.present("spectrum")).nonzero().flatten().tolist() == WITHOUT_SPECTRUM
    assert (~batch.present("image")).nonzero().flatten().tolist() == WITHOUT_IMAGE
    assert (batch.values["spectrum"][WITHOUT_SPECTRUM] == 0).all()
    assert batch.known("spectrum")[WITHOUT_SPECTRUM].isnan().all()
    assert batch.known("spectrum").isnan().sum() == 4 * 32
    assert all(values.isfinite().all() for values in batch.values.values())


def test_what_is_complete_is_not_looked_through(whole):
    batch = batch_of(whole._replace(complete=frozenset(["image", "spectrum"])))
    assert set(batch.valid) == {"photometry"}
    assert batch.present("image") is None
    assert batch.known("image") is batch.values["image"]


def test_galaxies_as_if_some_values_were_missing(whole):
    batch = batch_of(whole)
    hidden = torch.zeros(N, 5, 1, 1, dtype=torch.bool)
    hidden[:3, 2] = True
    less = batch.without("image", hidden)
    assert less.known("image").isnan().sum() == 3 * 16 * 16
    assert less.known("image")[:3, 2].isnan().all()
    assert torch.equal(less.values["image"][3:], batch.values["image"][3:])
    assert "image" not in batch.valid
    again = less.without("image", hidden.roll(3, 0))
    assert again.known("image").isnan().sum() == 6 * 16 * 16, "they add up"


@pytest.mark.parametrize("missing", ["zero", "hidden"])
@pytest.mark.parametrize("masking", ["zero", "drop"])
def test_they_count_in_no_loss_that_lacks_truth(arrays, masking, missing):
    model = paper_model(masking=masking, missing=missing, dropped={})
    batch = batch_of(arrays)
    parts = model.losses(batch, HALF, generator()).parts
    assert parts["image"].n == (N - 2) * 5 * 16 * 8
    assert parts["spectrum"].n == (N - 4) * 16
    assert parts["redshift"].n == N - 3
    # of the others the losses are the same as if those that lack something were not there
    for name, lack in (("image", WITHOUT_IMAGE), ("spectrum", WITHOUT_SPECTRUM)):
        rows = np.setdiff1d(np.arange(N), lack)
        masks = {key: mask.of(torch.from_numpy(rows), "cpu") for key, mask in HALF.items()}
        alone = model.losses(batch_of(arrays, rows), masks, generator()).parts[name]
        torch.testing.assert_close(alone.total, parts[name].total)
        assert alone.n == parts[name].n


@pytest.mark.parametrize("masking", ["zero", "drop"])
def test_what_they_lack_is_hidden_whole(whole, arrays, masking):
    """As if all of its tokens were hidden, position included."""
    model = paper_model(masking=masking)
    lacks = model.predict(batch_of(arrays), {})
    masks = {"image": mask_of(KNOWN["image"], n=N), "spectrum": mask_of(KNOWN["spectrum"], n=N)}
    masks["image"].tokens[WITHOUT_IMAGE] = True
    masks["spectrum"].tokens[WITHOUT_SPECTRUM] = True
    torch.testing.assert_close(lacks.z_pred, model.predict(batch_of(whole), masks).z_pred)


def test_a_galaxy_that_has_nothing_says_nothing_of_itself():
    arrays = made_up_galaxies(6)
    for name in ("image", "spectrum"):
        arrays.values[name][[1, 4]] = np.nan
    for masking in ("zero", "drop"):
        said = paper_model(masking=masking).predict(batch_of(arrays), {})
        assert said.z_pred.isfinite().all()
        torch.testing.assert_close(said.z_pred[1], said.z_pred[4])
        assert said.z_pred.unique().numel() == 5


def some_pixels(arrays: TrainingArrays) -> TrainingArrays:
    """A blank band, pixels that are not finite, the end of a spectrum."""
    values = {name: part.copy() for name, part in arrays.values.items()}
    values["image"][3, 4] = values["image"][8, 0, :3, :2] = np.nan
    values["spectrum"][6, 20:] = np.nan
    return arrays._replace(values=values)


@pytest.mark.parametrize("mask_channel", [False, True])
def test_missing_values_are_zero_or_hidden(whole, mask_channel):
    arrays = some_pixels(whole)
    given = batch_of(arrays)
    zero, hidden = (
        paper_model(missing=how, mask_channel=mask_channel, dropped={})
        for how in ("zero", "hidden")
    )
    # taken for zero they are zeros like any other, in the input and in the loss
    as_zeros = batch_of(
        arrays._replace(values={k: np.nan_to_num(v) for k, v in arrays.values.items()})
    )
    ours, theirs = (zero.losses(batch, HALF, generator()) for batch in (given, as_zeros))
    assert torch.equal(ours.z_pred, theirs.z_pred)
    for name in ("image", "spectrum"):
        assert ours.parts[name] == theirs.parts[name]
    # hidden they are what the model is told, and no loss counts them
    less = hidden.losses(given, HALF, generator())
    assert not torch.equal(less.z_pred, ours.z_pred)
    n_image = (N - 1) * 5 * 16 * 8 + 4 * 16 * 8 - 3 * 2
    assert less.parts["image"].n == n_image
    # of tokens 0 and 2 of the spectrum, 20 to 23 are missing in the third
    assert less.parts["spectrum"].n == N * 16 - 4
    changed = hidden.predict(given, {}).z_pred != hidden.predict(as_zeros, {}).z_pred
    rows = changed.nonzero().flatten().tolist()
    # the last of the spectrum's tokens is missing whole
    assert rows == ([3, 6, 8] if mask_channel else [6])


def test_missing_values_never_reach_the_output(whole):
    """Whatever stands in their place."""
    model = paper_model(missing="hidden", mask_channel=True)
    batch = batch_of(some_pixels(whole))
    other = batch._replace(
        values={
            name: values.masked_fill(~batch.valid[name], 77.0) if name in batch.valid else values
            for name, values in batch.values.items()
        }
    )
    assert torch.equal(model.predict(batch, HALF).z_pred, model.predict(other, HALF).z_pred)


def test_predictions_and_reconstructions_are_of_what_they_have(arrays):
    model, rows = paper_model(), np.arange(N)
    whole_images = View({"spectrum": 1.0})
    table = predict(model, arrays, rows, whole_images, 0, 7)
    assert np.isfinite(table["z_pred"]).all()
    assert np.flatnonzero(table["z_spec"].isna()).tolist() == WITHOUT_REDSHIFT
    said = reconstruct(model, arrays, rows, View({"image": 0.5, "spectrum": 0.5}), 0, 7)
    for name, lack in (("image", WITHOUT_IMAGE), ("spectrum", WITHOUT_SPECTRUM)):
        hidden = said[f"{name}_hidden"].reshape(N, -1).mean(axis=1)
        assert np.flatnonzero(hidden == 0).tolist() == lack, "nothing to compare with"
        assert (hidden[np.setdiff1d(rows, lack)] == 0.5).all()
        assert np.isfinite(said[f"{name}_reconstruction"]).all()


@pytest.mark.parametrize("masking", ["zero", "drop"])
def test_the_papers_model_trains_with_all_of_them(arrays, masking):
    settings = training_with(epochs=2)
    entry, split = SMALL_PAPER | {"masking": masking}, split_of(N)
    known = np.isfinite(arrays.redshift[split["validation"]])
    split["validation"] = split["validation"][known]
    options = (entry, "mmae", arrays, split, 0.5, 0, settings, "made up")
    history = train_model(*options).history
    losses = history.drop(columns="epoch")
    assert np.isfinite(losses.to_numpy()).all()


@pytest.mark.parametrize("name", sorted(TOY["models"]))
def test_every_model_trains_and_predicts_with_all_of_them(name):
    arrays = lacking(made_up_galaxies(N, size=64, length=259), redshifts=True)
    arrays.values["photometry"][[3, 4]] = np.nan
    split = split_of(N)
    settings = training_with(epochs=1)
    options = (TOY["models"][name], name, arrays, split, 0.5, 0, settings, "made up")
    trained = train_model(*options)
    assert np.isfinite(trained.history["validation_total"]).all()
    if name != "astroclip":
        model = (
            trained.model.eval() if isinstance(trained.model, torch.nn.Module) else trained.model
        )
        table = predict(model, arrays, np.arange(N), View({"spectrum": 1.0}), 0, 9)
        assert np.isfinite(table["z_pred"]).all()


def test_redshifts_that_are_unknown_teach_nothing(whole):
    """Neither networks nor trees nor the median."""
    split = split_of(N)
    gone = split["train"][:10]
    redshift = whole.redshift.copy()
    redshift[gone] = np.nan
    less = split | {"train": split["train"][10:]}
    for name in ("gbdt", "median"):
        options = (0.0, 0, training_with(), "made up")
        entry = TOY["models"][name]
        ours = train_model(entry, name, whole._replace(redshift=redshift), split, *options)
        theirs = train_model(entry, name, whole, less, *options)
        assert ours.history.equals(theirs.history)


def contrasted(arrays: TrainingArrays, rows: np.ndarray) -> torch.Tensor:
    torch.manual_seed(0)
    entry = TOY["models"]["astroclip"] | {"dropout": 0.0}
    model = build_model(entry, modalities_of()).eval()
    return model.losses(batch_of(arrays, rows), {}, generator()).parts["total"]


def test_only_galaxies_that_have_both_are_contrasted(arrays):
    """Some lack the one, some the other."""
    rows = np.arange(N)
    both = np.setdiff1d(rows, [*WITHOUT_IMAGE, *WITHOUT_SPECTRUM])
    ours, theirs = contrasted(arrays, rows), contrasted(arrays, both)
    assert ours.n == theirs.n == len(both)
    torch.testing.assert_close(ours.total, theirs.total)
