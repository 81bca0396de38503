"""Columns of a FITS table by ranges of rows, for tables that are larger than memory."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
import pandas as pd
from astropy.io import fits
from pandas.api.types import union_categoricals

from mmae.errors import InputError
from mmae.files.read import native
from mmae.survey.fits_files import fits_table, open_fits, readable

Kind = Literal["integer", "number", "text", "boolean"]

FORMATS: dict[Kind, str] = {"integer": "BIJK", "number": "BIJKED", "text": "A", "boolean": "L"}
"""Data types of the FITS standard (section 7.3.1) that hold each kind."""

BLOCK_BYTES = 2**26
"""About so much of the file is held at a time, whatever the width of a row."""

RECORD = 2880
"""FITS files are filled up with zeros to a multiple of this."""


class _Layout(NamedTuple):
    """Where the wanted columns lie in a file."""

    start: int
    """Of the first row, in bytes."""
    n_rows: int
    row: np.dtype
    """Of a whole row; its fields are the wanted columns."""


def row_blocks(
    path: Path | str, hdu: str, kinds: Mapping[str, Kind], block_bytes: int = BLOCK_BYTES
) -> Iterator[pd.DataFrame]:
    """Read the named columns of a binary table, one range of rows after the other.

    Rows are read from the file as they lie there. astropy's memory maps count the columns that
    nobody wants as memory (as much as the file), and are six times slower.

    Parameters
    ----------
    path : path
    hdu : str
    kinds : mapping from column to "integer", "number", "text" or "boolean"
        The columns to read, one value a row in each.
    block_bytes : int

    Yields
    ------
    DataFrame
        Text is categorical; the index is the row of the file. One without rows if the table has
        none.

    Raises
    ------
    InputError
        If the file is damaged or truncated, the HDU or a column is missing, or a column is of
        another kind.
    """
    layout = _layout(path, hdu, kinds)
    n_block = max(1, block_bytes // layout.row.itemsize)
    with Path(path).open("rb") as stream:
        stream.seek(layout.start)
        for start in range(0, max(layout.n_rows, 1), n_block):
            n = min(n_block, layout.n_rows - start)
            rows = np.fromfile(stream, layout.row, n)
            try:
                columns = {name: _column(rows[name], kind) for name, kind in kinds.items()}
            except ValueError as error:
                raise _damaged(path, hdu, error) from error
            yield pd.DataFrame(columns, index=pd.RangeIndex(start, start + n))
        _check_end(stream, path, hdu)


def join_blocks(blocks: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put blocks of one table under each other; text that is categorical stays so."""
    first = blocks[0]
    return pd.DataFrame(
        {
            name: union_categoricals([block[name] for block in blocks])
            if isinstance(dtype, pd.CategoricalDtype)
            else np.concatenate([block[name].to_numpy() for block in blocks])
            for name, dtype in first.dtypes.items()
        },
        index=np.concatenate([block.index.to_numpy() for block in blocks]),
    )


def _layout(path: Path | str, hdu: str, kinds: Mapping[str, Kind]) -> _Layout:
    """Find the columns of a table and check their kinds."""
    with open_fits(path) as hdus:
        with readable(path, hdu, "a whole table"):
            table = fits_table(hdus, path, hdu, list(kinds))
            row = table.columns.dtype
            width, n_rows = table.header["NAXIS1"], table.header["NAXIS2"]
            start = hdus.fileinfo(hdus.index_of(hdu))["datLoc"]
        for name, kind in kinds.items():
            _check_kind(path, hdu, table.columns[name], row[name], kind)
    if row.itemsize != width:
        raise _damaged(path, hdu, f"columns of {row.itemsize} bytes in rows of {width}")
    fields = [row.fields[name] for name in kinds]
    dtype = np.dtype(
        {
            "names": list(kinds),
            "formats": [field[0].newbyteorder(">") for field in fields],
            "offsets": [field[1] for field in fields],
            "itemsize": width,
        }
    )
    if start + n_rows * width > Path(path).stat().st_size:
        raise _damaged(path, hdu, f"the file ends before row {n_rows}")
    return _Layout(start, n_rows, dtype)


def _damaged(path: Path | str, hdu: str, why: object) -> InputError:
    """The error of a table whose bytes and header do not agree."""
    return InputError(
        path, key=f"HDU {hdu}", found=f"unreadable data ({why})", expected="a whole table"
    )


def _check_kind(
    path: Path | str, hdu: str, column: fits.Column, dtype: np.dtype, kind: Kind
) -> None:
    """Raise InputError unless a column has one plain value of its kind in each row."""
    scaled = column.bscale not in (None, "", 1) or column.bzero not in (None, "", 0)
    if column.format.format not in FORMATS[kind] or dtype.shape or scaled:
        raise InputError(
            path,
            key=f"HDU {hdu}, column {column.name}",
            found=f"format {column.format}" + (", scaled" if scaled else ""),
            expected=f"one {kind} a row (format {' or '.join(FORMATS[kind])})",
        )


def _check_end(stream: BinaryIO, path: Path | str, hdu: str) -> None:
    """Raise InputError if rows follow where the header says that there are none."""
    if stream.read(-stream.tell() % RECORD).strip(b"\0"):
        raise _damaged(path, hdu, "there are more rows than the header says")


def _column(values: np.ndarray, kind: Kind) -> np.ndarray | pd.Categorical:
    """A column of a block for pandas."""
    if kind == "boolean":
        true = values == ord("T")
        if not np.all(true | (values == ord("F"))):
            raise ValueError("a boolean that is neither T nor F")
        return true
    return _categories(values) if kind == "text" else native(values)


def _categories(text: np.ndarray) -> pd.Categorical:
    """Text of few different values, found eight bytes at a time without a Python object a row."""
    width = -(-text.dtype.itemsize // 8)
    words = text.astype(f"S{8 * width}").view(np.uint64).reshape(len(text), width)
    codes = np.zeros(len(text), np.int64)
    for word in words.T:
        part, values = pd.factorize(word)
        codes = pd.factorize(codes * len(values) + part)[0]
    first = np.flatnonzero(~pd.Series(codes).duplicated())
    renamed, names = pd.factorize(native(text[first]))
    return pd.Categorical.from_codes(renamed[codes], names)
