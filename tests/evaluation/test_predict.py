"""Predictions and reconstructions of a trained model, and baselines."""

import numpy as np
import pandas as pd
import pytest

from helpers import run_mmae
from mmae.dataset.arrays import open_arrays
from mmae.dataset.split import read_split
from mmae.errors import InputError
from mmae.evaluation.baselines import baseline_predictions
from mmae.evaluation.examples import choose_example, example_of
from mmae.evaluation.predict import predict, reconstruct
from mmae.evaluation.views import View, parse_view
from mmae.instruments import LINES
from mmae.metrics.redshift import sigma_nmad
from mmae.models.weights import load_model
from mmae.settings import Baseline, Example

HEADLINE_VIEW = View(image=0.25, spectrum=1.0)


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
    found = reconstruct(model, arrays, rows, View(image=0.75, spectrum=0.75), 0)
    assert found["image_hidden"].mean(axis=(1, 2)) == pytest.approx(0.75)
    assert found["spectrum_hidden"].mean(axis=1) == pytest.approx(0.75)
    # 259 pixels, of which 32 patches of 8 cover 256
    assert found["spectrum"].shape == found["spectrum_reconstruction"].shape == (3, 256)
    assert found["wave"].shape == (256,)
    assert np.array_equal(found["image"], arrays.images[rows])
    assert np.array_equal(found["spectrum"], arrays.spectra[rows, :256])
    assert found["targetid"].tolist() == arrays.targetid[rows].tolist()


def test_the_command_writes_predictions_and_examples(
    small_survey, trained_model, toy_config, tmp_path
):
    result = run_mmae(
        *("evaluate", "--arrays", small_survey.arrays, "--split", small_survey.split),
        *("--model", trained_model, "--view", "image0.25-spectrum1.00", *toy_config),
        *("--predictions", tmp_path / "p.csv", "--reconstructions", tmp_path / "r.npz"),
    )
    assert result.returncode == 0, result.stderr
    table = pd.read_csv(tmp_path / "p.csv")
    assert list(table) == ["targetid", "z_spec", "z_pred"]
    assert len(table) == 23
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


def test_trees_on_magnitudes_beat_the_median(arrays, split):
    scatter = {}
    for kind in ("gbdt", "median"):
        table = baseline_predictions(Baseline(kind=kind), arrays, split, 0)
        assert table["targetid"].tolist() == arrays.targetid[split["test"]].tolist()
        scatter[kind] = sigma_nmad(table["z_pred"], table["z_spec"])
    assert scatter["gbdt"] < 0.6 * scatter["median"]


def test_the_median_is_that_of_the_training_galaxies(arrays, split):
    table = baseline_predictions(Baseline(kind="median"), arrays, split, 0)
    assert table["z_pred"].unique() == pytest.approx(np.median(arrays.redshift[split["train"]]))


def test_trees_need_magnitudes(arrays, split):
    blind = arrays._replace(magnitudes=np.full_like(arrays.magnitudes, np.nan))
    with pytest.raises(InputError, match="without magnitudes"):
        baseline_predictions(Baseline(kind="gbdt"), blind, split, 0)


def test_views_by_name():
    assert parse_view("image0.25-spectrum1.00") == (0.25, 1.0)
    for name in ("image1.25-spectrum1.00", "image0.5-spectrum1.00", "whole"):
        with pytest.raises(InputError, match=f"view: found '{name}', expected hidden fractions"):
            parse_view(name)
