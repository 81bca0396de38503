"""Figures of made-up galaxies: the right axes with their units, and files that do not change."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from mmae.evaluation.lines import line_table
from mmae.evaluation.published import PUBLISHED
from mmae.files.write import save_figure
from mmae.plots.figure_3 import figure_3, scatter_bars
from mmae.plots.reconstruction import Drawn, reconstruction_figure
from mmae.plots.style import false_colour


def labels_of(figure) -> set[str]:
    axes = [ax for part in (figure, *figure.subfigs) for ax in part.axes]
    return {label for ax in axes for label in (ax.get_xlabel(), ax.get_ylabel()) if label}


def texts_of(figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(plt.Text))


@pytest.fixture
def regression():
    rng = np.random.default_rng(0)
    z_spec = rng.uniform(0.01, 3, 300)
    return z_spec + rng.normal(0, 0.05, 300), z_spec


def test_figure_3_has_a_histogram_an_inset_and_bars(regression):
    bars = scatter_bars({"ours": 0.03}, PUBLISHED)
    figure = figure_3(*regression, bars, 0.4, "ours")
    assert {r"$z_\mathrm{spec}$", r"$z_\mathrm{pred}$", "galaxies"} <= labels_of(figure)
    words = texts_of(figure)
    for published in (
        *("0.016  MMAE, image 25% hidden", "0.026  MMAE, image 0% hidden"),
        *("0.020  AstroCLIP (", "0.012  BCNN ("),
    ):
        assert published in words
    assert "0.030  ours" in words
    hatched = [p.get_hatch() for p in figure.axes[0].patches]
    assert hatched == [None] + ["//"] * 4


def test_figure_3_has_z_spec_to_the_right_and_z_pred_upwards():
    z_spec, z_pred = np.full(50, 0.3), np.full(50, 0.1)
    figure = figure_3(z_pred, z_spec, scatter_bars({"ours": None}, ()), 0.4, "ours")
    low = next(ax for ax in figure.axes if ax.get_title().endswith("0.4$"))
    counts = low.collections[0].get_array().filled(0).reshape(40, 40)
    row, column = np.unravel_index(np.argmax(counts), counts.shape)
    assert (row + 0.5) * 0.01 == pytest.approx(0.1, abs=0.011)
    assert (column + 0.5) * 0.01 == pytest.approx(0.3, abs=0.011)
    assert low.get_xlabel() == r"$z_\mathrm{spec}$"


def test_reconstructions_show_an_image_and_a_spectrum_of_each_model():
    rng = np.random.default_rng(0)
    wave = 3611.6 + 24 * np.arange(256)
    image, spectrum = rng.normal(0, 1, (5, 64, 64)), rng.normal(0, 1, 256)
    spectrum[np.argmin(np.abs(wave - 7043))] += 30
    hidden = np.broadcast_to(np.arange(64 * 64).reshape(64, 64) % 4 > 0, (5, 64, 64))
    lines = line_table(wave, spectrum, spectrum * 0, 0.073, ["H-alpha"])
    assert lines["kind"].tolist() == ["unresolved", "missed"]
    drawn = [
        Drawn("one", image * 0.5, spectrum * 0.5, 0.08, lines),
        Drawn("two", image * 0.2, spectrum, 0.07, lines),
    ]
    figure = reconstruction_figure(image, hidden, wave, spectrum, wave > 5000, 0.073, drawn)
    assert {"x (arcsec)", "y (arcsec)", "normalised flux"} <= labels_of(figure)
    assert any("wavelength" in label and "AA" in label for label in labels_of(figure))
    words = texts_of(figure)
    for word in ("shown (75% hidden)", r"H$\alpha$: true 70", "reconstructed missed"):
        assert word in words
    assert "alpha$" not in words.replace(r"H$\alpha$", ""), "Lyman-alpha is outside"
    true, shown, *rebuilt = (ax.images[0].get_array() for ax in figure.subfigs[0].axes)
    assert (shown[hidden[0]] == 128).all()
    assert np.array_equal(shown[~hidden[0]], true[~hidden[0]])
    assert not any(np.array_equal(one, true) for one in rebuilt)
    assert [ax.get_title() for ax in figure.subfigs[0].axes[2:]] == ["one", "two"]
    assert len(figure.subfigs[1].axes) == 2, "a panel a model"
    drawn_curves = [ax.lines[1].get_ydata() for ax in figure.subfigs[1].axes]
    assert [curve.tolist() for curve in drawn_curves] == [
        (spectrum * 0.5).tolist(),
        spectrum.tolist(),
    ]
    (shade,) = figure.subfigs[1].axes[0].collections
    left, right = shade.get_paths()[0].get_extents().intervalx
    assert (left, right) == pytest.approx((5000, wave[-1]), abs=30)


def test_a_band_that_is_hidden_takes_its_colour_with_it():
    rng = np.random.default_rng(0)
    wave = 3611.6 + 24 * np.arange(256)
    image, spectrum = rng.uniform(0, 0.1, (5, 64, 64)), rng.normal(0, 1, 256)
    middle = (slice(24, 40), slice(24, 40))
    image[:, *middle] += 1.0
    hidden = np.zeros((5, 64, 64), dtype=bool)
    hidden[0] = True
    lines = line_table(wave, spectrum, spectrum * 0, 0.073, ["H-alpha"])
    whole = wave > 0
    drawn = [Drawn("one", image, spectrum, 0.08, lines)]
    figure = reconstruction_figure(image, hidden, wave, spectrum, whole, 0.073, drawn)
    true, shown, _ = (ax.images[0].get_array() for ax in figure.subfigs[0].axes)
    # g is the blue one
    assert true[*middle, 2].min() > 20
    assert shown[..., 2].max() == 0
    assert shown[*middle, 0].min() > 20
    assert "shown (20% hidden)" in texts_of(figure)


def test_colours_are_colours():
    image = np.full((5, 4, 4), 0.1)
    image[2, 0, 0] = 5.0
    colours = false_colour(image, 1.0, 0.0)
    assert colours.shape == (4, 4, 3)
    assert colours.dtype == np.uint8
    assert colours[0, 0, 0] > colours[0, 0, 2]


def test_figures_are_written_twice_and_always_the_same(tmp_path, regression):
    for name in ("a", "b"):
        figure = figure_3(*regression, scatter_bars({"ours": 0.03}, PUBLISHED), 0.4, "ours")
        save_figure(figure, tmp_path / f"{name}.pdf")
    for suffix in (".pdf", ".png"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
