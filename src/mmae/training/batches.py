"""Batches of galaxies out of memory-mapped arrays."""

from collections.abc import Iterator

import numpy as np
import torch


def batches_of(
    rows: np.ndarray, batch_size: int, generator: torch.Generator | None = None
) -> Iterator[np.ndarray]:
    """Cut rows into batches; shuffled if a generator is given, else in their order.

    Rows inside a batch are sorted: memory-mapped arrays are read fastest that way, and their order
    there does not matter. The last batch may be smaller; a single galaxy left over, which batch
    norm and contrasts could not use, joins the batch before.
    """
    order = np.arange(len(rows))
    if generator is not None:
        order = torch.randperm(len(rows), generator=generator).numpy()
    starts = range(0, len(rows), batch_size)[: n_batches(len(rows), batch_size)]
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        yield np.sort(rows[order[start:end]])


def n_batches(n_galaxies: int, batch_size: int) -> int:
    """How many batches `batches_of` gives."""
    left = n_galaxies % batch_size
    joined = left == 1 and n_galaxies > 1
    return max(1, n_galaxies // batch_size + (left > 0) - joined) if n_galaxies else 0
