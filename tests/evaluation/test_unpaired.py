import json

import pytest

from mmae.errors import InputError
from mmae.evaluation.unpaired import unpaired_table
from mmae.plots.unpaired import unpaired_figure

N_UNPAIRED = {"mmae": 0, "mmae-6000": 6000}


def scored(folder, model, sigma, seed=0):
    report = {"sigma_nmad": sigma, "sigma_nmad_interval": [sigma - 0.01, sigma + 0.02]}
    report |= {"outlier_fraction": 0.1, "outlier_fraction_interval": [0.05, 0.2]}
    low = report | {"sigma_nmad": sigma / 2, "sigma_nmad_interval": [sigma / 4, sigma]}
    content = {"model": model, "seed": seed, "view": "whole"}
    content["metrics"] = {"all": report, "low_redshift": low}
    path = folder / f"{model}{seed}"
    path.mkdir()
    (path / "metrics.json").write_text(json.dumps(content))
    return path


def test_scatter_by_the_number_of_images(tmp_path):
    folders = [scored(tmp_path, "mmae-6000", 0.03), scored(tmp_path, "mmae", 0.04)]
    folders += [scored(tmp_path, "gbdt", 0.02), scored(tmp_path, "mmae", 0.05, seed=1)]
    table = unpaired_table(folders, N_UNPAIRED, {"whole": "image whole"})
    everywhere = table[table["range"] == "all"]
    assert list(everywhere["n_unpaired"]) == [0, 0, 6000]
    assert list(everywhere["sigma_nmad"]) == [0.04, 0.05, 0.03]
    assert list(everywhere["sigma_nmad_high"]) == pytest.approx([0.06, 0.07, 0.05])
    assert set(table["view"]) == {"image whole"}
    low = table[table["range"] == "low_redshift"]
    assert list(low["sigma_nmad"]) == [0.02, 0.025, 0.015]
    left, right = unpaired_figure(table, 0.4).axes
    for axes, values in ((left, [0.04, 0.05, 0.03]), (right, [0.02, 0.025, 0.015])):
        (drawn, *_), *_ = axes.containers
        assert list(drawn.get_ydata()) == values
        assert drawn.get_xdata()[:2].max() < 500
    assert "0.4" in right.get_title()


def test_a_range_with_too_few_galaxies_has_no_numbers(tmp_path):
    folder = scored(tmp_path, "mmae", 0.04)
    content = json.loads((folder / "metrics.json").read_text())
    content["metrics"]["low_redshift"] = {"n": 3}
    (folder / "metrics.json").write_text(json.dumps(content))
    table = unpaired_table([folder], N_UNPAIRED, {})
    assert table["sigma_nmad"].notna().tolist() == [True, False]


def test_a_view_without_words_is_whole_and_stands_in_the_legend(tmp_path):
    table = unpaired_table([scored(tmp_path, "mmae", 0.04)], N_UNPAIRED, {"whole": ""})
    assert set(table["view"]) == {"whole"}
    (legend,) = unpaired_figure(table).legends
    assert [text.get_text() for text in legend.get_texts()] == ["whole"]


def test_no_run_of_such_a_model(tmp_path):
    with pytest.raises(InputError, match="unpaired images: found no such run"):
        unpaired_table([scored(tmp_path, "gbdt", 0.02)], N_UNPAIRED, {})
