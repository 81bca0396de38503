"""Honest and dishonest forecasts."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import same_color, to_hex
from scipy.stats import betabinom, binom

from mmae.errors import InputError
from mmae.plots.uncertainty import uncertainty_figure

CALIBRATED = {"coverage_68": 0.69, "coverage_95": 0.94, "n_calibration": 199}


def with_std(n: int = 1000, **given) -> dict:
    counts = [150, 100, 100, 100, 50, 50, 100, 100, 100, 150]
    report = {"pit_histogram": counts, "coverage_68": 0.6, "coverage_95": 0.9}
    return report | {"conformal": CALIBRATED, "n": n} | given


def without_std(n: int = 1000) -> dict:
    return with_std(n, pit_histogram=None, coverage_68=None, coverage_95=None)


def steps(axes) -> list:
    return [patch for patch in axes.patches if hasattr(patch, "get_data")]


def marks(axes, filled: bool) -> list[tuple[float, float]]:
    """Points that are filled or hollow, from the left."""
    lines = [line for line in axes.lines if line.get_marker() not in ("", "None", None)]
    lines = [line for line in lines if (to_hex(line.get_markerfacecolor()) != "#ffffff") == filled]
    points = [line.get_xydata()[0] for line in lines]
    return sorted((x, y) for x, y in points if np.isfinite(y))


def test_histograms_are_relative_to_a_uniform_one(fits):
    figure = uncertainty_figure({"bcnn": with_std(), "gbdt": without_std()})
    assert fits(figure)
    left = figure.axes[0]
    (step,) = steps(left)
    values, edges, _ = step.get_data()
    assert values == pytest.approx(np.array(with_std()["pit_histogram"]) / 100)
    assert edges == pytest.approx(np.linspace(0, 1, 11))
    assert left.get_xlim() == (0, 1)
    assert left.get_ylim()[0] == 0
    assert left.get_xlabel().startswith("PIT")
    assert left.get_ylabel() == "galaxies / uniform expectation"
    (band,) = [patch for patch in left.patches if patch is not step]
    assert band.get_y() == binom.ppf(0.025, 1000, 0.1) / 100
    assert band.get_y() + band.get_height() == pytest.approx(binom.ppf(0.975, 1000, 0.1) / 100)


def test_coverage_before_is_hollow_and_after_is_filled():
    figure = uncertainty_figure({"bcnn": with_std(), "gbdt": without_std()})
    right = figure.axes[1]
    assert [y for _, y in marks(right, filled=False)] == [0.6, 0.9]
    assert [y for _, y in marks(right, filled=True)] == [0.69, 0.69, 0.94, 0.94]
    # beside each other, around the nominal coverage
    x = np.array([x for x, _ in marks(right, filled=True)])
    assert (x[::2] + x[1::2]) / 2 == pytest.approx([0.68, 0.95])
    assert [label.get_text() for label in right.get_xticklabels()] == ["68%", "95%"]
    assert right.get_xlabel() == "nominal coverage"
    assert right.get_ylabel() == "empirical coverage"
    told = [text.get_text() for text in right.get_legend().get_texts()]
    assert told == ["before calibration", "after calibration"]


def test_bands_are_those_of_the_fewest_galaxies():
    def bands(*numbers):
        reports = {f"model {k}": with_std(n) for k, n in enumerate(numbers)}
        collections = uncertainty_figure(reports).axes[1].collections
        extents = [c.get_paths()[0].get_extents() for c in collections]
        return [[box.y0, box.y1] for box in extents if box.height > 0]

    assert bands(1000, 100) == bands(100)
    expected = []
    for level in (0.68, 0.95):
        rank = int(np.ceil(round(200 * level, 6)))
        expected.append(betabinom.ppf([0.025, 0.975], 100, rank, 200 - rank) / 100)
        expected.append(binom.ppf([0.025, 0.975], 100, level) / 100)
    assert bands(100) == pytest.approx(np.array(expected))
    assert np.ptp(expected[0]) > np.ptp(expected[1]), "calibration galaxies are a sample, too"


def test_without_any_z_std_the_left_says_so(fits):
    figure = uncertainty_figure({"gbdt": without_std()})
    assert fits(figure)
    assert not steps(figure.axes[0])
    assert "no model predicts z_std" in [text.get_text() for text in figure.axes[0].texts]
    assert not marks(figure.axes[1], filled=False)
    assert len(marks(figure.axes[1], filled=True)) == 2
    words = uncertainty_figure({"bcnn": with_std()}).axes[0].texts
    assert not [text for text in words if text.get_visible()]


@pytest.mark.parametrize("n", [1, 2, 12, 24])
def test_all_models_can_be_told_apart(fits, n):
    reports = {f"mmae-mlp {k}, trained 75% hidden, spectrum alone": with_std() for k in range(n)}
    figure = uncertainty_figure(reports)
    assert fits(figure)
    legend = figure.legends[0]
    assert [text.get_text().replace("\n", " ") for text in legend.get_texts()] == [*reports]
    handles = legend.get_lines()
    seen = {(to_hex(h.get_color()), h.get_linestyle()) for h in handles}
    assert len(seen) == n
    assert len({(to_hex(h.get_color()), h.get_marker()) for h in handles}) == n
    drawn = [(to_hex(s.get_edgecolor()), s.get_linestyle()) for s in steps(figure.axes[0])]
    assert set(drawn) == seen
    x = [x for x, _ in marks(figure.axes[1], filled=True)]
    assert len(set(x)) == 2 * n
    assert max(x[:n]) < min(x[n:])
    boxes = [text.get_window_extent() for text in legend.get_texts()]
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])


def test_a_model_has_one_look_on_both_sides():
    figure = uncertainty_figure({"gbdt": without_std(), "bcnn": with_std()})
    (step,) = steps(figure.axes[0])
    handle = figure.legends[0].get_lines()[1]
    hollow = [
        line for line in figure.axes[1].lines if to_hex(line.get_markerfacecolor()) == "#ffffff"
    ]
    drawn = [line for line in hollow if np.isfinite(line.get_ydata()).all()]
    for colour in (step.get_edgecolor(), *(line.get_color() for line in drawn)):
        assert same_color(colour, handle.get_color())
    assert {line.get_marker() for line in drawn} == {handle.get_marker()}


def test_no_model_is_refused():
    with pytest.raises(InputError, match="uncertainty figure: found no model"):
        uncertainty_figure({})
    assert not plt.get_fignums()
