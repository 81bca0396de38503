"""The file of collected spectra: one row a match, as observed, before cleaning."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from mmae.dataset.layout import FLUX, IVAR, TARGETID, WAVE
from mmae.errors import InputError
from mmae.files import atomic, open_hdf5

SPECTRUM_CHUNK = 16
"""Spectra in a chunk of the flux and ivar datasets, 0.5 MB each."""


def write_collected(
    path: Path | str,
    targetid: np.ndarray,
    wave: np.ndarray,
    spectra: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> None:
    """Write collected spectra as they come.

    Parameters
    ----------
    path : path
    targetid : ndarray of int64, shape (N,)
    wave : ndarray, shape (L,), Å
    spectra : iterable of (rows, flux, ivar)
        Rows of `targetid` in increasing order, and their spectra of shape (B, L).
    """
    shape = (len(targetid), len(wave))
    chunks = (min(SPECTRUM_CHUNK, shape[0]), shape[1])
    with atomic(path) as part, h5py.File(part, "w") as file:
        file[TARGETID] = targetid.astype("S")
        file[WAVE] = wave[None, :]
        datasets = [
            file.create_dataset(name, shape, np.float32, chunks=chunks) for name in (FLUX, IVAR)
        ]
        for rows, *values in spectra:
            for dataset, value in zip(datasets, values, strict=True):
                # one by one: h5py is slow with long lists of rows
                for row, spectrum in zip(rows, value, strict=True):
                    dataset[row] = spectrum


@contextmanager
def open_collected(path: Path | str, targetid: np.ndarray) -> Iterator[h5py.File]:
    """Open collected spectra, and check that they are those of `targetid`, in its order.

    Raises
    ------
    InputError
        If the file is damaged or belongs to another table of matches.
    """
    required = {FLUX: (None, None), IVAR: (None, None), TARGETID: (None,), WAVE: (1, None)}
    with open_hdf5(path, required) as file:
        if not np.array_equal(file[TARGETID][:], targetid.astype("S")):
            raise InputError(
                path,
                key=f"dataset '{TARGETID}'",
                found="targets of another table of matches",
                expected=f"the {len(targetid)} matched targets in their order",
            )
        yield file
