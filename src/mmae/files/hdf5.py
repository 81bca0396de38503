"""HDF5 files from outside: what they may refer to, and what in them cannot be read.

A dataset may lie in other files: behind an external link, as external raw storage, as a virtual
dataset. HDF5 follows all of them wherever they lead, and gives zeros where it finds nothing.
"""

import os
import posixpath
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5l, h5s, h5z

from mmae.errors import InputError

MOST_STEPS = 8
"""Links, or files that refer to files, that are followed one after the other."""
MOST_ROWS = 10**9
"""More than any survey has; eight bytes each are what is read at once."""
SMALL_BYTES, MOST_EXPANSION = 10**9, 2000
"""What is more is read only if it is stored: deflate needs a thousandth of its size at best."""
PROBED_ROWS = 1024
"""Rows read at a time where those that cannot be read are looked for, if there are no chunks."""
PACKED_AGAIN = "a filter of HDF5's own (h5repack -f GZIP=4), or its plugin (pip install hdf5plugin)"


class CheckedFile(h5py.File):
    """An HDF5 file whose datasets are checked as they are opened.

    Parameters
    ----------
    path : path
    is_ours : bool
        Whether this project wrote it: sources of its virtual datasets may then lie anywhere. Else
        all that it refers to must lie in its own folder, or below.
    depth : int
        How many files refer to this one.
    options
        Of h5py.File.

    Raises
    ------
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: Path, is_ours: bool = False, depth: int = 0, **options: Any):
        # HDF5 looks for other files beside the name that it was given, which may be a link
        super().__init__(path.resolve(), "r", **options)
        self.path, self.is_ours, self.depth = path, is_ours, depth
        self.opened: dict[str, CheckedDataset] = {}

    @property
    def filename(self) -> str:
        """The name that the user gave."""
        return str(self.path)

    def __contains__(self, name: str) -> bool:
        """Whether something has that name.

        Raises
        ------
        InputError
            If that is a link which leads nowhere, in a circle or to a file elsewhere.
        """
        return self._follow(posixpath.join("/", name), 0)

    def __getitem__(self, name: str) -> Any:
        """A group, or a dataset that can be read.

        Raises
        ------
        InputError
            If it lies in a file elsewhere or in one that is not there, needs a filter that is not
            installed, or has more rows than it can have.
        """
        if name not in self.opened:
            if name not in self:
                raise KeyError(name)
            try:
                found = super().__getitem__(name)
            except (KeyError, OSError, RuntimeError, ValueError) as error:
                words = f"damage: it cannot be opened ({error})"
                raise self.error(name, words, "a whole file") from error
            if not isinstance(found, h5py.Dataset):
                return found
            self._check(name, found)
            self.opened[name] = CheckedDataset(self, name, found)
        return self.opened[name]

    def get(self, name: str, default: Any = None) -> Any:
        """A group or a dataset, checked; `default` if there is none."""
        with suppress(KeyError):
            return self[name]
        return default

    def error(self, name: str, found: str, expected: str) -> InputError:
        """The error of a dataset."""
        key = f"dataset '{name.lstrip('/')}'"
        return InputError(self.path, key=key, found=found, expected=expected)

    def _follow(self, name: str, steps: int) -> bool:
        """Whether something has that name, links followed; raises InputError as told above."""
        done = "/"
        parts = [part for part in name.split("/") if part]
        for place, part in enumerate(parts):
            parent, done = done, posixpath.join(done, part)
            try:
                kind = self.id.links.get_info(done.encode()).type
            except (KeyError, RuntimeError):
                return False
            if kind == h5l.TYPE_HARD:
                continue
            if steps + self.depth == MOST_STEPS:
                raise self.error(name, "links that lead in a circle", "a dataset at their end")
            if kind not in (h5l.TYPE_SOFT, h5l.TYPE_EXTERNAL):
                raise self.error(done, f"a link of the unknown kind {kind}", "a dataset")
            rest, target = "/".join(parts[place + 1 :]), self.id.links.get_val(done.encode())
            if kind == h5l.TYPE_SOFT:
                end = posixpath.join(parent, os.fsdecode(target))
                if not self._follow(end, steps + 1):
                    raise self.error(done, f"a link that leads nowhere ({end})", "a dataset")
                return self._follow(posixpath.join(end, rest), steps + 1)
            other, end = map(os.fsdecode, target)
            with self._beside(done, other, "an external link to") as file:
                if end not in file:
                    words = f"a link that leads nowhere ({end} in {other})"
                    raise self.error(done, words, "a dataset")
                return posixpath.join(end, rest) in file
        return True

    def _beside(self, name: str, other: str, words: str, anywhere: bool = False) -> "CheckedFile":
        """Open a file that this one refers to, where HDF5 finds it.

        Raises
        ------
        InputError
            If it lies elsewhere, is not there, or cannot be opened.
        """
        folder = self.path.resolve().parent
        path = folder / other
        if os.path.isabs(other) and not os.path.exists(path):  # HDF5 takes the last part
            path = folder / Path(other).name
        self._check_place(name, path, f"{words} {other}", anywhere)
        if self.depth == MOST_STEPS:
            raise self.error(name, "files that refer to each other in a circle", "data")
        try:
            return CheckedFile(path, depth=self.depth + 1)
        except OSError as error:
            found = f"{words} {other}, which cannot be opened"
            raise self.error(name, found, "an HDF5 file") from error

    def _check_place(self, name: str, path: Path, words: str, anywhere: bool = False) -> None:
        """Raise InputError if a file that this one refers to is not there, or lies elsewhere."""
        if not os.path.exists(path):
            raise self.error(name, f"no file {path}", "the file that holds its data")
        folder = self.path.resolve().parent
        if not anywhere and not path.resolve().is_relative_to(folder):
            expected = f"files in the folder of {self.path.name} alone; name that file itself"
            raise self.error(name, words, expected)
        if not path.is_file():
            raise self.error(name, words, "a regular file")

    def _check(self, name: str, dataset: h5py.Dataset) -> None:
        """Raise InputError if a dataset cannot be read, or should not be."""
        if dataset.shape and dataset.shape[0] > MOST_ROWS:
            raise self.error(name, f"{dataset.shape[0]} rows", f"at most {MOST_ROWS}")
        home = dataset.file.filename
        if Path(home) != self.path.resolve():  # at the end of an external link
            with self._beside(name, home, "data in") as file:
                file[dataset.name]
            return
        if dataset.is_virtual:
            self._check_virtual(name, dataset)
            return
        _check_filters(self, name, dataset)
        for other, offset, size in dataset.external or ():
            # relative to where the command runs, unlike all else
            path, needed = Path.cwd() / other, offset + min(size, dataset.nbytes)
            self._check_place(name, path, f"raw data in {other}")
            if path.stat().st_size < needed:
                words = f"{path.stat().st_size} bytes in {other}"
                raise self.error(name, words, f"{needed} of raw data")

    def _check_virtual(self, name: str, dataset: h5py.Dataset) -> None:
        """Raise InputError if a virtual dataset lacks data: HDF5 would give zeros for it."""
        sources: dict[tuple[str, str], list[Any]] = {}
        for source in dataset.virtual_sources():
            sources.setdefault((source.file_name, source.dset_name), []).append(source)
        n_given, expected = 0, "the dataset that holds its data"
        for (other, end), parts in sources.items():
            if "%" in (other + end).replace("%%", ""):
                raise self.error(name, f"a pattern of sources, {other} {end}", "names of sources")
            place = self.path.resolve().name if other == "." else other.replace("%%", "%")
            end = end.replace("%%", "%")
            with self._beside(name, place, "data in", self.is_ours) as file:
                if end not in file or not isinstance(file[end], h5py.Dataset):
                    raise self.error(name, f"no dataset '{end}' in {place}", expected)
                for part in parts:
                    if not _is_covered(part.src_space, part.vspace, file[end].shape):
                        words = f"only shape {file[end].shape} in '{end}' of {place}"
                        raise self.error(name, words, expected)
        with suppress(RuntimeError):  # it is as long as its sources are
            n_given = sum(p.vspace.get_select_npoints() for ps in sources.values() for p in ps)
            if n_given < dataset.size:
                words = f"{dataset.size - n_given} of {dataset.size} values in no source"
                raise self.error(name, words, "a source for each")


def _is_covered(wanted: h5s.SpaceID, given: h5s.SpaceID, shape: tuple[int, ...]) -> bool:
    """Whether a source of this shape has all that a virtual dataset takes of it."""
    if wanted.get_select_type() == h5s.SEL_ALL:
        with suppress(RuntimeError):
            return given.get_select_npoints() <= np.prod(shape)
        return True
    try:
        wanted.get_select_npoints()
    except RuntimeError:  # all that it has
        return True
    ends = wanted.get_select_bounds()[1]
    return len(ends) == len(shape) and all(end < n for end, n in zip(ends, shape, strict=True))


def _check_filters(file: CheckedFile, name: str, dataset: h5py.Dataset) -> None:
    """Raise InputError if chunks are packed by a filter that is not installed."""
    pipeline = dataset.id.get_create_plist()
    for place in range(pipeline.get_nfilters()):
        number, _, _, words = pipeline.get_filter(place)
        if not h5z.filter_avail(number):
            with suppress(ImportError):
                import hdf5plugin  # noqa: F401, which brings many
        if not h5z.filter_avail(number):
            found = f"the filter {words.decode(errors='replace') or 'without a name'} ({number})"
            raise file.error(name, f"{found}, which is not installed", PACKED_AGAIN)


class CheckedDataset(h5py.Dataset):
    """A dataset that tells which rows cannot be read."""

    def __init__(self, file: CheckedFile, name: str, dataset: h5py.Dataset):
        super().__init__(dataset.id)
        self.from_file, self.asked = file, name

    def __getitem__(self, args: Any, new_dtype: Any = None) -> Any:
        """Some rows.

        Raises
        ------
        InputError
            If they are damaged, or more than was ever stored, or than the memory holds.
        """
        rows = self._rows(args)
        if self.nbytes > SMALL_BYTES:
            self._check_stored(len(rows))
        try:
            return super().__getitem__(args, new_dtype)
        except MemoryError as error:
            found = f"{self.nbytes} bytes, for which there is no memory"
            raise self.from_file.error(self.asked, found, "fewer rows") from error
        except (OSError, RuntimeError) as error:
            bad = next(self._unreadable(rows), rows)
            words = "fail their checksum (fletcher32)" if self.fletcher32 else "cannot be read"
            raise InputError(
                self.from_file.path,
                key=f"dataset '{self.asked}', rows {bad.start} to {bad.stop - 1}",
                found=f"data that {words} ({error})",
                expected="a whole file",
            ) from error

    def _rows(self, args: Any) -> range:
        """The rows that are asked for, and those between them."""
        asked = args[0] if isinstance(args, tuple) and args else args
        n = self.shape[0] if self.shape else 1
        if isinstance(asked, int | np.integer):
            return range(n)[int(asked) :][:1]
        return range(n)[asked if isinstance(asked, slice) else slice(None)]

    def _check_stored(self, n_rows: int) -> None:
        """Raise InputError if room would be made for rows that were only declared."""
        if self.is_virtual or self.external:
            return
        # a sparse file holds less than HDF5 knows of
        on_disk = os.stat(self.file.filename).st_blocks * 512 or self.nbytes
        stored = min(self.id.get_storage_size(), on_disk)
        wanted = n_rows * (self.nbytes // self.shape[0])
        if wanted > max(SMALL_BYTES, MOST_EXPANSION * stored):
            words = f"shape {self.shape}, of which {stored} bytes are stored"
            expected = f"at least {wanted // MOST_EXPANSION} bytes"
            raise self.from_file.error(self.asked, words, expected)

    def _unreadable(self, rows: range) -> Iterator[range]:
        """Those of some rows that cannot be read, some chunks at a time."""
        step = self.chunks[0] if self.chunks else PROBED_ROWS
        for start in range(rows.start - rows.start % step, rows.stop, step):
            part = range(max(start, rows.start), min(start + step, rows.stop))
            try:
                super().__getitem__(slice(part.start, part.stop))
            except (OSError, RuntimeError):
                yield part
