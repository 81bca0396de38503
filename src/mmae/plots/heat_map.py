"""A number for each mask ratio in training and each in the test."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmae.errors import InputError
from mmae.plots.comparison import check_table, wrapped
from mmae.plots.style import WIDTH_INCH, paper_style

CELL_INCH = 0.57
"""Room for an interval in small digits."""
LETTER_INCH = 0.085
"""Of a name beside or below a panel."""

COLUMNS = ("value", "low", "high")


class HeatMap(NamedTuple):
    """One panel."""

    label: str
    """What the numbers are, with their unit."""
    table: pd.DataFrame
    """Columns mask (hidden fraction in training, or another name of a row), test_mask (in the test,
    or another name of a column), value, low, high."""
    better: Literal["low", "high"]
    """Which numbers are better; they are brighter."""
    rows: str = "mask ratio in training"
    columns: str = "mask ratio in the test"


def heat_maps(panels: Sequence[HeatMap]) -> Figure:
    """Draw tables of numbers: training ratios downwards, test ratios to the right.

    Parameters
    ----------
    panels : sequence of HeatMap
        As many beside each other as there is room for, at most three.

    Raises
    ------
    InputError
        If there is no panel, or a table is empty, lacks a column or has two rows for a cell.
    """
    if not panels:
        raise InputError("heat maps", found="no panel", expected="at least one")
    grids = [_grid(panel) for panel in panels]
    n_rows, n_columns = (max(len(grid[axis]) for grid in grids) for axis in ("mask", "test_mask"))
    beside, below = (
        max(0.0, *(LETTER_INCH * _longest(grid[axis]) for grid in grids))
        for axis in ("mask", "test_mask")
    )
    width = max(CELL_INCH * n_columns + 0.6 + beside, 2.2)
    n_across = min(3, len(panels), max(1, int(WIDTH_INCH / width)))
    n_down = -(-len(panels) // n_across)
    with paper_style():
        figure, axes = plt.subplots(
            n_down,
            n_across,
            figsize=(
                min(WIDTH_INCH, width * n_across),
                n_down * (max(0.42 * n_rows + 1.0, 1.8) + below),
            ),
            squeeze=False,
        )
        for place, panel, grid in zip(axes.flat, panels, grids, strict=False):
            # titles are centred on the cells, not on the names beside them
            _draw(place, panel, grid, max(20, int(10 * (width - beside))))
        for unused in axes.flat[len(panels) :]:
            unused.set_axis_off()
    return figure


def _grid(panel: HeatMap) -> dict[str, np.ndarray]:
    """Ratios, and value, low and high with shape (training ratios, test ratios)."""
    check_table(panel.table, ("mask", "test_mask", *COLUMNS), "heat map")
    keys = panel.table[["mask", "test_mask"]]
    if keys.duplicated().any():
        mask, test_mask = keys[keys.duplicated()].iloc[0]
        raise InputError(
            "heat map",
            key=panel.label,
            found=f"two rows for mask {_key(mask)} and test_mask {_key(test_mask)}",
            expected="one",
        )
    wide = panel.table.pivot(index="mask", columns="test_mask", values=[*COLUMNS])
    rows, columns = (_in_order(keys[name]) for name in keys)
    grid = {
        name: wide[name].reindex(index=rows, columns=columns).to_numpy(dtype=float)
        for name in COLUMNS
    }
    return grid | {"mask": rows, "test_mask": columns}


def _in_order(keys: pd.Series) -> np.ndarray:
    """Ratios from small to large; names as they come."""
    found = keys.unique()
    return found if isinstance(found[0], str) else np.sort(found)


def _draw(axes: Axes, panel: HeatMap, grid: dict[str, np.ndarray], title_width: int) -> None:
    """One panel, with its numbers."""
    name = "viridis_r" if panel.better == "low" else "viridis"
    colours = plt.get_cmap(name).with_extremes(bad="0.9")
    picture = axes.imshow(np.ma.masked_invalid(grid["value"]), cmap=colours, aspect="auto")
    digits = _digits(grid)
    for row, column in np.ndindex(grid["value"].shape):
        value, low, high = (grid[name][row, column] for name in COLUMNS)
        red, green, blue, _ = picture.to_rgba(value) if np.isfinite(value) else (1, 1, 1, 1)
        # luminance as in Rec. 709; the middle of the map is dark enough for white
        ink = "black" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5 else "white"
        number = _number(value, digits) if np.isfinite(value) else "–"
        axes.text(column, row - 0.12, number, color=ink, ha="center", va="center", fontsize=7)
        if np.isfinite([value, low, high]).all():
            # a dash beside a minus sign would be read as another one
            between = "–" if low >= 0 else "\nto "
            interval = f"{_number(low, digits)}{between}{_number(high, digits)}"
            axes.text(column, row + 0.24, interval, color=ink, ha="center", va="center", fontsize=5)
    axes.set_xticks(range(len(grid["test_mask"])), [_name(key) for key in grid["test_mask"]])
    axes.set_yticks(range(len(grid["mask"])), [_name(key) for key in grid["mask"]])
    if _longest(grid["test_mask"]):
        axes.tick_params(axis="x", rotation=90)
    axes.tick_params(length=0)
    room = max(22, int(16 * CELL_INCH * len(grid["test_mask"])))
    axes.set(xlabel=wrapped(panel.columns, room), ylabel=panel.rows)
    better = {"low": "lower", "high": "higher"}[panel.better]
    title = f"{wrapped(panel.label, title_width)}\n({better} is better)"
    axes.set_title(title, fontsize="medium")


def _name(key: float | str) -> str:
    """A row's or column's name: a ratio, or words in lines."""
    return wrapped(key, 12) if isinstance(key, str) else _key(key)


def _longest(keys: np.ndarray) -> int:
    """Letters of the longest line of names; ratios need no room of their own."""
    return max(
        len(line) if isinstance(key, str) else 0 for key in keys for line in _name(key).split("\n")
    )


def _key(key: float | str) -> str:
    """A ratio, or a name as it is."""
    return key if isinstance(key, str) else f"{key:g}"


def _number(value: float, digits: int) -> str:
    """The number, with the minus sign of the axes."""
    return f"{value:.{digits}f}".replace("-", "−")


def _digits(grid: dict[str, np.ndarray]) -> int:
    """Decimals that show the two leading digits of a usual interval's width."""
    width = np.abs(grid["high"] - grid["low"])
    width = width[np.isfinite(width) & (width > 0)]
    if not len(width):
        return 3
    return int(np.clip(np.ceil(-np.log10(np.median(width))) + 1, 0, 4))
