"""Files of galaxies whose redshifts are asked for, read block by block."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from mmae.dataset import layout
from mmae.dataset.photometry import MEASURED
from mmae.errors import InputError
from mmae.evaluation.own_galaxies import OwnGalaxies
from mmae.files.checks import check_datasets
from mmae.files.read import open_hdf5
from mmae.limits import REDSHIFT, Known
from mmae.modalities.base import Modality, check_geometry
from mmae.survey import galaxiesml
from mmae.survey.galaxiesml import IMAGE, image_shape

log = logging.getLogger(__name__)

LARGEST_READ_MB = 400
"""Chunks of the image dataset that are larger, as float32, are not read whole."""


class Catalogue(NamedTuple):
    """A file of galaxies that was checked."""

    path: Path
    identifier: str
    """Dataset of the galaxies' names."""
    redshift: str | None
    """Dataset of known redshifts."""
    modalities: dict[str, Modality]
    """Those that are read."""
    n_galaxies: int
    chunk: int
    """Galaxies that are read together at the least, as they are stored together."""
    cache_bytes: int
    """What HDF5 keeps of the images that were last unpacked; 0: as it is set up."""
    own: OwnGalaxies | None = None
    """Galaxies that are in no HDF5 file."""


class Block(NamedTuple):
    """Some galaxies of a file."""

    identifier: np.ndarray
    """(B,), as in the file."""
    z_spec: np.ndarray
    """(B,), NaN where unknown."""
    values: dict[str, np.ndarray]
    """By modality, as it reads them: (B, *shape) or (B, 2, *shape)."""

    def part(self, rows: slice) -> "Block":
        """Some of the galaxies."""
        values = {name: part[rows] for name, part in self.values.items()}
        return Block(self.identifier[rows], self.z_spec[rows], values)


def open_catalogues(
    sources: Sequence[Path | str | OwnGalaxies],
    needed: Mapping[str, Modality],
    wanted: Mapping[str, Modality] | None = None,
) -> list[Catalogue]:
    """Check files of galaxies, before the first of them is predicted.

    Parameters
    ----------
    sources : sequence of path or OwnGalaxies
        HDF5 files in the layout of GalaxiesML or of GalaxiesML-Spectra, and galaxies of others.
    needed : mapping of str to Modality
        Of the model, which each file must have.
    wanted : mapping of str to Modality, optional
        Others, which are read where a file has them.

    Raises
    ------
    InputError
        If a file is missing, damaged or truncated, has no galaxy, or lacks a dataset or has it in
        another shape or type or of another geometry; or if the files do not name galaxies in the
        same way.
    """
    catalogues = [_check(source, needed, wanted or {}) for source in sources]
    for other in catalogues[1:]:
        if other.identifier != catalogues[0].identifier:
            raise InputError(
                other.path,
                key=f"dataset '{catalogues[0].identifier}'",
                found=f"'{other.identifier}' instead",
                expected=f"identifiers as in {catalogues[0].path}",
            )
    return catalogues


def _check(
    source: Path | str | OwnGalaxies,
    needed: Mapping[str, Modality],
    wanted: Mapping[str, Modality],
) -> Catalogue:
    """Check one file."""
    own = source if isinstance(source, OwnGalaxies) else None
    path = Path(source) if own is None else own.path
    with open_hdf5(path) if own is None else own.opened(slice(1)) as file:
        identifier, redshift = _names(file)
        columns = [name for name in (identifier, redshift) if name is not None]
        images = {IMAGE: image_shape(file)}
        if own is not None and own.cutouts is None and not _measured(needed):
            images = {}
        check_datasets(file, images | dict.fromkeys(columns, (None,)))
        n_galaxies = len(file[IMAGE]) if own is None else len(own)
        if n_galaxies == 0:
            raise InputError(
                path, key=f"dataset '{IMAGE}'", found="no galaxy", expected="at least one"
            )
        for name, modality in needed.items():
            try:
                found = modality.as_in(file)
            except InputError as error:
                words = str(error).removeprefix(f"{path}: ")
                raise InputError(path, f"{words}; the view shows the modality '{name}'") from error
            check_geometry(found, modality, path)
        others = {name: one for name, one in wanted.items() if one.is_in(file)}
        modalities = others | dict(needed)
        chunk = _chunk(file[IMAGE]) if own is None else (1, 0)
        return Catalogue(path, identifier, redshift, modalities, n_galaxies, *chunk, own)


