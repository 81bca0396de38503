"""What a trained model says of galaxies under a view of them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from mmae.dataset.arrays import TrainingArrays
from mmae.errors import InputError
from mmae.evaluation.views import View
from mmae.models.base import GalaxyModel
from mmae.models.batch import Batch, generator_of, to_batch
from mmae.models.device import device_of
from mmae.models.estimator import Estimator
from mmae.models.masking import random_mask
from mmae.progress import progress

IMAGE_MASKS, SPECTRUM_MASKS = range(2)
"""Streams of random numbers for the test masks."""

Model = GalaxyModel | Estimator


@torch.no_grad()
def predict(
    model: Model,
    arrays: TrainingArrays,
    rows: np.ndarray,
    view: View,
    seed: int,
    batch_size: int,
) -> pd.DataFrame:
    """Redshifts of galaxies.

    Parameters
    ----------
    model : GalaxyModel or Estimator
        In evaluation mode.
    arrays : TrainingArrays
    rows : ndarray of int, shape (B,)
    view : View
        Hidden fractions of image and spectrum.
    seed : int
        Of the masks.
    batch_size : int

    Returns
    -------
    DataFrame
        targetid, z_spec, z_pred and, if the model gives it, z_std; one row a galaxy, in the order
        of `rows`.

    Raises
    ------
    InputError
        If the model gives no redshifts, or cannot hide what the view hides.
    """
    parts = [
        redshifts(model, *batch) for batch in batches(model, arrays, rows, view, seed, batch_size)
    ]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return truth(arrays, rows).assign(**columns)


@torch.no_grad()
def redshifts(model: Model, batch: Batch, *masks: Tensor) -> dict[str, np.ndarray]:
    """Columns z_pred and, if the model gives it, z_std of a batch: (B,) float64 each.

    Raises
    ------
    InputError
        If the model gives no redshifts.
    """
    said = model.predict(batch, *masks)
    if said.z_pred is None:
        raise InputError(
            "model",
            found="one that gives no redshifts",
            expected="one that does; `mmae probe` reads redshifts out of embeddings",
        )
    return {
        name: values.float().cpu().numpy().astype(float)
        for name, values in (("z_pred", said.z_pred), ("z_std", said.z_std))
        if values is not None
    }


@torch.no_grad()
def embed(
    model: Model, arrays: TrainingArrays, rows: np.ndarray, view: View, seed: int, batch_size: int
) -> np.ndarray:
    """Frozen embeddings of galaxies, shape (B, E) float32; parameters as for `predict`.

    Raises
    ------
    InputError
        If the model has no embedding, or cannot hide what the view hides.
    """
    parts = []
    for batch, *masks in batches(model, arrays, rows, view, seed, batch_size):
        embedding = model.predict(batch, *masks).embedding
        if embedding is None:
            raise InputError("model", found="one without embeddings", expected="a network")
        parts.append(embedding.float().cpu().numpy())
    return np.concatenate(parts)


def truth(arrays: TrainingArrays, rows: np.ndarray) -> pd.DataFrame:
    """Columns targetid and z_spec of galaxies."""
    return pd.DataFrame(
        {"targetid": arrays.targetid[rows], "z_spec": arrays.redshift[rows].astype(float)}
    )


def reconstruct(
    model: GalaxyModel,
    arrays: TrainingArrays,
    rows: np.ndarray,
    view: View,
    seed: int,
    batch_size: int,
) -> dict[str, np.ndarray]:
    """All of what `reconstructed_batches` gives, as one batch."""
    parts = list(reconstructed_batches(model, arrays, rows, view, seed, batch_size))
    return {
        name: parts[0][name] if name == "wave" else np.concatenate([part[name] for part in parts])
        for name in parts[0]
    }


@torch.no_grad()
def reconstructed_batches(
    model: GalaxyModel,
    arrays: TrainingArrays,
    rows: np.ndarray,
    view: View,
    seed: int,
    batch_size: int,
) -> Iterator[dict[str, np.ndarray]]:
    """True, hidden and reconstructed images and spectra; parameters as for `predict`.

    Yields
    ------
    dict of str to ndarray
        targetid, z_spec, z_pred (B,); image, image_reconstruction (B, C, H, W); image_hidden
        (B, H, W) bool; spectrum, spectrum_reconstruction (B, L); spectrum_hidden (B, L) bool;
        wave (L,), Å. Spectrum pixels beyond the last whole patch, which no loss trains, are left
        out.

    Raises
    ------
    InputError
        If the model reconstructs nothing.
    """
    if not (isinstance(model, GalaxyModel) and model.hides_tokens):
        raise InputError(
            "model", found="one that reconstructs nothing", expected="a masked autoencoder"
        )
    starts = range(0, len(rows), batch_size)
    shown = batches(model, arrays, rows, view, seed, batch_size)
    for start, (batch, image_mask, spectrum_mask) in zip(starts, shown, strict=True):
        output = model(batch.image, batch.spectrum, image_mask, spectrum_mask)
        covered = model.spectrum_pixels(torch.ones_like(spectrum_mask))[0]  # (L,)
        tensors = {
            "image": batch.image,
            "image_hidden": model.image_pixels(image_mask)[:, 0],
            "image_reconstruction": output.image,
            "spectrum": batch.spectrum[:, covered],
            "spectrum_hidden": model.spectrum_pixels(spectrum_mask)[:, covered],
            "spectrum_reconstruction": output.spectrum[:, covered],
            "z_pred": output.z_pred,
        }
        own = rows[start : start + batch_size]
        yield {name: value.cpu().numpy() for name, value in tensors.items()} | {
            "targetid": arrays.targetid[own],
            "z_spec": arrays.redshift[own],
            "wave": arrays.wave[: len(covered)][covered.cpu().numpy()],
        }


def true_and_rebuilt(
    said: Mapping[str, np.ndarray], modality: Literal["image", "spectrum"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, reconstruction and what was hidden, out of what `reconstruct` gives."""
    return said[modality], said[f"{modality}_reconstruction"], said[f"{modality}_hidden"]


