"""Batches of galaxies out of memory-mapped arrays."""

from collections.abc import Iterator

import numpy as np
import torch

from mmae.dataset.arrays import TrainingArrays
from mmae.models.batch import Batch, to_batch


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
    """Read the galaxies at `rows` and put them on the device."""
    return to_batch(
        arrays.images[rows], arrays.spectra[rows], arrays.redshift[rows], spectrum_length, device
    )
