"""Redshifts of whole catalogues, however many galaxies: one block of them at a time."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import compress
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from mmae.evaluation.catalogue import Block, Catalogue, n_blocks, read_blocks
from mmae.evaluation.ensembles import Pdfs, new_ensemble, pdfs_of
from mmae.evaluation.predict import redshifts
from mmae.evaluation.views import Model, shower
from mmae.files.write import write_blocks
from mmae.modalities.base import Modality
from mmae.modalities.usual import Usual
from mmae.models.batch import Batch, to_batch
from mmae.models.device import device_of
from mmae.progress import progress
from mmae.settings import View

log = logging.getLogger(__name__)

NO_NUMBER = "prediction that is not finite"
"""Why a galaxy has no redshift, if nothing is wrong with what is read of it."""
FLAGGED, MOST_NAMED = "flagged", 5
"""Key of the number of galaxies with any flag; flags that a warning names."""


def shown_modalities(model: Model, view: View) -> dict[str, Modality]:
    """Modalities of a model of which a view hides something at most: files must have them."""
    hidden = view.hidden
    return {
        name: modality
        for name, modality in model.modalities.items()
        if hidden.get(name, {}).get("random") != 1
    }


def write_predictions(
    table: Path | str,
    model: Model,
    catalogues: Sequence[Catalogue],
    view: View,
    seed: int,
    batch_size: int,
    usual: Sequence[Usual] | None = None,
    qp: Path | None = None,
) -> int:
    """Write the redshifts of all galaxies of some files, as they are predicted, into one table.

    Parameters as for `predict_catalogues`; `qp` is a file for densities, as qp reads it. Galaxies
    without a redshift, and those that are unlike the galaxies of the training, are counted in
    warnings.

    Returns
    -------
    int
        Number of galaxies.
    """
    n = sum(catalogue.n_galaxies for catalogue in catalogues)
    without: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    options = (view, seed, batch_size, without, usual, flagged)
    with nullcontext() if qp is None else new_ensemble(qp, n) as ensemble:
        keep = None if ensemble is None else ensemble.add
        write_blocks(table, predict_catalogues(model, catalogues, *options, keep))
    for reason, count in sorted(without.items()):
        log.warning("%d of %d galaxies without z_pred: %s", count, n, reason)
    if n_flagged := flagged.pop(FLAGGED, 0):
        most = (+flagged).most_common(MOST_NAMED)
        log.warning(
            "%d of %d galaxies are unlike those of the training (column flags), most by %s; "
            "expected %s",
            *(n_flagged, n, ", ".join(f"{name} {count}" for name, count in most)),
            ", ".join(one.modality.unlike_words for one in usual or ()),
        )
    return n


def predict_catalogues(
    model: Model,
    catalogues: Sequence[Catalogue],
    view: View,
    seed: int,
    batch_size: int,
    without: Counter[str],
    usual: Sequence[Usual] | None = None,
    flagged: Counter[str] | None = None,
    keep: Callable[[Pdfs, pd.DataFrame], None] | None = None,
) -> Iterator[pd.DataFrame]:
    """Redshifts of all galaxies of some files, batch by batch.

    Parameters
    ----------
    model : GalaxyModel or Estimator
        In evaluation mode.
    catalogues : sequence of Catalogue
        Which follow each other.
    view : View
    seed : int
        Of the masks.
    batch_size : int
    without : Counter
        Counts galaxies without a redshift by the reason.
    usual : sequence of Usual, optional
        What the galaxies of the model's training are like.
    flagged : Counter, optional
        Counts galaxies unlike those by FLAGGED, and by each flag.
    keep : callable, optional
        Takes densities and the rows of the table that they belong to.

    Yields
    ------
    DataFrame
        object_id or targetid, z_spec if one of the files has redshifts, and the columns of
        `mmae.evaluation.predict.redshifts`, NaN where an image is damaged or blank. With `usual`,
        flags: in what a galaxy is unlike those of the training, or why it has no redshift; else
        empty.

    Raises
    ------
    InputError
        If the model cannot hide what the view hides or gives no redshifts, rows cannot be read, or
        `usual` is of another form.
    """
    show = shower(model, view, seed)
    known = any(catalogue.redshift is not None for catalogue in catalogues)
    blocks = (
        (catalogue, block)
        for catalogue in catalogues
        for block in read_blocks(catalogue, batch_size)
    )
    total = sum(n_blocks(catalogue, batch_size) for catalogue in catalogues)
    counter = Counter() if flagged is None else flagged
    for catalogue, block in progress(blocks, "batches", total):
        columns = {catalogue.identifier: block.identifier}
        if known:
            columns["z_spec"] = block.z_spec
        problem = problems_of(catalogue.modalities, block)
        unlike = None if usual is None else _unlike(usual, block, problem == "", counter)
        with torch.no_grad():
            said = model.predict(*show(batch_of(model, block, problem == "")))
        found = redshifts(said)
        problem[(problem == "") & ~np.isfinite(found["z_pred"])] = NO_NUMBER
        without.update(problem[problem != ""])
        for name, values in found.items():
            columns[name] = np.where(problem == "", values, np.nan)
        if unlike is not None:
            columns["flags"] = np.where(problem == "", unlike, problem)
        table = pd.DataFrame(columns)
        if keep is not None:
            keep(pdfs_of(said, problem == ""), table)
        yield table


def problems_of(modalities: Mapping[str, Modality], block: Block) -> np.ndarray:
    """Why galaxies are of no use, empty where they are: (B,) of str."""
    problem = np.full(len(block.identifier), "", object)
    for name, modality in modalities.items():
        problem = np.where(problem == "", modality.unusable(block.values[name]), problem)
    return problem


def _unlike(
    usual: Sequence[Usual], block: Block, usable: np.ndarray, flagged: Counter[str]
) -> np.ndarray:
    """In what usable galaxies are unlike those of the training, as text (B,)."""
    found: dict[str, np.ndarray] = {}
    for one in usual:
        if one.modality.name in block.values:
            found |= one.unlike(_usable(block.values[one.modality.name], usable, 0))
    found = {name: flags & usable for name, flags in found.items()}
    flagged.update({name: int(flags.sum()) for name, flags in found.items()})
    rows = np.column_stack([*found.values(), np.zeros(len(usable), bool)])
    flagged[FLAGGED] += int(rows.any(axis=1).sum())
    return np.array(["; ".join(compress(found, row)) for row in rows], dtype=object)


def _usable(values: np.ndarray, usable: np.ndarray, instead: float) -> np.ndarray:
    """Values (B, *shape), with a number in place of those of galaxies that are of no use."""
    return np.where(usable.reshape(-1, *[1] * (values.ndim - 1)), values, np.float32(instead))


def batch_of(model: Model, block: Block, usable: np.ndarray) -> Batch:
    """Galaxies as the model sees them; zeros in place of what is hidden or of no use."""
    values, ivar = {}, {}
    for name, modality in model.modalities.items():
        if name not in block.values:
            values[name] = np.zeros((len(usable), *modality.shape), np.float32)
            continue
        values[name] = _usable(block.values[name], usable, 0)
        if modality.has_ivar:
            values[name], ivar[name] = values[name][:, 0], values[name][:, 1]
    z_spec = block.z_spec.astype(np.float32)
    return to_batch(values, z_spec, device_of(model), ivar=ivar)
