"""`mmae predict` on a user's files, as a user runs it."""

import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from helpers import assert_one_sentence, run_mmae

WHOLE_IMAGE = ("--view", "image0.00-spectrum1.00")


@pytest.fixture
def options(trained_model, toy_config) -> list[object]:
    return ["--model", trained_model, *WHOLE_IMAGE, *toy_config]


def test_a_file_gives_the_redshifts_that_the_workflow_gives(small_survey, options, tmp_path):
    tables = {name: tmp_path / f"{name}.csv" for name in ("predictions", "validation", "own")}
    words = ["--arrays", small_survey.arrays, "--split", small_survey.split]
    words += ["--predictions", tables["predictions"], "--validation", tables["validation"]]
    assert run_mmae("predict", *options, *words).returncode == 0
    speed = tmp_path / "speed.json"
    words = ["--predictions", tables["own"], "--speed", speed]
    result = run_mmae("predict", small_survey.dataset, *options, *words)
    assert result.returncode == 0, result.stderr
    assert "150 galaxies in " in result.stderr
    assert "galaxies a second" in result.stderr.splitlines()[-1]
    assert json.loads(speed.read_text())["galaxies_per_second"] > 0
    own = pd.read_csv(tables["own"]).set_index("targetid")
    assert len(own) == 150
    for name in ("predictions", "validation"):
        table = pd.read_csv(tables[name]).set_index("targetid")
        found = own.loc[table.index]
        np.testing.assert_allclose(found["z_spec"], table["z_spec"], atol=1e-6)
        np.testing.assert_allclose(found["z_pred"], table["z_pred"], atol=1e-5)
    assert run_mmae("metrics", tables["own"]).returncode == 0


