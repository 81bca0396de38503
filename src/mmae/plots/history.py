"""Curves of all trainings: a row of small panels for each model."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    LogFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    ScalarFormatter,
)

from mmae.errors import InputError
from mmae.plots.comparison import SIGMA, check_table
from mmae.plots.style import WIDTH_INCH, paper_style

RUN = ["model", "mask", "seed"]
N_ACROSS = 5
PANEL_INCH = 1.25
LOG_FROM = 5.0
"""Positive numbers whose largest is so many times the smallest get a logarithmic axis."""
SPIKE = 4.0
"""What lies further above the upper quartile than so many interquartile ranges runs out of a linear
panel, or nothing else could be seen in it."""
NOTHING_HIDDEN = "0.3"
PARTS = {"train": "--", "validation": "-"}


class Panel(NamedTuple):
    """One model and one number of it."""

    model: str
    name: str
    """Of a loss, or sigma_nmad."""

    @property
    def title(self) -> str:
        """What is shown."""
        return SIGMA if self.name == "sigma_nmad" else f"{self.name} loss"


def history_figure(histories: pd.DataFrame) -> Figure:
    """Draw losses and redshift scatter by epoch.

    Parameters
    ----------
    histories : DataFrame
        Columns model, mask, seed, epoch, train_<loss>, validation_<loss>, validation_sigma_nmad,
        as `mmae.evaluation.histories.read_histories` gives them. Models that do not train by
        epochs (trees: no train_total) have no curve and are left out.

    Returns
    -------
    Figure
        Colours are mask ratios, thin lines are further seeds, dots are the epochs that are kept.

    Raises
    ------
    InputError
        If the table is empty or lacks a column, or no model has a curve.
    """
    columns = (*RUN, "epoch", "validation_total", "validation_sigma_nmad")
    check_table(histories, columns, "histories")
    # a table of trees alone has no such column
    curves = histories.reindex(columns=[*dict.fromkeys([*histories, "train_total"])])
    curves = curves[curves["train_total"].notna()]
    if curves.empty:
        raise InputError(
            "histories", found="no model that trains by epochs", expected="at least one network"
        )
    colours = _colours(curves["mask"])
    # models that hide tokens come first: what is told of them is most
    hides = curves.groupby("model", sort=False)["mask"].max() > 0
    models = [*hides.index[hides], *hides.index[~hides]]
    rows = [row for model in models for row in _rows(curves, model)]
    n_across = max(map(len, rows))
    with paper_style():
        figure, axes = plt.subplots(
            len(rows),
            n_across,
            figsize=(WIDTH_INCH, PANEL_INCH * len(rows) + 0.7),
            squeeze=False,
        )
        for places, row in zip(axes, rows, strict=True):
            for place, panel in zip(places, row, strict=False):
                _draw(place, panel, curves[curves["model"] == panel.model], colours)
            for unused in places[len(row) :]:
                unused.set_axis_off()
            places[0].set_ylabel(row[0].model, fontweight="bold")
        _name_epochs(axes, rows)
        figure.align_ylabels(axes[:, 0])
        figure.legend(
            handles=[*_keys(curves, colours)], loc="outside lower center", ncols=4, frameon=False
        )
    return figure


def _colours(masks: pd.Series) -> dict[float, Any]:
    """Mask ratios from dark to bright; dark grey where nothing is hidden."""
    hidden = sorted(mask for mask in masks.unique() if mask > 0)
    # its bright end is too faint for a line
    shades = plt.get_cmap("viridis")(np.linspace(0.0, 0.85, len(hidden)))
    return {0.0: NOTHING_HIDDEN, **dict(zip(hidden, shades, strict=True))}


def _rows(curves: pd.DataFrame, model: str) -> Iterator[list[Panel]]:
    """Panels of a model: total loss and scatter first, then parts of the loss."""
    table = curves[curves["model"] == model].dropna(axis="columns", how="all")
    names = [name.partition("_")[2] for name in table if name.startswith(tuple(PARTS))]
    names = sorted(dict.fromkeys(names), key=lambda name: name not in ("total", "sigma_nmad"))
    names.sort(key=lambda name: name != "total")
    for start in range(0, len(names), N_ACROSS):
        yield [Panel(model, name) for name in names[start : start + N_ACROSS]]


def _draw(axes: Axes, panel: Panel, table: pd.DataFrame, colours: dict[float, Any]) -> None:
    """One panel."""
    shown = []
    for (mask, number), run in _numbered_runs(table):
        for part, style in PARTS.items():
            column = f"{part}_{panel.name}"
            if column not in run or run[column].isna().all():
                continue
            shown.append(run[column])
            axes.plot(
                run["epoch"],
                run[column],
                ls=style,
                color=colours[mask],
                lw=0.7 if number else 1.2,
                alpha=0.7 if number else 1.0,
                # one epoch is no line
                marker="." if len(run) == 1 else None,
            )
            if part == "validation":
                best = run.loc[run["validation_total"].idxmin()]
                axes.plot(best["epoch"], best[column], "o", color=colours[mask], ms=2.5)
    axes.set_title(panel.title, fontsize="medium", pad=3)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.tick_params(labelsize="small", pad=2)
    _scale(axes, pd.concat(shown).dropna())


def _numbered_runs(table: pd.DataFrame) -> Iterator[tuple[tuple[float, int], pd.DataFrame]]:
    """Runs with their mask ratio and how many seeds came before; the first seed lies on top."""
    seeds = sorted(table["seed"].unique())
    for number in reversed(range(len(seeds))):
        one = table[table["seed"] == seeds[number]]
        for mask, run in one.groupby("mask"):
            yield (float(mask), number), run.sort_values("epoch")


def _scale(axes: Axes, values: pd.Series) -> None:
    """A logarithmic axis for what falls far, with plain numbers at few ticks."""
    low, high = values.min(), values.max()
    if low <= 0 or high < LOG_FROM * low:
        axes.yaxis.set_major_locator(MaxNLocator(4))
        lower, upper = values.quantile([0.25, 0.75])
        usual = values[values <= upper + SPIKE * (upper - lower)]
        margin = 0.05 * (usual.max() - low)
        if len(usual) < len(values) and margin > 0:
            axes.set_ylim(low - margin, usual.max() + margin)
        return
    axes.set_yscale("log")
    decades = np.log10(high / low)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 1.5 else (1.0,)))
    axes.yaxis.set_major_formatter(
        ScalarFormatter() if low > 1e-3 and high < 1e4 else LogFormatter()
    )
    axes.yaxis.set_minor_formatter(NullFormatter())


def _name_epochs(axes: np.ndarray, rows: list[list[Panel]]) -> None:
    """The axis label below the lowest panel of each column."""
    for column in range(axes.shape[1]):
        lowest = max(number for number, row in enumerate(rows) if len(row) > column)
        axes[lowest, column].set_xlabel("epoch", labelpad=1)


def _keys(curves: pd.DataFrame, colours: dict[float, Any]) -> Iterator[Line2D]:
    """The legend's entries."""
    for mask in sorted(curves["mask"].unique()):
        label = f"mask ratio {mask:g}" if mask else "nothing hidden"
        yield Line2D([], [], color=colours[mask], label=label)
    yield Line2D([], [], color="black", ls="--", lw=1.2, label="training")
    yield Line2D([], [], color="black", ls="-", lw=1.2, label="validation")
    yield Line2D([], [], color="black", ls="", marker="o", ms=2.5, label="epoch that is kept")
    if curves.groupby(["model", "mask"])["seed"].nunique().max() > 1:
        yield Line2D([], [], color="black", lw=0.7, alpha=0.7, label="further seeds")
