"""A kind of modality of one's own: a file in mmae/modalities and an entry of the config."""

import copy
import json
import os
import shutil
import sys

import jsonschema
import numpy as np
import pandas as pd
import pytest

import mmae.modalities
from galaxies import SMALL_PAPER, TOY, made_up_galaxies, split_of, training_with
from helpers import PROJECT, run_mmae
from mmae.config import json_schema, read_section
from mmae.dataset.arrays import TrainingArrays
from mmae.errors import InputError
from mmae.evaluation.masking_study import masking_study
from mmae.evaluation.predict import predict, reconstruct
from mmae.modalities import check_modalities, from_plain, kind_of, to_plain
from mmae.models.weights import load_model, save_model
from mmae.settings import Scoring, Settings, View
from mmae.settings import modalities as modality_settings
from mmae.training.run import train_model

SOURCE = '''
"""Where a galaxy is in the sky, as a vector of length 1."""

import numpy as np
from pydantic.dataclasses import dataclass
from torch import nn

from mmae.modalities.base import Measured, Modality
from mmae.settings.base import key, settings


@settings
class SkySettings:
    """Of this file alone."""

    kind: str = key("sky")
    frame: str = key("of the coordinates", default="icrs")


@dataclass(frozen=True)
class SkyGeometry:
    frame: str


class Token(nn.Linear):
    def forward(self, values, hidden=None):
        return super().forward(values).unsqueeze(1)


def angle(true, reconstruction, hidden):
    """Degrees between both, (B,); NaN where it was shown."""
    length = np.linalg.norm(reconstruction, axis=1)
    cosine = (true * reconstruction).sum(axis=1) / length
    return np.where(hidden.all(axis=1), np.degrees(np.arccos(np.clip(cosine, -1, 1))), np.nan)


class Sky(Modality):
    Settings, Geometry = SkySettings, SkyGeometry
    weight = 1.0
    summary = ("angle", "degrees", angle)
    shape, n_tokens = (3,), 1

    @classmethod
    def of_file(cls, name, settings, file, arrays):
        return cls(name, settings, SkyGeometry(settings.frame))

    def is_in(self, file):
        return "hsc/ra" in file

    def read(self, file, rows, known):
        ra, dec = (np.radians(file[f"hsc/{name}"][rows]) for name in ("ra", "dec"))
        flat = np.cos(dec)
        return np.stack([flat * np.cos(ra), flat * np.sin(ra), np.sin(dec)], 1).astype("f4")

    def projection(self, dim, mask_channel):
        return Token(3, dim)

    def covered(self, tokens):
        return tokens

    def whole_tokens(self, values):
        return values.expand(-1, 3).all(dim=1, keepdim=True)

    def quality(self, true, reconstruction, hidden, z_spec):
        values = angle(true, reconstruction, hidden)
        yield Measured("angle", "", "degrees", "median", True, values)


MODALITY = Sky
'''
ENTRY = {"kind": "sky", "frame": "galactic"}
MODEL = SMALL_PAPER | {"modalities": ["image", "spectrum", "sky"]}
N = 64
SPLIT = split_of(N)


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    """A folder of modalities with one more file, as if it stood in mmae/modalities."""
    folder = tmp_path / "modalities"
    shutil.copytree(modality_settings.MODALITIES_FOLDER, folder)
    (folder / "sky.py").write_text(SOURCE)
    for module in (modality_settings, mmae.modalities):
        monkeypatch.setattr(module, "MODALITIES_FOLDER", folder)
    monkeypatch.setattr(mmae.modalities, "__path__", [*mmae.modalities.__path__, str(folder)])
    yield folder / "sky.py"
    sys.modules.pop("mmae.modalities.sky", None)


@pytest.fixture
def arrays(own_file) -> TrainingArrays:
    """Made-up galaxies that are the farther the more to the north they are."""
    arrays = made_up_galaxies(N)
    north = arrays.redshift / 2
    sky = np.stack([np.sqrt(1 - north**2), np.zeros(N), north], axis=1).astype("f4")
    plain = {
        "name": "sky",
        "settings": {"kind": "sky", "frame": "icrs"},
        "geometry": {"frame": "icrs"},
    }
    return arrays._replace(
        values=arrays.values | {"sky": sky}, modalities=[*arrays.modalities, plain]
    )


def test_a_model_learns_of_it_and_comes_back_from_disk(arrays, tmp_path):
    settings = training_with(epochs=40, patience=40, learning_rate=3.0e-3)
    entry = MODEL | {"dropped": {"spectrum": 1.0, "image": 1.0}}
    options = (entry, "mmae", arrays, SPLIT, 0.0, 0, settings, "made up")
    trained = train_model(*options)
    # it alone is shown
    assert trained.history["validation_sigma_nmad"].iloc[-1] < 0.1
    save_model(tmp_path, trained.model, {"model": entry})
    loaded, description = load_model(tmp_path)
    assert description["modalities"][2]["geometry"] == {"frame": "icrs"}
    view = View({"image": 1.0, "spectrum": 1.0})
    ours, theirs = (
        predict(model.eval(), arrays, SPLIT["test"], view, 0, 8)
        for model in (trained.model, loaded)
    )
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


