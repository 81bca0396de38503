"""The file of collected spectra: one row a match, as observed, before cleaning."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from mmae.dataset.layout import FLUX, IVAR, TARGETID, WAVE
from mmae.errors import InputError
from mmae.files.new_hdf5 import new_hdf5
from mmae.files.read import open_hdf5
from mmae.progress import progress

AVAILABLE = "available"
"""(N,) bool: whether the spectrum could be had; flux and ivar are 0 where not."""
DAMAGED = "damaged_pixels"
"""(N,) pixels of each spectrum that lost their weight, because they were no numbers."""
PER_SPECTRUM = (FLUX, IVAR, DAMAGED)
ROW = "row"
"""(N,) of a group's file: rows of the matches."""
REQUIRED = {
    FLUX: (None, None),
    IVAR: (None, None),
    AVAILABLE: (None,),
    DAMAGED: (None,),
    TARGETID: (None,),
    WAVE: (1, None),
}

SPECTRUM_CHUNK = 16
"""Spectra in a chunk of the flux and ivar datasets, 0.5 MB each."""


def write_group(
    path: Path | str,
    rows: np.ndarray,
    targetid: np.ndarray,
    wave: np.ndarray,
    spectra: Iterable[Sequence[np.ndarray]],
) -> None:
    """Write one group of spectra as they come.

    Parameters
    ----------
    path : path
    rows : ndarray of int, shape (N,)
        Rows of the matches that belong to the group, in increasing order.
    targetid : ndarray of int64, shape (N,)
    wave : ndarray, shape (L,), Å
    spectra : iterable of (places, flux, ivar, n_damaged)
        Places in `targetid`, their spectra of shape (B, L), and how many pixels of each lost their
        weight.
    """
    with new_hdf5(path, 8 * len(targetid) * len(wave)) as (file, check):
        _create(file, targetid, wave)
        file[ROW] = rows
        available = np.zeros(len(targetid), bool)
        for places, *values in spectra:
            _put(file, places, values)
            available[places] = True
            check()
        file[AVAILABLE] = available


def join_groups(
    path: Path | str,
    groups: Sequence[Path | str],
    targetid: np.ndarray,
    wave: np.ndarray,
) -> int:
    """Write the spectra of all groups into one file, in the order of the matches.

    Parameters
    ----------
    path : path
    groups : sequence of path
        As written by `write_group`.
    targetid : ndarray of int64, shape (N,)
        Of the matches.
    wave : ndarray, shape (L,), Å

    Returns
    -------
    int
        How many have none.

    Raises
    ------
    InputError
        If a file is damaged or belongs to another table of matches, or a match is in no group.
    """
    seen, available = np.zeros(len(targetid), bool), np.zeros(len(targetid), bool)
    with new_hdf5(path, 8 * len(targetid) * len(wave)) as (file, check):
        _create(file, targetid, wave)
        for group in progress(groups, "groups"):
            with open_hdf5(group, REQUIRED | {ROW: (None,)}) as source:
                rows = source[ROW][:]
                _check_targets(group, source, targetid[rows[rows < len(targetid)]])
                seen[rows], available[rows] = True, source[AVAILABLE][:]
                for start in range(0, len(rows), SPECTRUM_CHUNK):
                    some = slice(start, start + SPECTRUM_CHUNK)
                    good = source[AVAILABLE][some]
                    values = [source[name][some][good] for name in PER_SPECTRUM]
                    _put(file, rows[some][good], values)
                    check()
        file[AVAILABLE] = available
        if not seen.all():
            raise InputError(
                groups[0],
                found=f"no group with target {targetid[~seen][0]}",
                expected=f"all {len(targetid)} matches in the {len(groups)} groups",
            )
    return int((~available).sum())


def _create(file: h5py.File, targetid: np.ndarray, wave: np.ndarray) -> None:
    """Make the datasets of a file of spectra, and fill what is known of all."""
    shape = (len(targetid), len(wave))
    chunks = (min(SPECTRUM_CHUNK, shape[0]), shape[1]) if shape[0] else None
    file[TARGETID] = targetid.astype("S")
    file[WAVE] = wave[None, :]
    for name in (FLUX, IVAR):
        file.create_dataset(name, shape, np.float32, chunks=chunks)
    file[DAMAGED] = np.zeros(len(targetid), np.int32)


def _put(file: h5py.File, rows: np.ndarray, values: Sequence[np.ndarray]) -> None:
    """Write what is had of each spectrum, of some rows."""
    # one by one: h5py is slow with long lists of rows
    for name, spectra in zip(PER_SPECTRUM, values, strict=True):
        for row, spectrum in zip(rows, spectra, strict=True):
            file[name][row] = spectrum


@contextmanager
def open_collected(path: Path | str, targetid: np.ndarray) -> Iterator[h5py.File]:
    """Open collected spectra, and check that they are those of `targetid`, in its order.

    Raises
    ------
    InputError
        If the file is damaged or belongs to another table of matches.
    """
    with open_hdf5(path, REQUIRED) as file:
        _check_targets(path, file, targetid)
        yield file


def _check_targets(path: Path | str, file: h5py.File, targetid: np.ndarray) -> None:
    """Raise InputError unless a file is about these targets."""
    if not np.array_equal(file[TARGETID][:], targetid.astype("S")):
        raise InputError(
            path,
            key=f"dataset '{TARGETID}'",
            found="targets of another table of matches",
            expected=f"the {len(targetid)} matched targets in their order",
        )
