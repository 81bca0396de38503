"""Redshift scatter against the training mask ratio."""

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from mmae.plots.style import TRUE, paper_style


def masking_figure(study: pd.DataFrame, baselines: Mapping[str, float]) -> Figure:
    """Draw sigma_NMAD over all redshifts for each training ratio and test view.

    Parameters
    ----------
    study : DataFrame
        Columns mask, test_mask, sigma_nmad, sigma_nmad_low, sigma_nmad_high.
    baselines : mapping of str to float
        sigma_NMAD of models without masks, drawn as horizontal lines.
    """
    with paper_style():
        figure, axes = plt.subplots(figsize=(4.2, 3.2))
        colours, markers = cycle(sns.color_palette("colorblind")[:7]), cycle("osD^v")
        for (test_mask, runs), colour, marker in zip(
            study.groupby("test_mask"), colours, markers, strict=False
        ):
            errors = [
                runs["sigma_nmad"] - runs["sigma_nmad_low"],
                runs["sigma_nmad_high"] - runs["sigma_nmad"],
            ]
            axes.errorbar(
                runs["mask"],
                runs["sigma_nmad"],
                yerr=errors,
                color=colour,
                marker=marker,
                capsize=2,
                label=f"image {test_mask:.0%} hidden in the test",
            )
        for (name, value), style in zip(baselines.items(), cycle(("--", ":", "-.")), strict=False):
            axes.axhline(value, color=TRUE, ls=style, lw=1, label=name)
        axes.set(
            xlabel="mask ratio in training",
            ylabel=r"$\sigma_\mathrm{NMAD}$, all redshifts",
            xlim=(0, 1),
        )
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize="x-small")
    return figure
