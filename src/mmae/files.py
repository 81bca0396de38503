"""Files at the rim: written whole or not at all, checked when opened."""

import csv
import errno
import json
import math
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
from tabulate import tabulate

from mmae.checks import Shape, check_datasets, check_zip
from mmae.errors import InputError
from mmae.outputs import FILE, LINK, Kind, check_output, is_temporary, temporary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG_DPI = 200
"""Small print of figures stays readable."""

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Errors of writing, which do not name the file."""
FULL = re.compile(r"Not enough (free )?space|\d+ requested and \d+ written")
"""The same in the words of astropy and numpy."""

ROWS_AT_ONCE = 10**6
"""Of a table, while it is read."""

UTF_8 = "utf-8-sig"
"""As spreadsheets write it: a mark may stand before the first column."""

HEADER_LINES = 1000
"""Comments and empty lines before a table, at most."""


@contextmanager
def atomic(path: Path | str, kind: Kind = FILE) -> Iterator[Path]:
    """Give a temporary name in the same folder; rename it to `path` only if all went well.

    What a killed writer of the same path left is removed. Where two write it at once, the one that
    began last wins, and the other gets an error: never is half of one under the final name.

    Parameters
    ----------
    path : path
        Final name of a file or a folder.
    kind : Kind
        What is written. It replaces what was written so before, and nothing else.

    Yields
    ------
    Path
        The name to write to. It does not exist yet.

    Raises
    ------
    InputError
        If something else is there, the folder cannot be written or the disk is full, or another
        process began to write the same path.
    """
    path = Path(path)
    old = temporary(path)
    check_output(path, kind)
    with staged(path) as part:
        yield part
        if not os.path.lexists(part):
            raise InputError(path, found="its temporary file gone", expected="no other that writes")
        check_output(path, kind)
        try:
            if path.is_dir():
                # a folder cannot be replaced by renaming, nor may it be seen half deleted
                path.replace(old)
            part.replace(path)
        finally:
            _remove(old)


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Give a temporary name beside a path and remove it in the end; parameters as of `atomic`."""
    part = temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.scandir(path.parent) as entries:
            leftovers = [entry.path for entry in entries if is_temporary(entry.name, path)]
        for leftover in leftovers:
            _remove(Path(leftover))
        yield part
    except OSError as error:
        here = error.filename and Path(str(error.filename)).is_relative_to(path.parent)
        full = error.errno in DISK or FULL.search(str(error))
        if not here and not full:
            raise
        reason = error.strerror or os.strerror(errno.ENOSPC)
        raise InputError(path, f"cannot be written ({reason})") from error
    finally:
        _remove(part)


def check_space(path: Path, size: int) -> None:
    """Raise InputError unless the disk of a path that need not exist has room for so many bytes."""
    folder = next(above for above in (path, *path.absolute().parents) if above.exists())
    free = shutil.disk_usage(folder).free
    if size > free:
        found = f"{free / 1e9:.3f} GB free on its disk"
        raise InputError(path, found=found, expected=f"{size / 1e9:.3f} GB")


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.parent.is_dir():
        path.unlink(missing_ok=True)


def write_link(path: Path | str, target: Path | str) -> None:
    """Write a symbolic link to a file that exists, or raise InputError if it does not."""
    with atomic(path, LINK) as part:
        part.symlink_to(existing(target).resolve())


def existing(path: Path | str) -> Path:
    """Return `path` as a Path, or raise InputError if nothing is there."""
    path = Path(path)
    if not path.exists():
        raise InputError(path, found="no such file", expected="an existing file")
    return path


@contextmanager
def open_hdf5(path: Path | str, required: Mapping[str, Shape] | None = None) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, after checking the datasets it must have.

    Parameters
    ----------
    path : path
    required : mapping from dataset name to shape, optional
        None in a shape stands for any length; the first axis of all must agree.

    Raises
    ------
    InputError
        If the file is missing or damaged, or a dataset is missing or has another shape.
    """
    path = existing(path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            path, found=f"a damaged or truncated file ({error})", expected="an HDF5 file"
        ) from error
    with file:
        check_datasets(file, required or {})
        yield file


def native(column: np.ndarray) -> np.ndarray:
    """A column for pandas, which wants neither FITS's byte order nor its padded strings."""
    column = np.asarray(column)
    if column.dtype.kind in "SU":
        return np.char.strip(column.astype(str))
    return column.astype(column.dtype.newbyteorder("="))


