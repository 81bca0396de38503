"""Predictions, embeddings and reconstructions of trained models."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.dummy import DummyRegressor

from galaxies import TOY, batch_of
from helpers import run_mmae
from mmae.dataset.arrays import open_arrays
from mmae.dataset.split import read_split
from mmae.errors import InputError
from mmae.evaluation.examples import choose_example, example_of
from mmae.evaluation.predict import embed, predict, reconstruct
from mmae.evaluation.views import View, parse_view
from mmae.instruments import LINES
from mmae.models import build_model
from mmae.models.batch import generator_of
from mmae.models.masking import random_mask
from mmae.models.weights import load_model
from mmae.settings import Example

HEADLINE_VIEW, WHOLE_IMAGE = View(image=0.25, spectrum=1.0), View(image=0.0, spectrum=1.0)


@pytest.fixture(scope="module")
def model(trained_model):
    return load_model(trained_model)[0]


@pytest.fixture(scope="module")
def arrays(small_survey):
    return open_arrays(small_survey.arrays)


@pytest.fixture(scope="module")
def split(small_survey, arrays):
    return read_split(small_survey.split, arrays.targetid)


def test_predictions_do_not_depend_on_the_batch_size_but_on_the_masks(model, arrays, split):
    tables = [
        predict(model, arrays, split["test"], HEADLINE_VIEW, seed, batch_size)
        for seed, batch_size in ((0, 256), (0, 5), (1, 256))
    ]
    assert tables[0]["targetid"].tolist() == arrays.targetid[split["test"]].tolist()
    assert np.allclose(tables[0]["z_pred"], tables[1]["z_pred"], atol=1e-5)
    assert not np.allclose(tables[0]["z_pred"], tables[2]["z_pred"], atol=1e-5)


def test_a_hidden_spectrum_does_not_reach_the_prediction(model, arrays, split):
    rows = split["test"]
    other = arrays._replace(spectra=np.asarray(arrays.spectra) + 1)
    ours = predict(model, arrays, rows, HEADLINE_VIEW, 0, 64)
    assert ours.equals(predict(model, other, rows, HEADLINE_VIEW, 0, 64))
    seen = View(image=0.25, spectrum=0.0)
    ours = predict(model, arrays, rows, seen, 0, 64)
    assert not ours.equals(predict(model, other, rows, seen, 0, 64))


def test_reconstructions_have_what_figures_show(model, arrays, split):
    rows = split["test"][:3]
    found = reconstruct(model, arrays, rows, View(image=0.75, spectrum=0.75), 0, 2)
    assert found["image_hidden"].mean(axis=(1, 2)) == pytest.approx(0.75)
    assert found["spectrum_hidden"].mean(axis=1) == pytest.approx(0.75)
    # 259 pixels, of which 32 patches of 8 cover 256
    assert found["spectrum"].shape == found["spectrum_reconstruction"].shape == (3, 256)
    assert found["wave"].shape == (256,)
    assert np.array_equal(found["image"], arrays.images[rows])
    assert np.array_equal(found["spectrum"], arrays.spectra[rows, :256])
    assert found["targetid"].tolist() == arrays.targetid[rows].tolist()


def test_embeddings_follow_what_is_shown(model, arrays, split):
    rows = split["test"][:5]
    found = embed(model, arrays, rows, HEADLINE_VIEW, 0, 2)
    assert found.shape == (5, 32)
    assert found.dtype == np.float32
    batch = batch_of(arrays, 259, rows)
    masks = [random_mask(5, 64, 0.25, generator_of(0, 0)), torch.ones(5, 32, dtype=torch.bool)]
    with torch.no_grad():
        by_hand = model(batch.image, batch.spectrum, *masks).embedding
    assert np.allclose(found, by_hand, atol=1e-5)


def test_models_say_what_they_cannot_do(arrays, split):
    rows = split["test"][:2]
    trees, clip = (build_model(TOY["models"][name]) for name in ("median", "astroclip"))
    with pytest.raises(InputError, match="model: found one that gives no redshifts"):
        predict(clip.eval(), arrays, rows, WHOLE_IMAGE, 0, 2)
    with pytest.raises(InputError, match="model: found one that reconstructs nothing"):
        reconstruct(clip, arrays, rows, WHOLE_IMAGE, 0, 2)
    with pytest.raises(InputError, match="model: found one that reconstructs nothing"):
        reconstruct(trees, arrays, rows, WHOLE_IMAGE, 0, 2)
    trees.regressor = DummyRegressor(strategy="median").fit(np.zeros((2, 14)), [0.1, 0.2])
    with pytest.raises(InputError, match="model: found one without embeddings"):
        embed(trees, arrays, rows, WHOLE_IMAGE, 0, 2)


def test_views_that_a_model_cannot_hide_are_refused(arrays, split):
    rows = split["test"][:2]
    cnn, clip = (build_model(TOY["models"][name]).eval() for name in ("cnn", "astroclip"))
    assert len(predict(cnn, arrays, rows, WHOLE_IMAGE, 0, 2)) == 2
    for view in (HEADLINE_VIEW, View(1.0, 0.0), View(0.0, 0.0)):
        with pytest.raises(
            InputError, match=r"hides no parts .*expected image0\.00-spectrum1\.00$"
        ):
            predict(cnn, arrays, rows, view, 0, 2)
    image, spectrum = (embed(clip, arrays, rows, View(v, 1 - v), 0, 2) for v in (0.0, 1.0))
    assert not np.allclose(image, spectrum)
    with pytest.raises(InputError, match=r"expected image0\.00-.* or image1\.00-spectrum0\.00$"):
        embed(clip, arrays, rows, HEADLINE_VIEW, 0, 2)


def test_the_commands_write_predictions_and_examples(
    small_survey, trained_model, toy_config, tmp_path
):
    options = ["--arrays", small_survey.arrays, "--split", small_survey.split, *toy_config]
    options += ["--model", trained_model, "--name", "mmae", "--view", "image0.25-spectrum1.00"]
    outputs = {name: tmp_path / f"{name}.csv" for name in ("predictions", "validation", "speed")}
    words = [word for name, path in outputs.items() for word in (f"--{name}", path)]
    result = run_mmae("predict", *options, *words)
    assert result.returncode == 0, result.stderr
    table = pd.read_csv(outputs["predictions"])
    assert list(table) == ["targetid", "z_spec", "z_pred"]
    assert len(table) == 23
    validation = pd.read_csv(outputs["validation"])
    assert len(validation) == 22
    assert not set(validation["targetid"]) & set(table["targetid"])
    assert json.loads(outputs["speed"].read_text())["galaxies_per_second"] > 0
    result = run_mmae("reconstruct", *options, "--reconstructions", tmp_path / "r.npz")
    assert result.returncode == 0, result.stderr
    with np.load(tmp_path / "r.npz") as archive:
        assert archive["name"].tolist() == ["low_redshift", "high_redshift"]
        example = example_of(dict(archive), "high_redshift")
    assert example["z_spec"] > 1
    assert example["wave"].shape == example["spectrum"].shape
    assert example["targetid"] in table["targetid"].to_numpy()


def example(**keys) -> Example:
    return Example(**{"redshift": 0.1, "line": "H-alpha", "height": 3.0, "targetid": None} | keys)


def test_examples_are_chosen_by_redshift_and_line(arrays, split):
    rows = split["test"]
    wave, redshift = np.asarray(arrays.wave), np.full(150, 0.1, "f4")
    spectra = np.zeros((150, 259), "f4")
    at = int(np.argmin(np.abs(wave - LINES["H-alpha"].wave * 1.1)))
    spectra[rows, at] = np.arange(len(rows))
    galaxies = arrays._replace(spectra=spectra, redshift=redshift)
    for height in (2, 7):
        chosen = choose_example(galaxies, rows, example(height=float(height)))
        assert spectra[chosen, at] == height
    redshift[rows[:3]] = 0.5  # H-alpha is outside the spectrum
    assert choose_example(galaxies, rows, example(redshift=0.5, height=99.0)) not in rows[:3]


def test_without_the_line_in_range_the_nearest_galaxy_is_shown(arrays, split, caplog):
    rows = split["test"]
    redshift = np.linspace(0.8, 1.2, 150, dtype="f4")
    chosen = choose_example(arrays._replace(redshift=redshift), rows, example(redshift=1.0))
    assert chosen == rows[np.argmin(np.abs(redshift[rows] - 1.0))]
    assert "no test galaxy near z = 1 has H-alpha in range" in caplog.text


def test_an_example_may_be_named(arrays, split):
    rows = split["test"]
    wanted = int(arrays.targetid[rows[3]])
    assert choose_example(arrays, rows, example(targetid=wanted)) == rows[3]
    with pytest.raises(InputError, match="targetid 7, which is not a test galaxy"):
        choose_example(arrays, rows, example(targetid=7))
    with pytest.raises(InputError, match="line 'Q', expected one of"):
        choose_example(arrays, rows, example(line="Q"))
    with pytest.raises(InputError, match="only \\['a'\\], expected 'b'"):
        example_of({"name": np.array(["a"])}, "b")


def test_views_by_name():
    assert parse_view("image0.25-spectrum1.00") == (0.25, 1.0)
    assert HEADLINE_VIEW.name == "image0.25-spectrum1.00"
    for name in ("image1.25-spectrum1.00", "image0.5-spectrum1.00", "whole"):
        with pytest.raises(InputError, match=f"view: found '{name}', expected hidden fractions"):
            parse_view(name)
