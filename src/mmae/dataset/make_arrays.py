"""The training arrays, made of a GalaxiesML-Spectra file and of images that have no spectrum."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import h5py
import numpy as np
from numpy.lib.format import write_array_header_1_0

from mmae import limits
from mmae.dataset import layout
from mmae.dataset.arrays import MANIFEST, array_digest
from mmae.errors import InputError
from mmae.files.checksums import file_digest
from mmae.files.outputs import ARRAYS
from mmae.files.write import atomic, write_json
from mmae.limits import Known
from mmae.progress import progress


class Source(Protocol):
    """A modality, as far as it is read here."""

    verbatim: str | None
    """Dataset of which the values are the numbers as they stand there."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one galaxy's values."""

    def is_in(self, file: h5py.File) -> bool:
        """Whether a file has it."""

    @property
    def has_ivar(self) -> bool:
        """Whether inverse variances stand behind the values."""

    def read(self, file: h5py.File, rows: slice, known: Known) -> np.ndarray:
        """Values of some galaxies, (B, *shape) float32; NaN where they are missing.

        With `has_ivar`, (B, 2, *shape).
        """


class Unpaired(NamedTuple):
    """Images without a spectrum, which follow the pairs."""

    file: h5py.File
    """Open, with images."""
    rows: np.ndarray
    """(K,) rows of it, increasing."""
    targetid: np.ndarray
    """(K,) int64, what they are called."""
    redshift: np.ndarray
    """(K,)"""


def write_arrays(
    folder: Path | str,
    dataset: Path | str,
    modalities: Callable[[h5py.File], Mapping[str, Source]],
    to_plain: Callable[[Mapping[str, Source]], Sequence[Mapping[str, Any]]],
    chunk_size: int,
    max_damaged: float = 0.01,
    unpaired: Unpaired | None = None,
) -> None:
    """Make the training arrays.

    Values that cannot be (`mmae.limits`) are missing: NaN. All are counted in warnings.

    Parameters
    ----------
    folder : path
        To write: one .npy file an array, and manifest.json.
    dataset : path
        GalaxiesML-Spectra.
    modalities : callable
        Gives the modalities as the open dataset has them.
    to_plain : callable
        What of them goes into the manifest: name, settings and geometry of each.
    chunk_size : int
        Galaxies held in memory at a time.
    max_damaged : float
        Fraction of the galaxies that may have damaged pixels.
    unpaired : Unpaired, optional

    Raises
    ------
    InputError
        If the dataset is damaged, or too many galaxies have pixels that cannot be.
    """
    with (
        layout.open_dataset(dataset) as file,
        atomic(folder, ARRAYS) as part,
        Known(dataset) as known,
    ):
        part.mkdir()
        found = modalities(file)
        redshift = known(layout.REDSHIFT, file[layout.REDSHIFT][:], limits.REDSHIFT)
        targetid = layout.read_targetid(file)
        n_paired = len(targetid)
        parts = [(file, None)]
        if unpaired is not None and len(unpaired.rows):
            targetid = np.concatenate([targetid, unpaired.targetid])
            theirs = known(unpaired.file.filename, unpaired.redshift, limits.REDSHIFT)
            redshift = np.concatenate([redshift, theirs])
            parts.append((unpaired.file, unpaired.rows))
        n = len(targetid)
        np.save(part / "redshift.npy", redshift.astype(np.float32))
        np.save(part / "targetid.npy", targetid)
        complete, elsewhere = [], {}
        for name, modality in found.items():
            chunks = partial(_chunks, parts, modality, chunk_size, name)
            place = _place(file, modality) if len(parts) == 1 else None
            # what is found here is counted when it is written
            looked_at = chunks(Known(dataset)) if place is not None else ()
            if place is not None and not any(np.isnan(values).any() for values in looked_at):
                # the largest array by far need not stand on the disk twice
                described = {"file": os.path.relpath(dataset, folder), **place}
                elsewhere[name] = described | {"sha256": array_digest(Path(dataset), place)}
                complete.append(name)
                continue
            lacks = False
            shape = (n, *[2] * modality.has_ivar, *modality.shape)
            with _npy_writer(part / f"{name}.npy", shape) as write:
                for values in chunks(known):
                    lacks |= bool(np.isnan(values).any())
                    write(values)
            complete += [] if lacks else [name]
        if known.damaged > max_damaged * n:
            raise InputError(
                dataset,
                found=f"{known.damaged} of {n} galaxies with pixels that cannot be",
                expected=f"at most a fraction {max_damaged:g} of them (arrays.max_damaged)",
            )
        manifest = {
            "arrays": {path.stem: _describe(path) for path in sorted(part.glob("*.npy"))}
            | elsewhere,
            "modalities": to_plain(found),
            "complete": complete,
            "ivar": [name for name, modality in found.items() if modality.has_ivar],
            "n_paired": n_paired,
        }
        write_json(part / MANIFEST, manifest)


def _chunks(
    parts: Sequence[tuple[h5py.File, np.ndarray | None]],
    modality: Source,
    size: int,
    name: str,
    known: Known,
) -> Iterator[np.ndarray]:
    """Values of all galaxies of files, or of those rows of one that are wanted."""
    for file, wanted in parts:
        n, has = len(file[layout.IMAGE]), modality.is_in(file)
        for start in progress(range(0, n, size), name):
            rows = slice(start, min(start + size, n))
            chosen = slice(None)
            if wanted is not None:
                chosen = wanted[(wanted >= rows.start) & (wanted < rows.stop)] - rows.start
                if not len(chosen):
                    continue
            known.wanted = chosen
            if has:
                yield modality.read(file, rows, known)[chosen]
            else:
                shape = (*[2] * modality.has_ivar, *modality.shape)
                yield np.full((len(chosen), *shape), np.nan, np.float32)


def _place(file: h5py.File, modality: Source) -> dict[str, Any] | None:
    """Where a modality's numbers lie in the dataset file, if they stand there as they are."""
    if modality.verbatim is None:
        return None
    dataset = file[modality.verbatim]
    offset = dataset.id.get_offset()
    if offset is None or dataset.dtype != np.dtype("<f4") or dataset.shape[1:] != modality.shape:
        return None
    return {"offset": offset, "shape": list(dataset.shape), "dtype": str(dataset.dtype)}


@contextmanager
def _npy_writer(path: Path, shape: tuple[int, ...]) -> Iterator[Callable[[np.ndarray], object]]:
    """Write a float32 .npy file chunk by chunk, with no more than a chunk in memory."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with path.open("wb") as stream:
        write_array_header_1_0(stream, header)
        yield lambda chunk: stream.write(np.ascontiguousarray(chunk, dtype="<f4").data)


def _describe(path: Path) -> dict[str, Any]:
    """Shape, type and checksum of an array."""
    array = np.load(path, mmap_mode="r")
    return {"shape": list(array.shape), "dtype": str(array.dtype), "sha256": file_digest(path)}
