"""Files that hold spectra: FITS of SDSS and others, NumPy archives, tables that astropy reads."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from mmae.errors import InputError
from mmae.files.read import existing, native, read_npz
from mmae.files.tables import check_own_data
from mmae.survey.fits_files import open_fits, readable
from mmae.survey.foreign.columns import FIBRE, NAMES, Columns, named, wave_name

OF_OBJECT = {*NAMES["z"], *NAMES["name"], *(name for names in FIBRE for name in names)}
"""Columns that tell of an object."""
GZIP = b"\x1f\x8b"
FORMATS = "npz, FITS, CSV, ECSV, VOTable or Parquet"


def is_fits(path: Path | str) -> bool:
    """Whether a file begins as one of FITS, packed or not."""
    path = existing(path)
    if not path.is_file():
        raise InputError(path, found="no regular file", expected=FORMATS)
    with path.open("rb") as stream:
        start = stream.read(6)
    return start == b"SIMPLE" or (start[:2] == GZIP and ".fit" in path.name)


def read_columns(path: Path | str) -> Columns:
    """Columns of a file whose kind its first bytes tell.

    Raises
    ------
    InputError
        If the file is missing, damaged, or of no kind that is read.
    """
    if is_fits(path):
        return _fits_columns(Path(path))
    with Path(path).open("rb") as stream:
        start = stream.read(512)
    if start.startswith(b"PK"):
        return Columns(read_npz(path))
    if not start or start.startswith((b"\x89HDF", b"\x93NUMPY", b"\x80", GZIP)):
        raise InputError(path, found="no file of spectra", expected=FORMATS)
    return _table_columns(Path(path), start)


def _table_columns(path: Path, start: bytes) -> Columns:
    """Columns of a table that astropy reads."""
    kind = "ascii"
    if start.startswith(b"PAR1"):
        kind = "parquet"
    elif start.lstrip().startswith(b"<"):
        kind = "votable"
        check_own_data(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = Table.read(path, format=kind)
        units = {name: str(table[name].unit) for name in table.colnames if table[name].unit}
        values = {name: np.ma.asarray(table[name]) for name in table.colnames}
    except Exception as error:  # each format has exceptions of its own
        words = str(error).strip().partition("\n")[0]
        raise InputError(path, found=f"no table ({words})", expected=FORMATS) from error
    return Columns(values, units, {k: v for k, v in table.meta.items() if np.isscalar(v)})


def _fits_columns(path: Path) -> Columns:
    """Spectra of a FITS file: a table, or images as in SDSS's spPlate files."""
    with open_fits(path) as hdus, readable(path, "1", "spectra"):
        primary = hdus[0]
        if "COEFF0" in primary.header and primary.header.get("NAXIS") == 2:
            return _sp_plate(hdus, path)
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
        for table in tables:
            names = dict.fromkeys(table.columns.names)
            has_wave = named(names, NAMES["wave"] + NAMES["loglam"]) or wave_name(names)
            if has_wave and named(names, NAMES["flux"]):
                break
        else:
            found = [name for table in tables for name in table.columns.names][:30]
            raise InputError(
                path,
                found=f"only {[hdu.name for hdu in hdus]} with the columns {found}",
                expected="a table with wave or loglam and flux, or a file of DESI or SDSS",
            )
        values = {name: native(table.data[name]) for name in table.columns.names}
        units = {column.name: column.unit for column in table.columns if column.unit}
        # SDSS tells the redshift in a table of its own
        for other in tables:
            if other is not table and other.header["NAXIS2"] == 1 == _n_spectra(values):
                own = [name for name in other.columns.names if name.lower() in OF_OBJECT]
                values = {name: native(other.data[name]) for name in own} | values
        return Columns(values, units, {**primary.header, **table.header})


def _n_spectra(values: Mapping[str, np.ndarray]) -> int:
    """Spectra of a table."""
    flux = values[named(values, NAMES["flux"])]
    return 1 if flux.ndim == 1 else len(flux)


def _sp_plate(hdus: fits.HDUList, path: Path) -> Columns:
    """Spectra of one plate: flux and inverse variance as images, fibres in a table.

    Source: SDSS data model, spPlate (https://data.sdss.org/datamodel).
    """
    header, flux = hdus[0].header, native(hdus[0].data)
    ivar = native(hdus[1].data)
    n, length = flux.shape
    loglam = header["COEFF0"] + header["COEFF1"] * np.arange(length)
    fibre = np.arange(1, n + 1)
    for hdu in hdus[2:]:
        if isinstance(hdu, fits.BinTableHDU) and "FIBERID" in hdu.columns.names:
            fibre = native(hdu.data["FIBERID"])
    same = {
        key: np.full(n, header.get(card, 0)) for key, card in (("plate", "PLATEID"), ("mjd", "MJD"))
    }
    values = {"loglam": loglam, "flux": flux, "ivar": ivar, **same, "fiberid": fibre}
    return Columns(values, {}, header)
