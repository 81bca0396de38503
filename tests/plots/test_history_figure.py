"""Curves of all trainings."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from mmae.errors import InputError
from mmae.plots.history import history_figure


def run(model: str, mask: float, seed: int, losses: tuple[str, ...], n: int = 6) -> pd.DataFrame:
    """A training whose validation loss is lowest in its last epoch but one."""
    epochs = np.arange(1, n + 1)
    table = pd.DataFrame({"model": model, "mask": mask, "seed": seed, "epoch": epochs})
    for name in ("total", *losses):
        table[f"train_{name}"] = 2.0 / epochs + mask
        table[f"validation_{name}"] = 3.0 / epochs + mask
    # spectra are not shown in validation
    table = table.drop(columns="validation_spectrum", errors="ignore")
    table.loc[n - 1, "validation_total"] += 1.0
    return table.assign(validation_sigma_nmad=0.1 / epochs)


TREES = pd.DataFrame(
    {
        **{"model": ["gbdt"], "mask": [0.0], "seed": [0], "epoch": [1]},
        **{"validation_total": [0.01], "validation_sigma_nmad": [0.02]},
    }
)
HISTORIES = pd.concat(
    [
        TREES,
        run("cnn", 0.0, 0, ()),
        run("mmae", 0.25, 0, ("image", "spectrum")),
        run("mmae", 0.75, 0, ("image", "spectrum")),
        run("mmae", 0.75, 1, ("image", "spectrum")),
    ],
    ignore_index=True,
)


@pytest.fixture
def figure() -> plt.Figure:
    return history_figure(HISTORIES)


def panels(figure: plt.Figure) -> dict[tuple[str, str], plt.Axes]:
    """Panels by model, which the first of its row names, and title."""
    found, model = {}, ""
    for axes in figure.axes:
        model = axes.get_ylabel() or model
        if axes.get_title():
            found[model, axes.get_title()] = axes
    return found


def lines(axes: plt.Axes, style: str) -> list[plt.Line2D]:
    return [line for line in axes.lines if line.get_linestyle() == style]


def test_every_network_has_a_row_and_every_loss_a_panel(figure):
    sigma = r"$\sigma_\mathrm{NMAD}$"
    # those that hide tokens come first, trees have no curve
    assert [*panels(figure)] == [
        *(("mmae", title) for title in ("total loss", sigma, "image loss", "spectrum loss")),
        *(("cnn", title) for title in ("total loss", sigma)),
    ]


def test_lines_are_the_numbers_of_the_table(figure):
    axes = panels(figure)["mmae", "image loss"]
    assert len(lines(axes, "--")) == len(lines(axes, "-")) == 3
    for style, part in (("--", "train"), ("-", "validation")):
        drawn = [line.get_ydata().tolist() for line in lines(axes, style)]
        hides = HISTORIES[HISTORIES["model"] == "mmae"]
        for _, of_run in hides.groupby(["mask", "seed"]):
            assert of_run[f"{part}_image"].tolist() in drawn


def test_spectra_have_no_validation_loss(figure):
    axes = panels(figure)["mmae", "spectrum loss"]
    assert len(lines(axes, "--")) == 3
    assert lines(axes, "-") == lines(axes, "None") == []


def test_dots_are_the_kept_epochs(figure):
    for title in ("total loss", "image loss"):
        dots = lines(panels(figure)["mmae", title], "None")
        assert [dot.get_xdata()[0] for dot in dots] == [5, 5, 5]
    assert dots[0].get_ydata()[0] == pytest.approx(3.0 / 5 + 0.75)


def test_colours_tell_mask_ratios_and_thin_lines_further_seeds(figure):
    solid = lines(panels(figure)["mmae", "total loss"], "-")
    by_height = sorted(solid, key=lambda line: line.get_ydata()[0])
    colours = [to_hex(line.get_color()) for line in by_height]
    assert colours[0] != colours[1] == colours[2]
    assert sorted(line.get_linewidth() for line in by_height[1:]) == [0.7, 1.2]
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words[:3] == ["nothing hidden", "mask ratio 0.25", "mask ratio 0.75"]
    assert words[3:] == ["training", "validation", "epoch that is kept", "further seeds"]


def test_one_spike_does_not_hide_the_rest():
    spiky = run("cnn", 0.0, 0, ())
    spiky["train_total"] -= 5.0
    spiky.loc[1, "validation_total"] = 500.0
    assert panels(history_figure(spiky))["cnn", "total loss"].get_ylim()[1] < 10.0
    spiky.loc[1, "validation_total"] = 3.0
    assert panels(history_figure(spiky))["cnn", "total loss"].get_ylim()[1] > 3.0


def test_what_falls_far_has_a_logarithmic_axis():
    far = run("cnn", 0.0, 0, ("image",))
    far["train_image"] = [100.0, 30.0, 10.0, 3.0, 1.0, 0.5]
    figure = history_figure(far)
    assert panels(figure)["cnn", "image loss"].get_yscale() == "log"
    near = run("cnn", 0.75, 0, ())
    assert panels(history_figure(near))["cnn", "total loss"].get_yscale() == "linear"


def test_many_losses_go_on_in_a_second_row(fits):
    losses = ("one", "two", "three", "four", "five")
    figure = history_figure(run("mmae", 0.5, 0, losses))
    assert len(panels(figure)) == 7
    assert figure.get_size_inches()[0] <= 7.0
    assert fits(figure)


def test_one_epoch_is_a_dot(fits):
    figure = history_figure(run("cnn", 0.0, 0, (), n=1))
    assert lines(panels(figure)["cnn", "total loss"], "--")[0].get_marker() == "."
    assert fits(figure)


def test_a_model_without_redshifts_has_no_panel_of_scatter():
    blind = run("astroclip", 0.0, 0, ()).assign(validation_sigma_nmad=np.nan)
    assert [*panels(history_figure(blind))] == [("astroclip", "total loss")]


def test_nothing_is_cut_off(figure, fits):
    assert fits(figure)


def test_tables_without_curves_are_told():
    for table in (TREES, TREES.assign(train_total=np.nan)):
        with pytest.raises(InputError, match="found no model that trains by epochs"):
            history_figure(table)
    with pytest.raises(InputError, match="validation_sigma_nmad"):
        history_figure(TREES.drop(columns="validation_sigma_nmad"))
