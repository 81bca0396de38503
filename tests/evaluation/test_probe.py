"""Redshifts read out of frozen embeddings."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from galaxies import TOY
from helpers import run_mmae
from mmae.config import read_section
from mmae.dataset.arrays import open_arrays
from mmae.dataset.split import read_split
from mmae.evaluation.predict import embed
from mmae.evaluation.probe import READOUTS, read_out
from mmae.models.weights import load_model
from mmae.settings import Evaluation, View
from mmae.settings import models as model_settings

IN_CONFIG = read_section(Evaluation, TOY["evaluation"], "config")
SETTINGS = dataclasses.replace(IN_CONFIG, neighbours=16)
RNG = np.random.default_rng(0)
TRAIN, OTHERS = RNG.normal(3, [1, 2, 5, 0.1], (60, 4)), RNG.normal(3, [1, 2, 5, 0.1], (9, 4))
Z_TRAIN = RNG.uniform(0.1, 2, 60).astype("f4")


def neighbours(n: int) -> Evaluation:
    return dataclasses.replace(SETTINGS, neighbours=n)


def scaled(embeddings: np.ndarray) -> np.ndarray:
    """Each number with mean 0 and deviation 1 over the training galaxies."""
    return (embeddings - TRAIN.mean(axis=0)) / TRAIN.std(axis=0)


def test_neighbours_are_the_nearest_of_standardised_embeddings_weighted_by_distance():
    """By hand, in loops."""
    found, train_again = read_out("knn", TRAIN, Z_TRAIN, [OTHERS, TRAIN], neighbours(5), 0)
    zeta = np.log1p(Z_TRAIN.astype(float))
    for k, one in enumerate(scaled(OTHERS)):
        distances = np.array([np.linalg.norm(one - other) for other in scaled(TRAIN)])
        nearest = np.argsort(distances)[:5]
        weights = 1 / distances[nearest]
        by_hand = np.expm1((weights * zeta[nearest]).sum() / weights.sum())
        assert found[k] == pytest.approx(by_hand, rel=1e-6)
    # a galaxy at distance 0 from itself
    assert train_again == pytest.approx(Z_TRAIN, rel=1e-5)


def test_the_number_of_neighbours_is_that_of_the_config():
    far = np.array([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0], [-1.0, 0.1]])
    z = np.array([0.1, 0.2, 3.0, 4.0])
    (two,) = read_out("knn", far, z, [far[:1] + 1e-3], neighbours(2), 0)
    (four,) = read_out("knn", far, z, [far[:1] + 1e-3], neighbours(4), 0)
    assert 0.1 <= two[0] < 0.2
    assert two[0] < four[0]


@pytest.mark.parametrize("readout", READOUTS)
def test_scales_of_embeddings_do_not_matter(readout):
    stretch = np.array([1.0, 100.0, 0.01, 7.0])
    (ours,) = read_out(readout, TRAIN, Z_TRAIN, [OTHERS], SETTINGS, 0)
    (theirs,) = read_out(readout, TRAIN * stretch, Z_TRAIN, [OTHERS * stretch], SETTINGS, 0)
    assert np.allclose(ours, theirs, rtol=1e-3)


@pytest.mark.parametrize("readout", READOUTS)
def test_a_planted_redshift_is_read_out(readout):
    rng = np.random.default_rng(1)
    z_spec = rng.uniform(0.1, 1.5, 3000)
    angle = 2 * np.log1p(z_spec)
    embeddings = np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(0, 0.02, (3000, 2))
    (found,) = read_out(readout, embeddings[:2000], z_spec[:2000], [embeddings[2000:]], SETTINGS, 0)
    error = np.abs(found - z_spec[2000:]) / (1 + z_spec[2000:])
    assert np.median(error) < 0.03
    assert np.median(np.abs(np.median(z_spec) - z_spec) / (1 + z_spec)) > 0.1


def test_the_network_follows_its_seed_and_the_neighbours_none():
    def twice(readout: str, *seeds: int) -> bool:
        one, other = (read_out(readout, TRAIN, Z_TRAIN, [OTHERS], SETTINGS, s)[0] for s in seeds)
        return np.array_equal(one, other)

    assert twice("mlp", 0, 0)
    assert not twice("mlp", 0, 1)
    assert twice("knn", 0, 1)


@pytest.mark.parametrize("readout", READOUTS)
def test_galaxies_without_a_redshift_are_not_read_out_of(readout):
    z_train, lacking = Z_TRAIN.copy(), [0, 7, 59]
    z_train[lacking] = np.nan
    known = np.setdiff1d(np.arange(60), lacking)
    (ours,) = read_out(readout, TRAIN, z_train, [OTHERS], SETTINGS, 0)
    (theirs,) = read_out(readout, TRAIN[known], z_train[known], [OTHERS], SETTINGS, 0)
    assert np.array_equal(ours, theirs)


def test_readouts_are_those_that_runs_name():
    assert tuple(READOUTS) == model_settings.READOUTS


def test_the_command_reads_out_test_and_validation_galaxies(
    small_survey, trained_model, toy_config, tmp_path
):
    names = [f"{kind}-{part}" for kind in READOUTS for part in ("predictions", "validation")]
    words = [word for name in names for word in (f"--{name}", tmp_path / f"{name}.csv")]
    result = run_mmae(
        *("probe", "--arrays", small_survey.arrays, "--split", small_survey.split, *toy_config),
        *("--model", trained_model, "--name", "mmae", "--view", "image0.00-spectrum1.00"),
        *("--seed", "0", "--embeddings", tmp_path / "e.npz", *words),
    )
    assert result.returncode == 0, result.stderr
    arrays = open_arrays(small_survey.arrays)
    split = read_split(small_survey.split, arrays.targetid)
    model, _ = load_model(trained_model)
    train, test = (
        embed(model, arrays, split[part], View({"spectrum": 1.0}), 0, 256)
        for part in ("train", "test")
    )
    with np.load(tmp_path / "e.npz") as archive:
        assert np.allclose(archive["embedding"], test, atol=1e-5)
        assert archive["targetid"].tolist() == arrays.targetid[split["test"]].tolist()
    for readout in READOUTS:
        table = pd.read_csv(tmp_path / f"{readout}-predictions.csv")
        assert table["targetid"].tolist() == arrays.targetid[split["test"]].tolist()
        z_train = arrays.redshift[split["train"]]
        (expected,) = read_out(readout, train, z_train, [test], IN_CONFIG, 0)
        assert table["z_pred"].to_numpy() == pytest.approx(expected, rel=1e-4)
        table = pd.read_csv(tmp_path / f"{readout}-validation.csv")
        assert table["targetid"].tolist() == arrays.targetid[split["validation"]].tolist()
