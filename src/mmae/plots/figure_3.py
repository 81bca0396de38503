"""Figure 3: predicted against spectroscopic redshift, and the scatter beside published ones."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from mmae.metrics.redshift import OUTLIER_LIMIT
from mmae.plots.style import MODEL, PUBLISHED, WIDTH_INCH, paper_style


class Bar(NamedTuple):
    """A scatter to draw."""

    label: str
    sigma_nmad: float
    is_published: bool


def figure_3(
    z_pred: np.ndarray, z_spec: np.ndarray, bars: Sequence[Bar], low_redshift: float, title: str
) -> Figure:
    """Draw the redshift regression.

    Parameters
    ----------
    z_pred, z_spec : ndarray, shape (N,)
    bars : sequence of Bar
        sigma_NMAD of models in the low-redshift regime.
    low_redshift : float
        Upper end of that regime.
    title : str
        Whose predictions these are.
    """
    with paper_style():
        figure, panels = plt.subplot_mosaic(
            [["bars", "all"], ["low", "all"]],
            figsize=(WIDTH_INCH, 3.9),
            width_ratios=[1, 1.5],
            height_ratios=[0.55, 1],
        )
        _draw_bars(panels["bars"], bars, low_redshift)
        _draw_density(panels["low"], z_pred, z_spec, low_redshift, 40)
        panels["low"].set_title(f"$z\\leq{low_redshift:g}$")
        highest = float(np.ceil(max(z_spec.max(), 1.0) * 5) / 5)
        counts = _draw_density(panels["all"], z_pred, z_spec, highest, 80)
        panels["all"].set_title(title)
        figure.colorbar(counts, ax=panels["all"], label="galaxies", shrink=0.8)
    return figure


def _draw_bars(axes: Axes, bars: Sequence[Bar], low_redshift: float) -> None:
    """Scatter of each model; published values are hatched."""
    for place, bar in enumerate(bars):
        axes.barh(
            place,
            bar.sigma_nmad,
            color=PUBLISHED if bar.is_published else MODEL,
            hatch="//" if bar.is_published else None,
            edgecolor="white",
        )
        axes.annotate(
            f"{bar.sigma_nmad:.3f}  {bar.label}",
            (bar.sigma_nmad, place),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            # the longest name beside the longest bar stays inside
            fontsize="xx-small",
        )
    axes.set_yticks([])
    axes.invert_yaxis()
    axes.set_xlim(0, 5.5 * max((bar.sigma_nmad for bar in bars), default=1.0))
    axes.set_xlabel(rf"$\sigma_\mathrm{{NMAD}}$ for $z\leq{low_redshift:g}$")


def _draw_density(axes: Axes, z_pred: np.ndarray, z_spec: np.ndarray, highest: float, bins: int):
    """2-D histogram with the diagonal and the outlier limits."""
    edges = np.linspace(0, highest, bins + 1)
    *_, mesh = axes.hist2d(z_spec, z_pred, bins=(edges, edges), norm=LogNorm(), cmap="viridis")
    mesh.set_rasterized(True)
    axes.plot(edges, edges, color="k", lw=0.8)
    for sign in (-1, 1):
        axes.plot(edges, edges + sign * OUTLIER_LIMIT * (1 + edges), color="k", lw=0.8, ls=":")
    axes.set(
        xlim=(0, highest),
        ylim=(0, highest),
        xlabel=r"$z_\mathrm{spec}$",
        ylabel=r"$z_\mathrm{pred}$",
        aspect="equal",
    )
    return mesh


def scatter_bars(measured: dict[str, float | None], published: Iterable[Any]) -> list[Bar]:
    """Bars of this run's scatter, then of published values.

    Parameters
    ----------
    measured : dict of str to float or None
        sigma_NMAD by label; None where there are no galaxies.
    published : iterable of PublishedValue
        As in `mmae.evaluation.published`.
    """
    bars = [Bar(label, value, False) for label, value in measured.items() if value is not None]
    bars += [Bar(f"{value.label} (published)", value.sigma_nmad, True) for value in published]
    return bars