def batches(
    model: Model,
    arrays: TrainingArrays,
    rows: np.ndarray,
    view: View,
    seed: int,
    batch_size: int,
) -> Iterator[tuple[Batch, Tensor, Tensor]]:
    """Batches with their image and spectrum masks (True = hidden).

    The masks depend on the seed and on a galaxy's place in `rows`, not on the batch size.
    """
    masks_of = mask_stream(model, view, seed)
    columns = (arrays.images, arrays.spectra, arrays.redshift, arrays.magnitudes, arrays.sizes)
    for start in progress(range(0, len(rows), batch_size), "batches"):
        part = rows[start : start + batch_size]
        values = (column[part] for column in columns)
        yield to_batch(*values, model.spectrum_length, device_of(model)), *masks_of(len(part))


def mask_stream(model: Model, view: View, seed: int) -> Callable[[int], tuple[Tensor, Tensor]]:
    """A function that draws the image and spectrum masks of the next so many galaxies.

    Drawn block by block, they take no memory that grows with the number of galaxies, and are the
    same whatever the blocks.

    Raises
    ------
    InputError
        If the model cannot hide what the view hides.
    """
    _check_view(model, view)
    device = device_of(model)
    of_image, of_spectrum = (generator_of(seed, s) for s in (IMAGE_MASKS, SPECTRUM_MASKS))

    def masks_of(n_galaxies: int) -> tuple[Tensor, Tensor]:
        return (
            random_mask(n_galaxies, model.n_image_tokens, view.image, of_image).to(device),
            random_mask(n_galaxies, model.n_spectrum_tokens, view.spectrum, of_spectrum).to(device),
        )

    return masks_of


def _check_view(model: Model, view: View) -> None:
    """Raise InputError if a model cannot hide what a view hides."""
    if model.hides_tokens:
        return
    whole = {View(0.0, 1.0)} | ({View(1.0, 0.0)} if model.spectrum_length else set())
    if view not in whole:
        raise InputError(
            "view",
            found=f"{view.name}, for a model that hides no parts of them",
            expected=" or ".join(v.name for v in sorted(whole)),
        )
