"""FITS files, checked when opened."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from astropy.utils.exceptions import AstropyUserWarning

from mmae.errors import InputError
from mmae.files.read import existing, native


@contextmanager
def open_fits(path: Path | str, checksum: bool = False) -> Iterator[fits.HDUList]:
    """Open a FITS file for reading; a truncated one is an error, not a warning.

    Parameters
    ----------
    path : path
    checksum : bool
        Also compare the content with the checksums in it, which reads all of it.

    Raises
    ------
    InputError
        If the file is missing, damaged or truncated.
    """
    path = existing(path)
    try:
        with _strictly():
            # memory-mapped where data are stored as they are; scaled ones (DESI's masks) cannot be
            hdus = fits.open(path, checksum=checksum)
            hdus.readall()  # all headers, no data: their sizes are compared with the file's
    except Exception as error:  # a damaged header makes astropy raise any kind
        raise InputError(
            path, found=f"a damaged or truncated file ({error})", expected="a FITS file"
        ) from error
    with hdus:
        yield hdus


@contextmanager
def _strictly() -> Iterator[None]:
    """Make errors of astropy's warnings, but for those of odd cards, which do no harm."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", AstropyUserWarning)
        warnings.simplefilter("ignore", VerifyWarning)
        yield


@contextmanager
def readable(path: Path | str, hdu: str, expected: str) -> Iterator[None]:
    """Make one sentence of whatever astropy raises of an HDU: a damaged one makes it any kind."""
    try:
        with _strictly():
            yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            path, key=f"HDU {hdu}", found=f"unreadable data ({error})", expected=expected
        ) from error


def fits_columns(
    hdus: fits.HDUList, path: Path | str, hdu: str, columns: Sequence[str]
) -> pd.DataFrame:
    """Read the named columns of one binary table of a FITS file.

    Raises
    ------
    InputError
        If the HDU or a column is missing or damaged.
    """
    with readable(path, hdu, "a whole table"):
        table = fits_table(hdus, path, hdu, columns)
        return pd.DataFrame({name: native(table.data[name]) for name in columns})


def fits_table(
    hdus: fits.HDUList, path: Path | str, hdu: str, columns: Sequence[str]
) -> fits.BinTableHDU:
    """Return the named binary table, or raise InputError if it or one of the columns is missing."""
    table = fits_hdu(hdus, path, hdu)
    if not isinstance(table, fits.BinTableHDU):
        raise InputError(
            path, key=f"HDU {hdu}", found=type(table).__name__, expected="a binary table"
        )
    missing = [name for name in columns if name not in table.columns.names]
    if missing:
        raise InputError(
            path,
            key=f"HDU {hdu}, column {missing[0]}",
            found=f"only {table.columns.names}",
            expected=f"the columns {list(columns)}",
        )
    return table


def fits_hdu(hdus: fits.HDUList, path: Path | str, name: str) -> fits.hdu.base.ExtensionHDU:
    """Return the named HDU, or raise InputError with the names that are there."""
    if name not in hdus:
        raise InputError(
            path, key=f"HDU {name}", found=f"only {[h.name for h in hdus]}", expected="that HDU"
        )
    return hdus[name]
