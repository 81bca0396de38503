"""Scatter of all models beside each other, and, apart from it, what others have published."""

import re
from collections.abc import Iterable, Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter

from mmae.errors import InputError
from mmae.plots.style import MODEL, OTHER, PUBLISHED, WIDTH_INCH, paper_style

SIGMA = r"$\sigma_\mathrm{NMAD}$"

MEASURED = ("sigma_nmad", "sigma_nmad_low", "sigma_nmad_high")
"""Columns of a measured value and its interval; with `low_` before them, at low redshift."""

FORMULA = r"\$[^$]*\$"
FORMULA_LETTERS = 6
"""How many letters are as wide as a formula; its source is longer."""


def comparison_figure(table: pd.DataFrame, low_redshift: float = 0.4) -> Figure:
    """Draw a forest plot of sigma_NMAD, one row a model.

    Parameters
    ----------
    table : DataFrame
        Rows from the top. Columns label; sigma_nmad, sigma_nmad_low, sigma_nmad_high (our test
        galaxies, 95% interval); the same with `low_` before them, for low redshift; and
        published_sigma_nmad. All dimensionless, NaN where there is none. Optional:
        seed_values and low_seed_values, lists of the sigma_NMAD of other seeds.
    low_redshift : float
        Upper end of that regime.

    Returns
    -------
    Figure
        Measured values on logarithmic axes, so that one bad model does not hide the differences
        between the others; published values, of other galaxies, never share an axis with them.

    Raises
    ------
    InputError
        If the table is empty or lacks a column.
    """
    low_columns = [f"low_{name}" for name in MEASURED]
    check_table(table, ("label", *MEASURED, *low_columns, "published_sigma_nmad"), "comparison")
    published = table["published_sigma_nmad"].to_numpy(dtype=float)
    labels = [wrapped(label, 30) for label in table["label"]]
    titles = ["all redshifts", rf"$z\leq{low_redshift:g}$"]
    if np.isfinite(published).any():
        titles.append("published\n(other galaxies)")
    with paper_style():
        figure, panels = plt.subplots(
            1,
            len(titles),
            figsize=(WIDTH_INCH, rows_height(labels) + 1.2),
            sharey=True,
            width_ratios=[1.35, 1.35, 1][: len(titles)],
        )
        for axes, title in zip(panels, titles, strict=True):
            draw_rows(axes, labels)
            axes.set_title(title)
        _draw_measured(panels[0], table, MEASURED, "seed_values")
        _draw_measured(panels[1], table, low_columns, "low_seed_values")
        for axes in panels[2:]:
            axes.plot(published, np.arange(len(table)), "D", mfc="none", color=PUBLISHED, ms=5)
            axes.set_xlim(0, 1.25 * np.nanmax(published))
            axes.xaxis.set_major_locator(MaxNLocator(3))
            axes.set_xlabel(f"{SIGMA} as published")
        figure.legend(
            handles=_legend(len(titles) > 2, "seed_values" in table),
            loc="outside lower center",
            ncols=3,
            frameon=False,
            fontsize="small",
        )
    return figure


def _draw_measured(
    axes: Axes, table: pd.DataFrame, columns: Sequence[str], seed_column: str
) -> None:
    """Points, intervals and other seeds of one redshift range."""
    value, low, high = (table[name].to_numpy(dtype=float) for name in columns)
    place = np.arange(len(table))
    axes.hlines(place, low, high, color=MODEL, lw=1.2)
    # small, as intervals of many galaxies are short
    axes.plot(value, place, "o", color=MODEL, ms=3)
    drawn = [value, low, high]
    for row, seeds in enumerate(table.get(seed_column, ())):
        if np.ndim(seeds):
            # beside the row, lest they be taken for ends of the interval
            axes.plot(seeds, np.full(len(seeds), row + 0.27), ".", color=OTHER, ms=3.5)
            drawn.append(np.asarray(seeds, dtype=float))
    plain_log_axis(axes, np.concatenate(drawn))
    axes.set_xlabel(SIGMA)


def _legend(has_published: bool, has_seeds: bool) -> list[Line2D]:
    """What the marks mean."""
    marks = [
        Line2D([], [], marker="o", ms=3, lw=1.2, color=MODEL, label="measured here, 95% interval")
    ]
    if has_seeds:
        marks.append(Line2D([], [], marker=".", ms=3.5, lw=0, color=OTHER, label="other seeds"))
    if has_published:
        marks.append(
            Line2D([], [], marker="D", ms=5, lw=0, mfc="none", color=PUBLISHED, label="published")
        )
    return marks


def plain_log_axis(axes: Axes, values: np.ndarray) -> None:
    """Make the x axis logarithmic, around the positive values, with ticks as 0.05 and not 5e-2."""
    values = values[np.isfinite(values) & (values > 0)]
    low, high = (values.min() / 1.15, values.max() * 1.15) if len(values) else (0.01, 1.0)
    if high / low > 4:
        decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)))
        steps = (1, 2, 5) if high / low < 100 else (1,)
        ticks = np.outer(decades, steps).ravel()
    else:
        ticks = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(ticks[(ticks >= low) & (ticks <= high)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.6g}"))


def check_table(table: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """InputError unless the table has rows and these columns."""
    missing = [name for name in columns if name not in table]
    if missing or table.empty:
        raise InputError(
            f"{what} figure",
            found=f"{len(table)} rows without {', '.join(missing)}" if missing else "no rows",
            expected="these columns" if missing else "at least one",
        )


def wrapped(label: str, width: int) -> str:
    """The label in lines of at most `width` letters; formulas stay whole, and count as drawn."""
    formulas = iter(re.findall(FORMULA, label))
    # letters of no language stand for formulas while lines are made
    lines = fill(re.sub(FORMULA, FORMULA_LETTERS * "\ue000", label), width, break_long_words=False)
    return re.sub(FORMULA_LETTERS * "\ue000", lambda _: next(formulas), lines)


def rows_height(labels: Sequence[str]) -> float:
    """Inches that rows need, all alike, so that the longest label stays in its own."""
    lines = 1 + max(label.count("\n") for label in labels)
    return len(labels) * (0.12 + 0.13 * lines)


def draw_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Rows from the top, every other one shaded, with their labels."""
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(np.arange(len(labels)), labels, fontsize="small")
    axes.tick_params(axis="y", length=0)
    for row in range(1, len(labels), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="0.95", lw=0, zorder=0)
