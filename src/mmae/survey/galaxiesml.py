"""GalaxiesML: HSC PDR2 images with spectroscopic redshifts (Do et al. 2024, arXiv:2410.00271).

One HDF5 file, one row a galaxy. This is the only place that names its datasets.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from mmae.checks import check_numbers
from mmae.files import atomic, native, open_hdf5
from mmae.instruments import BANDS, IMAGE_SIZE

IMAGE = "image"
"""(N, 5, 64, 64) float32, flux with zero point 27.0, bands g r i z y."""

OBJECT_ID, RA, DEC, REDSHIFT = "object_id", "ra", "dec", "specz_redshift"
MAGNITUDES = tuple(f"{band}_cmodel_mag" for band in BANDS)
REQUIRED = {
    IMAGE: (None, len(BANDS), IMAGE_SIZE, IMAGE_SIZE),
    **dict.fromkeys((OBJECT_ID, RA, DEC, REDSHIFT, *MAGNITUDES), (None,)),
}

LIMITS = {RA: (-360, 360), DEC: (-90, 90), REDSHIFT: (-1, 20)}
"""What positions (degrees) and redshifts can be."""

IMAGE_CHUNK = 16
"""Galaxies in a chunk of the image dataset, 1.3 MB."""


@contextmanager
def open_galaxiesml(path: Path | str) -> Iterator[h5py.File]:
    """Open a GalaxiesML file after checking its datasets.

    Raises
    ------
    InputError
        If the file is damaged or a required dataset is missing or has another shape.
    """
    with open_hdf5(path, REQUIRED) as file:
        yield file


def read_catalog(path: Path | str) -> pd.DataFrame:
    """All that GalaxiesML lists but the images: one row a galaxy, in file order.

    Returns
    -------
    DataFrame
        Columns object_id, ra, dec (degrees), specz_redshift, <band>_cmodel_mag (AB).

    Raises
    ------
    InputError
        If the file is damaged, or positions or redshifts are no numbers or impossible.
    """
    with open_galaxiesml(path) as file:
        names = [name for name in REQUIRED if name != IMAGE]
        catalog = pd.DataFrame({name: native(file[name][:]) for name in names})
    check_numbers(path, catalog, LIMITS)
    return catalog


def write_galaxiesml(
    path: Path | str, columns: Mapping[str, np.ndarray], images: Iterable[np.ndarray]
) -> None:
    """Write a GalaxiesML file, images chunk by chunk.

    Parameters
    ----------
    path : path
    columns : mapping of str to ndarray, shape (N,)
    images : iterable of ndarray, each (B, 5, 64, 64), in the order of the rows
    """
    n = len(columns[OBJECT_ID])
    shape = (n, *REQUIRED[IMAGE][1:])
    with atomic(path) as part, h5py.File(part, "w") as file:
        for name, values in columns.items():
            file[name] = values
        dataset = file.create_dataset(
            IMAGE, shape, np.float32, chunks=(min(IMAGE_CHUNK, n), *shape[1:])
        )
        dataset.attrs["unit"] = "flux, zero point 27.0 AB mag"
        start = 0
        for chunk in images:
            dataset[start : start + len(chunk)] = chunk
            start += len(chunk)
