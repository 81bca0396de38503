"""A user's galaxies, in FITS cutouts and tables, as files in GalaxiesML's layout.

Everything behind reads HDF5; here a block of galaxies becomes a small one in memory.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd

from mmae.dataset import layout
from mmae.errors import InputError
from mmae.files import tables
from mmae.files.read import existing, read_table
from mmae.instruments import BANDS
from mmae.survey import galaxiesml
from mmae.survey.cutouts import FITS, Cutout, all_files, cutout_of, find_cutouts
from mmae.survey.fits_files import open_fits
from mmae.survey.galaxiesml import IMAGE, OBJECT_ID

BAND_IMAGES = {f"{IMAGE}_{band}": band for band in BANDS}
"""Columns of a table with the path of a FITS file a band; IMAGE: of one with all bands."""
Z_SPEC = "z_spec"
"""What tables may call the redshift, as those of predictions do."""


class OwnGalaxies(NamedTuple):
    """Galaxies of which all headers were checked."""

    path: Path
    """Where they are from, for messages."""
    columns: dict[str, np.ndarray]
    """(N,) each, by the names of GalaxiesML."""
    cutouts: Sequence[Cutout] | None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @contextmanager
    def opened(self, rows: slice) -> Iterator[h5py.File]:
        """Some of the galaxies as an HDF5 file in memory.

        Raises
        ------
        InputError
            If an image is damaged.
        """
        with h5py.File(str(self.path), "w", driver="core", backing_store=False) as file:
            for name, values in self.columns.items():
                text = h5py.string_dtype() if values.dtype.kind in "OU" else None
                file.create_dataset(name, data=values[rows], dtype=text)
            if self.cutouts is not None:
                file[IMAGE] = np.stack([cutout.read() for cutout in self.cutouts[rows]])
            yield file


def gather(paths: Sequence[Path], names: Mapping[str, str]) -> list[Path | OwnGalaxies]:
    """What the user's paths are: HDF5 files as they are, all else as galaxies.

    Images in FITS files and folders are looked at together, as a galaxy's bands may be in several
    of them; they stand where the first of them does.

    Parameters
    ----------
    paths : sequence of path
    names : mapping of str to str
        Columns of tables, as of `mmae.files.read.read_table`.

    Raises
    ------
    InputError
        If a file is missing or damaged, or its images or columns are not as they must be.
    """
    found: list[Path | OwnGalaxies] = []
    images: list[Path] = []
    for path in paths:
        if path.is_dir() or (FITS.search(path.name) and not _is_table(existing(path))):
            if not images:
                found.append(path)
            images.append(path)
        elif FITS.search(path.name) or tables.is_table(path):
            found.append(of_table(path, names))
        else:
            found.append(path)
    if images:
        cutouts = find_cutouts(all_files(images))
        ids = np.array([cutout.name for cutout in cutouts], dtype=object)
        place = found.index(images[0])
        found[place] = OwnGalaxies(images[0], {OBJECT_ID: ids}, cutouts)
    return found


def _is_table(path: Path) -> bool:
    """Whether a FITS file holds no image, but a table."""
    with open_fits(path) as hdus:
        return not any(hdu.is_image and hdu.shape for hdu in hdus)


def of_table(path: Path, names: Mapping[str, str]) -> OwnGalaxies:
    """The galaxies of a table: names, redshifts, magnitudes, and the paths of their cutouts.

    Paths are relative to the table's folder. Galaxies without a name have the number of their row.

    Raises
    ------
    InputError
        If the table has no row, or neither images nor numbers; or as `find_cutouts`.
    """
    table = read_table(path, names=names)
    if table.empty:
        raise InputError(path, found="no galaxy", expected="at least one")
    is_desi = OBJECT_ID not in table and layout.TARGETID in table
    identifier = layout.TARGETID if is_desi else OBJECT_ID
    columns = {identifier: table.get(identifier, pd.RangeIndex(len(table))).to_numpy()}
    for name in (Z_SPEC, galaxiesml.REDSHIFT):
        if name in table:
            columns[layout.REDSHIFT if is_desi else galaxiesml.REDSHIFT] = table[name].to_numpy()
    for name in table.select_dtypes("number").columns.difference([*columns, IMAGE, Z_SPEC]):
        if re.fullmatch(r"\w+", str(name)):
            columns[name] = table[name].to_numpy()
    return OwnGalaxies(path, columns, _cutouts(path, table))


def _cutouts(path: Path, table: pd.DataFrame) -> list[Cutout] | None:
    """The cutouts that a table names; None if it has no column of them."""
    bands = {name: BAND_IMAGES.get(name) for name in (IMAGE, *BAND_IMAGES) if name in table}
    if not bands:
        return None
    return [
        cutout_of(
            (path.parent / one, band)
            for one, band in zip(row, bands.values(), strict=True)
            if isinstance(one, str) and one.strip()
        )
        for row in table[[*bands]].itertuples(index=False)
    ]