def _measured(modalities: Mapping[str, Modality]) -> bool:
    """Whether some of the modalities' columns are measured in images."""
    columns = (getattr(one.geometry, "columns", ()) for one in modalities.values())
    return any(name in MEASURED for names in columns for name in names)


def _names(file: h5py.File) -> tuple[str, str | None]:
    """Identifier and redshift: GalaxiesML-Spectra is known by what it has of DESI."""
    groups = (name.partition("/")[0] for name in (layout.REDSHIFT, layout.FLUX))
    has_desi = any(group in file for group in groups)
    is_spectra = layout.TARGETID in file and (has_desi or galaxiesml.OBJECT_ID not in file)
    identifier = layout.TARGETID if is_spectra else galaxiesml.OBJECT_ID
    redshift = layout.REDSHIFT if has_desi or is_spectra else galaxiesml.REDSHIFT
    return identifier, redshift if redshift in file else None


def _chunk(image: h5py.Dataset) -> tuple[int, int]:
    """Galaxies that are stored together, if they can be held together; else 1, and what to keep."""
    chunk = image.chunks or (1,)
    n_values = chunk[0] * math.prod(
        -(-n // side) * side for n, side in zip(image.shape[1:], chunk[1:], strict=False)
    )
    as_read = max(image.dtype.itemsize, np.dtype(np.float32).itemsize)
    if n_values * as_read <= 1e6 * LARGEST_READ_MB:
        return chunk[0], 0
    if n_values * image.dtype.itemsize <= 1e6 * LARGEST_READ_MB:
        return 1, n_values * image.dtype.itemsize
    log.warning(
        "%s: images are stored in chunks of %d galaxies, which makes reading them slow; "
        "h5repack -l %s:CHUNK=16x%s mends that",
        *(image.file.filename, chunk[0], IMAGE, "x".join(map(str, image.shape[1:]))),
    )
    return 1, 0


def n_blocks(catalogue: Catalogue, size: int) -> int:
    """How many blocks `read_blocks` gives."""
    whole, rest = divmod(catalogue.n_galaxies, _read_at_once(catalogue, size))
    return whole * -(-_read_at_once(catalogue, size) // size) + -(-rest // size)


def read_blocks(catalogue: Catalogue, size: int) -> Iterator[Block]:
    """All galaxies of a file in its order, at most `size` in a block.

    What cannot be is unknown, and counted in a warning at the end.

    Raises
    ------
    InputError
        If rows cannot be read.
    """
    together = _read_at_once(catalogue, size)
    cache = catalogue.cache_bytes or None
    with ExitStack() as stack, Known(catalogue.path) as known:
        if catalogue.own is None:
            file = stack.enter_context(open_hdf5(catalogue.path, rdcc_nbytes=cache))
        for start in range(0, catalogue.n_galaxies, together):
            rows = slice(start, min(start + together, catalogue.n_galaxies))
            if catalogue.own is None:
                read = _read(file, catalogue, rows, known)
            else:
                with catalogue.own.opened(rows) as block:
                    read = _read(block, catalogue, slice(0, rows.stop - start), known)
            for first in range(0, len(read.identifier), size):
                yield read.part(slice(first, first + size))


def _read_at_once(catalogue: Catalogue, size: int) -> int:
    """Galaxies read together: as many whole chunks as give a block or more.

    A chunk that is read in several pieces is unpacked again for each of them.
    """
    return catalogue.chunk * -(-size // catalogue.chunk)


def _read(file: h5py.File, catalogue: Catalogue, rows: slice, known: Known) -> Block:
    """Galaxies of some rows."""
    z_spec = np.full(rows.stop - rows.start, np.nan)
    if catalogue.redshift is not None:
        z_spec = known(catalogue.redshift, file[catalogue.redshift][rows].astype(float), REDSHIFT)
    identifier = file[catalogue.identifier]
    if h5py.check_string_dtype(identifier.dtype):
        identifier = identifier.asstr(errors="backslashreplace")
    values = {name: one.read(file, rows, known) for name, one in catalogue.modalities.items()}
    return Block(identifier[rows], z_spec, values)
