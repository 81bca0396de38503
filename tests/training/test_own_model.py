"""A model of one's own: a file in mmae/models and an entry of the config, nothing else."""

import copy
import json
import os
import shutil
import sys

import jsonschema
import pandas as pd
import pytest

import mmae.models
from galaxies import TOY, made_up_galaxies, split_of, training_with
from helpers import PROJECT, run_mmae
from mmae.config import json_schema, read_section
from mmae.errors import InputError
from mmae.evaluation.predict import embed, predict
from mmae.models.weights import load_model, save_model
from mmae.settings import WHOLE_IMAGE as WHOLE_NAME
from mmae.settings import Settings, View, can_do
from mmae.settings import models as model_settings
from mmae.training.run import train_model
from mmae.workflow import runs
from mmae.workflow.runs import trained

SOURCE = '''
"""Mean flux of each band, and a linear layer."""

import torch

from mmae.models.base import GalaxyModel, Losses, Prediction
from mmae.models.losses import redshift_loss
from mmae.settings.base import Count, key, settings
from mmae.settings.models import CanDo
from mmae.settings.training import Overrides


@settings
class SETTINGS(CanDo):
    """Of this file alone."""

    embeds = True
    reads = ("image",)

    kind: str = key("colours")
    width: Count = key("units of the hidden layer")
    training: Overrides = key("of its own", default_factory=dict)


class Colours(GalaxyModel):
    def __init__(self, settings, modalities):
        super().__init__(settings, modalities)
        self.hidden = torch.nn.Linear(modalities["image"].shape[0], settings.width)
        self.head = torch.nn.Linear(settings.width, 1)

    def forward(self, image):
        features = torch.relu(self.hidden(image.mean(dim=(2, 3))))
        return self.head(features).squeeze(-1), features

    def losses(self, batch, masks, generator):
        z_pred, _ = self(batch.values["image"])
        return Losses({"total": redshift_loss(z_pred, batch.redshift)}, z_pred)

    def predict(self, batch, masks):
        z_pred, features = self(batch.values["image"])
        return Prediction(z_pred, embedding=features)


build = Colours
'''
ENTRY = {"kind": "colours", "width": 16, "training": {"learning_rate": 0.01}}
SPLIT, WHOLE_IMAGE = split_of(64), View({"spectrum": 1.0})


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    """A folder of models with one more file, as if it stood in mmae/models."""
    folder = tmp_path / "models"
    shutil.copytree(model_settings.MODELS_FOLDER, folder)
    (folder / "colours.py").write_text(SOURCE)
    for module in (model_settings, mmae.models):
        monkeypatch.setattr(module, "MODELS_FOLDER", folder)
    monkeypatch.setattr(mmae.models, "__path__", [*mmae.models.__path__, str(folder)])
    yield folder / "colours.py"
    sys.modules.pop("mmae.models.colours", None)


def train(entry: dict):
    settings = training_with(epochs=60, patience=60, learning_rate=0.03)
    return train_model(entry, "colours", made_up_galaxies(), SPLIT, 0.0, 0, settings, "made up")


def test_it_trains_predicts_and_comes_back_from_disk(own_file, tmp_path):
    arrays = made_up_galaxies()
    model, history, cost = train(ENTRY)
    assert history["validation_total"].min() < 0.3 * history["validation_total"][0]
    assert cost.parameters == 5 * 16 + 16 + 16 + 1
    save_model(tmp_path, model, {"name": "colours", "model": ENTRY})
    loaded, _ = load_model(tmp_path, name="colours")
    table = predict(loaded, arrays, SPLIT["test"], WHOLE_IMAGE, 0, 8)
    error = (table["z_pred"] - table["z_spec"]) / (1 + table["z_spec"])
    assert error.abs().median() < 0.1
    ours = predict(model.eval(), arrays, SPLIT["test"], WHOLE_IMAGE, 0, 8)
    pd.testing.assert_frame_equal(table, ours, check_exact=True)
    assert embed(loaded, arrays, SPLIT["test"], WHOLE_IMAGE, 0, 8).shape == (16, 16)
    with pytest.raises(InputError, match="hides no parts"):
        predict(loaded, arrays, SPLIT["test"], View({"image": 0.5, "spectrum": 1.0}), 0, 8)


def config_with(entry: dict) -> dict:
    config = copy.deepcopy(TOY)
    config["models"]["colours"] = entry
    config["grid"]["baselines"] = ["colours"]
    return config


def test_its_entry_is_part_of_the_config(own_file):
    config = config_with(ENTRY)
    jsonschema.validate(config, json_schema())
    settings = read_section(Settings, config, "config")
    assert settings.models["colours"].training == {"learning_rate": 0.01}
    assert "colours/mask0.00/seed0" in [run.folder for run in trained(settings)]


