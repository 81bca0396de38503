"""What training and prediction ask of every model, asked of every kind that there is."""

import json

import numpy as np
import pytest
import torch

from galaxies import TOY, batch_of, made_up_galaxies, modalities_of, split_of, training_with
from mmae.dataset.arrays import TrainingArrays
from mmae.evaluation.predict import embed, predict
from mmae.evaluation.views import shower
from mmae.models import build_model
from mmae.models.density import Density
from mmae.models.weights import load_model, save_model
from mmae.settings import KINDS, View
from mmae.training.run import Trained, train_model

N, EPOCHS = 48, 2
SPLIT = split_of(N)
MODELS = {entry["kind"]: name for name, entry in TOY["models"].items() if name != "bcnn-mag"}
WHOLE_IMAGE, SPECTRUM_ALONE = View({"spectrum": 1.0}), View({"image": 1.0})
KNOWN = modalities_of(size=64, length=259)
WITHOUT_REDSHIFT, WITH_STD = {"astroclip"}, {"annuli", "bcnn", "cnn", "restframe"}
ENDS = ["z_low95", "z_low68", "z_high68", "z_high95"]
SAID = {"annuli": ENDS, "cnn": ENDS, "restframe": [*ENDS, "delta_chi2"]}
"""Columns that models give besides z_pred and z_std."""
EMBEDDINGS = {"paper": 32, "restframe": 8, "annuli": 8, "astroclip": 8, "bcnn": 8, "cnn": 8}
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


def said_by(model, arrays: TrainingArrays, view: View = WHOLE_IMAGE):
    """What a model says of the test galaxies; all of the image and none of the spectrum shown."""
    if isinstance(model, torch.nn.Module):
        model.eval()
    with torch.no_grad():
        return model.predict(*shower(model, view, 0)(batch_of(arrays, SPLIT["test"])))


def equal(one: torch.Tensor | Density, two: torch.Tensor | Density) -> bool:
    """Whether values are equal; what is told of spectra alone is NaN in both where none is seen."""
    if isinstance(one, Density):
        return all(map(equal, one, two))
    return torch.equal(one.nan_to_num(), two.nan_to_num())


def with_values(arrays: TrainingArrays, **values: np.ndarray) -> TrainingArrays:
    """The same galaxies with other values."""
    return arrays._replace(values=arrays.values | values)


