"""Predictions, embeddings and reconstructions of trained models."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.dummy import DummyRegressor

from galaxies import TOY, arrays_of, batch_of, made_up_galaxies, paper_model
from helpers import assert_one_sentence, run_mmae
from mmae.dataset.arrays import open_arrays
from mmae.dataset.split import read_split
from mmae.errors import InputError
from mmae.evaluation.examples import choose_example, example_of
from mmae.evaluation.predict import embed, predict, reconstruct
from mmae.evaluation.views import read_view, shower
from mmae.instruments import LINES
from mmae.modalities import from_plain
from mmae.models import build_model
from mmae.models.batch import generator_of
from mmae.models.masking import Mask, random_mask
from mmae.models.weights import load_model
from mmae.settings import Example, View

HEADLINE_VIEW, WHOLE_IMAGE = View({"image": 0.25, "spectrum": 1.0}), View({"spectrum": 1.0})


@pytest.fixture(scope="module")
def model(trained_model):
    return load_model(trained_model)[0]


@pytest.fixture(scope="module")
def arrays(small_survey):
    return open_arrays(small_survey.arrays)


@pytest.fixture(scope="module")
def split(small_survey, arrays):
    return read_split(small_survey.split, arrays.targetid)


def with_values(arrays, **values: np.ndarray):
    """The same galaxies with other values."""
    return arrays._replace(values=arrays.values | values)


def wave_of(arrays) -> np.ndarray:
    (one,) = (one for one in arrays.modalities if one["name"] == "spectrum")
    return np.array(one["geometry"]["wave"])


def built(arrays, name: str):
    """A model of the toy, not trained."""
    return build_model(TOY["models"][name], from_plain(arrays.modalities, "arrays"))


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
    other = with_values(arrays, spectrum=np.asarray(arrays.values["spectrum"]) + 1)
    ours = predict(model, arrays, rows, HEADLINE_VIEW, 0, 64)
    assert ours.equals(predict(model, other, rows, HEADLINE_VIEW, 0, 64))
    seen = View({"image": 0.25})
    ours = predict(model, arrays, rows, seen, 0, 64)
    assert not ours.equals(predict(model, other, rows, seen, 0, 64))


def test_reconstructions_have_what_figures_show(model, arrays, split):
    rows = split["test"][:3]
    found = reconstruct(model, arrays, rows, View({"image": 0.75, "spectrum": 0.75}), 0, 2)
    images, spectra = (np.asarray(arrays.values[name])[rows] for name in ("image", "spectrum"))
    assert found["image_hidden"].mean(axis=(1, 2, 3)) == pytest.approx(0.75)
    assert found["image_hidden"].shape == (3, 5, 64, 64)
    # 259 pixels, of which 32 patches of 8 cover 256; what the data lack is not there to be hidden
    assert found["spectrum"].shape == found["spectrum_reconstruction"].shape == (3, 259)
    n_lacking = np.isnan(spectra[:, :256]).sum(axis=1)
    n_hidden = found["spectrum_hidden"].sum(axis=1)
    assert (n_hidden <= 192).all()
    assert (n_hidden >= 192 - n_lacking).all()
    assert found["spectrum_wave"].shape == (259,)
    assert np.array_equal(found["image"], images)
    assert np.array_equal(found["spectrum"], np.nan_to_num(spectra))
    # pixels that belong to no token are as they are
    assert not found["spectrum_hidden"][:, 256:].any()
    assert np.array_equal(found["spectrum_reconstruction"][:, 256:], found["spectrum"][:, 256:])
    assert not np.array_equal(found["spectrum_reconstruction"], found["spectrum"])
    assert found["targetid"].tolist() == arrays.targetid[rows].tolist()
    assert set(found) == {
        f"{name}{end}" for name in model.modalities for end in ("", "_reconstruction", "_hidden")
    } | {"spectrum_wave", "targetid", "z_spec", "z_pred"}


def test_embeddings_follow_what_is_shown(model, arrays, split):
    rows = split["test"][:5]
    found = embed(model, arrays, rows, HEADLINE_VIEW, 0, 2)
    assert found.shape == (5, 32)
    assert found.dtype == np.float32
    batch = batch_of(arrays, rows)
    masks = {
        "image": Mask(random_mask(5, 64, 0.25, generator_of(0, 0))),
        "spectrum": Mask(torch.ones(5, 32, dtype=torch.bool)),
    }
    with torch.no_grad():
        by_hand = model(batch.values, masks).embedding
    assert np.allclose(found, by_hand, atol=1e-5)


def test_models_say_what_they_cannot_do(arrays, split):
    rows = split["test"][:2]
    trees, clip = (built(arrays, name) for name in ("median", "astroclip"))
    with pytest.raises(InputError, match="model: found one that gives no redshifts"):
        predict(clip.eval(), arrays, rows, WHOLE_IMAGE, 0, 2)
    with pytest.raises(InputError, match="model: found one that reconstructs nothing"):
        reconstruct(clip, arrays, rows, WHOLE_IMAGE, 0, 2)
    with pytest.raises(InputError, match="model: found one that reconstructs nothing"):
        reconstruct(trees, arrays, rows, WHOLE_IMAGE, 0, 2)
    trees.regressor = DummyRegressor(strategy="median").fit(np.zeros((2, 0)), [0.1, 0.2])
    with pytest.raises(InputError, match="model: found one without embeddings"):
        embed(trees, arrays, rows, WHOLE_IMAGE, 0, 2)


def test_views_that_a_model_cannot_hide_are_refused(arrays, split):
    rows = split["test"][:2]
    cnn, clip = (built(arrays, name).eval() for name in ("cnn", "astroclip"))
    assert len(predict(cnn, arrays, rows, WHOLE_IMAGE, 0, 2)) == 2
    words = (
        r"view: found \{'image': 1\.0\} hidden, for a model that hides no parts .*expected all or"
    )
    for view in (View({"image": 1.0}), View({"image": 1.0, "spectrum": 1.0})):
        with pytest.raises(InputError, match=words):
            predict(cnn, arrays, rows, view, 0, 2)
    image, spectrum = (
        embed(clip, arrays, rows, View({name: 1.0}), 0, 2) for name in ("spectrum", "image")
    )
    assert not np.allclose(image, spectrum)
    for model in (cnn, clip):
        with pytest.raises(InputError, match=r"hides no parts .*expected all or nothing of each"):
            embed(model, arrays, rows, HEADLINE_VIEW, 0, 2)
    with pytest.raises(InputError, match=r"hides no parts .*and one of them shown$"):
        embed(clip, arrays, rows, View({"image": 1.0, "spectrum": 1.0}), 0, 2)


def test_what_a_model_does_not_read_may_be_hidden_or_shown(arrays, split):
    rows, cnn = split["test"][:4], built(arrays, "cnn").eval()
    tables = [predict(cnn, arrays, rows, view, 0, 2) for view in (WHOLE_IMAGE, View({}))]
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_what_a_view_hides_depends_on_a_galaxys_place_alone(batch_size):
    """Random tokens are drawn in one stream a modality, in the order of reading."""
    arrays, model = made_up_galaxies(20), paper_model()
    show = shower(model, View({"image": 0.5, "spectrum": 0.25}), 7)
    starts = range(0, 20, batch_size)
    shown = [show(batch_of(arrays, np.arange(20)[s : s + batch_size]))[1] for s in starts]
    for k, (name, ratio) in enumerate({"image": 0.5, "spectrum": 0.25}.items()):
        found = torch.cat([masks[name].tokens for masks in shown])
        assert torch.equal(found, random_mask(20, 4, ratio, generator_of(7, k)))


PHYSICAL = {
    "no y": {"image": {"bands": "y"}, "spectrum": 1.0},
    "no R": {"spectrum": {"arms": "R"}},
    "no sky": {"spectrum": {"sky_lines": 20.0}},
    "bad": {"image": {"bad": True}, "spectrum": {"bad": True}},
}


@pytest.mark.parametrize("name", PHYSICAL)
def test_views_of_bands_arms_and_pixels(model, arrays, split, name):
    """What they hide reaches neither predictions nor reconstructions, and is reconstructed."""
    view, rows = View(PHYSICAL[name]), split["test"][:9]
    said = reconstruct(model, arrays, rows, view, 0, 4)
    hidden = {key: said[f"{key}_hidden"] for key in ("image", "spectrum")}
    wave = said["spectrum_wave"]
    lacking = np.isnan(np.asarray(arrays.values["spectrum"])[rows])
    inside = ~lacking & (np.arange(259) < 256)
    if name == "no y":
        assert hidden["image"][:, 4].all()
        assert not hidden["image"][:, :4].any()
        assert np.array_equal(hidden["spectrum"], inside)
    elif name == "no R":
        assert np.array_equal(hidden["spectrum"], inside & (wave > 5800) & (wave < 7520))
        assert not hidden["image"].any()
    elif name == "bad":
        assert not hidden["spectrum"].any(), "there is nothing to compare with"
    values = {
        key: np.where(hidden[key], np.float32(7.0), np.asarray(arrays.values[key])[rows])
        for key in hidden
    }
    other = arrays._replace(
        values=values, targetid=arrays.targetid[rows], redshift=arrays.redshift[rows]
    )
    again = reconstruct(model, other, np.arange(9), view, 0, 4)
    for key in ("z_pred", "image_hidden", "spectrum_hidden"):
        assert np.array_equal(said[key], again[key])
    for key in hidden:
        ours, theirs = (one[f"{key}_reconstruction"][hidden[key]] for one in (said, again))
        assert np.array_equal(ours, theirs)
        assert not hidden[key].any() or not np.array_equal(ours, said[key][hidden[key]])


def test_views_of_the_config_by_name(config):
    view = read_view("no-y", config)
    assert view.hidden == {"image": {"bands": "y"}, "spectrum": {"random": 1.0}}
    assert view.label == "no y band"
    headline = read_view("image0.25-spectrum1.00", config)
    assert headline.hidden == HEADLINE_VIEW.hidden
    for name in config["views"]:
        assert read_view(name, config).hidden


def test_views_as_json(config):
    view = read_view('{"image": {"bands": ["g", "y"]}, "spectrum": 1.0}', config)
    assert view.hidden == {"image": {"bands": ("g", "y")}, "spectrum": {"random": 1.0}}
    assert read_view("{}", {}) == View({})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("whole", r"view: found 'whole', expected one of views in the config, \['image0\.25-spec"),
        ("{whole", r"view: found no JSON \(.*\), expected a mapping"),
        ('{"image": 1.25}', r"view: hidden\.image: found 1\.25, expected less than or equal to 1"),
        ('{"image": {"fog": 1}}', r"view: hidden\.image: found a mask 'fog', expected some of"),
        ('{"Image": 1.0}', r"view: hidden\.Image"),
        ('{"infrared": 1.0}', r"view: hidden: found 'infrared', expected some of \['image', 'spec"),
        ('{"image": NaN}', r"view: hidden\.image"),
    ],
)
def test_views_that_are_none_are_told(config, name, words):
    with pytest.raises(InputError, match=words) as told:
        read_view(name, config)
    assert "\n" not in str(told.value)


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
    assert example["spectrum_wave"].shape == example["spectrum"].shape
    assert example["targetid"] in table["targetid"].to_numpy()


def test_galaxies_of_another_geometry_are_refused_by_the_commands(
    small_survey, trained_model, toy_config, tmp_path
):
    """In one sentence, before anything is predicted."""
    arrays_of(tmp_path / "arrays", small_survey.dataset, pool=15)
    options = ["--arrays", tmp_path / "arrays", "--split", small_survey.split, *toy_config]
    result = run_mmae(
        *("predict", "--model", trained_model, "--view", '{"spectrum": 1.0}', *options),
        *("--predictions", tmp_path / "p.csv", "--validation", tmp_path / "v.csv"),
    )
    words = ("modality 'spectrum', wave: found 518 values from", "expected 259 values from")
    assert_one_sentence(result, str(tmp_path / "arrays"), *words, "as the model was trained on")
    assert not (tmp_path / "p.csv").exists()


def example(**keys) -> Example:
    return Example(**{"redshift": 0.1, "line": "H-alpha", "height": 3.0, "targetid": None} | keys)


def test_examples_are_chosen_by_redshift_and_line(arrays, split):
    rows = split["test"]
    wave, redshift = wave_of(arrays), np.full(150, 0.1, "f4")
    spectra = np.zeros((150, 259), "f4")
    at = int(np.argmin(np.abs(wave - LINES["H-alpha"].wave * 1.1)))
    spectra[rows, at] = np.arange(len(rows))
    galaxies = with_values(arrays, spectrum=spectra)._replace(redshift=redshift)
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


def test_an_example_needs_a_modality_with_wavelengths(arrays, split):
    without = [one for one in arrays.modalities if one["name"] != "spectrum"]
    with pytest.raises(InputError, match="found no modality with wavelengths"):
        choose_example(arrays._replace(modalities=without), split["test"], example())
    # pixels that are missing are no line
    lacking = with_values(arrays, spectrum=np.full((150, 259), np.nan, "f4"))
    assert choose_example(lacking, split["test"], example()) in split["test"]
