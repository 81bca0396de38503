"""Redshifts of whole catalogues of images, however many: one block of galaxies at a time."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmae.dataset.image_statistics import FLAGS, TRAINING_IMAGES, flags
from mmae.dataset.photometry import half_light_radii
from mmae.errors import InputError
from mmae.evaluation.catalogue import Block, Catalogue, n_blocks, read_blocks
from mmae.evaluation.predict import Model, mask_stream, redshifts
from mmae.evaluation.views import View
from mmae.files import write_blocks
from mmae.instruments import BANDS
from mmae.models.batch import Batch, to_batch
from mmae.models.device import device_of
from mmae.progress import progress

log = logging.getLogger(__name__)

NOT_FINITE, BLANK, NO_NUMBER = (
    "image with pixels that are not finite",
    "image with a band in which all pixels are equal",
    "prediction that is not finite",
)
"""Why a galaxy has no redshift."""
FLAGGED, MOST_NAMED = "flagged", 5
"""Key of the number of galaxies with any flag; flags that a warning names."""


def write_predictions(
    table: Path | str,
    model: Model,
    catalogues: Sequence[Catalogue],
    view: View,
    seed: int,
    batch_size: int,
    training: dict[str, Any] | None = None,
) -> int:
    """Write the redshifts of all galaxies of some files, as they are predicted, into one CSV table.

    Parameters as for `predict_catalogues`. Galaxies without a redshift, and those whose images are
    unlike those of the training, are counted in warnings.

    Returns
    -------
    int
        Number of galaxies.
    """
    n = sum(catalogue.n_galaxies for catalogue in catalogues)
    without: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    options = (view, seed, batch_size, without, training, flagged)
    write_blocks(table, predict_catalogues(model, catalogues, *options))
    for reason, count in sorted(without.items()):
        log.warning("%d of %d galaxies without z_pred: %s", count, n, reason)
    if n_flagged := flagged.pop(FLAGGED, 0):
        most = (+flagged).most_common(MOST_NAMED)
        words = ", ".join(f"{name} {count}" for name, count in most)
        log.warning(
            "%d of %d galaxies have images unlike those of the training (column flags), most by "
            "%s; expected flux with zero point 27.0, bands %s",
            *(n_flagged, n, words, " ".join(BANDS)),
        )
    return n


def predict_catalogues(
    model: Model,
    catalogues: Sequence[Catalogue],
    view: View,
    seed: int,
    batch_size: int,
    without: Counter[str],
    training: dict[str, Any] | None = None,
    flagged: Counter[str] | None = None,
) -> Iterator[pd.DataFrame]:
    """Redshifts of all galaxies of some files, batch by batch.

    Parameters
    ----------
    model : GalaxyModel or Estimator
        In evaluation mode.
    catalogues : sequence of Catalogue
        Which follow each other.
    view : View
        One that hides spectra whole: there are none.
    seed : int
        Of the masks.
    batch_size : int
    without : Counter
        Counts galaxies without a redshift by the reason.
    training : dict, optional
        What the images of the model's training are like.
    flagged : Counter, optional
        Counts galaxies unlike those by FLAGGED, and by each flag.

    Yields
    ------
    DataFrame
        object_id or targetid, z_spec if one of the files has redshifts, z_pred and, if the model
        gives it, z_std; NaN in both where an image is damaged or blank. With `training`, flags: in
        what an image is unlike those of the training, or why it has no redshift; else empty.

    Raises
    ------
    InputError
        If the view shows spectra, the model cannot hide what it hides or gives no redshifts, or
        rows cannot be read, or `training` is of another form.
    """
    if view.spectrum < 1:
        raise InputError(
            "view",
            found=f"{view.name}, which shows spectra",
            expected=f"one that hides them, such as {View(view.image, 1.0).name}: "
            "a catalogue is read for its images",
        )
    masks_of = mask_stream(model, view, seed)
    known = any(catalogue.has_redshifts for catalogue in catalogues)
    blocks = (block for catalogue in catalogues for block in read_blocks(catalogue, batch_size))
    total = sum(n_blocks(catalogue, batch_size) for catalogue in catalogues)
    for block in progress(blocks, "batches", total):
        columns = {catalogues[0].names.identifier: block.identifier}
        if known:
            columns["z_spec"] = block.z_spec
        problem = _problems(block.images)
        unlike = _unlike(block.images, problem, training, Counter() if flagged is None else flagged)
        found = redshifts(model, _batch(model, block, problem == ""), *masks_of(len(problem)))
        problem[(problem == "") & ~np.isfinite(found["z_pred"])] = NO_NUMBER
        without.update(problem[problem != ""])
        for name, values in found.items():
            columns[name] = np.where(problem == "", values, np.nan)
        if unlike is not None:
            columns["flags"] = np.where(problem == "", unlike, problem)
        yield pd.DataFrame(columns)


def _problems(images: np.ndarray) -> np.ndarray:
    """What is wrong with each image (B, 5, 64, 64), empty where nothing: (B,) of str."""
    pixels = images.reshape(*images.shape[:2], -1)
    low, high = pixels.min(axis=2), pixels.max(axis=2)  # NaN if one pixel is
    finite = (np.isfinite(low) & np.isfinite(high)).all(axis=1)
    # the sky is never without noise: nothing was observed, or never written to the file
    blank = (low == high).any(axis=1)
    return np.select([~finite, blank], [NOT_FINITE, BLANK], "").astype(object)


def _unlike(
    images: np.ndarray, problem: np.ndarray, training: dict[str, Any] | None, flagged: Counter[str]
) -> np.ndarray | None:
    """In what usable images are unlike those of the training, as text (B,); None: not known."""
    if training is None:
        return None
    usable = (problem == "")[:, None]
    try:
        found = flags(np.where(usable[:, :, None, None], images, np.float32(0)), training) & usable
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(
            "model.json",
            key=TRAINING_IMAGES,
            found=f"another form ({error})",
            expected="what `mmae train` writes",
        ) from error
    flagged.update(dict(zip(FLAGS, found.sum(axis=0).tolist(), strict=True)))
    flagged[FLAGGED] += int(found.any(axis=1).sum())
    return np.array(["; ".join(compress(FLAGS, row)) for row in found], dtype=object)


def _batch(model: Model, block: Block, usable: np.ndarray) -> Batch:
    """Galaxies as the model sees them; images that are of no use become 0."""
    images = np.where(usable[:, None, None, None], block.images, np.float32(0))
    sizes = np.full_like(block.magnitudes, np.nan)
    if model.reads_photometry:
        sizes = half_light_radii(images).astype(np.float32)
    return to_batch(
        images,
        np.zeros((len(images), model.spectrum_length), np.float32),
        block.z_spec.astype(np.float32),
        block.magnitudes,
        sizes,
        model.spectrum_length,
        device_of(model),
    )
