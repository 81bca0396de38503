"""How well hidden parts are reconstructed: against redshift, and line by line."""

from collections.abc import Iterable, Mapping
from itertools import cycle
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmae.errors import InputError
from mmae.instruments import LINES
from mmae.plots.comparison import check_table
from mmae.plots.style import LOOKS, TRUE, WIDTH_INCH, paper_style


class Panel(NamedTuple):
    """What a small panel shows."""

    quantity: str
    """As in the table."""
    label: str
    """Of its axis, with the unit."""
    ideal: float | None = None
    """Of a perfect reconstruction, where an axis can show it."""
    columns: tuple[str, str, str] = ("value", "low", "high")
    """Of the table: the number and its interval."""
    ceiling: float | None = None
    """Beyond it nothing is drawn."""


REDSHIFT_PANELS = (
    Panel("image psnr", "image PSNR (dB)"),
    Panel("image ssim", "image SSIM"),
    Panel(
        "colour g-r",
        "scatter of\n" r"$\Delta(g-r)$ (mag)",
        columns=("scatter", "scatter_low", "scatter_high"),
    ),
    Panel("half-light radius", "half-light radius\n" r"/ true $-$ 1", 0.0),
    Panel("spectrum mse", "spectrum MSE\n(normalised flux²)"),
    Panel("spectrum cosine", "spectrum cosine\nsimilarity"),
)
LINE_PANELS = (
    Panel("line found", "fraction\nfound", 1.0),
    Panel("line right", "fraction\nright", 1.0),
    Panel("line false", "fraction\nfalse", 0.0),
    Panel("line centre", "centre error\n(km/s)", 0.0),
    Panel("line height", "height / true", 1.0),
    Panel("line width", "width / true", 1.0, ceiling=5.0),
)
COLUMNS = (
    *("quantity", "line", "part", "z_low", "z_high", "n"),
    *("value", "low", "high", "scatter", "scatter_low", "scatter_high"),
)
"""Of a table that is drawn."""


def reconstruction_figure(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the quality of images and spectra in bins of redshift, with 95% intervals.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        As from `mmae.evaluation.reconstruction.reconstruction_table`, by the label of the model. A
        bin without a number is left empty.

    Raises
    ------
    InputError
        If there is no table, or one is empty or lacks a column.
    """
    if not tables:
        raise InputError("reconstruction figure", found="no table", expected="at least one")
    for table in tables.values():
        check_table(table, COLUMNS, "reconstruction")
    bins = {label: table[table["part"] == "bin"] for label, table in tables.items()}
    edges = pd.concat(bins.values())[["z_low", "z_high"]].drop_duplicates().sort_values("z_low")
    names = [f"{low:g}–{high:g}" for low, high in edges.itertuples(index=False)]
    with paper_style():
        figure, grid = plt.subplots(2, 3, figsize=(WIDTH_INCH, 4.2), sharex=True)
        for axes, panel in zip(grid.flat, REDSHIFT_PANELS, strict=True):
            for k, (table, look) in enumerate(zip(bins.values(), cycle(LOOKS), strict=False)):
                rows = table[table["quantity"] == panel.quantity].set_index("z_low")
                place = np.arange(len(edges)) + 0.12 * (k - (len(bins) - 1) / 2)
                _draw_bins(axes, place, rows.reindex(edges["z_low"]), panel, *look)
            if panel.ideal is not None:
                axes.axhline(panel.ideal, color=TRUE, lw=0.8, ls="--", zorder=0)
            axes.set_ylabel(panel.label)
            axes.set_xticks(range(len(names)), names, rotation=35)
        for axes in grid[-1]:
            axes.set_xlabel(r"$z_\mathrm{spec}$")
        figure.align_ylabels(grid)
        _legend(figure, tables)
    return figure


def _legend(figure: Figure, labels: Iterable[str]) -> None:
    """Which look is which model's, above all panels."""
    handles = [
        plt.Line2D([], [], color=colour, marker=marker, ms=4, lw=1, label=label)
        for label, (colour, marker) in zip(labels, cycle(LOOKS), strict=False)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)


def _draw_bins(
    axes: Axes, place: np.ndarray, rows: pd.DataFrame, panel: Panel, colour: tuple, marker: str
) -> None:
    """One model: a point and its interval for each bin."""
    value, errors = _with_errors(rows, panel)
    axes.errorbar(
        place, value, yerr=errors, color=colour, marker=marker, ms=4, lw=1, elinewidth=1.2
    )


def _with_errors(rows: pd.DataFrame, panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (N,), and how far their intervals reach below and above them (2, N)."""
    value, low, high = (rows[column].to_numpy(dtype=float) for column in panel.columns)
    return value, np.maximum([value - low, high - value], 0)


def line_figure(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the quality of each line over all redshifts, with 95% intervals.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        As from `mmae.evaluation.reconstruction.reconstruction_table`, by the label of the model.

    Raises
    ------
    InputError
        If there is no table, or one is empty or lacks a column.
    """
    if not tables:
        raise InputError("line figure", found="no table", expected="at least one")
    for table in tables.values():
        check_table(table, COLUMNS, "line")
    whole = [table[table["part"] == "all"] for table in tables.values()]
    lines = [line for line in LINES if any((one["line"] == line).any() for one in whole)]
    # the shortest wavelength at the top
    place, n = np.arange(len(lines))[::-1], len(whole)
    with paper_style():
        figure, row = plt.subplots(
            1,
            len(LINE_PANELS),
            figsize=(WIDTH_INCH, max(1.4 + (0.15 + 0.1 * n) * len(lines), 2.1)),
            sharey=True,
        )
        for axes, panel in zip(row, LINE_PANELS, strict=True):
            axes.axvline(panel.ideal, color=TRUE, lw=0.8, ls="--", zorder=0)
            for k, (one, (colour, marker)) in enumerate(zip(whole, cycle(LOOKS), strict=False)):
                rows = one[one["quantity"] == panel.quantity].set_index("line").reindex(lines)
                value, errors = _with_errors(rows, panel)
                beside = place - 0.8 / n * (k - (n - 1) / 2)
                style = {"fmt": marker, "color": colour, "ms": 3.5, "elinewidth": 1.0}
                axes.errorbar(value, beside, xerr=errors, **style)
            axes.set_xlabel(panel.label)
            axes.margins(x=0.1)
            if panel.ceiling is not None:
                axes.set_xlim(right=min(axes.get_xlim()[1], panel.ceiling))
        row[0].set_yticks(place, [f"{LINES[line].label} ({_n_of(whole, line)})" for line in lines])
        row[0].set_ylim(-0.6, len(lines) - 0.4)
        row[0].set_ylabel("line (galaxies)")
        _legend(figure, tables)
    return figure


def _n_of(tables: Iterable[pd.DataFrame], line: str) -> int:
    """Galaxies with the line in range: those of which it may be found, or false; at most."""
    counted = ["line found", "line false"]
    return max(
        int(one.loc[(one["line"] == line) & one["quantity"].isin(counted), "n"].sum())
        for one in tables
    )
