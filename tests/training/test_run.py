"""From a config entry to a trained model."""

import numpy as np
import pytest
import torch

from galaxies import SMALL_PAPER, TOY, made_up_galaxies, split_of, training_with
from mmae.errors import InputError
from mmae.training.fit import make_fabric, validate
from mmae.training.run import train_model

SPLIT = split_of(64)


def test_the_model_is_that_of_the_best_epoch():
    arrays = made_up_galaxies()
    settings = training_with(epochs=8, learning_rate=3.0e-2, schedule="constant")
    model, history, cost = train_model(
        SMALL_PAPER, "mmae", arrays, SPLIT, 0.25, 0, settings, "made up"
    )
    losses = history["validation_total"]
    assert losses.iloc[-1] > losses.min(), "a later epoch must be worse, or this test shows nothing"
    found = validate(
        *(model, arrays, SPLIT["validation"], 0.25, 0, settings), make_fabric(settings)
    )
    assert found["validation_total"] == pytest.approx(losses.min(), rel=1e-6)
    assert cost.galaxies_seen == 8 * 32


def test_images_that_a_network_cannot_halve_are_told_before_training():
    entry, settings = TOY["models"]["bcnn"], training_with(epochs=1)
    words = (
        r"config: modality 'image': found shape \(5, 16, 16\), crop 32, expected images whose siz"
    )
    with pytest.raises(InputError, match=words):
        train_model(entry, "bcnn", made_up_galaxies(), SPLIT, 0.0, 0, settings, "made up")


def test_modalities_that_the_galaxies_lack_are_told_before_training():
    arrays = made_up_galaxies()
    arrays = arrays._replace(modalities=arrays.modalities[:2])
    entry, settings = TOY["models"]["gbdt"], training_with(epochs=1)
    words = (
        r"models\.gbdt: found a model that reads 'photometry', expected one of the modalities \['"
    )
    with pytest.raises(InputError, match=words):
        train_model(entry, "gbdt", arrays, SPLIT, 0.0, 0, settings, "made up")


def test_trees_have_a_history_of_one_row_by_the_validation_galaxies():
    arrays, rows = made_up_galaxies(), SPLIT["validation"]
    settings = training_with()
    model, history, cost = train_model(
        TOY["models"]["median"], "median", arrays, SPLIT, 0.0, 0, settings, "made up"
    )
    zeta = np.log1p(arrays.redshift.astype(float))
    by_hand = np.mean((np.median(zeta[SPLIT["train"]]) - zeta[rows]) ** 2)
    assert history["validation_total"].tolist() == pytest.approx([by_hand])
    assert (cost.parameters, cost.galaxies_seen) == (None, 32)
    assert not isinstance(model, torch.nn.Module)
