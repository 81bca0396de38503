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
from mmae.files import existing, native


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
        with warnings.catch_warnings():
            warnings.simplefilter("error", AstropyUserWarning)
            warnings.simplefilter("ignore", VerifyWarning)  # odd cards do no harm
            hdus = fits.open(path, memmap=True, checksum=checksum)
            hdus.readall()  # all headers, no data: their sizes are compared with the file's
    except Exception as error:  # a damaged header makes astropy raise any kind
        raise InputError(
            path, found=f"a damaged or truncated file ({error})", expected="a FITS file"
        ) from error
    with hdus:
        yield hdus


def fits_columns(path: Path | str, hdu: str, columns: Sequence[str]) -> pd.DataFrame:
    """Read the named columns of one binary table of a FITS file.

    Raises
    ------
    InputError
        If the file is damaged, or the HDU or a column is missing.
    """
    with open_fits(path) as hdus:
        table = fits_table(hdus, path, hdu, columns)
        try:
            return pd.DataFrame({name: native(table.data[name]) for name in columns})
        except (TypeError, ValueError, OSError) as error:
            raise InputError(
                path, key=f"HDU {hdu}", found=f"unreadable data ({error})", expected="a whole table"
            ) from error


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
