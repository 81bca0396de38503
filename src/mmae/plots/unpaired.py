"""Scatter against the number of images without a spectrum in the training."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mmae.plots.comparison import SIGMA, check_table
from mmae.plots.style import MODEL, OTHER, WIDTH_INCH, paper_style

COLUMNS = ("n_unpaired", "view", "range", "sigma_nmad", "sigma_nmad_low", "sigma_nmad_high")
MARKS = "osD^v"


def unpaired_figure(table: pd.DataFrame, low_redshift: float = 0.4) -> Figure:
    """Draw sigma_NMAD by the number of unpaired images; all redshifts left, low ones right.

    Parameters
    ----------
    table : DataFrame
        Columns COLUMNS, one row a training, view and redshift range; 95% intervals.
    low_redshift : float
        Upper end of that regime.

    Raises
    ------
    InputError
        If the table is empty or lacks a column.
    """
    check_table(table, COLUMNS, "unpaired")
    titles = {"all": "all redshifts", "low_redshift": rf"$z\leq{low_redshift:g}$"}
    # trainings of the same size stand beside each other
    step = 0.01 * max(1, table["n_unpaired"].max())
    with paper_style():
        figure, panels = plt.subplots(1, 2, figsize=(WIDTH_INCH, 3.1), sharey=True)
        for axes, (name, title) in zip(panels, titles.items(), strict=True):
            views = table[table["range"] == name].groupby("view", sort=True)
            for number, (view, rows) in enumerate(views):
                place = rows["n_unpaired"] + step * (rows.groupby("n_unpaired").cumcount() + number)
                value = rows["sigma_nmad"]
                error = [value - rows["sigma_nmad_low"], rows["sigma_nmad_high"] - value]
                axes.errorbar(
                    place, value, error, fmt=MARKS[number % len(MARKS)], ms=4, lw=1,
                    color=(MODEL, OTHER)[number % 2], label=view,
                )  # fmt: skip
            axes.set_title(title)
            axes.set_xlabel("images without a spectrum in the training")
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        panels[0].set_ylabel(SIGMA)
        figure.legend(
            *panels[0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=3,
            frameon=False,
            fontsize="small",
        )
    return figure
