"""The paper's tables from made-up runs."""

import numpy as np
import pandas as pd
import pytest

from mmae.errors import InputError
from mmae.evaluation.lines import LINE_COLUMNS, line_table
from mmae.evaluation.published import PUBLISHED, published_values
from mmae.evaluation.scoring import metrics_text, read_predictions, scatter_sentence
from mmae.evaluation.tables import cleaning_table, data_summary, summary_row
from mmae.instruments import LINES
from mmae.metrics.report import redshift_report
from mmae.settings import Scoring


def report_of(scatter: float) -> dict:
    """Metrics of made-up predictions."""
    rng = np.random.default_rng(0)
    z_spec = rng.uniform(0.01, 3, 400)
    z_pred = z_spec + rng.normal(0, scatter, 400) * (1 + z_spec)
    return redshift_report(z_pred, z_spec, Scoring(bootstrap_samples=10))


def test_table_1_by_eye():
    row = summary_row("x", np.array([0.1, 0.2, 0.3, 4.0]), np.array([18.0, 19.0, np.nan, 20.0]))
    assert (row["count"], row["z_max"]) == (4, 4.0)
    assert row["i_mag_90th_percentile"] == pytest.approx(19.8)
    table = data_summary(pd.DataFrame([row, summary_row("y", np.array([1.0]), None)]))
    assert table["source"].str.startswith("published").sum() == 3
    assert table["count"].tolist() == [4, 1, 20_283_824, 286_401, 134_533]


def test_table_1_leaves_out_what_stands_for_unknown():
    z, i = np.array([0.1, 0.2, -99.0, 0.3, 4.0, np.nan]), np.array([18.0, 99.0, 19.0, -999.0, 20.0])
    row = summary_row("x", z, i)
    assert (row["count"], row["z_max"]) == (6, 4.0)
    assert row["i_mag_90th_percentile"] == pytest.approx(19.8)
    unknown = summary_row("x", np.array([-99.0]), np.array([99.0]))
    assert [*unknown.values()] == ["x", 1, None, None, None]


def test_cleaning_table_ends_with_the_papers_counts():
    table = cleaning_table(pd.DataFrame({"cut": ["a"], "removed": [1], "remaining": [9]}))
    assert table["remaining"].tolist() == [9, 136_939, 134_533]
    assert table["removed"].tolist() == [1, 0, 2_406]


def test_line_tables_tell_true_from_reconstructed():
    wave = 3611.6 + 24.0 * np.arange(256)
    centre = LINES["H-alpha"].wave * 1.07
    noise = np.random.default_rng(0).normal(0, 0.01, wave.shape)
    line = np.exp(-0.5 * ((wave - centre) / 40) ** 2)
    table = line_table(wave, 3 * line + noise, noise, 0.07, ["H-alpha", "H-beta", "Ly-alpha"])
    assert tuple(table) == LINE_COLUMNS
    assert table["spectrum"].tolist() == ["true", "reconstructed"]
    assert table["line"].tolist() == ["H-alpha"] * 2
    assert table["height"][0] == pytest.approx(3, rel=0.05)
    assert np.isnan(table["height"][1])
    assert table["kind"].tolist() == ["found", "missed"]
    # as in the paper's Figure 1
    wide = 0.6 * np.exp(-0.5 * ((wave - centre - 24) / 224) ** 2)
    drawn = line_table(wave, 3 * line + noise, wide, 0.07, ["H-alpha"])
    assert drawn["kind"].tolist() == ["found", "too wide"]
    assert drawn["width_angstrom"][1] == pytest.approx(528, rel=0.02)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("z_spec,z\n0.1,0.2\n", "column z_pred: found only"),
        ("z_spec,z_pred\n0.1,abc\n", "column z_pred: found values that are no numbers"),
        ("z_spec,z_pred\n0.1,\n0.2,\n", "found 2 galaxies, none with z_spec, z_pred"),
        ("", "found no table"),
    ],
)
def test_bad_predictions_are_named(tmp_path, text, words):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_predictions(tmp_path / "p.csv")


def test_published_values_stand_beside_their_own_range_only():
    assert published_values([0.0, 0.4]) == PUBLISHED
    assert published_values([0.0, 0.5]) == ()


def test_authors_columns_do_not_hide_ours(tmp_path):
    (tmp_path / "p.csv").write_text("y_test,z_spec,z_pred\n9,0.1,0.2\n")
    z_pred, z_spec = read_predictions(tmp_path / "p.csv")
    assert (z_pred.tolist(), z_spec.tolist()) == ([0.2], [0.1])


def test_scatter_in_a_sentence():
    report, z_spec = report_of(0.04), np.linspace(0.01, 3, 400)
    text = scatter_sentence("ours", report, z_spec, z_spec)
    assert f"ours: sigma_NMAD {report['all']['sigma_nmad']:.4f} (95%: " in text
    assert "for the 400 galaxies with 0 < z <= 4.2; sigma_NMAD" in text
    assert text.endswith("between 0.01 and 3.00, where 400 of 400 galaxies are.")
    few = report | {"low_redshift": {"z_range": [0.0, 0.4], "n": 4}}
    assert "outliers for the 4" not in scatter_sentence("ours", few, z_spec, z_spec)
    assert "; for the 4 galaxies with 0 < z <= 0.4; " in scatter_sentence("o", few, z_spec, z_spec)


def test_a_model_that_never_predicts_far_is_told():
    z_spec = np.linspace(0.01, 3, 400)
    text = scatter_sentence("ours", report_of(0.04), np.minimum(z_spec, 0.66), z_spec)
    assert "predictions are between 0.01 and 0.66, where 87 of 400 galaxies are" in text
    assert "of the 313 beyond, 88% are outliers" in text


def test_text_names_every_range():
    report = report_of(0.04)
    text = metrics_text(report)
    assert "all: 0 < z_spec <= 4.2, 400 galaxies" in text
    assert "low: 0 < z_spec <= 0.4" in text
    assert text.count("bin: ") == 20
    assert text.count("no interval") >= 2 * 17, "of mse and rmse, wherever there are galaxies"
