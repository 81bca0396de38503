"""GalaxiesML: HSC PDR2 images with spectroscopic redshifts (Do et al. 2024, arXiv:2410.00271).

One HDF5 file, one row a galaxy. This is the only place that names its datasets.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from mmae import limits
from mmae.errors import InputError
from mmae.files.checks import Shape, check_datasets, check_identifiers
from mmae.files.damage import check_share, sound
from mmae.files.new_hdf5 import new_hdf5
from mmae.files.read import native, open_hdf5
from mmae.instruments import BANDS, IMAGE_SIZE

IMAGE = "image"
"""(N, 5, 64, 64) float32, flux with zero point 27.0, bands g r i z y."""

OBJECT_ID, RA, DEC, REDSHIFT = "object_id", "ra", "dec", "specz_redshift"
MAGNITUDES = tuple(f"{band}_cmodel_mag" for band in BANDS)
REQUIRED = {
    IMAGE: (None, len(BANDS), IMAGE_SIZE, IMAGE_SIZE),
    **dict.fromkeys((OBJECT_ID, RA, DEC, REDSHIFT, *MAGNITUDES), (None,)),
}

LARGE = 127
"""Pixels on a side of the release's larger images, whose middle is taken."""

MIDDLE = slice((LARGE - IMAGE_SIZE) // 2, (LARGE + IMAGE_SIZE) // 2)
"""Of rows and of columns of the larger images."""

LIMITS = {RA: (-360, 360), DEC: (-90, 90), REDSHIFT: limits.REDSHIFT}
"""What positions (degrees) and redshifts can be."""

IMAGE_CHUNK = 16
"""Galaxies in a chunk of the image dataset, 1.3 MB."""


@contextmanager
def open_galaxiesml(path: Path | str) -> Iterator[h5py.File]:
    """Open a GalaxiesML file of this project after checking its datasets.

    That which `join_galaxiesml` wrote shows files that lie elsewhere.

    Raises
    ------
    InputError
        If the file is damaged or a required dataset is missing or has another shape.
    """
    with open_hdf5(path, REQUIRED, is_ours=True) as file:
        yield file


def read_catalog(path: Path | str, max_damaged: float = 1.0) -> pd.DataFrame:
    """All that GalaxiesML lists but the images: one row a galaxy, in file order.

    Parameters
    ----------
    path : path
    max_damaged : float
        Fraction of the rows whose position or redshift may be impossible. They are among the
        others: see LIMITS.

    Returns
    -------
    DataFrame
        Columns object_id, ra, dec (degrees), specz_redshift, <band>_cmodel_mag (AB).

    Raises
    ------
    InputError
        If the file is damaged or empty, or too many positions or redshifts are impossible.
    """
    with open_galaxiesml(path) as file:
        names = [name for name in REQUIRED if name != IMAGE]
        catalog = pd.DataFrame({name: native(file[name][:]) for name in names})
    if catalog.empty:
        raise InputError(path, key=f"dataset '{OBJECT_ID}'", found="no row", expected="galaxies")
    n_damaged, words = (
        (~sound(catalog, LIMITS)).sum(),
        f"rows with an impossible {' or '.join(LIMITS)}",
    )
    check_share(path, n_damaged, len(catalog), max_damaged, "crossmatch.max_damaged", words)
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
    n = len(next(iter(columns.values())))
    shape = (n, *REQUIRED[IMAGE][1:])
    with new_hdf5(path, 4 * math.prod(shape)) as (file, check):
        for name, values in columns.items():
            text = h5py.string_dtype() if values.dtype.kind in "OU" else None
            file.create_dataset(name, data=values, dtype=text)
        dataset = file.create_dataset(
            IMAGE, shape, np.float32, chunks=(min(IMAGE_CHUNK, n), *shape[1:])
        )
        dataset.attrs["unit"] = "flux, zero point 27.0 AB mag"
        start = 0
        for chunk in images:
            dataset[start : start + len(chunk)] = chunk
            start += len(chunk)
            check()


def join_galaxiesml(path: Path | str, parts: Sequence[Path | str]) -> int:
    """Write a small file in which the release's files stand as one, without copying them.

    The release comes as training, validation and test set. Of images of 127x127 pixels the middle
    64x64 are shown.

    Parameters
    ----------
    path : path
        HDF5 file to write; its datasets are virtual.
    parts : sequence of path
        GalaxiesML files, whose rows follow each other.

    Returns
    -------
    int
        Number of galaxies.

    Raises
    ------
    InputError
        If a part is damaged, all are empty, or a required dataset is missing or has another shape.
    """
    sizes = [_check_part(part) for part in parts]
    if not any(sizes):
        raise InputError(parts[0], key=f"dataset '{IMAGE}'", found="no galaxy", expected="galaxies")
    with new_hdf5(path, 0, libver="latest") as (file, _):
        for name in _common_columns(parts, sizes):
            _join(file, name, parts, sizes)
    return sum(sizes)


def _check_part(path: Path | str) -> int:
    """Number of galaxies of one file of the release, which may have images of either size."""
    with open_hdf5(path) as file:
        check_datasets(file, REQUIRED | {IMAGE: image_shape(file)})
        return file[IMAGE].shape[0]


def image_shape(file: h5py.File) -> Shape:
    """Shape that the images of a file must have: that of either size of the release."""
    image = file.get(IMAGE)
    is_large = isinstance(image, h5py.Dataset) and image.shape[-1:] == (LARGE,)
    return (None, len(BANDS), *(2 * (LARGE if is_large else IMAGE_SIZE,)))


def read_images(file: h5py.File, rows: slice) -> np.ndarray:
    """Images of some rows of a file whose images are of either size: (B, 5, 64, 64) float32."""
    image = file[IMAGE]
    middle = (slice(None), MIDDLE, MIDDLE) if image.shape[-1] == LARGE else ()
    return image.astype(np.float32)[(rows, *middle)]


def _common_columns(parts: Sequence[Path | str], sizes: Sequence[int]) -> list[str]:
    """Numeric datasets with a row a galaxy that all files have, in the order of the first."""
    names = []
    for part, size in zip(parts, sizes, strict=True):
        with open_hdf5(part) as file:
            names.append(
                {
                    name: item.shape[1:]
                    for name, item in file.items()
                    if isinstance(item, h5py.Dataset)
                    and item.dtype.kind in ("iufbS" if name == OBJECT_ID else "iufb")
                    and item.shape[:1] == (size,)
                }
            )
    return [
        name
        for name, shape in names[0].items()
        if name == IMAGE or all(others.get(name) == shape for others in names)
    ]


def _join(file: h5py.File, name: str, parts: Sequence[Path | str], sizes: Sequence[int]) -> None:
    """One virtual dataset over all parts, in a type that holds the numbers of each."""
    views, dtypes = [], []
    for part in parts:
        # HDF5 takes a percent sign for the begin of a pattern
        place = str(Path(part).resolve()).replace("%", "%%")
        with open_hdf5(part) as source:
            dtypes.append(source[name].dtype)
            view = h5py.VirtualSource(place, name, source[name].shape)
        if name == IMAGE and view.shape[-1] == LARGE:
            view = view[:, :, MIDDLE, MIDDLE]
        views.append(view)
    shape, dtype = (sum(sizes), *views[0].shape[1:]), np.result_type(*dtypes)
    if name == OBJECT_ID:  # signed and unsigned integers in one
        check_identifiers(parts[0], f"dataset '{name}'", np.zeros(1, dtype))
    layout = h5py.VirtualLayout(shape, dtype)
    start = 0
    for view, size in zip(views, sizes, strict=True):
        layout[start : start + size] = view
        start += size
    file.create_virtual_dataset(name, layout)
