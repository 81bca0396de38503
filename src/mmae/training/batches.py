"""Batches of galaxies out of memory-mapped arrays."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmae.dataset.arrays import TrainingArrays


class Batch(NamedTuple):
    """Galaxies on the device of the model."""

    image: Tensor
    """(B, C, H, W)."""
    spectrum: Tensor
    """(B, L)."""
    redshift: Tensor
    """(B,), z_spec."""


def batches_of(
    rows: np.ndarray, batch_size: int, generator: torch.Generator | None = None
) -> Iterator[np.ndarray]:
    """Cut rows into batches; shuffled if a generator is given, else in their order.

    Rows inside a batch are sorted: memory-mapped arrays are read fastest that way, and their order
    there does not matter. The last batch may be smaller.
    """
    order = np.arange(len(rows))
    if generator is not None:
        order = torch.randperm(len(rows), generator=generator).numpy()
    for start in range(0, len(rows), batch_size):
        yield np.sort(rows[order[start : start + batch_size]])


def load_batch(
    arrays: TrainingArrays, rows: np.ndarray, spectrum_length: int, device: torch.device
) -> Batch:
    """Read a batch and put it on the device.

    Spectra are cut or padded with zeros to the length that the model has.
    """
    spectrum = torch.from_numpy(np.ascontiguousarray(arrays.spectra[rows, :spectrum_length]))
    short = spectrum_length - spectrum.shape[1]
    return Batch(
        torch.from_numpy(arrays.images[rows]).to(device),
        torch.nn.functional.pad(spectrum, (0, short)).to(device),
        torch.from_numpy(arrays.redshift[rows]).to(device),
    )
