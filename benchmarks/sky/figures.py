"""Real spectra with what a network draws, its density of the redshift, and what went wrong."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmae.instruments import LINES
from mmae.models.restframe import Restframe
from mmae.plots.style import MODEL, OTHER, PUBLISHED, TRUE, WIDTH_INCH, paper_style
from sky.answers import Answer, batches, errors
from sky.sets import SKY, Spectra

MARKED = ("Ly-alpha", "C IV", "C III]", "Mg II", "[O II]", "[O III]", "H-alpha")


@torch.no_grad()
def drawn(model: Restframe, spectra: Spectra, row: int, share: float) -> tuple[np.ndarray, ...]:
    """Flux, ivar, hidden pixels, reconstruction (259,) and density (G,) of one, with its edges."""
    batch, masks = next(batches(model, spectra, share, slice(row, row + 1)))
    told = model.reconstruct(batch, masks, "mode")[0]["spectrum"]
    density = model.predict(batch, masks).density
    hidden = model.modalities["spectrum"].covered(masks["spectrum"].tokens)
    parts = (batch.values["spectrum"], batch.ivar["spectrum"], hidden, told, density.probability)
    return (*(part[0].numpy() for part in parts), density.edges.numpy())


def examples(
    model: Restframe, chosen: list[tuple[str, Spectra, int, float]], wave: np.ndarray
) -> Figure:
    """One row a spectrum: (title, its set, its row there, hidden share)."""
    with paper_style():
        figure = Figure(figsize=(WIDTH_INCH, 1.45 * len(chosen)))
        axes = figure.subplots(len(chosen), 2, width_ratios=(3, 1), squeeze=False)
        for (title, spectra, row, share), (left, right) in zip(chosen, axes, strict=True):
            flux, ivar, hidden, told, probability, edges = drawn(model, spectra, row, share)
            _spectrum(left, wave, flux, ivar, hidden, told)
            z_spec, middle = spectra.redshift[row], np.expm1((edges[:-1] + edges[1:]) / 2)
            _marks(left, middle[probability.argmax()], wave)
            left.set_title(title, fontsize=7, loc="left")
            right.semilogy(middle, probability.clip(1e-6), color=MODEL, lw=0.8)
            right.set(ylim=(1e-6, 2), xlim=(0, 4.6))
            if np.isfinite(z_spec):
                right.axvline(z_spec, color=PUBLISHED, ls="--", lw=0.9)
        for left, right in axes:
            left.set_ylabel("normalised flux", fontsize=7)
            right.set_ylabel("probability", fontsize=7)
        axes[-1, 0].set_xlabel("observed wavelength [Å]")
        axes[-1, 1].set_xlabel("redshift")
    return figure


def _spectrum(axis: Axes, wave, flux, ivar, hidden, told) -> None:
    """Data with their noise, what was hidden of them, and what is drawn."""
    seen = ivar > 0
    noise = 1 / np.sqrt(np.where(seen, ivar, np.inf))
    flux = np.where(seen, flux, np.nan)
    axis.fill_between(wave, flux - noise, flux + noise, color=TRUE, alpha=0.35, lw=0)
    axis.plot(wave, flux, color=TRUE, lw=0.7)
    axis.plot(wave, told, color=MODEL, lw=0.9)
    low, high = np.nanpercentile(np.r_[flux[seen], told[seen]], [0.5, 99.7])
    axis.set(xlim=(3600, 9824), ylim=(low - 0.25 * (high - low), high + 0.45 * (high - low)))
    whole = hidden & seen
    step = wave[1] - wave[0]
    for start in np.flatnonzero(np.diff(whole.astype(int), prepend=0) == 1):
        end = start + np.argmin(np.append(whole[start:], False))
        axis.axvspan(wave[start] - step / 2, wave[end - 1] + step / 2, color="k", alpha=0.08, lw=0)


def _marks(axis: Axes, z: float, wave: np.ndarray) -> None:
    """Lines where the redshift that is predicted has them."""
    for name in MARKED:
        line = LINES[name]
        at = line.wave * (1 + z)
        if wave[0] < at < wave[-1]:
            axis.axvline(at, ymin=0.84, ymax=0.9, color=OTHER, lw=0.9)
            axis.annotate(
                line.label, (at, 0.91), xycoords=("data", "axes fraction"), fontsize=5, ha="center"
            )


def against_truth(answers: dict[str, tuple[Answer, Spectra]]) -> Figure:
    """Predicted against published redshifts, nothing hidden."""
    with paper_style():
        figure = Figure(figsize=(WIDTH_INCH / 2, WIDTH_INCH / 2))
        axis = figure.subplots()
        marks = zip("osD^v", (MODEL, PUBLISHED, OTHER, TRUE, "k"), strict=True)
        for (name, (answer, spectra)), (shape, colour) in zip(
            ((k, v) for k, v in answers.items() if k != SKY), marks, strict=False
        ):
            axis.plot(
                spectra.redshift, answer.z_pred, shape, ms=3, mfc="none", mec=colour, mew=0.6,
                label=f"{name}, {np.mean(np.abs(errors(answer, spectra)) > 0.15):.0%} outliers",
            )  # fmt: skip
        axis.plot([0, 4], [0, 4], color=TRUE, lw=0.6, zorder=0)
        axis.set(xlabel="published redshift", ylabel="redshift by synthesis")
        axis.set_xscale("function", functions=(np.log1p, np.expm1))
        axis.set_yscale("function", functions=(np.log1p, np.expm1))
        axis.set(xlim=(0, 4.6), ylim=(0, 4.6), xticks=range(5), yticks=range(5))
        axis.legend(fontsize=6, frameon=False, loc="lower right")
    return figure
