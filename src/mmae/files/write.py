"""Files that are written: whole or not at all."""

import errno
import json
import math
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tabulate import tabulate

from mmae.errors import InputError
from mmae.files import tables
from mmae.files.outputs import FILE, LINK, Kind, check_output, is_temporary, temporary
from mmae.files.read import existing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG_DPI = 200
"""Small print of figures stays readable."""

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Errors of writing, which do not name the file."""
FULL = re.compile(r"Not enough (free )?space|\d+ requested and \d+ written")
"""The same in the words of astropy and numpy."""


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


def write_table(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table, whole or not at all: FITS, ECSV, VOTable or Parquet by its name, else CSV."""
    style = tables.format_of(path)
    with atomic(path) as part:
        if style is None:
            table.to_csv(part, index=False)
        else:
            try:
                tables.save(table, part, style)
            except ValueError as error:
                raise InputError(path, f"{style} cannot hold the table ({error})") from error


def write_blocks(path: Path | str, blocks: Iterable[pd.DataFrame]) -> None:
    """Write a table block by block as they come, whole or not at all; formats as `write_table`.

    Parameters
    ----------
    path : path
    blocks : iterable of DataFrame
        With the same columns. Of CSV, one is held at a time.
    """
    if tables.format_of(path) is not None:
        write_table(path, pd.concat(blocks, ignore_index=True))
        return
    with atomic(path) as part, part.open("w", encoding="utf-8") as stream:
        for number, block in enumerate(blocks):
            block.to_csv(stream, index=False, header=number == 0)


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