def read_table(
    path: Path | str, columns: Sequence[str] = (), only: Collection[str] | None = None
) -> pd.DataFrame:
    """Read a CSV table that has at least these columns; of `only`, those that it has.

    Spaces around names and values do not count. Lines with # before the table are comments; the
    last of them has the names where the line below it has numbers.

    Raises
    ------
    InputError
        If the file is missing or not a table, a column is missing, or two have the same name.
    """
    path = existing(path)
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
    except ValueError as error:
        raise InputError(
            path, found=f"no table ({error})", expected="a CSV file with a header"
        ) from error
    missing = [name for name in columns if name not in table]
    if missing:
        raise InputError(
            path,
            key=f"column {missing[0]}",
            found=f"only {list(table.columns)}",
            expected=f"the columns {list(columns)}",
        )
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


def write_table(path: Path | str, table: pd.DataFrame) -> None:
    """Write a CSV table, whole or not at all."""
    with atomic(path) as part:
        table.to_csv(part, index=False)


def write_blocks(path: Path | str, blocks: Iterable[pd.DataFrame]) -> None:
    """Write a CSV table block by block as they come, whole or not at all.

    Parameters
    ----------
    path : path
    blocks : iterable of DataFrame
        With the same columns; one is held at a time.
    """
    with atomic(path) as part, part.open("w", encoding="utf-8") as stream:
        for number, block in enumerate(blocks):
            block.to_csv(stream, index=False, header=number == 0)


def read_json(path: Path | str) -> dict:
    """Read a JSON file, or raise InputError if it is missing or damaged."""
    path = existing(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(path, found=f"no JSON ({error})", expected="a JSON file") from error


def write_json(path: Path | str, content: object) -> None:
    """Write JSON with sorted keys, so that equal content is equal bytes."""
    with atomic(path) as part:
        part.write_text(
            json.dumps(with_nulls(content), indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )


def with_nulls(content: object) -> object:
    """Content of JSON, with null for NaN and infinities: JSON has neither."""
    match content:
        case float() if not math.isfinite(content):
            return None
        case dict():
            return {name: with_nulls(value) for name, value in content.items()}
        case list() | tuple():
            return [with_nulls(value) for value in content]
    return content


def read_npz(path: Path | str, required: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Read a .npz archive that has at least these arrays (never a pickle).

    Raises
    ------
    InputError
        If the file is missing or damaged, or an array is missing.
    """
    path = existing(path)
    check_zip(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            path, found=f"a damaged file ({error})", expected="a .npz archive"
        ) from error
    except Exception as error:  # zipfile raises its own kinds
        raise InputError(path, found=f"no archive ({error})", expected="a .npz archive") from error
    missing = [name for name in required if name not in arrays]
    if missing:
        raise InputError(
            path,
            key=f"array '{missing[0]}'",
            found=f"only {sorted(arrays)}",
            expected=f"the arrays {list(required)}",
        )
    return arrays


def write_npz(path: Path | str, **arrays: np.ndarray) -> None:
    """Write a .npz archive, whole or not at all."""
    with atomic(path) as part, part.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def write_table_formats(
    table: pd.DataFrame, csv: Path | str, page: pd.DataFrame | None = None
) -> None:
    """Write a table three times: CSV, and beside it Markdown (.md) and LaTeX (.tex).

    Floats are rounded to four decimals in all three. `page` is what Markdown and LaTeX show, where
    the whole table is too wide for a page.
    """
    csv = Path(csv)
    write_table(csv, table.round(4))
    rounded = (table if page is None else page).round(4)
    shown = rounded.astype(object).where(rounded.notna(), "")
    for suffix, style in ((".md", "github"), (".tex", "latex_booktabs")):
        with atomic(csv.with_suffix(suffix)) as part:
            text = tabulate(shown, headers="keys", tablefmt=style, showindex=False)
            part.write_text(text + "\n", encoding="utf-8")


def save_figure(figure: "Figure", pdf: Path | str) -> None:
    """Write a figure twice: PDF with text that can be selected, and PNG. Neither names the date."""
    from matplotlib import rc_context

    pdf = Path(pdf)
    for path, metadata in ((pdf, {"CreationDate": None}), (pdf.with_suffix(".png"), {})):
        with atomic(path) as part, rc_context({"pdf.fonttype": 42}):
            figure.savefig(part, format=path.suffix[1:], metadata=metadata, dpi=PNG_DPI)
