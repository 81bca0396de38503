"""HDF5 files that are written: a full disk is one sentence, and not the end of the process."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from mmae.files.write import atomic, check_space


class _Disk(io.FileIO):
    """Takes all that HDF5 writes, and keeps the first error.

    HDF5 does not let go of a file that it cannot write: the process ends by a segmentation fault.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        view, done = memoryview(data).cast("B"), 0
        try:
            while self.error is None and done < len(view):
                done += super().write(view[done:])
        except OSError as error:
            self.error = error
        return len(view)

    def check(self) -> None:
        """Raise the error, if there was one."""
        if self.error is not None:
            raise self.error


@contextmanager
def new_hdf5(
    path: Path | str, size: int, **options: Any
) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """Write an HDF5 file, whole or not at all.

    Parameters
    ----------
    path : path
    size : int
        Bytes that its large datasets take: the disk must have room for them.
    **options
        Of h5py.

    Yields
    ------
    h5py File
    function
        Raises an error if something could not be written so far. It is called in the end, too.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    check_space(Path(path), size)
    with atomic(path) as part, _Disk(part, "w+b") as disk:
        try:
            with h5py.File(disk, "w", **options) as file:
                yield file, disk.check
        finally:
            disk.check()
