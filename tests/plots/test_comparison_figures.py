"""Models beside each other, and against one of them."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from mmae.errors import InputError
from mmae.plots.comparison import SIGMA, comparison_figure, wrapped
from mmae.plots.differences import differences_figure

LABELS = [
    "cnn",
    "mmae-mlp, trained 75% hidden, spectrum alone",
    "mmae, trained 75% hidden, image 25% hidden",
    "median",
]


def models(n: int = 4) -> pd.DataFrame:
    """A comparison of n models; the second and the last are published."""
    sigma = np.geomspace(0.02, 0.2, n)
    table = pd.DataFrame({"label": [LABELS[k % 4] for k in range(n)]})
    for prefix, factor in (("", 1.0), ("low_", 0.8)):
        table[f"{prefix}sigma_nmad"] = factor * sigma
        table[f"{prefix}sigma_nmad_low"] = factor * sigma * 0.95
        table[f"{prefix}sigma_nmad_high"] = factor * sigma * 1.1
    published = np.full(n, np.nan)
    published[[1 % n, -1]] = [0.012, 0.03]
    return table.assign(published_sigma_nmad=published)


def pairs(n: int = 4) -> pd.DataFrame:
    """Differences of n models, the first of which is better."""
    difference = np.linspace(-0.004, 0.008, n)
    return pd.DataFrame(
        {
            "label": [LABELS[k % 4] for k in range(n)],
            "difference": difference,
            "low": difference - 0.001,
            "high": difference + 0.002,
            "p_better": np.linspace(0.97, 0.2, n),
        }
    )


def points(axes, marker: str) -> list[tuple[float, float]]:
    """Every point drawn with a marker, (x, y)."""
    drawn = [line.get_xydata() for line in axes.lines if line.get_marker() == marker]
    return [(x, y) for line in drawn for x, y in line if np.isfinite([x, y]).all()]


def intervals(axes) -> list[list[float]]:
    """Low and high end of each horizontal line, and its row."""
    (lines,) = [c for c in axes.collections if hasattr(c, "get_segments")]
    segments = [s for s in lines.get_segments() if np.isfinite(s).all()]
    return [[*segment[:, 0], segment[0, 1]] for segment in segments]


def rows_of(axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def legend_of(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_each_model_has_a_row_with_what_was_measured(fits):
    table = models()
    figure = comparison_figure(table)
    assert fits(figure)
    first, low, published = figure.axes
    for axes, prefix in ((first, ""), (low, "low_")):
        sigma = table[f"{prefix}sigma_nmad"]
        assert points(axes, "o") == [(value, row) for row, value in enumerate(sigma)]
        ends = table[[f"{prefix}sigma_nmad_low", f"{prefix}sigma_nmad_high"]].to_numpy()
        assert intervals(axes) == [[*pair, row] for row, pair in enumerate(ends)]
        assert axes.get_xscale() == "log"
        assert axes.get_xlabel() == SIGMA
        left, right = axes.get_xlim()
        assert left < ends.min()
        assert ends.max() < right
    assert [label.replace("\n", " ") for label in rows_of(first)] == LABELS
    assert max(len(line) for label in rows_of(first) for line in label.split("\n")) <= 30
    bottom, top = first.get_ylim()
    assert bottom > top, "the first row is at the top"
    assert first.get_title() == "all redshifts"
    assert low.get_title() == r"$z\leq0.4$"
    assert comparison_figure(table, 0.5).axes[1].get_title() == r"$z\leq0.5$"
    assert points(published, "D") == [(0.012, 1.0), (0.03, 3.0)]


def test_published_values_share_no_axis_with_measured_ones():
    figure = comparison_figure(models())
    first, low, published = figure.axes
    assert not points(first, "D")
    assert not points(low, "D")
    assert not points(published, "o")
    assert "published" in published.get_title()
    assert published.get_xlabel() == f"{SIGMA} as published"
    assert legend_of(figure) == ["measured here, 95% interval", "published"]
    for nothing in (np.nan, None):
        figure = comparison_figure(models().assign(published_sigma_nmad=nothing))
        assert len(figure.axes) == 2
        assert legend_of(figure) == ["measured here, 95% interval"]


def test_other_seeds_are_beside_the_row_of_their_model():
    seeds = [[0.021, 0.022], [], np.nan, [0.5]]
    figure = comparison_figure(models().assign(seed_values=seeds, low_seed_values=[[0.001]] * 4))
    drawn = points(figure.axes[0], ".")
    assert [x for x, _ in drawn] == [0.021, 0.022, 0.5]
    assert [round(y) for _, y in drawn] == [0, 0, 3]
    assert figure.axes[0].get_xlim()[1] > 0.5
    assert [x for x, _ in points(figure.axes[1], ".")] == [0.001] * 4
    assert "other seeds" in legend_of(figure)
    assert "other seeds" not in legend_of(comparison_figure(models()))


@pytest.mark.parametrize("nothing", [np.nan, None])
def test_rows_without_a_measurement_stay_empty(nothing):
    table = models().astype({"sigma_nmad": object, "low_sigma_nmad": object})
    table.loc[3, ["sigma_nmad", "sigma_nmad_low", "sigma_nmad_high"]] = nothing
    table["low_sigma_nmad"] = nothing
    table[["low_sigma_nmad_low", "low_sigma_nmad_high"]] = np.nan
    first, low, published = comparison_figure(table).axes
    assert [row for _, row in points(first, "o")] == [0, 1, 2]
    assert not points(low, "o")
    assert (0.03, 3.0) in points(published, "D")
    assert len(rows_of(first)) == 4


@pytest.mark.parametrize("n", [1, 30])
def test_one_and_many_models(fits, n):
    figure = comparison_figure(models(n))
    assert fits(figure)
    assert len(points(figure.axes[0], "o")) == n
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert all(upper.y0 > lower.y1 for upper, lower in pairwise(boxes))


@pytest.mark.parametrize(
    ("values", "ticks"),
    [((0.02, 0.2), ["0.02", "0.05", "0.1", "0.2"]), ((0.024, 0.031), ["0.025", "0.03"])],
)
def test_logarithmic_ticks_are_plain_numbers(values, ticks):
    table = models(2)
    for end in ("", "_low", "_high"):
        table[f"sigma_nmad{end}"] = values
    figure = comparison_figure(table)
    figure.canvas.draw()
    shown = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert [tick for tick in shown if tick in ticks] == ticks
    assert not any("e" in tick or "10^" in tick for tick in shown)


def test_tables_without_rows_or_columns_are_refused():
    with pytest.raises(InputError, match="comparison figure: found no rows"):
        comparison_figure(models()[:0])
    with pytest.raises(InputError, match="4 rows without low_sigma_nmad_high, expected these"):
        comparison_figure(models().drop(columns="low_sigma_nmad_high"))
    with pytest.raises(InputError, match="differences figure: found no rows"):
        differences_figure(pairs()[:0], "mmae")
    with pytest.raises(InputError, match="without p_better"):
        differences_figure(pairs().drop(columns="p_better"), "mmae")


def test_formulas_are_not_broken_and_count_as_drawn():
    assert wrapped(f"{SIGMA}, all redshifts", 24) == f"{SIGMA}, all redshifts"
    label = wrapped(f"{SIGMA} minus that of {SIGMA} of whole images", 16)
    assert label == f"{SIGMA} minus\nthat of {SIGMA}\nof whole images"
    assert wrapped("mmae, trained 75% hidden", 14) == "mmae, trained\n75% hidden"


def test_differences_are_drawn_around_zero(fits):
    table = pairs()
    figure = differences_figure(table, LABELS[2])
    assert fits(figure)
    (axes,) = figure.axes
    assert points(axes, "o") == [(value, row) for row, value in enumerate(table["difference"])]
    ends = table[["low", "high"]].to_numpy()
    assert intervals(axes) == [[*pair, row] for row, pair in enumerate(ends)]
    left, right = axes.get_xlim()
    assert left == -right
    assert right > ends.max()
    assert [0, 0] in [[*line.get_xdata()] for line in axes.lines]
    words = axes.get_xlabel().replace("\n", " ")
    assert words == f"{SIGMA} minus that of {LABELS[2]} (left of 0: better)"
    assert [label.replace("\n", " ") for label in rows_of(axes)] == LABELS
    assert figure.get_figwidth() < 4, "one column of the page"


def test_probabilities_stand_beside_their_rows():
    table = pairs(6).assign(p_better=[1.0, 0.996, 0.5, 0.004, 0.0, np.nan])
    (axes,) = differences_figure(table, "mmae").axes
    told = {text.get_position()[1]: text.get_text() for text in axes.texts}
    assert [told[row] for row in range(6)] == ["> 0.99", "> 0.99", "0.50", "< 0.01", "< 0.01", "–"]
    assert "P(better)" in told.values()


@pytest.mark.parametrize(("value", "words"), [(0.161, "+0.161"), (-0.161, "−0.161")])
def test_a_row_far_out_has_an_arrow_and_a_number(value, words):
    table = pairs()
    table.loc[3, ["difference", "low", "high"]] = value, value - 0.01, value + 0.01
    (axes,) = differences_figure(table, "mmae").axes
    (arrow,) = [text for text in axes.texts if text.get_text() == words]
    assert arrow.xy == (pytest.approx(np.sign(value) * axes.get_xlim()[1]), 3)
    assert axes.get_xlim()[1] < 0.02, "the others are to scale"
    (axes,) = differences_figure(pairs(), "mmae").axes
    assert not [text for text in axes.texts if hasattr(text, "xy")]


@pytest.mark.parametrize("nothing", [np.nan, None])
def test_differences_that_are_not_known_are_not_drawn(nothing):
    table = pairs().astype(object)
    table.loc[1, ["difference", "low", "high", "p_better"]] = nothing
    (axes,) = differences_figure(table, "mmae").axes
    assert [row for _, row in points(axes, "o")] == [0, 2, 3]
    table[["difference", "low", "high", "p_better"]] = nothing
    (axes,) = differences_figure(table, "mmae").axes
    assert not points(axes, "o")


@pytest.mark.parametrize("n", [1, 30])
def test_one_and_many_differences(fits, n):
    figure = differences_figure(pairs(n), "mmae")
    assert fits(figure)
    assert len(points(figure.axes[0], "o")) == n
