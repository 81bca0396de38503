"""One model tested with more and more hidden."""

import numpy as np
import pandas as pd
import pytest

from galaxies import SMALL_PAPER, made_up_galaxies, paper_model, split_of, training_with
from helpers import run_mmae
from mmae.evaluation.masking_study import STUDY_COLUMNS, fractions, masking_study
from mmae.evaluation.predict import predict, reconstruct
from mmae.metrics.redshift import bias, outlier_fraction, sigma_nmad
from mmae.settings import Scoring, View
from mmae.training.run import train_model

N = 120
SPLIT = split_of(N)
SCORING = Scoring(bootstrap_samples=30)
TEST_MASKS = (0.0, 0.5, 1.0)
QUALITY = ("image_psnr", "spectrum_mse")
VIEWS = {
    "no-y": View({"image": {"bands": "y"}, "spectrum": 1.0}),
    "no-gap": View({"spectrum": {"wave": (3700.0, 4000.0)}}),
    "whole": View({}),
}


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
    return masking_study(model, arrays, SPLIT["test"], TEST_MASKS, VIEWS, 0, 16, SCORING)


def by_ratio(study: pd.DataFrame) -> list[pd.Series]:
    return [row for _, row in study[study["view"] == ""].iterrows()]


def by_view(study: pd.DataFrame) -> dict[str, pd.Series]:
    return {row["view"]: row for _, row in study[study["view"] != ""].iterrows()}


def test_redshifts_are_those_of_predictions_with_the_spectrum_hidden(arrays, model, study):
    names = [f"{name}{end}" for name in QUALITY for end in ("", "_low", "_high")]
    assert tuple(study) == (*STUDY_COLUMNS, *names)
    assert study["test_mask"].dropna().tolist() == list(TEST_MASKS)
    for row in by_ratio(study):
        view = View({"image": row["test_mask"], "spectrum": 1.0})
        table = predict(model, arrays, SPLIT["test"], view, 0, 7)
        for metric in (sigma_nmad, bias, outlier_fraction):
            expected = metric(table["z_pred"], table["z_spec"])
            assert row[metric.__name__] == pytest.approx(expected, rel=1e-3, abs=1e-6)
        assert row["sigma_nmad_low"] <= row["sigma_nmad"] <= row["sigma_nmad_high"]


def test_differences_are_to_the_whole_image(study):
    whole, half, all_hidden = by_ratio(study)
    assert (whole["difference"], whole["p_better"]) == (0, 0.5), "of itself"
    for row in (half, all_hidden):
        assert row["difference"] == pytest.approx(row["sigma_nmad"] - whole["sigma_nmad"])
        assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    assert all_hidden["difference_low"] > 0, "without any image all galaxies look the same"
    assert all_hidden["p_better"] == 0


def test_reconstructions_are_measured_where_both_are_hidden(arrays, model, study):
    whole, half, _ = by_ratio(study)
    names = [f"{name}{end}" for name in QUALITY for end in ("", "_low", "_high")]
    assert whole[names].isna().all(), "nothing is hidden"
    assert half[names].notna().all()
    said = reconstruct(model, arrays, SPLIT["test"], View({"image": 0.5, "spectrum": 0.5}), 0, 16)
    errors = (said["spectrum"] - said["spectrum_reconstruction"]) ** 2
    hidden = said["spectrum_hidden"]
    by_hand = np.median([error[h].mean() for error, h in zip(errors, hidden, strict=True)])
    assert half["spectrum_mse"] == pytest.approx(by_hand, rel=1e-3)


def test_the_command_studies_the_ratios_that_it_is_given(
    small_survey, trained_model, toy_config, tmp_path
):
    inputs = ("--arrays", small_survey.arrays, "--split", small_survey.split, *toy_config)
    masks = ("--test-mask=0.00", "--test-mask=0.75", "--view=no-y", "--view=no-r-arm")
    result = run_mmae(
        *("study-masks", *inputs, "--model", trained_model, "--name", "mmae", *masks),
        *("--table", tmp_path / "study.csv"),
    )
    assert result.returncode == 0, result.stderr
    table = pd.read_csv(tmp_path / "study.csv")
    assert table["test_mask"].dropna().tolist() == [0.0, 0.75]
    assert table["view"].fillna("").tolist() == ["", "", "no-y", "no-r-arm"]
    assert set(table["model"]) == {"mmae"}
    assert set(table["mask"]) == {0.75}
    assert table["sigma_nmad"].notna().all()
    assert table["image_psnr"].notna().tolist() == [False, True, True, False]
    assert table["spectrum_mse"].notna().tolist() == [False, True, True, True]


def test_named_views_stand_beside_the_ratios(arrays, model, study):
    found = by_view(study)
    assert list(found) == [*VIEWS]
    for name, row in found.items():
        assert np.isnan(row["test_mask"])
        table = predict(model, arrays, SPLIT["test"], VIEWS[name], 0, 7)
        assert row["sigma_nmad"] == pytest.approx(
            sigma_nmad(table["z_pred"], table["z_spec"]), rel=1e-3
        )
        assert row["sigma_nmad_low"] <= row["sigma_nmad"] <= row["sigma_nmad_high"]
        assert row["difference"] == pytest.approx(
            row["sigma_nmad"] - by_ratio(study)[0]["sigma_nmad"]
        )
    # the band that tells redshifts is missing
    assert found["no-y"]["difference_low"] > 0


def test_reconstructions_under_a_view_are_of_what_it_hides(arrays, model, study):
    found, rows = by_view(study), SPLIT["test"]
    assert found["whole"][list(QUALITY)].isna().all(), "nothing is hidden"
    assert np.isnan(found["no-gap"]["image_psnr"])
    said = reconstruct(model, arrays, rows, VIEWS["no-gap"], 0, 16)
    wave = said["spectrum_wave"]
    hidden = (wave >= 3700) & (wave <= 4000)
    assert np.array_equal(said["spectrum_hidden"], np.tile(hidden, (len(rows), 1)))
    errors = ((said["spectrum"] - said["spectrum_reconstruction"])[:, hidden] ** 2).mean(axis=1)
    assert found["no-gap"]["spectrum_mse"] == pytest.approx(np.median(errors), rel=1e-3)
    said = reconstruct(model, arrays, rows, VIEWS["no-y"], 0, 16)
    assert said["image_hidden"][:, 4].all()
    assert np.isfinite(found["no-y"]["image_psnr"])


def test_fractions_are_of_the_first_modality_and_of_all():
    test, whole = fractions(["image", "spectrum", "text"], [0.5, 1.0])
    others = {"spectrum": {"random": 1.0}, "text": {"random": 1.0}}
    assert test.redshift == View({"image": {"random": 0.5}} | others)
    assert test.reconstruction == View(dict.fromkeys(("image", "spectrum", "text"), 0.5))
    assert (test.test_mask, test.view, whole.test_mask) == (0.5, "", 1.0)


def test_a_model_of_three_modalities_has_three_qualities(arrays):
    names = ["image", "spectrum", "photometry"]
    model = paper_model(modalities=names)
    study = masking_study(model, arrays, SPLIT["test"], (1.0,), {}, 0, 16, SCORING)
    assert [c for c in study if c.endswith(("psnr", "mse", "error"))] == [
        *("image_psnr", "spectrum_mse", "photometry_error")
    ]
    assert study["photometry_error"].notna().all()
