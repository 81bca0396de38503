"""Redshifts of spectra of other surveys, with images of the same objects where there are any."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from mmae.dataset.spectra import pool
from mmae.errors import InputError
from mmae.evaluation.catalogue import Block, Catalogue, read_blocks
from mmae.evaluation.predict import redshifts
from mmae.evaluation.predict_catalogue import batch_of, problems_of
from mmae.evaluation.views import Model, shower
from mmae.files.write import write_blocks
from mmae.instruments import desi_wave
from mmae.modalities.base import Modality
from mmae.modalities.spectrum import Spectrum
from mmae.progress import progress
from mmae.settings import View
from mmae.survey.foreign.reading import ForeignSpectra, read_spectra

log = logging.getLogger(__name__)

MIN_DELTA_CHI2 = 25.0
"""Below which a redshift is none, unless the model's settings have `min_delta_chi2`: prototype on
152 sky fibres of SDSS, of which at most 1% are above; docs/predict.md has what is measured."""

Images = dict[str, dict[str, np.ndarray]]
"""Values of one galaxy by modality, by the galaxy's name."""


def spectrum_of(model: Model, view: View, where: object) -> Spectrum:
    """The spectra that a model reads.

    Raises
    ------
    InputError
        If it reads none, or of another instrument, or the view hides them.
    """
    spectra = [one for one in model.modalities.values() if isinstance(one, Spectrum)]
    if not spectra:
        found = f"a model that reads {' and '.join(model.modalities) or 'nothing'}"
        raise InputError(where, found=found, expected="one that reads spectra")
    one = spectra[0]
    ours = pool(desi_wave(), one.geometry.pool)
    if len(ours) != len(one.wave) or not np.allclose(ours, one.wave, atol=0.1):
        found = f"a model of spectra from {one.wave[0]:g} to {one.wave[-1]:g} Å"
        raise InputError(where, found=found, expected="one of DESI's wavelengths")
    if view.hidden.get(one.name, {}).get("random") == 1:
        raise InputError("view", found=f"the {one.name} hidden", expected="one that shows it")
    return one


def write_spectrum_predictions(
    table: Path | str,
    model: Model,
    paths: Sequence[Path],
    view: View,
    catalogues: Sequence[Catalogue],
    *options: Any,
) -> int:
    """Write the redshifts of all spectra of some files into one CSV table; how many there are.

    Parameters as for `predict_spectra`.
    """
    n = 0

    def counted() -> Iterator[pd.DataFrame]:
        nonlocal n
        for block in predict_spectra(model, paths, view, catalogues, *options):
            n += len(block)
            yield block

    write_blocks(table, counted())
    return n


def predict_spectra(
    model: Model,
    paths: Sequence[Path],
    view: View,
    catalogues: Sequence[Catalogue],
    seed: int,
    batch_size: int,
    air: bool = False,
) -> Iterator[pd.DataFrame]:
    """Redshifts of all spectra of some files, batch by batch.

    Parameters
    ----------
    model : GalaxyModel or Estimator
        In evaluation mode.
    paths : sequence of path
        Files of spectra.
    view : View
        What is hidden of spectra, and of images where there are any.
    catalogues : sequence of Catalogue
        Images, which are shown of the objects of the same name.
    seed : int
        Of the masks.
    batch_size : int
    air : bool
        Whether wavelengths are in air.

    Yields
    ------
    DataFrame
        file, if there are several; id; z_spec and z_redrock, if one of the files has them; the
        columns of `mmae.evaluation.predict.redshifts`; no_redshift, True or False, empty where the
        model does not tell delta_chi2; flags. NaN where nothing can be told.

    Raises
    ------
    InputError
        If a file cannot be read, or the model gives no redshifts of what it is shown.
    """
    spectrum = spectrum_of(model, view, "model")
    spectra = [read_spectra(path, air=air) for path in paths]
    names = {str(name) for one in spectra for name in one.name}
    images = _images(catalogues, names, batch_size)
    known = {
        column: any(getattr(one, column) is not None for one in spectra)
        for column in ("z_spec", "z_redrock")
    }
    others = {name: one for name, one in model.modalities.items() if one is not spectrum}
    shows = {
        frozenset(shown): shower(model, _shown(view, others, shown), seed)
        for shown in ((), {name for values in images.values() for name in values})
    }
    n_joined = sum(str(name) in images for one in spectra for name in one.name)
    if catalogues:
        n = sum(len(one.name) for one in spectra)
        log.info("%d of %d spectra have an image of the same name", n_joined, n)
    parts = [
        (path, one, slice(start, start + batch_size))
        for path, one in zip(paths, spectra, strict=True)
        for start in range(0, len(one.name), batch_size)
    ]
    for path, one, rows in progress(parts, "batches"):
        columns: dict[str, Any] = {"file": path.name} if len(paths) > 1 else {}
        columns["id"] = one.name[rows]
        for column in (column for column, is_known in known.items() if is_known):
            values = getattr(one, column)
            columns[column] = np.nan if values is None else values[rows]
        columns |= _of_batch(model, spectrum, one, rows, images, shows)
        yield pd.DataFrame(columns)


