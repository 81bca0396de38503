"""Learning rates ranked by validation galaxies."""

import json

import numpy as np
import pandas as pd
import pytest

from galaxies import TOY
from helpers import SmallSurvey, run_mmae
from mmae.dataset.arrays import open_arrays
from mmae.dataset.split import read_split
from mmae.files.checksums import file_digest


def tuned(survey: SmallSurvey, options: list[str], model: str, factors: list[float], table):
    config = json.dumps({"tuning": {"factors": factors}, "training": {"epochs": 1}})
    result = run_mmae(
        *("tune", "--arrays", survey.arrays, "--split", survey.split, *options),
        *("--config", config, "--model", model, "--table", table),
    )
    assert result.returncode == 0, result.stderr
    return pd.read_csv(table)


@pytest.mark.parametrize("model", ["mmae", "gbdt"])
def test_rates_around_the_models_own_are_ranked(small_survey, toy_config, tmp_path, model):
    entry = TOY["models"][model]
    own = entry["learning_rate" if model == "gbdt" else "training"]
    own = own if model == "gbdt" else own["learning_rate"]
    table = tuned(small_survey, toy_config, model, [0.01, 1.0, 3.0], tmp_path / "t.csv")
    assert sorted(table["learning_rate"]) == pytest.approx([0.01 * own, own, 3 * own])
    assert table["validation_total"].is_monotonic_increasing
    assert table["validation_total"].nunique() == 3
    assert set(table["model"]) == {model}
    if model == "gbdt":
        assert table["learning_rate"].iloc[-1] == pytest.approx(0.01 * own), "it learns too little"


def test_the_test_galaxies_are_not_looked_at(scratch_survey, toy_config, tmp_path):
    before = tuned(scratch_survey, toy_config, "gbdt", [1.0], tmp_path / "a.csv")
    split = read_split(scratch_survey.split, open_arrays(scratch_survey.arrays).targetid)
    manifest = json.loads((scratch_survey.arrays / "manifest.json").read_text())
    for name in ("photometry", "redshift"):
        path = scratch_survey.arrays / f"{name}.npy"
        values = np.load(path)
        values[split["test"]] = np.nan
        np.save(path, values)
        manifest["arrays"][name]["sha256"] = file_digest(path)
    (scratch_survey.arrays / "manifest.json").write_text(json.dumps(manifest))
    after = tuned(scratch_survey, toy_config, "gbdt", [1.0], tmp_path / "b.csv")
    pd.testing.assert_frame_equal(before, after, check_exact=True)