def test_it_is_masked_reconstructed_and_measured_like_any_other(arrays):
    settings = training_with(epochs=2)
    # half of one token would be none
    entry = MODEL | {"mask_ratios": {"sky": 1.0}}
    options = (entry, "mmae", arrays, SPLIT, 0.5, 0, settings, "made up")
    trained = train_model(*options)
    assert np.isfinite(trained.history["validation_sky"]).all()
    model, rows = trained.model.eval(), SPLIT["test"]
    said = reconstruct(model, arrays, rows, View({"sky": 1.0}), 0, 5)
    assert said["sky_hidden"].all()
    assert said["sky_reconstruction"].shape == (16, 3)
    scoring = Scoring(bootstrap_samples=10)
    study = masking_study(model, arrays, rows, (0.0, 1.0), {}, 0, 8, scoring)
    assert [name for name in study if name.startswith("sky")] == [
        *("sky_angle", "sky_angle_low", "sky_angle_high")
    ]
    assert study["sky_angle"].isna().tolist() == [True, False]


def test_its_geometry_is_compared(arrays):
    found = from_plain(arrays.modalities, "arrays")
    (other,) = from_plain(
        [{"name": "sky", "settings": ENTRY, "geometry": {"frame": "galactic"}}], "arrays"
    ).values()
    words = "modality 'sky', frame: found galactic, expected icrs, as the model was trained on"
    with pytest.raises(InputError, match=words):
        check_modalities(found | {"sky": other}, found, "arrays")
    plain = json.loads(json.dumps(to_plain(found.values())))
    assert plain == json.loads(json.dumps(arrays.modalities))


def test_its_keys_are_checked_by_its_own_settings(own_file):
    assert kind_of(ENTRY, "config", "modalities.sky").__name__ == "Sky"
    content = [{"name": "sky", "settings": ENTRY | {"epoch": 2000}, "geometry": {}}]
    words = r"modality 'sky'\.epoch: found an unknown key, expected one of \['kind', 'frame'\]"
    with pytest.raises(InputError, match=words):
        from_plain(content, "arrays")


def test_an_entry_whose_file_is_not_there_is_told_with_the_config():
    config = copy.deepcopy(TOY)
    config["modalities"]["sky"] = ENTRY
    words = r"config: modalities\.sky\.kind: found 'sky', expected one of \['image', .* or a file"
    with pytest.raises(InputError, match=words):
        read_section(Settings, config, "config")
    jsonschema.validate(config, json_schema())


def in_copy(tmp_path, *words: object):
    """A command, in a copy of the package with one more file, as its user would have it."""
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "src")}
    result = run_mmae(*words, env=environment)
    assert result.returncode == 0, result.stderr
    return result


def test_the_commands_make_arrays_train_and_predict_with_it(small_survey, tmp_path):
    shutil.copytree(PROJECT / "src/mmae", tmp_path / "src/mmae")
    (tmp_path / "src/mmae/modalities/sky.py").write_text(SOURCE)
    changed = {
        "modalities": {"sky": ENTRY},
        "models": {"mmae": {"modalities": MODEL["modalities"]}},
    }
    names = ("config.yaml", "toy.yaml")
    options = [w for name in names for w in ("--config", f"config/{name}")]
    options += ["--config", json.dumps(changed)]
    folder, model, outputs = tmp_path / "arrays", tmp_path / "model", {}
    in_copy(
        tmp_path, "training-arrays", "--dataset", small_survey.dataset, "--arrays", folder, *options
    )
    inputs = ("--arrays", folder, "--split", small_survey.split, *options)
    in_copy(
        *(tmp_path, "train", "--model", "mmae", "--mask", 0.5, "--seed", 0, *inputs),
        *("--output", model, "--cost", tmp_path / "cost.json"),
    )
    outputs = [w for n in ("predictions", "validation") for w in (f"--{n}", tmp_path / n)]
    view = '{"spectrum": 1.0, "sky": 1.0}'
    in_copy(tmp_path, "predict", "--model", model, "--view", view, *inputs, *outputs)
    assert pd.read_csv(tmp_path / "predictions")["z_pred"].notna().all()
    sky = np.load(folder / "sky.npy")
    assert np.linalg.norm(sky, axis=1) == pytest.approx(1.0)
    # without the file, the model is told to be of a kind that is not there
    result = run_mmae("predict", "--model", model, "--view", view, *inputs, *outputs)
    assert result.returncode == 1
    assert "'sky'" in result.stderr
    assert "Traceback" not in result.stderr
