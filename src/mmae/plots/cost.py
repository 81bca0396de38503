"""Scatter of redshifts from images against what the training took."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from mmae.plots.comparison import SIGMA, check_table
from mmae.plots.style import MODEL, OTHER, WIDTH_INCH, paper_style

COLUMNS = ("model", "training_seconds", "sigma_nmad")


def cost_figure(table: pd.DataFrame, highlighted: str) -> Figure:
    """Draw sigma_NMAD by seconds of training, a point a training.

    Parameters
    ----------
    table : DataFrame
        Columns COLUMNS, one row a training.
    highlighted : str
        The model in another colour.

    Raises
    ------
    InputError
        If the table is empty or lacks a column.
    """
    check_table(table, COLUMNS, "cost")
    with paper_style():
        figure, axes = plt.subplots(figsize=(WIDTH_INCH, 4.0))
        for model, rows in table.groupby("model", sort=False):
            seconds, scatter = rows["training_seconds"], rows["sigma_nmad"]
            colour = MODEL if model == highlighted else OTHER
            axes.plot(seconds, scatter, "o-", color=colour, ms=4, lw=0.8)
            # beside the training that is the farthest to the right
            last = rows.loc[seconds.idxmax()]
            place = last["training_seconds"], last["sigma_nmad"]
            axes.annotate(
                model, place, (4, 0), textcoords="offset points", va="center", fontsize="small"
            )
        axes.set(xscale="log", yscale="log", xlabel="training (s)", ylabel=SIGMA)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
        axes.margins(x=0.15)
    return figure
