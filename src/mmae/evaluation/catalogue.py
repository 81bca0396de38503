"""Files of galaxies whose redshifts are asked for, read block by block."""

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from mmae.checks import check_datasets
from mmae.dataset import layout
from mmae.errors import InputError
from mmae.evaluation.predict import Model
from mmae.files import open_hdf5
from mmae.instruments import BANDS, IMAGE_SIZE
from mmae.limits import MAGNITUDE, REDSHIFT, Known
from mmae.models.batch import check_sizes
from mmae.survey import galaxiesml
from mmae.survey.galaxiesml import IMAGE, image_shape, read_images

log = logging.getLogger(__name__)

LARGEST_READ_MB = 400
"""Chunks of the image dataset that are larger, as float32, are not read whole."""


class Names(NamedTuple):
    """Datasets of a file, beside the images."""

    identifier: str
    redshift: str
    """May be absent."""
    magnitudes: tuple[str, ...]
    """Of models that read photometry."""


class Catalogue(NamedTuple):
    """A file of galaxies that was checked."""

    path: Path
    names: Names
    n_galaxies: int
    chunk: int
    """Galaxies that are read together at the least, as they are stored together."""
    cache_bytes: int
    """What HDF5 keeps of the images that were last unpacked; 0: as it is set up."""
    has_redshifts: bool


class Block(NamedTuple):
    """Some galaxies of a file."""

    identifier: np.ndarray
    """(B,), as in the file."""
    z_spec: np.ndarray
    """(B,), NaN where unknown."""
    images: np.ndarray
    """(B, 5, 64, 64) float32."""
    magnitudes: np.ndarray
    """(B, 5) float32, AB; NaN where unknown or not read."""

    def part(self, rows: slice) -> "Block":
        """Some of the galaxies."""
        return Block(*(values[rows] for values in self))


def open_catalogues(paths: Sequence[Path | str], model: Model) -> list[Catalogue]:
    """Check files of galaxies, before the first of them is predicted.

    Parameters
    ----------
    paths : sequence of path
        HDF5 files in the layout of GalaxiesML or of GalaxiesML-Spectra.
    model : GalaxyModel or Estimator
        Which must be able to read them.

    Raises
    ------
    InputError
        If a file is missing, damaged or truncated, has no galaxy, or lacks a dataset or has it in
        another shape or type; or if the files do not name galaxies in the same way.
    """
    catalogues = [_check(Path(path), model) for path in paths]
    for other in catalogues[1:]:
        if other.names.identifier != catalogues[0].names.identifier:
            raise InputError(
                other.path,
                key=f"dataset '{catalogues[0].names.identifier}'",
                found=f"'{other.names.identifier}' instead",
                expected=f"identifiers as in {catalogues[0].path}",
            )
    return catalogues


def _check(path: Path, model: Model) -> Catalogue:
    """Check one file."""
    with open_hdf5(path) as file:
        names = _names(file, model.reads_photometry)
        has_redshifts = names.redshift in file
        columns = [names.identifier, *([names.redshift] * has_redshifts), *names.magnitudes]
        check_datasets(file, {IMAGE: image_shape(file)} | dict.fromkeys(columns, (None,)))
        n_galaxies = len(file[IMAGE])
        shape = (n_galaxies, len(BANDS), IMAGE_SIZE, IMAGE_SIZE)
        check_sizes(model, shape, (n_galaxies, model.spectrum_length), str(path))
        if n_galaxies == 0:
            raise InputError(
                path, key=f"dataset '{IMAGE}'", found="no galaxy", expected="at least one"
            )
        return Catalogue(path, names, n_galaxies, *_chunk(file[IMAGE]), has_redshifts)


def _names(file: h5py.File, with_photometry: bool) -> Names:
    """What is read of a file: GalaxiesML-Spectra is known by what it has of DESI."""
    groups = (name.partition("/")[0] for name in (layout.REDSHIFT, layout.FLUX))
    has_desi = any(group in file for group in groups)
    is_spectra = layout.TARGETID in file and (has_desi or galaxiesml.OBJECT_ID not in file)
    identifier = layout.TARGETID if is_spectra else galaxiesml.OBJECT_ID
    redshift = layout.REDSHIFT if has_desi or is_spectra else galaxiesml.REDSHIFT
    if not with_photometry:
        return Names(identifier, redshift, ())
    known = (galaxiesml.MAGNITUDES, layout.MAGNITUDES, layout.RELEASED_MAGNITUDES)
    magnitudes = layout.find_magnitudes(file, known) or known[0]
    if absent := [name for name in magnitudes if name not in file]:
        raise InputError(
            file.filename,
            key=f"dataset '{absent[0]}'",
            found="no such dataset",
            expected=f"magnitudes in the bands {' '.join(BANDS)}, which this model reads",
        )
    log.info("%s: magnitudes: %s", file.filename, ", ".join(magnitudes))
    return Names(identifier, redshift, magnitudes)


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

    Redshifts and magnitudes that cannot be are unknown, and counted in a warning at the end.

    Raises
    ------
    InputError
        If rows cannot be read.
    """
    together = _read_at_once(catalogue, size)
    cache = catalogue.cache_bytes or None
    with open_hdf5(catalogue.path, rdcc_nbytes=cache) as file, Known(catalogue.path) as known:
        for start in range(0, catalogue.n_galaxies, together):
            rows = slice(start, min(start + together, catalogue.n_galaxies))
            read = _read(file, catalogue, rows)
            z_spec = known(catalogue.names.redshift, read.z_spec, REDSHIFT)
            magnitudes = known("magnitudes", read.magnitudes, MAGNITUDE)
            read = read._replace(z_spec=z_spec, magnitudes=magnitudes)
            for first in range(0, len(read.images), size):
                yield read.part(slice(first, first + size))


def _read_at_once(catalogue: Catalogue, size: int) -> int:
    """Galaxies read together: as many whole chunks as give a block or more.

    A chunk that is read in several pieces is unpacked again for each of them.
    """
    return catalogue.chunk * -(-size // catalogue.chunk)


def _read(file: h5py.File, catalogue: Catalogue, rows: slice) -> Block:
    """Galaxies of some rows."""
    names, n = catalogue.names, rows.stop - rows.start
    z_spec, magnitudes = np.full(n, np.nan), np.full((n, len(BANDS)), np.nan, np.float32)
    if catalogue.has_redshifts:
        z_spec = file[names.redshift][rows].astype(float)
    if names.magnitudes:
        columns = [file[name][rows] for name in names.magnitudes]
        magnitudes = np.stack(columns, axis=1).astype(np.float32)
    identifier = file[names.identifier]
    if h5py.check_string_dtype(identifier.dtype):
        identifier = identifier.asstr(errors="backslashreplace")
    return Block(identifier[rows], z_spec, read_images(file, rows), magnitudes)
