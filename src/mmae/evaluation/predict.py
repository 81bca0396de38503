"""What a trained model says of test galaxies under a view of them."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from mmae.dataset.arrays import TrainingArrays
from mmae.evaluation.views import View
from mmae.models.batch import Batch, generator_of, to_batch
from mmae.models.masking import random_mask
from mmae.progress import progress

IMAGE_MASKS, SPECTRUM_MASKS = range(2)
"""Streams of random numbers for the test masks."""


@torch.no_grad()
def predict(
    model: nn.Module,
    arrays: TrainingArrays,
    rows: np.ndarray,
    view: View,
    seed: int,
    batch_size: int,
) -> pd.DataFrame:
    """Redshifts of galaxies.

    Parameters
    ----------
    model : Module
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
        targetid, z_spec, z_pred; one row a galaxy, in the order of `rows`.
    """
    parts = [
        model(batch.image, batch.spectrum, *masks).z_pred.float().cpu().numpy()
        for batch, *masks in _batches(model, arrays, rows, view, seed, batch_size)
    ]
    return pd.DataFrame(
        {
            "targetid": arrays.targetid[rows],
            "z_spec": arrays.redshift[rows].astype(float),
            "z_pred": np.concatenate(parts).astype(float),
        }
    )


@torch.no_grad()
def reconstruct(
    model: nn.Module, arrays: TrainingArrays, rows: np.ndarray, view: View, seed: int
) -> dict[str, np.ndarray]:
    """True, hidden and reconstructed images and spectra of a few galaxies.

    Returns
    -------
    dict of str to ndarray
        targetid, z_spec, z_pred (B,); image, image_reconstruction (B, C, H, W); image_hidden
        (B, H, W) bool; spectrum, spectrum_reconstruction (B, L); spectrum_hidden (B, L) bool;
        wave (L,), Å. Spectrum pixels beyond the last whole patch, which no loss trains, are left
        out.
    """
    ((batch, image_mask, spectrum_mask),) = _batches(model, arrays, rows, view, seed, len(rows))
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
    return {name: value.cpu().numpy() for name, value in tensors.items()} | {
        "targetid": arrays.targetid[rows],
        "z_spec": arrays.redshift[rows],
        "wave": arrays.wave[: len(covered)][covered.cpu().numpy()],
    }


def _batches(
    model: nn.Module,
    arrays: TrainingArrays,
    rows: np.ndarray,
    view: View,
    seed: int,
    batch_size: int,
) -> Iterator[tuple[Batch, Tensor, Tensor]]:
    """Batches with their image and spectrum masks (True = hidden).

    The masks depend on the seed and on a galaxy's place in `rows`, not on the batch size.
    """
    device = next(model.parameters()).device
    image_mask = random_mask(
        len(rows), model.n_image_tokens, view.image, generator_of(seed, IMAGE_MASKS)
    )
    spectrum_mask = random_mask(
        len(rows), model.n_spectrum_tokens, view.spectrum, generator_of(seed, SPECTRUM_MASKS)
    )
    for start in progress(range(0, len(rows), batch_size), "batches"):
        part = slice(start, start + batch_size)
        batch = to_batch(
            *(values[rows[part]] for values in (arrays.images, arrays.spectra, arrays.redshift)),
            model.settings.spectrum_length,
            device,
        )
        yield batch, image_mask[part].to(device), spectrum_mask[part].to(device)
