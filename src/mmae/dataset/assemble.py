"""Write GalaxiesML-Spectra: images and spectra of the pairs that passed the cuts."""

import math
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from mmae.dataset import layout
from mmae.dataset.collected import AVAILABLE, DAMAGED
from mmae.dataset.spectra import lost_arm, missing_fraction, replace_artefacts
from mmae.files.new_hdf5 import new_hdf5
from mmae.files.read import native
from mmae.instruments import BANDS, IMAGE_SIZE
from mmae.progress import progress
from mmae.settings import Cleaning

MAX_SPAN = 4
"""Rows read for each row wanted, at most."""


def describe_pairs(
    hsc_row: np.ndarray, images: h5py.Dataset, spectra: h5py.File, chunk_size: int
) -> pd.DataFrame:
    """What cleaning must know of the pixels of all pairs.

    Parameters
    ----------
    hsc_row : ndarray of int, shape (N,)
        Row of each pair's image, in increasing order.
    images : h5py Dataset, shape (M, 5, 64, 64)
    spectra : h5py File
        Collected spectra, one row a pair.
    chunk_size : int
        Pairs held in memory at a time.

    Returns
    -------
    DataFrame, N rows
        available, missing_fraction, lost_arm, damaged_pixels (of the spectrum), damaged_image.
    """
    missing, lost, damaged = [], [], []
    for part in progress(list(_slices(len(hsc_row), chunk_size)), "looking at pixels"):
        ivar = spectra[layout.IVAR][part]
        missing.append(missing_fraction(ivar))
        lost.append(lost_arm(ivar))
        damaged.append(~np.isfinite(_rows(images, hsc_row[part])).all(axis=(1, 2, 3)))
    return pd.DataFrame(
        {
            "available": spectra[AVAILABLE][:],
            "missing_fraction": np.concatenate(missing),
            "lost_arm": np.concatenate(lost),
            "damaged_pixels": spectra[DAMAGED][:],
            "damaged_image": np.concatenate(damaged),
        }
    )


def write_dataset(
    path: Path | str,
    kept: pd.DataFrame,
    galaxiesml: h5py.File,
    spectra: h5py.File,
    settings: Cleaning,
) -> int:
    """Write the cleaned dataset, a chunk of galaxies at a time.

    Every column of HSC's catalogue comes along: any may become a modality.

    Parameters
    ----------
    path : path
    kept : DataFrame
        Pairs that passed the cuts; the index is the row of `spectra`.
    galaxiesml : h5py File
        HSC's images and catalogue, all rows.
    spectra : h5py File
        Collected spectra.
    settings : Cleaning

    Returns
    -------
    int
        Number of spectrum pixels replaced as artefacts.
    """
    n, n_wave = len(kept), spectra[layout.FLUX].shape[1]
    hsc_row, images = kept["hsc_row"].to_numpy(), galaxiesml[layout.IMAGE]
    n_replaced = 0
    shape = (n, len(BANDS), IMAGE_SIZE, IMAGE_SIZE)
    with new_hdf5(path, 4 * math.prod(shape) + 8 * n * n_wave) as (file, check):
        file[layout.REDSHIFT] = kept["desi_redshift"].to_numpy()
        file[layout.TARGETID] = kept["targetid"].to_numpy().astype("S")
        file[layout.WAVE] = spectra[layout.WAVE][:]
        file[layout.SEPARATION] = kept["separation_arcsec"].to_numpy()
        file[layout.OBJECT_ID] = kept["object_id"].to_numpy()
        file[layout.HSC_REDSHIFT] = kept["hsc_redshift"].to_numpy()
        for column in _numbers(galaxiesml):
            if (name := f"hsc/{column}") not in file:
                file[name] = native(_rows(galaxiesml[column], hsc_row))
        # in one piece, so that trainings can map it into memory as it is
        image = file.create_dataset(layout.IMAGE, shape, np.float32)
        flux, ivar = (
            file.create_dataset(name, (n, n_wave), np.float32, chunks=(1, n_wave))
            for name in (layout.FLUX, layout.IVAR)
        )
        for rows in progress(list(_slices(n, settings.chunk_size)), "cleaning"):
            image[rows] = _rows(images, hsc_row[rows])
            of_spectra = kept.index[rows].to_numpy()
            noisy = _rows(spectra[layout.FLUX], of_spectra)
            weight = _rows(spectra[layout.IVAR], of_spectra)
            flux[rows], count = replace_artefacts(noisy, weight, settings.artefact_sigma)
            ivar[rows] = weight
            n_replaced += int(count.sum())
            check()
    return n_replaced


def _numbers(galaxiesml: h5py.File) -> list[str]:
    """Columns of HSC's catalogue that hold a number a galaxy."""
    return [
        name
        for name, item in galaxiesml.items()
        if isinstance(item, h5py.Dataset)
        and item.shape == galaxiesml[layout.IMAGE].shape[:1]
        and item.dtype.kind in "iufb"
    ]


def _slices(n: int, size: int) -> Iterator[slice]:
    """[0, size), [size, 2 size), ... up to n."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def _rows(dataset: h5py.Dataset, rows: np.ndarray) -> np.ndarray:
    """Rows in increasing order: in one read where they lie close together, else one by one."""
    first, span = rows[0], rows[-1] + 1 - rows[0]
    # both are much faster than h5py's lists of rows
    if span <= MAX_SPAN * len(rows):
        return dataset[first : first + span][rows - first]
    return np.stack([dataset[row] for row in rows])