def turned_round(arrays: TrainingArrays, name: str) -> TrainingArrays:
    """Each galaxy with the values of another."""
    return with_values(arrays, **{name: arrays.values[name][::-1].copy()})


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
    read = [one for one in arrays.modalities if one["name"] in trained.model.modalities]
    assert told == json.loads(json.dumps(description | {"modalities": read}))
    for ours, theirs in zip(said_by(trained.model, arrays), said_by(loaded, arrays), strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert equal(ours, theirs)
    if kind not in WITHOUT_REDSHIFT:
        table = predict(loaded, arrays, SPLIT["test"], WHOLE_IMAGE, 0, 5)
        columns = ["targetid", "z_spec", "z_pred"] + ["z_std"] * (kind in WITH_STD)
        assert set(table) == {*columns, *SAID.get(kind, [])}
        assert list(table)[: len(columns)] == columns
        if kind in SAID:
            assert (table[ENDS].diff(axis=1).iloc[:, 1:] > 0).all(axis=None), "from low to high"
            assert table["z_pred"].between(table["z_low68"], table["z_high68"]).all()
        assert table["targetid"].tolist() == arrays.targetid[SPLIT["test"]].tolist()


def test_the_seed_decides(kind, train, trained, arrays):
    again, other = said_by(train(kind).model, arrays), said_by(train(kind, seed=1).model, arrays)
    ours = said_by(trained.model, arrays)
    alike = [equal(a, b) for a, b in zip(ours, again, strict=True) if a is not None]
    assert alike == [True] * len(alike) != []
    which = 2 if kind in WITHOUT_REDSHIFT else 0
    # nothing is drawn for the median, nor for trees without early stopping by chance
    assert torch.equal(ours[which], other[which]) == (kind in ("median", "gbdt"))


def test_a_hidden_modality_does_not_reach_what_it_says(kind, trained, arrays):
    model = trained.model
    other = turned_round(arrays, "spectrum")
    for ours, theirs in zip(said_by(model, arrays), said_by(model, other), strict=True):
        assert ours is theirs is None or equal(ours, theirs)
    if "spectrum" in model.modalities:
        rows = SPLIT["test"]
        ours, theirs = (embed(model, a, rows, SPECTRUM_ALONE, 0, 8) for a in (arrays, other))
        assert not np.allclose(ours, theirs)
        other = turned_round(arrays, "image")
        assert np.array_equal(ours, embed(model, other, rows, SPECTRUM_ALONE, 0, 8))


def test_a_band_that_is_hidden_does_not_reach_what_it_says(kind, trained, arrays):
    """Nor from models that hide no parts: to them it is missing."""
    model = trained.model
    if "image" not in model.modalities:
        pytest.skip("it reads no image")
    brighter = arrays.values["image"].copy()
    brighter[:, 4] += 3.0
    other = with_values(arrays, image=brighter)
    for view, same in (
        (View({"image": {"bands": "y"}, "spectrum": 1.0}), True),
        (WHOLE_IMAGE, False),
    ):
        ours, theirs = (said_by(model, galaxies, view) for galaxies in (arrays, other))
        which = 2 if kind in WITHOUT_REDSHIFT else 0
        assert torch.equal(ours[which], theirs[which]) == same


def test_it_reads_what_its_settings_say(kind, trained, arrays):
    """And needs nothing else: other modalities are not even there."""
    model = trained.model
    reads = model.settings.reads
    assert tuple(model.modalities) == reads
    if isinstance(model, torch.nn.Module):
        model.eval()
    batch = batch_of(arrays, SPLIT["test"])
    batch = batch._replace(values={name: batch.values[name] for name in reads})
    with torch.no_grad():
        alone = model.predict(*shower(model, WHOLE_IMAGE, 0)(batch))
    for ours, theirs in zip(alone, said_by(model, arrays), strict=True):
        assert ours is theirs is None or equal(ours, theirs)


@pytest.mark.parametrize("name", sorted(TOY["models"]))
def test_it_trains_with_what_there_is(arrays, name):
    """A band that was never observed, one that is nowhere known, spectra without a photon."""
    images, photometry = (arrays.values[name].copy() for name in ("image", "photometry"))
    images[:, 4], images[:, 3] = 0.0, 0.5
    photometry[:, 4], photometry[:, 3], photometry[:, 5:] = np.nan, 20.0, np.nan
    spectra = np.zeros_like(arrays.values["spectrum"])
    poor = with_values(arrays, image=images, photometry=photometry, spectrum=spectra)
    entry, settings = TOY["models"][name], training_with(epochs=1)
    trained = train_model(entry, name, poor, SPLIT, 0.5, 0, settings, "made up")
    assert np.isfinite(trained.history["validation_total"]).all()
    # and galaxies that have all of it are no surprise
    for galaxies in (poor, arrays):
        for values in said_by(trained.model, galaxies)[:2]:
            assert values is None or values.isfinite().all()


@pytest.mark.parametrize("name", ["cnn", "bcnn", "bcnn-mag"])
def test_it_starts_from_redshifts_that_are_all_alike(arrays, name):
    model = build_model(TOY["models"][name], KNOWN)
    alike = arrays._replace(redshift=np.full_like(arrays.redshift, 0.5))
    model.prepare(batch_of(alike), N)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_magnitudes_beside_images_are_read(train, arrays):
    """Of the two entries of kind bcnn, only one has a branch for them; unknown ones are none."""
    photometry = arrays.values["photometry"]
    brighter = with_values(arrays, photometry=photometry - np.float32([1] * 5 + [0] * 5))
    unknown = with_values(arrays, photometry=np.full_like(photometry, np.nan))
    hidden = View({"spectrum": 1.0, "photometry": 1.0})
    for name, reads in (("bcnn", False), ("bcnn-mag", True)):
        model = train("bcnn", name=name).model
        ours, theirs = said_by(model, arrays), said_by(model, brighter)
        assert torch.equal(ours.z_pred, theirs.z_pred) != reads
        nothing = said_by(model, unknown).z_pred
        assert nothing.isfinite().all()
        assert torch.equal(said_by(model, arrays, hidden).z_pred, nothing), "hidden is unknown"


@pytest.mark.parametrize("kind", ["cnn", "bcnn"])
def test_only_the_middle_of_images_is_read_where_they_are_cropped(arrays, kind):
    torch.manual_seed(0)
    model = build_model(TOY["models"][kind] | {"crop": 32}, KNOWN).eval()
    around, inside = arrays.values["image"].copy(), arrays.values["image"].copy()
    around[..., :16] = around[..., 48:] = around[..., :16, :] = around[..., 48:, :] = 7.0
    inside[..., 16, 16] = 7.0
    images = (arrays.values["image"], around, inside)
    said = [model.predict(batch_of(with_values(arrays, image=one)), {}).z_pred for one in images]
    assert torch.equal(said[0], said[1])
    assert not torch.equal(said[0], said[2])
