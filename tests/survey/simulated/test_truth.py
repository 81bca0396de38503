"""What was simulated, as far as the model `limit` is told."""

import json

import h5py
import numpy as np
import pytest

from helpers import run_mmae
from mmae.dataset.arrays import open_arrays
from mmae.survey.simulated.truth import noiseless_numbers


def test_numbers_are_those_of_light_without_noise(sources):
    numbers = noiseless_numbers(sources)
    assert np.array_equal(numbers["magnitudes"], sources.mag)
    parts = [numbers[f"{part}_magnitudes"] for part in ("bulge", "disk", "nucleus")]
    total = -2.5 * np.log10(sum(10 ** (-0.4 * part) for part in parts))
    assert total == pytest.approx(sources.mag, abs=1e-3)
    quiescent, quasar = numbers["types"].T
    assert (quasar == (sources.kind == 1)).all()
    assert 0.1 < quiescent.mean() < 0.6
    assert all(np.isfinite(values).all() for values in numbers.values())
    # nothing that is told is the redshift, or a function of it alone
    z = np.log1p(sources.redshift)
    for values in numbers.values():
        for column in values.T:
            assert abs(np.corrcoef(column, z)[0, 1]) < 0.97


def test_they_are_found_by_the_names_of_both_catalogues(small_survey):
    truth = {name: small_survey.truth_table(name) for name in ("HSC", "DESI", "SOURCES")}
    true = truth["SOURCES"][[f"mag_{band}" for band in "grizy"]].to_numpy()
    with h5py.File(small_survey.noiseless) as file:
        magnitudes = file["magnitudes"][:]
        for name, table, column in (
            ("targetid", truth["DESI"], "TARGETID"),
            ("object_id", truth["HSC"], "object_id"),
        ):
            rows = {int(number): k for k, number in enumerate(file[name][:])}
            listed = table[table["source"] >= 0]
            found = magnitudes[[rows[int(number)] for number in listed[column]]]
            assert found == pytest.approx(true[listed["source"]], abs=1e-4)


def test_a_modality_of_them_is_what_a_dataset_of_the_survey_has(small_survey, tmp_path):
    """By the config that the workflow adds where a survey is simulated."""
    truth = {"kind": "vector", "file": str(small_survey.noiseless)}
    truth["columns"] = ["magnitudes", "types"]
    config = json.dumps({"modalities": {"truth": truth}})
    result = run_mmae(
        *("training-arrays", "--dataset", small_survey.dataset, "--arrays", tmp_path / "arrays"),
        *("--config", "config/config.yaml", "--config", config),
    )
    assert result.returncode == 0, result.stderr
    arrays = open_arrays(tmp_path / "arrays")
    assert arrays.values["truth"].shape == (150, 7)
    assert np.isfinite(arrays.values["truth"]).all()
    seen = open_arrays(small_survey.arrays).values["photometry"][:, :5]
    assert 0.02 < np.std(arrays.values["truth"][:, 2] - seen[:, 2]) < 0.4