def _images(catalogues: Sequence[Catalogue], names: Collection[str], size: int) -> Images:
    """What catalogues have of the named objects, as far as it is of use."""
    found: Images = {}
    for catalogue in catalogues:
        for block in read_blocks(catalogue, size):
            problem = problems_of(catalogue.modalities, block)
            for row, identifier in enumerate(block.identifier):
                name = str(identifier.decode() if isinstance(identifier, bytes) else identifier)
                if name in names and not problem[row]:
                    found[name] = {key: values[row] for key, values in block.values.items()}
                elif name in names:
                    log.warning("%s: %s: %s", catalogue.path, name, problem[row])
    return found


def _shown(view: View, others: Mapping[str, Modality], shown: Collection[str]) -> View:
    """The view with everything hidden but spectra and what is shown besides."""
    gone = {name: {"random": 1.0} for name in others if name not in shown}
    return View(hidden={**view.hidden, **gone})


@torch.no_grad()
def _of_batch(
    model: Model,
    spectrum: Spectrum,
    spectra: ForeignSpectra,
    rows: slice,
    images: Images,
    shows: Mapping[frozenset, Any],
) -> dict[str, np.ndarray]:
    """Columns that a model gives, of some rows of a file."""
    flux, ivar = spectra.flux[rows], spectra.ivar[rows]
    seen = (ivar > 0).any(axis=1)
    values = spectrum.pooled(flux, ivar)
    of_row = [images.get(str(name), {}) for name in spectra.name[rows]]
    columns: dict[str, np.ndarray] = {}
    for shown, show in shows.items():
        group = np.flatnonzero([frozenset(one) == shown for one in of_row])
        if not len(group):
            continue
        parts = {spectrum.name: values[group]}
        parts |= {name: np.stack([of_row[k][name] for k in group]) for name in shown}
        block = Block(spectra.name[rows][group], np.full(len(group), np.nan), parts)
        batch = batch_of(model, block, np.ones(len(group), bool))
        for name, found in redshifts(model.predict(*show(batch))).items():
            useful = seen[group] | bool(shown)
            columns.setdefault(name, np.full(len(flux), np.nan))[group] = np.where(
                useful, found, np.nan
            )
    unknown: np.ndarray = np.full(len(flux), None, object)
    if "delta_chi2" in columns:
        limit = getattr(model.settings, "min_delta_chi2", MIN_DELTA_CHI2)
        unknown[:] = columns["delta_chi2"] < limit
        unknown[np.isnan(columns["delta_chi2"])] = None
    unknown[~np.isfinite(columns["z_pred"])] = True
    return columns | {"no_redshift": unknown, "flags": spectra.flags[rows]}
