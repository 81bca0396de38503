"""Figures 1 and 2: a galaxy hidden in part, and what models make of it, one beside the other."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmae.instruments import IMAGE_SIZE, LINES, PIXEL_SCALE_ARCSEC
from mmae.plots.style import LOOKS, TRUE, WIDTH_INCH, false_colour, paper_style


class Drawn(NamedTuple):
    """What a model makes of the galaxy."""

    label: str
    image: np.ndarray
    """(5, H, W)"""
    spectrum: np.ndarray
    """(L,), normalised flux."""
    z_pred: float
    lines: pd.DataFrame
    """Measured lines, as from `mmae.evaluation.lines.line_table`."""

    @classmethod
    def of(cls, galaxy: Mapping[str, np.ndarray], lines: pd.DataFrame) -> "Drawn":
        """Of an example galaxy in a file of reconstructions."""
        return cls(
            str(galaxy["model"]),
            galaxy["image_reconstruction"],
            galaxy[f"spectrum_{galaxy['kind']}"],
            float(galaxy["z_pred"]),
            lines,
        )


def reconstruction_figure(
    image: np.ndarray,
    image_hidden: np.ndarray,
    wave: np.ndarray,
    spectrum: np.ndarray,
    spectrum_hidden: np.ndarray,
    z_spec: float,
    drawn: Sequence[Drawn],
) -> Figure:
    """Draw one galaxy.

    Parameters
    ----------
    image : ndarray, shape (5, H, W)
    image_hidden : ndarray of bool, shape (5, H, W)
    wave, spectrum : ndarray, shape (L,)
        Å; normalised flux.
    spectrum_hidden : ndarray of bool, shape (L,)
    z_spec : float
    drawn : sequence of Drawn
        Of each model: an image, and a panel with its spectrum.
    """
    n = len(drawn)
    with paper_style():
        figure = plt.figure(figsize=(WIDTH_INCH, 2.2 + 2.5 * n))
        top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1.2 * n])
        panels = top.subplots(1, 2 + n)
        pictures = {
            "true": image,
            f"shown ({image_hidden.mean():.0%} hidden)": np.where(image_hidden, np.nan, image),
            **{one.label: one.image for one in drawn},
        }
        stretch = float(np.percentile(image[2], 99.5)) / 4
        level = float(np.median(image[:3]))
        for axes, (title, picture) in zip(panels, pictures.items(), strict=True):
            _draw_image(axes, picture, stretch, level)
            axes.set_title(title)
        panels[0].set_ylabel("y (arcsec)")
        said = [rf"$z_\mathrm{{pred}}={one.z_pred:.3f}$ ({one.label})" for one in drawn]
        top.suptitle(", ".join([rf"$z_\mathrm{{spec}}={z_spec:.3f}$", *said]))
        both = np.concatenate([spectrum, *(one.spectrum for one in drawn)])
        both = both[np.isfinite(both)]  # some galaxies have no spectrum
        rows = bottom.subplots(n, 1, sharex=True, squeeze=False)[:, 0]
        for axes, one, (colour, _) in zip(rows, drawn, cycle(LOOKS), strict=False):
            spectra = (spectrum, spectrum_hidden, one.spectrum)
            _draw_spectrum(axes, wave, *spectra, one.label, colour, both)
            _label_lines(axes, wave, z_spec)
            _tell_lines(axes, one.lines)
        axes.set_xlabel(r"observed wavelength ($\mathrm{\AA}$)")
    return figure


def _draw_image(axes: Axes, image: np.ndarray, stretch: float, level: float) -> None:
    """One false-colour image; hidden pixels are grey."""
    half = 0.5 * IMAGE_SIZE * PIXEL_SCALE_ARCSEC
    picture = false_colour(np.nan_to_num(image), stretch, level)
    picture[np.isnan(image).all(axis=0)] = 128
    axes.imshow(picture, origin="lower", extent=(-half, half, -half, half))
    axes.set_xlabel("x (arcsec)")


def _draw_spectrum(
    axes: Axes,
    wave: np.ndarray,
    spectrum: np.ndarray,
    hidden: np.ndarray,
    reconstruction: np.ndarray,
    label: str,
    colour: tuple,
    both: np.ndarray,
) -> None:
    """True and reconstructed spectrum, in the range of `both`; the hidden part is shaded."""
    axes.plot(wave, spectrum, color=TRUE, lw=0.9, label="true")
    axes.plot(wave, reconstruction, color=colour, lw=1.3, label=label)
    margin = 0.08 * np.ptp(both)
    # room below the spectrum for the names of lines
    low, high = both.min() - 2.5 * margin, both.max() + margin
    axes.fill_between(
        wave, low, high, where=hidden, color="0.9", step="mid", lw=0, zorder=0, label="hidden"
    )
    axes.set(
        xlim=(wave[0], wave[-1]),
        ylim=(low, high),
        ylabel="normalised flux",
    )
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, fontsize="small")


def _label_lines(axes: Axes, wave: np.ndarray, redshift: float) -> None:
    """Name the lines that fall into the spectrum, at their true places."""
    for line in LINES.values():
        observed = line.wave * (1 + redshift)
        if wave[0] < observed < wave[-1]:
            axes.axvline(observed, color="0.6", lw=0.6, ls=":", zorder=0)
            axes.annotate(
                line.label,
                (observed, 0.02),
                xycoords=("data", "axes fraction"),
                rotation=90,
                fontsize="x-small",
                ha="left",
                va="bottom",
            )


def _tell_lines(axes: Axes, lines: pd.DataFrame) -> None:
    """Write the measured centres, heights and widths above the panel."""
    words = []
    for line, fits in lines.groupby("line", sort=False):
        told = []
        for fit in fits.itertuples():
            numbers = fit.kind
            if fit.kind != "missed":
                numbers = f"{fit.centre_angstrom:.0f} Å, height {fit.height:.2f}"
                if fit.kind != "unresolved":
                    numbers += f", width {fit.width_angstrom:.0f} Å"
                numbers += f" ({fit.kind})" * (fit.kind != "found")
            told.append(f"{fit.spectrum} {numbers}")
        words.append(f"{LINES[line].label}: " + "; ".join(told))
    axes.set_title("\n".join(words), loc="left", fontsize="small", linespacing=1.4)
