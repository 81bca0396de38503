"""What files must hold: datasets in their shapes, folders to write in."""

import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import h5py

from mmae.errors import InputError

Shape = tuple[int | None, ...]
"""Of a dataset; None stands for any length."""
MAX_RATIO, MAX_SMALL = 100, 100_000_000
"""Unpacked bytes for each packed one, and what is no harm anyway; ours have three for one."""
TEXT = "targetid"
"""The one dataset of text among those that are required: byte strings of integers."""


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
        if name != TEXT and file[name].dtype.kind not in "biuf":
            kind = "text" if file[name].dtype.kind in "SUO" else f"type {file[name].dtype}"
            raise InputError(
                file.filename,
                key=f"dataset '{name}'",
                found=kind,
                expected="numbers",
            )
        if shape[0] is None:
            rows[name] = found[0]
        _check_sources(file, name)
    if len(set(rows.values())) > 1:
        raise InputError(
            file.filename,
            found=f"datasets of different lengths {rows}",
            expected="one row a galaxy in each",
        )


def _check_sources(file: h5py.File, name: str) -> None:
    """Raise InputError if a virtual dataset lacks a file: HDF5 would give zeros for it."""
    if not file[name].is_virtual:
        return
    for source in file[name].virtual_sources():
        if not Path(source.file_name).exists():
            raise InputError(
                file.filename,
                key=f"dataset '{name}'",
                found=f"no file {source.file_name}",
                expected="the file that holds its data",
            )


def _dataset_names(file: h5py.File) -> list[str]:
    """Names of all datasets of a file, groups included in the path."""
    names: list[str] = []
    file.visititems(
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
    if folder.exists() and not folder.is_dir():
        raise InputError(folder, found="a file", expected="a folder")
    if folder.exists() and not os.access(folder, os.W_OK):
        raise InputError(folder, "cannot be written", expected="a folder with permission to write")
