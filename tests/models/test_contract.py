"""What training and prediction ask of every model, asked of every kind that there is."""

import numpy as np
import pytest
import torch

from galaxies import TOY, batch_of, made_up_galaxies, split_of, training_with
from mmae.dataset.arrays import TrainingArrays
from mmae.evaluation.predict import embed, predict
from mmae.evaluation.views import View
from mmae.models import build_model
from mmae.models.weights import load_model, save_model
from mmae.settings import KINDS
from mmae.training.run import Trained, train_model

N, EPOCHS = 48, 2
SPLIT = split_of(N)
MODELS = {entry["kind"]: name for name, entry in TOY["models"].items() if name != "bcnn-mag"}
WHOLE_IMAGE, SPECTRUM_ALONE = View(image=0.0, spectrum=1.0), View(image=1.0, spectrum=0.0)
WITHOUT_REDSHIFT, WITH_STD = {"astroclip"}, {"bcnn"}
EMBEDDINGS = {"paper": 32, "astroclip": 8, "bcnn": 8, "cnn": 8}
"""Kinds that have one, and how long it is at the toy's sizes."""


@pytest.fixture(scope="module")
def arrays() -> TrainingArrays:
    return made_up_galaxies(N, size=64, length=259)


@pytest.fixture(scope="module")
def train(arrays):
    def trained(kind: str, seed: int = 0, name: str | None = None) -> Trained:
        name = name or MODELS[kind]
        settings = training_with(epochs=EPOCHS)
        entry = TOY["models"][name]
        return train_model(entry, name, arrays, SPLIT, 0.5, seed, settings, "made up")

    return trained


@pytest.fixture(scope="module", params=sorted(KINDS))
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def trained(kind, train) -> Trained:
    return train(kind)


def said_by(model, arrays: TrainingArrays, image_ratio: float = 0.0):
    """What a model says of the test galaxies; all of the image and none of the spectrum shown."""
    if isinstance(model, torch.nn.Module):
        model.eval()
    batch = batch_of(arrays, model.spectrum_length, SPLIT["test"])
    n = len(batch.redshift)
    image_mask = torch.full((n, model.n_image_tokens), image_ratio == 1.0)
    spectrum_mask = torch.full((n, model.n_spectrum_tokens), image_ratio == 0.0)
    with torch.no_grad():
        return model.predict(batch, image_mask, spectrum_mask)


def test_the_toy_has_every_kind():
    assert set(MODELS) == set(KINDS)


def test_it_trains(kind, trained):
    model, history, cost = trained
    estimator = not isinstance(model, torch.nn.Module)
    assert list(history["epoch"]) == [*range(1, 2 if estimator else EPOCHS + 1)]
    assert np.isfinite(history["validation_total"]).all()
    assert np.isfinite(history["validation_sigma_nmad"]).all() == (kind not in WITHOUT_REDSHIFT)
    assert cost.galaxies_seen == len(SPLIT["train"]) * len(history)
    assert cost.training_seconds > 0
    if estimator:
        assert cost.parameters is None
    else:
        assert cost.parameters == sum(p.numel() for p in model.parameters()) > 100


def test_what_it_says_has_the_agreed_shapes(kind, trained, arrays):
    said = said_by(trained.model, arrays)
    n = len(SPLIT["test"])
    assert (said.z_pred is None) == (kind in WITHOUT_REDSHIFT)
    if said.z_pred is not None:
        assert said.z_pred.shape == (n,)
        assert said.z_pred.isfinite().all()
    assert (said.z_std is not None) == (kind in WITH_STD)
    if said.z_std is not None:
        assert said.z_std.shape == (n,)
        assert (said.z_std > 0).all()
    if kind in EMBEDDINGS:
        assert said.embedding.shape == (n, EMBEDDINGS[kind])
        assert said.embedding.isfinite().all()
        assert said.embedding.std(dim=0).max() > 0, "galaxies differ"
    else:
        assert said.embedding is None


