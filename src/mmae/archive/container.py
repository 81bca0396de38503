"""An archive opened for reading, whether it is a folder, a .zip or a .tar.gz.

Nothing is extracted here: files are opened by the names of the manifest, and links are refused.
"""

import gzip
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from mmae.archive.manifest import MANIFEST
from mmae.errors import InputError
from mmae.files.checks import check_unpacked

PACKED = (".zip", ".tar.gz", ".tgz")
KIND = "an archive that `mmae archive` wrote: its folder, or a .zip or .tar.gz of it"
MAX_READ = 1 << 25
"""Bytes; more than any file that is read at once."""
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error),
    *(EOFError, NotImplementedError, RecursionError),
)


class Container(Protocol):
    """Files by name. Reading them in the order of `names` never goes back in a stream."""

    path: Path
    names: list[str]

    def size(self, name: str) -> int:
        """Bytes of one of `names`; reading gives no more."""

    def open(self, name: str) -> BinaryIO:
        """Open one of `names`."""


@contextmanager
def opened(source: Path) -> Iterator[Container]:
    """Open an archive.

    Parameters
    ----------
    source : Path
        The folder, a .zip or .tar.gz of it, or a folder with exactly one of these in it.

    Yields
    ------
    Container

    Raises
    ------
    InputError
        If it is missing, damaged, no archive, or has a link in it; also where damage shows only
        when a file inside is read.
    """
    path = find_archive(source)
    try:
        if path.is_dir():
            yield _Folder(path)
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as file:
                yield _Zip(path, file)
        else:
            with _Gzip(path) as stream, tarfile.open(fileobj=stream, mode="r:") as file:
                yield _Tar(path, file)
    except DAMAGED as error:
        raise InputError(
            path, found=f"a damaged or truncated file ({error})", expected=KIND
        ) from error


def find_archive(source: Path) -> Path:
    """The folder with the manifest, or the packed file: `source`, or the one inside it.

    Raises
    ------
    InputError
        If there is none, or more than one.
    """
    if source.is_file() and source.name.endswith(PACKED):
        return source
    if not source.is_dir():
        found = "a file of another kind" if source.exists() else "no such file or folder"
        raise InputError(source, found=found, expected=KIND)
    if (source / MANIFEST).is_file():
        return source
    inside = [
        item
        for item in sorted(source.iterdir())
        if (item / MANIFEST).is_file() or (item.is_file() and item.name.endswith(PACKED))
    ]
    if len(inside) != 1:
        found = f"{len(inside)} archives in it" if inside else f"no {MANIFEST} in it"
        raise InputError(source, found=found, expected=KIND)
    return inside[0]


class _Folder:
    """An archive that lies open."""

    def __init__(self, path: Path):
        self.path, self.names = path, []
        for folder, folders, files in os.walk(path):
            for name in folders + files:
                item = Path(folder, name)
                if item.is_symlink():
                    raise _link(path, item.relative_to(path).as_posix())
                if item.is_file():
                    self.names.append(item.relative_to(path).as_posix())

    def size(self, name: str) -> int:
        """Bytes of one of `names`."""
        return (self.path / name).stat().st_size

    def open(self, name: str) -> BinaryIO:
        """Open one of `names`."""
        return (self.path / name).open("rb")


class _Zip:
    """A .zip, with or without a folder around the files."""

    def __init__(self, path: Path, file: zipfile.ZipFile):
        self.path, self._file = path, file
        for info in file.infolist():
            if stat.S_ISLNK(info.external_attr >> 16):
                raise _link(path, info.filename)
            if info.flag_bits & 1:
                raise InputError(path, key=info.filename, found="an encrypted file", expected=KIND)
            # the others may ask for gigabytes of memory
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise NotImplementedError("a compression that zip tools do not use")
        check_unpacked(path, sum(info.file_size for info in file.infolist()))
        self._root = _root(path, file.namelist())
        self.names = _below(self._root, [i.filename for i in file.infolist() if not i.is_dir()])

    def size(self, name: str) -> int:
        """Bytes of one of `names`, which zipfile does not exceed."""
        return self._file.getinfo(self._root + name).file_size

    def open(self, name: str) -> BinaryIO:
        """Open one of `names`."""
        return self._file.open(self._root + name)


class _Gzip(gzip.GzipFile):
    """A stream that gives no more at once than is ever needed: a header may ask for any length."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= MAX_READ:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size)


class _Tar:
    """A .tar.gz, with or without a folder around the files."""

    def __init__(self, path: Path, file: tarfile.TarFile):
        self.path, self._file = path, file
        self._members, total = {}, 0
        for member in file:
            if not (member.isreg() or member.isdir()):
                raise _link(path, member.name)
            # before its content is skipped, which unpacks it
            total += tarfile.BLOCKSIZE + member.size
            check_unpacked(path, total)
            self._members[member.name.removeprefix("./")] = member
        self._root = _root(path, list(self._members))
        self.names = _below(self._root, [n for n, m in self._members.items() if m.isreg()])

    def size(self, name: str) -> int:
        """Bytes of one of `names`."""
        return self._members[self._root + name].size

    def open(self, name: str) -> BinaryIO:
        """Open one of `names`."""
        stream = self._file.extractfile(self._members[self._root + name])
        assert stream is not None, "members are regular files"
        return stream


def _root(path: Path, names: list[str]) -> str:
    """The folder around the files inside a packed archive, with its slash; empty without one."""
    roots = [
        name.removesuffix(MANIFEST)
        for name in names
        if name.rpartition("/")[2] == MANIFEST and name.count("/") <= 1
    ]
    if len(roots) != 1:
        found = f"{len(roots)} archives in it" if roots else f"no {MANIFEST} in it"
        raise InputError(path, found=found, expected=KIND)
    return roots[0]


def _below(root: str, names: list[str]) -> list[str]:
    """Names inside a folder, without the folder."""
    return [name.removeprefix(root) for name in names if name.startswith(root)]


def _link(path: Path, name: str) -> InputError:
    """The error for what is no plain file."""
    return InputError(path, key=name, found="a link or special file", expected="plain files only")
