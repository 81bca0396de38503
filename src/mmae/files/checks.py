"""What files must hold: datasets in their shapes, folders to write in."""

import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from mmae.errors import InputError

Shape = tuple[int | None, ...]
"""Of a dataset; None stands for any length."""
MAX_RATIO, MAX_SMALL = 100, 100_000_000
"""Unpacked bytes for each packed one, and what is no harm anyway; ours have three for one."""
IDENTIFIERS = ("object_id", "targetid")
"""Last parts of the names of datasets, arrays and columns that name galaxies."""


def check_datasets(file: h5py.File, required: Mapping[str, Shape]) -> None:
    """Raise InputError unless `file` has every dataset of `required`, in its shape."""
    rows: dict[str, int] = {}
    for name, shape in required.items():
        if name not in file:
            raise InputError(
                file.filename,
                key=f"dataset '{name}'",
                found=f"only {sorted(_dataset_names(file))}",
                expected=f"a dataset of shape {shape_words(shape)}",
            )
        if not isinstance(file[name], h5py.Dataset):
            raise InputError(
                file.filename, key=f"dataset '{name}'", found="a group", expected="a dataset"
            )
        found = file[name].shape
        agrees = len(found) == len(shape) and all(
            want is None or want == have for want, have in zip(shape, found, strict=True)
        )
        if not agrees:
            raise InputError(
                file.filename,
                key=f"dataset '{name}'",
                found=f"shape {found}",
                expected=f"shape {shape_words(shape)}",
            )
        if name.endswith(IDENTIFIERS):
            check_identifiers(file.filename, f"dataset '{name}'", file[name])
        elif file[name].dtype.kind not in "biuf":
            kind = "text" if file[name].dtype.kind in "SUO" else f"type {file[name].dtype}"
            raise InputError(file.filename, key=f"dataset '{name}'", found=kind, expected="numbers")
        if shape[0] is None:
            rows[name] = found[0]
    if len(set(rows.values())) > 1:
        raise InputError(
            file.filename,
            found=f"datasets of different lengths {rows}",
            expected="one row a galaxy in each",
        )


def check_identifiers(
    path: Path | str, key: str, values: np.ndarray | pd.Series | h5py.Dataset
) -> None:
    """Raise InputError unless identifiers are integers or text.

    A decimal number of 64 bits has no more than 15 digits for sure, a TARGETID has 17 and more:
    different galaxies would become one. pandas makes such numbers of integers with a gap.

    Parameters
    ----------
    path : path
        Of the file, for the error message.
    key : str
        Of the identifiers, likewise.
    values : ndarray, Series or HDF5 dataset, shape (N,)
    """
    if values.dtype.kind in "iuSU" or h5py.check_string_dtype(values.dtype):
        return
    bad = values[:1]
    if values.dtype.kind == "O" and not isinstance(values, h5py.Dataset):
        bad = [value for value in values if not isinstance(value, str | bytes | int)]
    if len(bad):
        raise InputError(
            path,
            key=key,
            found=f"values such as {next(iter(bad))} ({values.dtype})",
            expected="integers or text in every row",
        )


def _dataset_names(file: h5py.File) -> list[str]:
    """Names of all datasets of a file, groups included in the path."""
    names: list[str] = []
    # a file's own `visititems` would check each of them
    file["/"].visititems(
        lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
    )
    return names


def shape_words(shape: Shape) -> str:
    """(None, 5) as '(N, 5)'."""
    return "(" + ", ".join("N" if n is None else str(n) for n in shape) + ")"


def check_zip(path: Path) -> None:
    """Raise InputError for a .zip, or what is one inside, that unpacks to unlikely sizes."""
    # what is none is told by who reads it
    with suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as file:
        check_unpacked(path, sum(info.file_size for info in file.infolist()))


def check_unpacked(path: Path, total: int) -> None:
    """Raise InputError unless a packed file unpacks to a likely number of bytes."""
    packed = path.stat().st_size
    if total > max(MAX_SMALL, MAX_RATIO * packed):
        raise InputError(
            path,
            found=f"{total / 1e9:.1f} GB packed into {packed / 1e6:.1f} MB",
            expected=f"at most {MAX_RATIO} times as much unpacked",
        )


def check_writable(folder: Path | str) -> None:
    """Raise InputError if a folder, where it exists, is none or cannot be written."""
    folder = Path(folder)
    if folder.is_symlink() and not os.path.exists(folder):
        link = f"a link to {os.readlink(folder)}, where nothing is"
        raise InputError(folder, found=link, expected="a folder, or none")
    if folder.exists() and not folder.is_dir():
        raise InputError(folder, found="a file", expected="a folder")
    if folder.exists() and not os.access(folder, os.W_OK):
        raise InputError(folder, "cannot be written", expected="a folder with permission to write")