def test_metrics_read_what_predict_writes(small_survey, options, tmp_path):
    """Also of galaxies whose image is damaged or whose redshift nobody knows."""
    path, table = tmp_path / "own.hdf5", tmp_path / "z.csv"
    shutil.copy(small_survey.galaxiesml, path)
    with h5py.File(path, "r+") as file:
        n = len(file["image"])
        file["image"][3, 2, 10, 10] = np.nan
        file["image"][4, 1] = 0.0
        for row, value in {5: -99.0, 6: np.nan, 7: np.inf}.items():
            file["specz_redshift"][row] = value
        # the survey has a damaged image of its own
        n_bad = 1 + int((~np.isfinite(file["image"][:]).all(axis=(1, 2, 3))).sum())
    result = run_mmae("predict", path, *options, "--predictions", table)
    assert result.returncode == 0, result.stderr
    assert f"specz_redshift: 2 of {n} values are not from -0.1 to 20" in result.stderr
    result = run_mmae("metrics", table, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["all"]["n"] + report["n_outside"] == n - 3 - n_bad
    assert report["left_out"] == {"test": {"z_spec": 3, "z_pred": n_bad}}


def test_several_files_become_one_table(small_survey, options, tmp_path):
    path = small_survey.galaxiesml
    words = [path, path, *options, "--predictions", tmp_path / "z.csv"]
    result = run_mmae("predict", *words)
    assert result.returncode == 0, result.stderr
    table = pd.read_csv(tmp_path / "z.csv")
    assert list(table) == ["object_id", "z_spec", "z_pred", "flags"]
    first, second = (table[k * len(table) // 2 : (k + 1) * len(table) // 2] for k in range(2))
    assert first["object_id"].tolist() == second["object_id"].tolist()
    np.testing.assert_allclose(first["z_pred"], second["z_pred"], atol=1e-5)


@pytest.fixture(scope="module")
def trained_trees(small_survey, toy_config, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "trees"
    words = ["--arrays", small_survey.arrays, "--split", small_survey.split, *toy_config]
    words += ["--model", "gbdt", "--mask", "0", "--seed", "0"]
    outputs = ["--output", folder, "--cost", folder.with_name("cost.json")]
    assert run_mmae("train", *words, *outputs).returncode == 0
    return folder


@pytest.mark.parametrize("fixture", ["trained_model", "trained_trees"])
def test_images_unlike_those_of_the_training_are_flagged_and_counted(
    small_survey, toy_config, tmp_path, request, fixture
):
    path = tmp_path / "own.hdf5"
    shutil.copy(small_survey.dataset, path)
    with h5py.File(path, "r+") as file:
        file["image"][0:5] = file["image"][0:5] * 1e6
        file["image"][5, 0, :32] = 0
        file["image"][6, 0, 0, 0] = np.nan
    words = ["--model", request.getfixturevalue(fixture), *WHOLE_IMAGE, *toy_config]
    result = run_mmae("predict", path, *words, "--predictions", tmp_path / "z.csv")
    assert result.returncode == 0, result.stderr
    table = pd.read_csv(tmp_path / "z.csv", keep_default_na=False)
    assert table["flags"][:5].str.contains("noise g; noise r; noise i; noise z; noise y").all()
    assert "blank g" in table["flags"][5]
    assert table["flags"][6] == "image with pixels that are not finite"
    assert table["z_pred"][6] == ""
    n_flagged = int((table["flags"].drop(index=6) != "").sum())
    assert 6 <= n_flagged <= 6 + 0.1 * len(table), "few of the others"
    warning = f"{n_flagged} of {len(table)} galaxies are unlike those of the training"
    assert warning in result.stderr
    assert "expected flux with zero point 27.0, bands g r i z y" in result.stderr


def test_models_that_do_not_know_their_images_still_predict(
    small_survey, trained_model, toy_config, tmp_path
):
    model = tmp_path / "model"
    shutil.copytree(trained_model, model)
    described = json.loads((model / "model.json").read_text())
    del described["training_galaxies"][0]["usual"]["noise"]
    (model / "model.json").write_text(json.dumps(described))
    words = ["--model", model, *WHOLE_IMAGE, *toy_config, "--predictions", tmp_path / "z.csv"]
    result = run_mmae("predict", small_survey.dataset, *words)
    assert_one_sentence(result, "model.json: training_galaxies.image: found another form ('noise')")
    del described["training_galaxies"]
    (model / "model.json").write_text(json.dumps(described))
    result = run_mmae("predict", small_survey.dataset, *words)
    assert result.returncode == 0, result.stderr
    assert "no flags: the model was saved without what the galaxies" in result.stderr
    assert list(pd.read_csv(tmp_path / "z.csv")) == ["targetid", "z_spec", "z_pred"]


def test_a_file_that_shows_files_elsewhere_is_refused(small_survey, options, tmp_path):
    path, table = tmp_path / "own.hdf5", tmp_path / "new" / "z.csv"
    with h5py.File(path, "w") as file:
        file["image"] = h5py.ExternalLink(str(small_survey.galaxiesml), "image")
        file["object_id"] = np.arange(3)
    result = run_mmae("predict", path, *options, "--predictions", table)
    assert_one_sentence(result, f"{path}: dataset 'image': found an external link to", "own.hdf5")
    assert not table.exists()


def test_what_stood_there_before_survives_a_bad_file(small_survey, options, tmp_path):
    path, table = tmp_path / "own.hdf5", tmp_path / "new" / "z.csv"
    shutil.copy(small_survey.galaxiesml, path)
    os.truncate(path, path.stat().st_size - 1000)
    table.parent.mkdir()
    table.write_text("old")
    result = run_mmae("predict", path, *options, "--predictions", table)
    assert_one_sentence(result, str(path), "damaged or truncated file", "expected an HDF5 file")
    assert table.read_text() == "old"
    assert list(table.parent.iterdir()) == [table]


def test_either_files_or_a_split_are_predicted(small_survey, options, tmp_path):
    words = [*options, "--predictions", tmp_path / "z.csv"]
    result = run_mmae("predict", *words)
    assert result.returncode == 2
    assert "neither CATALOGUE nor --arrays" in result.stderr
    result = run_mmae("predict", small_survey.dataset, *words, "--split", small_survey.split)
    assert result.returncode == 2
    assert "both CATALOGUE and --split" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_told(small_survey, options, tmp_path):
    words = [*options, "--config", json.dumps({"evaluation": {"device": "cuda"}})]
    words += ["--predictions", tmp_path / "z.csv"]
    result = run_mmae("predict", small_survey.dataset, *words)
    assert_one_sentence(result, "evaluation.device: found no CUDA device, expected one, or device")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_redshifts(small_survey, options, tmp_path):
    tables = {device: tmp_path / f"{device}.csv" for device in ("cpu", "cuda", "auto")}
    for device, path in tables.items():
        words = [*options, "--config", json.dumps({"evaluation": {"device": device}})]
        result = run_mmae("predict", small_survey.dataset, *words, "--predictions", path)
        assert result.returncode == 0, result.stderr
    cpu, *others = (pd.read_csv(path)["z_pred"] for path in tables.values())
    for other in others:
        np.testing.assert_allclose(other, cpu, atol=1e-3)
