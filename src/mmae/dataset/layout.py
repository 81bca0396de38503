"""The HDF5 schema of GalaxiesML-Spectra: the only place that names its datasets.

What this project writes keeps the schema that the authors' loader reads, and adds what stands below
REQUIRED.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from mmae.errors import InputError
from mmae.files.checks import shape_words
from mmae.files.read import open_hdf5
from mmae.instruments import BANDS, IMAGE_SIZE
from mmae.limits import MAGNITUDE

IMAGE = "image"
"""(N, 5, 64, 64) float32, flux with zero point 27.0, bands g r i z y."""
FLUX = "spectrum/flux"
"""(N, L) float32, 1e-17 erg / (s cm2 Å); L is 7781 here and 7783 in the release."""
IVAR = "spectrum/ivar"
"""(N, L) float32, 0 where the pixel is missing."""
WAVE = "spectrum/wave"
"""(1, L) or (N, L), Å."""
REDSHIFT = "DESI_fibermap/DESI_redshift"
"""(N,) float64, DESI's redshift: z_spec."""
TARGETID = "targetid"
"""(N,) byte strings of DESI's integer TARGETID, or integers."""

REQUIRED = {
    IMAGE: (None, len(BANDS), IMAGE_SIZE, IMAGE_SIZE),
    FLUX: (None, None),
    IVAR: (None, None),
    REDSHIFT: (None,),
    TARGETID: (None,),
}

MAGNITUDES = tuple(f"hsc/{band}_cmodel_mag" for band in BANDS)
"""(N,) each, AB, as this project writes them."""
OBJECT_ID, HSC_REDSHIFT, RA, DEC = "hsc/object_id", "hsc/specz_redshift", "hsc/ra", "hsc/dec"
SEPARATION = "separation_arcsec"
"""(N,) between the HSC and the DESI position."""


FOLDERS = ("hsc", "HSC_metadata", "DESI_fibermap")
"""Where a column of HSC's or DESI's catalogue stands in this project's file, or the release's."""


@contextmanager
def open_dataset(path: Path | str) -> Iterator[h5py.File]:
    """Open a GalaxiesML-Spectra file after checking its datasets.

    Raises
    ------
    InputError
        If the file is damaged or empty, or a dataset is missing or has another shape.
    """
    with open_hdf5(path, REQUIRED) as file:
        if len(file[REDSHIFT]) == 0:
            raise InputError(path, found="no galaxy", expected="at least one")
        if file[FLUX].shape != file[IVAR].shape:
            raise InputError(
                path,
                key=f"dataset '{IVAR}'",
                found=f"shape {file[IVAR].shape}",
                expected=f"the shape of '{FLUX}', {file[FLUX].shape}",
            )
        yield file


def read_targetid(file: h5py.File) -> np.ndarray:
    """TARGETIDs of all rows as int64.

    Raises
    ------
    InputError
        If one is no integer.
    """
    try:
        return np.array([int(value) for value in file[TARGETID][:]], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise InputError(
            file.filename,
            key=f"dataset '{TARGETID}'",
            found=str(error),
            expected="byte strings of integers, or integers of 64 bits",
        ) from error


def read_wave(file: h5py.File) -> np.ndarray:
    """Wavelengths of the spectrum's pixels, shape (L,), Å."""
    if WAVE not in file:
        raise InputError(
            file.filename, key=f"dataset '{WAVE}'", found="no such dataset", expected="(1, L)"
        )
    wave = np.atleast_2d(file[WAVE][:1])[0] if file[WAVE].ndim == 2 else file[WAVE][:]
    if wave.shape[0] != file[FLUX].shape[1]:
        raise InputError(
            file.filename,
            key=f"dataset '{WAVE}'",
            found=f"{wave.shape[0]} wavelengths",
            expected=f"{file[FLUX].shape[1]}, as in '{FLUX}'",
        )
    return wave.astype(float)


def describe(path: Path | str) -> pd.DataFrame:
    """What a file holds beside what it should hold.

    Returns
    -------
    DataFrame
        One row a dataset: dataset, found, expected (both "dtype shape"; expected is empty for those
        that are not required, found for those that are not there).

    Raises
    ------
    InputError
        If the file is missing or damaged.
    """
    expected = {name: shape_words(shape) for name, shape in REQUIRED.items()}
    expected[WAVE] = "(1, L) or (N, L)"
    found: dict[str, str] = {}
    with open_hdf5(path) as file:
        file["/"].visititems(
            lambda name, item: (
                found.update({name: f"{item.dtype} {item.shape}"})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    names = [*expected, *sorted(set(found) - set(expected))]
    return pd.DataFrame(
        [(name, found.get(name, ""), expected.get(name, "")) for name in names],
        columns=["dataset", "found", "expected"],
    )


def read_magnitudes(file: h5py.File) -> np.ndarray:
    """Cmodel magnitudes (N, 5), AB; NaN where they cannot be, or the file has none."""
    columns = []
    for band in BANDS:
        name = find_column(file, f"{band}_cmodel_mag")
        column = np.full(len(file[IMAGE]), np.nan) if name is None else file[name][:]
        columns.append(np.where(MAGNITUDE.contain(column), column, np.nan))
    return np.stack(columns, axis=1)


def find_column(file: h5py.File, column: str) -> str | None:
    """The dataset of a catalogue column: as named, or among HSC's in this or the release's file."""
    names = (column, *(f"{folder}/{column}" for folder in FOLDERS))
    return next((name for name in names if isinstance(file.get(name), h5py.Dataset)), None)
