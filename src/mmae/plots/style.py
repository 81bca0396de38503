"""One look for all figures: readable at column width, safe for colour-blind readers."""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from astropy.visualization import make_lupton_rgb

from mmae.instruments import BANDS

WIDTH_INCH = 7.0
"""Width of a figure across the page."""

TRUE, MODEL, PUBLISHED, OTHER = (sns.color_palette("colorblind")[k] for k in (7, 0, 1, 2))
"""Grey: the truth; blue: this model; orange: published; green: other models here."""

LOOKS = tuple(
    zip(
        [sns.color_palette("colorblind")[k] for k in (0, 1, 2, 3, 4, 5, 6, 9)],
        "osD^vPXh",
        strict=True,
    )
)
"""Colour and marker of each of several models; without grey, the truth, and faint yellow."""


@contextmanager
def paper_style() -> Iterator[None]:
    """Fonts and lines of all figures."""
    context = sns.plotting_context("paper", font_scale=0.95)
    look = {
        "figure.constrained_layout.use": True,
        "axes.grid": False,
        "xtick.direction": "in",
        "ytick.direction": "in",
    }
    # a notebook's backend, loaded inside, would have its interactive mode undone: no further figure
    plt.switch_backend(plt.get_backend())
    with sns.axes_style("ticks"), plt.rc_context({**context, **look}):
        yield


def false_colour(image: np.ndarray, stretch: float, level: float) -> np.ndarray:
    """i, r and g as red, green and blue (Lupton et al. 2004, PASP 116, 133).

    Parameters
    ----------
    image : ndarray, shape (5, H, W)
        Flux in g r i z y.
    stretch, level : float
        The same for images that are to be compared.

    Returns
    -------
    ndarray, shape (H, W, 3), uint8
    """
    red, green, blue = (image[BANDS.index(band)] for band in "irg")
    # equal weights would show every galaxy red: flux rises from g to i
    return make_lupton_rgb(red, 1.2 * green, 1.8 * blue, minimum=level, stretch=stretch, Q=8)