def test_what_it_can_do_is_said_by_its_settings(own_file):
    """Where in the grid it may stand follows from it."""
    settings = read_section(Settings, config_with(ENTRY), "config")
    found = can_do(settings.models["colours"])
    assert (found.width, found.reads) == (16, ("image",))
    assert (found.embeds, found.gives_redshift, found.hides) == (True, True, False)
    assert found.fitted_by == "gradient"
    assert found.published_as("colours") == {}
    config = config_with(ENTRY)
    config["grid"]["probes"] = ["colours"]
    probed = read_section(Settings, config, "config")
    assert "colours" in {view.run.model for view in runs.probed(probed)}
    for part, words in (
        ("models", "hides parts and gives redshifts"),
        ("spectrum_probes", "embeds several modalities"),
    ):
        wrong = copy.deepcopy(config)
        wrong["grid"]["baselines"] = []
        wrong["grid"][part] = [*wrong["grid"][part], "colours"]
        sentence = (
            rf"^config: grid\.{part}: 'colours' is of kind colours, expected one that {words}$"
        )
        with pytest.raises(InputError, match=sentence):
            read_section(Settings, wrong, "config")


@pytest.mark.parametrize(
    ("old", "new", "part", "words"),
    [
        ("    embeds = True\n", "", "probes", "expected one that has embeddings"),
        (
            "    embeds",
            "    gives_redshift = False\n    embeds",
            "baselines",
            "that gives redshifts",
        ),
        ("    embeds", "    hides = True\n    embeds", "baselines", "and hides nothing"),
        (
            '("image",)',
            '("image", "text")',
            None,
            r"models\.colours: 'text' is not among modalities",
        ),
        (
            "(CanDo)",
            "",
            None,
            r"models\.colours\.kind: found 'colours', expected SETTINGS that are a sub",
        ),
        (
            "class SETTINGS",
            "class Mine",
            None,
            r"models\.colours\.kind: found 'colours', expected a file with",
        ),
        ("import torch", "import torhc", None, r"file with SETTINGS \(No module named 'torhc'\)"),
        ("class Colours", "klass Colours", None, r"file with SETTINGS \(invalid syntax"),
    ],
)
def test_what_it_cannot_do_is_told_with_the_config(own_file, old, new, part, words):
    own_file.write_text(SOURCE.replace(old, new, 1))
    config = config_with(ENTRY)
    if part == "probes":
        config["grid"]["probes"] = ["colours"]
    with pytest.raises(InputError, match=words) as told:
        read_section(Settings, config, "config")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (ENTRY | {"widht": 3}, r"^config: models\.colours\.widht: [^\n]*$"),
        (
            ENTRY | {"width": 0},
            r"^config: models\.colours\.width: [^\n]* greater than or equal to 1$",
        ),
        ({"kind": "colours"}, r"^config: models\.colours\.width: [^\n]* required$"),
    ],
)
def test_its_keys_are_checked_with_the_config(own_file, entry, words):
    with pytest.raises(InputError, match=words):
        read_section(Settings, config_with(entry), "config")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (ENTRY | {"widht": 3}, r"config: models\.colours\.widht: found an unknown key, .*'width'"),
        (ENTRY | {"width": 0}, r"config: models\.colours\.width: found 0, expected greater"),
        ({"kind": "colours"}, r"config: models\.colours\.width: found no such key"),
        (ENTRY | {"kind": "colors"}, r"models\.colours\.kind: found 'colors', expected one of"),
        (ENTRY | {"kind": "batch"}, r"batch\.py: found no SETTINGS, expected a model, as models"),
    ],
)
def test_its_keys_are_checked_by_its_own_settings(own_file, entry, words):
    with pytest.raises(InputError, match=words):
        train(entry)


def test_a_file_that_is_not_there_is_told_with_the_config():
    with pytest.raises(InputError, match=r"models\.colours.*found 'colours', expected one of"):
        read_section(Settings, config_with(ENTRY), "config")


def test_the_commands_train_it_and_predict_with_it(small_survey, tmp_path):
    """In a copy of the package, as its user would have it."""
    shutil.copytree(PROJECT / "src/mmae", tmp_path / "src/mmae")
    (tmp_path / "src/mmae/models/colours.py").write_text(SOURCE)
    inputs = ("--arrays", small_survey.arrays, "--split", small_survey.split)
    config = json.dumps({"models": {"colours": ENTRY}, "training": {"epochs": 2}})
    options = ("--config", "config/config.yaml", "--config", config)
    outputs = {n: tmp_path / n for n in ("predictions", "validation", "speed")}
    model, words = tmp_path / "model", [w for n, p in outputs.items() for w in (f"--{n}", p)]
    for command in (
        (
            *("train", "--model", "colours", "--mask", 0, "--seed", 0),
            *("--output", model, "--cost", tmp_path / "cost.json"),
        ),
        ("predict", "--model", model, "--name", "colours", "--view", WHOLE_NAME, *words),
    ):
        environment = os.environ | {"PYTHONPATH": str(tmp_path / "src")}
        result = run_mmae(*command, *inputs, *options, env=environment)
        assert result.returncode == 0, result.stderr
    description = json.loads((model / "model.json").read_text())
    assert description["model"] == ENTRY
    assert description["training"]["learning_rate"] == 0.01
    assert len(pd.read_csv(outputs["predictions"])) == 23
