"""Single galaxies on one page: what a model was shown, what it makes of it, how far off it is."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from markupsafe import Markup

from mmae.dataset.arrays import TrainingArrays
from mmae.errors import InputError
from mmae.evaluation.catalogue import Catalogue, read_blocks
from mmae.evaluation.lines import LINE_COLUMNS, line_table
from mmae.evaluation.predict import WAVE, batches, reconstructed, redshifts
from mmae.evaluation.views import Model
from mmae.files.write import atomic
from mmae.instruments import LINES
from mmae.modalities import to_plain
from mmae.models.density import Density
from mmae.pages.render import render
from mmae.plots.reconstruction import Drawn, reconstruction_figure
from mmae.settings import View

FIGURE_DPI = 80
SHOWN = ("image", "spectrum")
"""Modalities that are drawn."""


class Card(NamedTuple):
    """One galaxy of the page."""

    place: int
    """Among all galaxies, from 0."""
    name: str
    error: float
    """|z_pred - z_spec| / (1 + z_spec); NaN where unknown."""
    numbers: dict[str, float]
    figure: Markup
    density: list[tuple[float, float]]
    """Middles of bins of redshift, and the density there as a part of its maximum; may be empty."""


def write_look(
    model: Model,
    galaxies: TrainingArrays,
    names: Sequence[str],
    rows: np.ndarray,
    view: View,
    seed: int,
    batch_size: int,
    n_shown: int,
    page: Path,
) -> None:
    """Write a page on which galaxies can be looked at, one by one.

    Parameters
    ----------
    model : GalaxyModel or Estimator
        In evaluation mode; of images and spectra, which it reconstructs.
    galaxies : TrainingArrays
    names : sequence of str, length B
        Of the galaxies at `rows`.
    rows : ndarray of int, shape (B,)
    view : View
    seed : int
        Of the masks.
    batch_size, n_shown : int
        All galaxies are points of the scatter plot; this many are shown: the half of them that is
        furthest off, and others evenly among the rest.
    page : Path
        HTML file to write, images inside.

    Raises
    ------
    InputError
        If the model reconstructs nothing, or not both image and spectrum.
    """
    lacking = [name for name in SHOWN if name not in model.modalities]
    if lacking or not getattr(model.settings, "hides", False):
        found = f"one without {lacking[0]}" if lacking else "one that reconstructs nothing"
        raise InputError("model", found=found, expected="one that reconstructs image and spectrum")
    options = (model, galaxies, rows, view, seed, batch_size)
    table, densities = _said(*options)
    error = ((table["z_pred"] - table["z_spec"]) / (1 + table["z_spec"])).abs().to_numpy()
    chosen = _chosen(error, n_shown)
    cards = [
        Card(
            *(k, str(names[k]), error[k], table.iloc[k].dropna().to_dict(), _drawn(galaxy)),
            _points(densities[k]) if densities else [],
        )
        for k, galaxy in _galaxies(chosen, *options)
    ]
    cards.sort(key=lambda card: -np.nan_to_num(card.error, nan=-1))
    known = table["z_spec"].notna().to_numpy()
    text = render(
        "look.html.jinja",
        cards=cards,
        table=table,
        known=np.flatnonzero(known),
        shown=set(chosen.tolist()),
        highest=float(table[["z_spec", "z_pred"]].max(axis=None)) if known.any() else 1.0,
    )
    with atomic(page) as part:
        part.write_text(text, encoding="utf-8")


def first_galaxies(
    catalogues: Sequence[Catalogue], model: Model, n: int, batch_size: int
) -> tuple[TrainingArrays, list[str]]:
    """The first n galaxies of files as arrays, without what is not read of them; and their names.

    Parameters as for `mmae.evaluation.predict_catalogue.predict_catalogues`.
    """
    blocks = [
        block
        for catalogue in catalogues
        for block in islice(read_blocks(catalogue, batch_size), -(-n // batch_size))
    ]
    names = [str(name) for block in blocks for name in block.identifier][:n]
    values = {}
    for name, modality in model.modalities.items():
        parts = [
            block.values.get(
                name, np.full((len(block.identifier), *modality.shape), np.nan, np.float32)
            )
            for block in blocks
        ]
        values[name] = np.concatenate(parts)[:n]
    z_spec = np.concatenate([block.z_spec for block in blocks])[:n].astype(np.float32)
    plain = to_plain(model.modalities.values())
    return TrainingArrays(values, z_spec, np.arange(len(names)), plain), names


@torch.no_grad()
def _said(
    model: Model, galaxies: TrainingArrays, rows: np.ndarray, *options: Any
) -> tuple[pd.DataFrame, list[Density]]:
    """Redshifts of all galaxies, as `predict` gives them, and the density of each; none without."""
    said = [model.predict(*shown) for shown in batches(model, galaxies, rows, *options)]
    table = pd.concat([pd.DataFrame(redshifts(one)) for one in said], ignore_index=True)
    table.insert(0, "z_spec", galaxies.redshift[rows].astype(float))
    # bins are finer in batches that show spectra
    found = [one.density for one in said if one.density is not None]
    return table, [Density(row, one.edges) for one in found for row in one.probability]


def _points(density: Density) -> list[tuple[float, float]]:
    """The density of one galaxy (K,), as in `Card`."""
    bins = density.edges.double().expm1()
    values = density.probability.double() / bins.diff()
    middle = (bins[1:] + bins[:-1]) / 2
    return list(zip(middle.tolist(), (values / values.amax()).tolist(), strict=True))


def _chosen(error: np.ndarray, n: int) -> np.ndarray:
    """Places of the galaxies that are shown, in order."""
    by_error = np.argsort(-np.nan_to_num(error, nan=-1), kind="stable")
    worst, rest = np.split(by_error, [n // 2])
    evenly = np.linspace(0, len(rest) - 1, min(n - len(worst), len(rest))).round().astype(int)
    return np.sort(np.concatenate([worst, rest[evenly]]))


@torch.no_grad()
def _galaxies(
    chosen: np.ndarray, model: Model, galaxies: TrainingArrays, rows: np.ndarray, *options: Any
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The chosen galaxies as `reconstructed` gives them, with their places.

    Batches without any of them are passed over.
    """
    start = 0
    for batch, masks in batches(model, galaxies, rows, *options):
        n = len(batch.redshift)
        places = chosen[(chosen >= start) & (chosen < start + n)].tolist()
        values, z_pred = reconstructed(model, batch, masks) if places else ({}, ())
        for place in places:
            own = {
                name: part if name.endswith(WAVE) else part[place - start]
                for name, part in values.items()
            }
            about = {"z_pred": z_pred[place - start], "z_spec": galaxies.redshift[rows[place]]}
            yield place, own | about
        start += n


