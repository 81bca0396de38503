"""Models, views and predictions that do not fit: one sentence, exit code 1, nothing half."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from galaxies import TOY, split_of
from helpers import SmallSurvey, assert_one_sentence, run_mmae
from mmae.dataset.arrays import open_arrays
from mmae.modalities import from_plain
from mmae.models import build_model
from mmae.models.weights import save_model
from mmae.training.run import train_model

DEFAULT = ("--config", "config/config.yaml")
OUTPUTS = {
    "train": ("output", "cost"),
    "tune": ("table",),
    "predict": ("predictions", "validation", "speed"),
    "reconstruct": ("reconstructions",),
    "score-reconstruction": ("table",),
    "study-masks": ("table",),
    "probe": (
        "embeddings",
        *(f"{name}-{file}" for name in ("knn", "mlp") for file in ("predictions", "validation")),
    ),
}
WHOLE_IMAGE, HEADLINE_VIEW = "image0.00-spectrum1.00", "image0.25-spectrum1.00"


@pytest.fixture(scope="module")
def models(small_survey, tmp_path_factory) -> dict[str, Path]:
    """Folders of models with random weights, and of one without any."""
    arrays = open_arrays(small_survey.arrays)
    known = from_plain(arrays.modalities, small_survey.arrays)
    home = tmp_path_factory.mktemp("models")
    folders = {name: home / name for name in ("mmae", "cnn", "astroclip", "median")}
    for name, folder in folders.items():
        folder.mkdir()
        entry = TOY["models"][name]
        model = build_model(entry, known)
        if not isinstance(model, torch.nn.Module):
            split = split_of(64)
            model = train_model(entry, name, arrays, split, 0.0, 0, None, "arrays").model
        save_model(folder, model, {"name": name, "model": entry})
    return folders


def run_step(step: str, survey: SmallSurvey, new: Path, *options: object):
    """Run a step on the small survey; its outputs go to a new folder."""
    words = [step, "--arrays", survey.arrays, "--split", survey.split]
    words += [word for name in OUTPUTS[step] for word in (f"--{name}", new / name)]
    more = {"train": ("--mask", "0.5", "--seed", "0"), "probe": ("--seed", "0")}
    return run_mmae(*words, *more.get(step, ()), *DEFAULT, *options)


def assert_nothing_written(folder: Path) -> None:
    """No file, hidden or half-written ones included."""
    assert not folder.exists() or list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"training": {"epoch": 3}}, ["training.epoch", "unknown key", "epochs"]),
        ({"training": {"epochs": 0}}, ["training.epochs", "found 0", "greater than or equal to 1"]),
        ({"training": {"epochs": "many"}}, ["training.epochs", "found 'many'", "integer"]),
        ({"models": None}, ["models: found no 'mmae'", "expected []"]),
        ({"models": {"mmae": None}}, ["models.mmae.kind: found None", "expected one of"]),
        ({"models": {"mmae": {"kind": "vit"}}}, ["models.mmae.kind: found 'vit'", "'astroclip'"]),
        ({"models": {"mmae": {"kind": "base"}}}, ["base.py: found no SETTINGS", "models.mmae"]),
        ({"models": {"mmae": {"training": {"epochs": 0}}}}, ["models.mmae.training.epochs"]),
        ({"models": {"mmae": {"training": {"epoch": 1}}}}, ["models.mmae.training.epoch"]),
        ({"models": {"mmae": {"spectrum_length": 264}}}, ["spectrum_length", "unknown key"]),
        ({"models": {"mmae": {"modalities": ["image", "sound"]}}}, ["models.mmae", "'sound'"]),
        ({"models": {"mmae": {"dim": 65}}}, ["models.mmae", "dim 65 is not a multiple of heads 4"]),
    ],
)
def test_bad_config(small_survey, tmp_path, wrong, words):
    options = ("--model", "mmae", "--config", json.dumps(wrong))
    result = run_step("train", small_survey, tmp_path / "new", *options)
    assert_one_sentence(result, *words)
    assert_nothing_written(tmp_path / "new")


@pytest.mark.parametrize("step", ["train", "tune"])
def test_an_unknown_model_is_named(small_survey, tmp_path, step):
    result = run_step(step, small_survey, tmp_path / "new", "--model", "vit")
    assert_one_sentence(result, "config: models", "no 'vit'", "expected ['mmae', 'cnn'")
    assert_nothing_written(tmp_path / "new")


@pytest.mark.parametrize(
    ("step", "model", "options", "words"),
    [
        (
            *("predict", "mmae", ("--name", "cnn", "--view", WHOLE_IMAGE)),
            ["mmae/model.json: name", "found 'mmae'", "expected model 'cnn'"],
        ),
        (
            *("predict", "cnn", ("--view", HEADLINE_VIEW)),
            ["view: found {'image': 0.25} hidden", "hides no parts", "all or nothing"],
        ),
        (
            *("predict", "mmae", ("--view", "image0.5")),
            ["view: found 'image0.5'", "one of views in the config", "image0.25-spectrum1.00"],
        ),
        (
            *("predict", "astroclip", ("--view", WHOLE_IMAGE)),
            ["model: found one that gives no redshifts", "mmae probe"],
        ),
        (
            *("probe", "median", ("--view", WHOLE_IMAGE)),
            ["model: found one without embeddings", "expected a network"],
        ),
        (
            *("probe", "astroclip", ("--view", HEADLINE_VIEW)),
            ["view: found {'image': 0.25, 'spectrum': 1.0} hidden", "all or nothing of each"],
        ),
        (
            *("reconstruct", "cnn", ("--view", WHOLE_IMAGE)),
            ["model: found one that reconstructs nothing", "expected a masked autoencoder"],
        ),
        (
            *("score-reconstruction", "median", ("--view", WHOLE_IMAGE)),
            ["model: found one that reconstructs nothing"],
        ),
        (
            *("study-masks", "cnn", ("--test-mask", "0.5")),
            ["view: found {'image': 0.5} hidden", "hides no parts"],
        ),
        (
            *("predict", "none", ("--view", WHOLE_IMAGE)),
            ["none/model.json: found no such file", "expected a trained model"],
        ),
    ],
)
def test_what_a_model_cannot_do_is_told(
    small_survey, models, tmp_path, step, model, options, words
):
    folder = models.get(model, tmp_path / model)
    result = run_step(step, small_survey, tmp_path / "new", "--model", folder, *options)
    assert_one_sentence(result, *words)
    assert_nothing_written(tmp_path / "new")


@pytest.mark.parametrize("name", ["regressor.skops", "model.json"])
def test_a_damaged_model_is_told(small_survey, models, tmp_path, name):
    for path in models["median"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    os.truncate(tmp_path / name, 20)
    options = ("--model", tmp_path, "--view", WHOLE_IMAGE)
    assert_one_sentence(run_step("predict", small_survey, tmp_path / "new", *options), name)
    assert_nothing_written(tmp_path / "new")


# --- predictions that are scored ------------------------------------------------------------------

LABELS = [
    word
    for name in ("survey", "model", "mask", "seed", "view")
    for word in (f"--{name}", "of no matter")
]


@pytest.fixture
def forecast(tmp_path) -> tuple[dict[str, Path], dict[str, pd.DataFrame]]:
    """Files and tables of predictions and of the split that they are of."""
    rng = np.random.default_rng(0)
    tables = {}
    for name, first in (("predictions", 100), ("validation", 500)):
        z_spec = rng.uniform(0.1, 1, 40)
        columns = {"z_pred": z_spec + rng.normal(0, 0.02, 40), "z_std": np.full(40, 0.02)}
        ids = first + np.arange(40)
        tables[name] = pd.DataFrame({"targetid": ids, "z_spec": z_spec, **columns})
    files = {name: tmp_path / f"{name}.csv" for name in tables} | {"split": tmp_path / "split.npz"}
    ids = [tables[name]["targetid"] for name in ("predictions", "validation")]
    np.savez(files["split"], test_targetid=ids[0], validation_targetid=ids[1])
    return files, tables


def score(files: dict[str, Path], tables: dict[str, pd.DataFrame], metrics: Path):
    for name, table in tables.items():
        table.to_csv(files[name], index=False)
    words = [word for name, path in files.items() for word in (f"--{name}", path)]
    return run_mmae("score", *words, *LABELS, *DEFAULT, "--metrics", metrics)


def test_good_predictions_are_scored(forecast, tmp_path):
    result = score(*forecast, tmp_path / "new/metrics.json")
    assert result.returncode == 0, result.stderr
    metrics = json.loads((tmp_path / "new/metrics.json").read_text())["metrics"]
    assert metrics["all"]["n"] == 40
    assert {"uncertainty", "conformal"} <= set(metrics)


LEFT_OUT = {
    "a NaN prediction": ("predictions", 7, "z_pred", np.nan, ""),
    "an infinite validation redshift": ("validation", 7, "z_pred", np.inf, "such as inf"),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_galaxies_that_cannot_be_scored_are_left_out_and_counted(forecast, tmp_path, case):
    files, tables = forecast
    table, row, column, value, words = LEFT_OUT[case]
    tables[table].loc[row, column] = value
    with_it = score(files, tables, tmp_path / "with.json")
    assert with_it.returncode == 0, with_it.stderr
    assert words in with_it.stderr
    subset = {"predictions": "test"}.get(table, table)
    assert f"left out of all metrics: 1 {subset} galaxies without {column}" in with_it.stderr
    tables[table] = tables[table].drop(index=row)
    np.savez(
        files["split"],
        **{
            f"{name}_targetid": tables[key]["targetid"]
            for name, key in (("test", "predictions"), ("validation", "validation"))
        },
    )
    score(files, tables, tmp_path / "without.json")
    found, expected = (
        json.loads((tmp_path / f"{name}.json").read_text())["metrics"]
        for name in ("with", "without")
    )
    assert found.pop("left_out")[subset] == {column: 1}
    assert found == expected


CASES = {
    "no prediction": (
        lambda t: t["predictions"].__setitem__("z_pred", np.nan),
        ["redshift metrics: found 40 galaxies, none with z_spec, z_pred, z_std"],
    ),
    "other galaxies": (
        lambda t: t["predictions"].loc.__setitem__((slice(0, 9), "targetid"), 7),
        ["predictions.csv: column targetid", "40 galaxies, of which 30 are test galaxies", "split"],
    ),
    "galaxies in another order": (
        lambda t: t.update(predictions=t["predictions"][::-1]),
        ["column targetid", "of which 40 are test galaxies", "in their order"],
    ),
    "fewer galaxies": (
        lambda t: t.update(validation=t["validation"][:30]),
        ["validation.csv: column targetid", "found 30 galaxies", "expected the 40 validation"],
    ),
    "test galaxies to calibrate with": (
        lambda t: t.update(validation=t["predictions"]),
        ["validation.csv: column targetid", "of which 0 are validation galaxies"],
    ),
    "no targetid": (
        lambda t: t.update(predictions=t["predictions"].drop(columns="targetid")),
        ["predictions.csv: column targetid", "found no such column"],
    ),
    "uncertainties of the test only": (
        lambda t: t.update(validation=t["validation"].drop(columns="z_std")),
        ["conformal intervals", "found z_std in the test only", "expected in both or none"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_predictions_that_do_not_fit_are_told(forecast, tmp_path, case):
    files, tables = forecast
    damage, words = CASES[case]
    damage(tables)
    assert_one_sentence(score(files, tables, tmp_path / "new/metrics.json"), *words)
    assert_nothing_written(tmp_path / "new")
