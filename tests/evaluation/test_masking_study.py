"""One model tested with more and more hidden."""

import numpy as np
import pandas as pd
import pytest

from galaxies import SMALL_PAPER, made_up_galaxies, split_of, training_with
from helpers import run_mmae
from mmae.evaluation.masking_study import STUDY_COLUMNS, masking_study
from mmae.evaluation.predict import predict, reconstruct
from mmae.evaluation.views import View
from mmae.metrics.redshift import bias, outlier_fraction, sigma_nmad
from mmae.settings import Scoring
from mmae.training.run import train_model

N = 120
SPLIT = split_of(N)
SCORING = Scoring(bootstrap_samples=30)
TEST_MASKS = (0.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def arrays():
    return made_up_galaxies(N)


@pytest.fixture(scope="module")
def model(arrays):
    settings = training_with(epochs=15, learning_rate=3.0e-3)
    options = (SMALL_PAPER, "mmae", arrays, SPLIT, 0.5, 0, settings, "made up")
    return train_model(*options).model.eval()


@pytest.fixture(scope="module")
def study(arrays, model) -> pd.DataFrame:
    return masking_study(model, arrays, SPLIT["test"], TEST_MASKS, 0, 16, SCORING)


def test_redshifts_are_those_of_predictions_with_the_spectrum_hidden(arrays, model, study):
    assert tuple(study) == STUDY_COLUMNS
    assert study["test_mask"].tolist() == list(TEST_MASKS)
    for _, row in study.iterrows():
        table = predict(model, arrays, SPLIT["test"], View(row["test_mask"], 1.0), 0, 7)
        for metric in (sigma_nmad, bias, outlier_fraction):
            expected = metric(table["z_pred"], table["z_spec"])
            assert row[metric.__name__] == pytest.approx(expected, rel=1e-3, abs=1e-6)
        assert row["sigma_nmad_low"] <= row["sigma_nmad"] <= row["sigma_nmad_high"]


def test_differences_are_to_the_whole_image(study):
    whole, half, all_hidden = (row for _, row in study.iterrows())
    assert (whole["difference"], whole["p_better"]) == (0, 0.5), "of itself"
    for row in (half, all_hidden):
        assert row["difference"] == pytest.approx(row["sigma_nmad"] - whole["sigma_nmad"])
        assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    assert all_hidden["difference_low"] > 0, "without any image all galaxies look the same"
    assert all_hidden["p_better"] == 0


def test_reconstructions_are_measured_where_both_are_hidden(arrays, model, study):
    whole, half, _ = (row for _, row in study.iterrows())
    names = [f"{name}{end}" for name in ("psnr", "spectrum_mse") for end in ("", "_low", "_high")]
    assert whole[names].isna().all(), "nothing is hidden"
    assert half[names].notna().all()
    said = reconstruct(model, arrays, SPLIT["test"], View(0.5, 0.5), 0, 16)
    errors = (said["spectrum"] - said["spectrum_reconstruction"]) ** 2
    hidden = said["spectrum_hidden"]
    by_hand = np.median([error[h].mean() for error, h in zip(errors, hidden, strict=True)])
    assert half["spectrum_mse"] == pytest.approx(by_hand, rel=1e-3)


def test_the_command_studies_the_ratios_that_it_is_given(
    small_survey, trained_model, toy_config, tmp_path
):
    inputs = ("--arrays", small_survey.arrays, "--split", small_survey.split, *toy_config)
    masks = ("--test-mask=0.00", "--test-mask=0.75")
    result = run_mmae(
        *("study-masks", *inputs, "--model", trained_model, "--name", "mmae", *masks),
        *("--table", tmp_path / "study.csv"),
    )
    assert result.returncode == 0, result.stderr
    table = pd.read_csv(tmp_path / "study.csv")
    assert table["test_mask"].tolist() == [0.0, 0.75]
    assert table["sigma_nmad"].notna().all()