def test_saved_and_loaded_it_says_the_same(kind, trained, arrays, tmp_path):
    description = {"name": MODELS[kind], "model": TOY["models"][MODELS[kind]], "seed": 0}
    save_model(tmp_path, trained.model, description)
    loaded, told = load_model(tmp_path, name=MODELS[kind])
    assert told == description
    for ours, theirs in zip(said_by(trained.model, arrays), said_by(loaded, arrays), strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert torch.equal(ours, theirs)
    if kind not in WITHOUT_REDSHIFT:
        table = predict(loaded, arrays, SPLIT["test"], WHOLE_IMAGE, 0, 5)
        columns = ["targetid", "z_spec", "z_pred"] + ["z_std"] * (kind in WITH_STD)
        assert list(table) == columns
        assert table["targetid"].tolist() == arrays.targetid[SPLIT["test"]].tolist()


def test_the_seed_decides(kind, train, trained, arrays):
    again, other = said_by(train(kind).model, arrays), said_by(train(kind, seed=1).model, arrays)
    ours = said_by(trained.model, arrays)
    same = [torch.equal(a, b) for a, b in zip(ours, again, strict=True) if a is not None]
    assert same == [True] * len(same) != []
    which = 2 if kind in WITHOUT_REDSHIFT else 0
    # nothing is drawn for the median, nor for trees without early stopping by chance
    assert torch.equal(ours[which], other[which]) == (kind in ("median", "gbdt"))


def test_a_hidden_modality_does_not_reach_what_it_says(kind, trained, arrays):
    model = trained.model
    other = arrays._replace(spectra=arrays.spectra[::-1].copy())
    for ours, theirs in zip(said_by(model, arrays), said_by(model, other), strict=True):
        assert ours is theirs is None or torch.equal(ours, theirs)
    if model.spectrum_length:
        rows = SPLIT["test"]
        ours, theirs = (embed(model, a, rows, SPECTRUM_ALONE, 0, 8) for a in (arrays, other))
        assert not np.allclose(ours, theirs)
        other = arrays._replace(images=arrays.images[::-1].copy())
        assert np.array_equal(ours, embed(model, other, rows, SPECTRUM_ALONE, 0, 8))


@pytest.mark.parametrize("name", sorted(TOY["models"]))
def test_it_trains_with_what_there_is(arrays, name):
    """A band that was never observed, one that is nowhere known, spectra without a photon."""
    images, magnitudes = arrays.images.copy(), arrays.magnitudes.copy()
    images[:, 4], images[:, 3], magnitudes[:, 4], magnitudes[:, 3] = 0.0, 0.5, np.nan, 20.0
    poor = arrays._replace(
        **{"images": images, "magnitudes": magnitudes, "spectra": np.zeros_like(arrays.spectra)},
        sizes=np.full_like(arrays.sizes, np.nan),
    )
    entry, settings = TOY["models"][name], training_with(epochs=1)
    trained = train_model(entry, name, poor, SPLIT, 0.5, 0, settings, "made up")
    assert np.isfinite(trained.history["validation_total"]).all()
    # and galaxies that have all of it are no surprise
    for galaxies in (poor, arrays):
        for values in said_by(trained.model, galaxies)[:2]:
            assert values is None or values.isfinite().all()


@pytest.mark.parametrize("name", ["cnn", "bcnn", "bcnn-mag"])
def test_it_starts_from_redshifts_that_are_all_alike(arrays, name):
    model = build_model(TOY["models"][name])
    alike = arrays._replace(redshift=np.full_like(arrays.redshift, 0.5))
    model.prepare(batch_of(alike, model.spectrum_length), N)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_magnitudes_beside_images_are_read(train, arrays):
    """Of the two entries of kind bcnn, only one has a branch for them; unknown ones are none."""
    brighter = arrays._replace(magnitudes=arrays.magnitudes - 1)
    unknown = arrays._replace(magnitudes=np.full_like(arrays.magnitudes, np.nan))
    for name, reads in (("bcnn", False), ("bcnn-mag", True)):
        model = train("bcnn", name=name).model
        ours, theirs = said_by(model, arrays), said_by(model, brighter)
        assert torch.equal(ours.z_pred, theirs.z_pred) != reads
        assert said_by(model, unknown).z_pred.isfinite().all()