def _drawn(galaxy: Mapping[str, Any]) -> Markup:
    """The figure of a galaxy, as an image."""
    wave, true, z_spec = galaxy["spectrum_wave"], galaxy["spectrum"], float(galaxy["z_spec"])
    has_spectrum = bool(np.any(true))
    lines = pd.DataFrame(columns=LINE_COLUMNS)
    if has_spectrum and np.isfinite(z_spec):
        lines = line_table(wave, true, galaxy["spectrum_reconstruction"], z_spec, LINES)
    rebuilt = (galaxy[f"{name}_reconstruction"] for name in SHOWN)
    # of lines three, both spectra
    drawn = Drawn("reconstructed", *rebuilt, float(galaxy["z_pred"]), lines.head(6))
    figure = reconstruction_figure(
        *(galaxy["image"], galaxy["image_hidden"], wave),
        true if has_spectrum else np.full_like(true, np.nan),
        *(galaxy["spectrum_hidden"], z_spec, [drawn]),
    )
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=FIGURE_DPI)
    plt.close(figure)
    words = (
        "Image, what of it was shown, and reconstruction; below, the spectrum and its "
        "reconstruction with emission lines marked."
    )
    image = base64.b64encode(stream.getvalue()).decode()
    return Markup('<img src="data:image/png;base64,{}" alt="{}" loading="lazy">').format(
        image, words
    )
