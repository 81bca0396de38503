"""Scatter of models minus that of one of them, on the same galaxies."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mmae.plots.comparison import SIGMA, check_table, draw_rows, rows_height, wrapped
from mmae.plots.style import MODEL, TRUE, paper_style

COLUMN_INCH = 3.4
"""Width of a figure in one column of the page."""

FAR = 6.0
"""A row this many times further out than the middle row is not drawn to scale."""


def differences_figure(table: pd.DataFrame, reference: str) -> Figure:
    """Draw each model's sigma_NMAD minus the reference's.

    Parameters
    ----------
    table : DataFrame
        Rows from the top. Columns label; difference, low, high (95% interval, dimensionless);
        p_better, the probability that the model has less scatter than the reference, galaxies and
        trainings in. NaN where there is none.
    reference : str
        Label of the model that is subtracted.

    Returns
    -------
    Figure
        An arrow and a number at the edge stand for a row far outside the others' range.

    Raises
    ------
    InputError
        If the table is empty or lacks a column.
    """
    check_table(table, ("label", "difference", "low", "high", "p_better"), "differences")
    labels = [wrapped(label, 18) for label in table["label"]]
    # None becomes NaN, which is not drawn
    numbers = table[["difference", "low", "high", "p_better"]].astype(float)
    with paper_style():
        figure, axes = plt.subplots(figsize=(COLUMN_INCH, rows_height(labels) + 1.0))
        draw_rows(axes, labels)
        axes.axvline(0, color=TRUE, lw=1)
        place = np.arange(len(table))
        axes.hlines(place, numbers["low"], numbers["high"], color=MODEL, lw=1.2)
        axes.plot(numbers["difference"], place, "o", color=MODEL, ms=3.5)
        _limit(axes, numbers)
        right = axes.get_yaxis_transform()
        for row, probability in enumerate(numbers["p_better"]):
            axes.text(
                *(1.04, row, _probability(probability)),
                transform=right,
                va="center",
                fontsize="small",
            )
        axes.text(1.04, 1.02, "P(better)", transform=axes.transAxes, va="bottom", fontsize="small")
        name = wrapped(f"minus that of {reference}", 32)
        axes.set_xlabel(f"{SIGMA} {name}\n(left of 0: better)", fontsize="small")
        axes.xaxis.set_major_locator(MaxNLocator(3))
    return figure


def _limit(axes: Axes, numbers: pd.DataFrame) -> None:
    """Fit the axis to most rows; others get an arrow at the edge and their number."""
    extent = np.abs(numbers[["difference", "low", "high"]].to_numpy())
    reach = np.where(np.isfinite(extent), extent, 0).max(axis=1)
    middle = np.median(reach[reach > 0]) if reach.any() else 0.01
    is_near = reach <= FAR * middle
    limit = 1.15 * max(reach[is_near].max(), middle)
    axes.set_xlim(-limit, limit)
    for row in np.flatnonzero(~is_near):
        value = float(numbers["difference"].iloc[row])
        side = 1 if value > 0 else -1
        axes.annotate(
            f"{value:+.3f}".replace("-", "−"),
            (side * limit, row),
            xytext=(-16 * side, 0),
            textcoords="offset points",
            ha="right" if side > 0 else "left",
            va="center",
            fontsize="small",
            arrowprops={"arrowstyle": "->", "color": MODEL, "shrinkA": 2, "shrinkB": 0},
        )


def _probability(probability: float) -> str:
    """Two digits, never 0 or 1: some hundred resamplings cannot tell."""
    if np.isnan(probability):
        return "–"
    if probability > 0.99:
        return "> 0.99"
    return "< 0.01" if probability < 0.01 else f"{probability:.2f}"
