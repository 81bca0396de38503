"""Files at the rim: written whole or not at all, checked when opened."""

import json
import os
import re
import secrets
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
from tabulate import tabulate

from mmae.checks import Shape, check_datasets
from mmae.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG_DPI = 200
"""Small print of figures stays readable."""

PART_BYTES = 6
"""Of random numbers in a temporary name."""


UNREADABLE = (
    *(OSError, ValueError, EOFError, RecursionError, ImportError),
    *(LZMAError, tarfile.TarError, zipfile.BadZipFile, zlib.error),
)
"""What readers raise for damaged files, and for those that their ending says to be compressed."""


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Give a temporary name in the same folder; rename it to `path` only if all went well.

    What a killed writer of the same path left is removed. Where two write it at once, the one that
    began last wins, and the other gets an error: never is half of one under the final name.

    Parameters
    ----------
    path : path
        Final name of a file or a folder. What stood there before is replaced.

    Yields
    ------
    Path
        The name to write to. It does not exist yet.

    Raises
    ------
    InputError
        If the folder cannot be written, or another process began to write the same path.
    """
    path = Path(path)
    part, old = _temporary(path), _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        yield part
        if not os.path.lexists(part):
            raise InputError(path, found="its temporary file gone", expected="no other that writes")
        if path.is_dir():
            # a folder cannot be replaced by renaming, nor may it be seen half deleted
            path.replace(old)
        part.replace(path)
    except OSError as error:
        if error.filename is None or not Path(str(error.filename)).is_relative_to(path.parent):
            raise
        raise InputError(path, f"cannot be written ({error.strerror})") from error
    finally:
        _remove(part)
        _remove(old)


def _temporary(path: Path) -> Path:
    """A hidden name beside `path` that no other writer has."""
    return path.with_name(f".{path.name}.{secrets.token_hex(PART_BYTES)}.part")


def _remove_leftovers(path: Path) -> None:
    """Remove temporary files and folders of `path`, which only killed writers leave."""
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{{2 * PART_BYTES}}}\.part")
    with os.scandir(path.parent) as entries:
        leftovers = [entry.path for entry in entries if name.fullmatch(entry.name)]
    for leftover in leftovers:
        _remove(Path(leftover))


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    elif path.parent.is_dir():
        path.unlink(missing_ok=True)


def write_link(path: Path | str, target: Path | str) -> None:
    """Write a symbolic link to a file that exists, or raise InputError if it does not."""
    with atomic(path) as part:
        part.symlink_to(existing(target).resolve())


def existing(path: Path | str) -> Path:
    """Return `path` as a Path, or raise InputError if nothing is there."""
    path = Path(path)
    # not Path.exists(), which raises what a name of the user's can be wrong by
    if not os.path.exists(path):
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


def read_table(path: Path | str, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV table that has at least these columns.

    Raises
    ------
    InputError
        If the file is missing or not a table, or a column is missing.
    """
    path = existing(path)
    try:
        table = pd.read_csv(path)
    except UNREADABLE as error:
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
    except UNREADABLE as error:
        raise InputError(path, found=f"no JSON ({error})", expected="a JSON file") from error


def write_json(path: Path | str, content: object) -> None:
    """Write JSON with sorted keys, so that equal content is equal bytes."""
    with atomic(path) as part:
        part.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_npz(path: Path | str, required: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Read a .npz archive that has at least these arrays (never a pickle).

    Raises
    ------
    InputError
        If the file is missing or damaged, or an array is missing.
    """
    path = existing(path)
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
    if pdf.suffix != ".pdf":
        raise InputError(pdf, found=f"the ending {pdf.suffix!r}", expected="'.pdf'")
    for path, metadata in ((pdf, {"CreationDate": None}), (pdf.with_suffix(".png"), {})):
        with atomic(path) as part, rc_context({"pdf.fonttype": 42}):
            figure.savefig(part, format=path.suffix[1:], metadata=metadata, dpi=PNG_DPI)
