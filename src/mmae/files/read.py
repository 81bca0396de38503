"""Files that are read: checked as they are opened, and told in one sentence if they do not do."""

import csv
import json
import os
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import pandas as pd

from mmae.errors import InputError
from mmae.files import tables
from mmae.files.checks import IDENTIFIERS, Shape, check_datasets, check_identifiers, check_zip
from mmae.files.hdf5 import CheckedFile

ROWS_AT_ONCE = 10**6
"""Of a table, while it is read."""

UTF_8 = "utf-8-sig"
"""As spreadsheets write it: a mark may stand before the first column."""

HEADER_LINES = 1000
"""Comments and empty lines before a table, at most."""

UNREADABLE = (
    *(OSError, ValueError, EOFError, RecursionError, ImportError),
    *(LZMAError, tarfile.TarError, zipfile.BadZipFile, zlib.error, TokenError),
)
"""What readers raise for damaged files, and for those that their ending says to be compressed."""


def existing(path: Path | str) -> Path:
    """Return `path` as a Path, or raise InputError if nothing is there."""
    path = Path(path)
    # not Path.exists(), which raises what a name of the user's can be wrong by
    if not os.path.exists(path):
        raise InputError(path, found="no such file", expected="an existing file")
    return path


@contextmanager
def open_hdf5(
    path: Path | str,
    required: Mapping[str, Shape] | None = None,
    is_ours: bool = False,
    **options: Any,
) -> Iterator[CheckedFile]:
    """Open an HDF5 file for reading, after checking the datasets it must have.

    Parameters
    ----------
    path : path
    required : mapping from dataset name to shape, optional
        None in a shape stands for any length; the first axis of all must agree.
    is_ours : bool
        Whether this project wrote it; see `mmae.files.hdf5.CheckedFile`.
    options
        Of h5py.File.

    Raises
    ------
    InputError
        If the file is missing, locked or damaged, or a dataset is missing or has another shape;
        while it is open, if a dataset cannot be read, or lies in a file elsewhere.
    """
    path = existing(path)
    if not path.is_file():
        raise InputError(path, found="no regular file", expected="an HDF5 file")
    try:
        file = CheckedFile(path, is_ours, **options)
    except OSError as error:
        raise InputError(path, **_why_closed(error)) from error
    with file:
        check_datasets(file, required or {})
        yield file


def _why_closed(error: OSError) -> dict[str, str]:
    """Why HDF5 does not open a file: found and expected."""
    words = str(error)
    if "unable to lock" in words or "already open for write" in words:
        return {
            "found": f"a file that is locked: another program has it open to write ({error})",
            "expected": "one that nobody writes; if nobody does, HDF5_USE_FILE_LOCKING=FALSE in "
            "the environment, or h5clear -s after a program that was killed",
        }
    if isinstance(error, PermissionError):
        return {"found": "no permission to read it", "expected": "an HDF5 file"}
    return {"found": f"a damaged or truncated file ({error})", "expected": "an HDF5 file"}


def native(column: np.ndarray) -> np.ndarray:
    """A column for pandas, which wants neither FITS's byte order nor its padded strings."""
    column = np.asarray(column)
    if column.dtype.kind in "SU":
        return np.char.strip(column.astype(str))
    return column.astype(column.dtype.newbyteorder("="))


def read_table(
    path: Path | str,
    columns: Sequence[str] = (),
    only: Collection[str] | None = None,
    names: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Read a table that has at least these columns; of `only`, those that it has.

    FITS, ECSV, VOTable and Parquet by the ending of the name, else CSV. There, spaces around names
    and values do not count; lines with # before the table are comments; the last of them has the
    names where the line below it has numbers.

    Parameters
    ----------
    path : path
    columns : sequence of str
    only : collection of str, optional
    names : mapping of str to str, optional
        What is called here as in the key is called in the file as in the value.

    Raises
    ------
    InputError
        If the file is missing or not a table, a column is missing or is one of identifiers that
        are neither integers nor text, or two have the same name.
    """
    path, names = existing(path), names or {}
    style = tables.format_of(path)
    wanted = None if only is None else {*only, *names.values()}
    table = _read_csv(path, wanted) if style is None else tables.load(path, style, wanted)
    table = tables.named(path, table, names)
    missing = [name for name in columns if name not in table]
    if missing:
        raise InputError(
            path,
            key=f"column {missing[0]}",
            found=f"only {list(table.columns)}",
            expected=f"the columns {list(columns)}",
        )
    for name in {*IDENTIFIERS} & {*table.columns}:
        check_identifiers(path, f"column {name}", table[name])
    return table


def _read_csv(path: Path, only: Collection[str] | None) -> pd.DataFrame:
    """A CSV table as it stands."""
    try:
        options = {**_header(path), "skipinitialspace": True, "encoding": UTF_8}
        if only is not None:
            options["usecols"] = lambda name: str(name).strip() in only
        # in blocks, since pandas holds twice what it reads at once
        with pd.read_csv(path, **options, chunksize=ROWS_AT_ONCE) as blocks:
            table = pd.concat(blocks, ignore_index=True)
        table.columns = [str(name).strip() for name in table]
        if not table.columns.is_unique:
            raise ValueError(f"columns {list(table)}, of which two have the same name")
    except UNREADABLE as error:
        raise InputError(
            path, found=f"no table ({error})", expected="a CSV file with a header"
        ) from error
    return table


def _header(path: Path) -> dict[str, Any]:
    """Where a CSV table begins and what its columns are called, for pandas."""
    # a separator that no text has: whole lines
    whole = {"sep": "\x01", "quoting": csv.QUOTE_NONE, "header": None, "names": ["line"]}
    keep = {"dtype": str, "na_filter": False, "skip_blank_lines": False, "nrows": HEADER_LINES}
    lines = pd.read_csv(path, **whole, **keep, encoding=UTF_8)["line"].str.strip().to_list()
    start = next((k for k, line in enumerate(lines) if line[:1] not in ("", "#")), len(lines))
    comments = [line.strip("# ") for line in lines[:start] if line]
    if comments and start < len(lines):
        names, values = (next(csv.reader([line])) for line in (comments[-1], lines[start]))
        numbers = pd.to_numeric(pd.Series(values), errors="coerce")
        if len(names) == len(values) and numbers.notna().any():
            return {"skiprows": start, "header": None, "names": names}
    return {"skiprows": start}


def read_json(path: Path | str) -> dict:
    """Read a JSON file, or raise InputError if it is missing or damaged."""
    path = existing(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except UNREADABLE as error:
        raise InputError(path, found=f"no JSON ({error})", expected="a JSON file") from error


def read_npz(path: Path | str, required: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Read a .npz archive that has at least these arrays (never a pickle).

    Raises
    ------
    InputError
        If the file is missing or damaged, or an array is missing, or is one of identifiers that
        are neither integers nor text.
    """
    path = existing(path)
    check_zip(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
    except UNREADABLE as error:
        raise InputError(
            path, found=f"a damaged file ({error})", expected="a .npz archive"
        ) from error
    missing = [name for name in required if name not in arrays]
    if missing:
        raise InputError(
            path,
            key=f"array '{missing[0]}'",
            found=f"only {sorted(arrays)}",
            expected=f"the arrays {list(required)}",
        )
    for name in required:
        if name.endswith(IDENTIFIERS):
            check_identifiers(path, f"array '{name}'", arrays[name])
    return arrays
