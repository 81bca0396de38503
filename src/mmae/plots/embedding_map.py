"""Embeddings of galaxies in two dimensions, coloured by redshift."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from mmae.errors import InputError
from mmae.plots.comparison import wrapped
from mmae.plots.style import WIDTH_INCH, paper_style

TICKS = (0, 0.1, 0.2, 0.4, 0.7, 1, 1.5, 2, 3, 4, 5, 6)
"""Redshifts at the colour bar."""


def embedding_maps(maps: Mapping[str, np.ndarray], redshift: np.ndarray) -> Figure:
    """Draw one panel a model, with one colour bar for all.

    Parameters
    ----------
    maps : mapping of str to ndarray, shape (N, 2)
        Coordinates by the model's label; no unit.
    redshift : ndarray, shape (N,)
        Of the same galaxies. Colours follow its square root: most galaxies are near.

    Raises
    ------
    InputError
        If there is no map, one is not of these galaxies, or a number is not finite.
    """
    _check(maps, redshift)
    # four are a square rather than a row and one
    n_across = 2 if len(maps) == 4 else min(3, len(maps))
    n_down = -(-len(maps) // n_across)
    panel = (WIDTH_INCH - 0.8) / 3
    titles = [wrapped(label, 26) for label in maps]
    height = panel + 0.1 + 0.15 * (1 + max(title.count("\n") for title in titles))
    norm = PowerNorm(0.5, vmin=0, vmax=max(float(np.max(redshift)), 0.1))
    # in random order, lest the last ones of a sorted table hide the others
    order = np.random.default_rng(0).permutation(len(redshift))
    with paper_style():
        figure, axes = plt.subplots(
            n_down,
            n_across,
            figsize=(panel * n_across + 0.8, height * n_down + 0.3),
            squeeze=False,
        )
        for place, title, points in zip(axes.flat, titles, maps.values(), strict=False):
            dots = place.scatter(
                *points[order].T,
                c=redshift[order],
                s=max(0.5, min(8, 8000 / len(order))),
                norm=norm,
                cmap="viridis",
                lw=0,
                rasterized=True,
            )
            place.set_title(title)
            place.set(xticks=[], yticks=[], box_aspect=1)
        for unused in axes.flat[len(maps) :]:
            unused.set_axis_off()
        figure.supxlabel("first dimension", fontsize="medium")
        figure.supylabel("second dimension", fontsize="medium")
        figure.colorbar(
            dots,
            ax=axes,
            label=r"$z_\mathrm{spec}$",
            ticks=TICKS,
            format="{x:g}",
            fraction=0.05,
            aspect=30,
            shrink=1 if n_down == 1 else 0.7,
        )
    return figure


def _check(maps: Mapping[str, np.ndarray], redshift: np.ndarray) -> None:
    """InputError unless each map has two finite coordinates for each finite redshift."""
    if not maps or np.ndim(redshift) != 1 or not len(redshift):
        raise InputError(
            "embedding maps",
            found=f"{len(maps)} maps of redshifts of shape {np.shape(redshift)}",
            expected="at least one of each",
        )
    if not np.isfinite(redshift).all():
        raise InputError(
            "embedding maps", found="redshifts not finite", expected="a number for each galaxy"
        )
    for label, points in maps.items():
        if np.shape(points) != (len(redshift), 2) or not np.isfinite(points).all():
            raise InputError(
                "embedding maps",
                key=label,
                found=f"shape {np.shape(points)} or numbers not finite",
                expected=f"two numbers for each of {len(redshift)} galaxies",
            )
