"""Files of galaxies whose redshifts are asked for, read block by block."""

import logging
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
"""Chunks of the image dataset that are larger are not read whole."""


class Names(NamedTuple):
    """Datasets of a kind of file, beside the images."""

    identifier: str
    redshift: str
    """May be absent."""
    magnitudes: tuple[str, ...]
    """Read only for models that read photometry."""


KINDS = (
    Names(galaxiesml.OBJECT_ID, galaxiesml.REDSHIFT, galaxiesml.MAGNITUDES),
    Names(layout.TARGETID, layout.REDSHIFT, layout.MAGNITUDES),
)
"""GalaxiesML and GalaxiesML-Spectra. The first is what a file without identifiers is taken for."""


class Catalogue(NamedTuple):
    """A file of galaxies that was checked."""

    path: Path
    names: Names
    n_galaxies: int
    chunk: int
    """Galaxies that are read together at the least, as they are stored together."""
    has_redshifts: bool
    with_photometry: bool
    """Whether magnitudes are read."""


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
        if other.names != catalogues[0].names:
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
        names = next((names for names in KINDS if names.identifier in file), KINDS[0])
        has_redshifts = names.redshift in file
        magnitudes = names.magnitudes if model.reads_photometry else ()
        if absent := [name for name in magnitudes if name not in file]:
            raise InputError(
                path,
                key=f"dataset '{absent[0]}'",
                found="no such dataset",
                expected=f"magnitudes in the bands {' '.join(BANDS)}, which this model reads",
            )
        columns = [names.identifier, *([names.redshift] if has_redshifts else []), *magnitudes]
        check_datasets(file, {IMAGE: image_shape(file)} | dict.fromkeys(columns, (None,)))
        n_galaxies = len(file[IMAGE])
        shape = (n_galaxies, len(BANDS), IMAGE_SIZE, IMAGE_SIZE)
        check_sizes(model, shape, (n_galaxies, model.spectrum_length), str(path))
        if n_galaxies == 0:
            raise InputError(
                path, key=f"dataset '{IMAGE}'", found="no galaxy", expected="at least one"
            )
        chunk = _chunk(file[IMAGE])
        return Catalogue(path, names, n_galaxies, chunk, has_redshifts, model.reads_photometry)


def _chunk(image: h5py.Dataset) -> int:
    """Galaxies that are stored together, if they can be held together; else 1."""
    chunk = image.chunks[0] if image.chunks else 1
    size = chunk * image.dtype.itemsize * np.prod(image.shape[1:]) / 1e6
    if size <= LARGEST_READ_MB:
        return chunk
    log.warning(
        "%s: images are stored in chunks of %d galaxies, which makes reading them slow; "
        "h5repack -l %s:CHUNK=16x%s mends that",
        *(image.file.filename, chunk, IMAGE, "x".join(map(str, image.shape[1:]))),
    )
    return 1


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
    with open_hdf5(catalogue.path) as file, Known(catalogue.path) as known:
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
    try:
        if catalogue.has_redshifts:
            z_spec = file[names.redshift][rows].astype(float)
        if catalogue.with_photometry:
            columns = [file[name][rows] for name in names.magnitudes]
            magnitudes = np.stack(columns, axis=1).astype(np.float32)
        identifier = file[names.identifier]
        if h5py.check_string_dtype(identifier.dtype):
            identifier = identifier.asstr()
        return Block(identifier[rows], z_spec, read_images(file, rows), magnitudes)
    except OSError as error:
        raise InputError(
            catalogue.path,
            key=f"rows {rows.start} to {rows.stop - 1}",
            found=f"data that cannot be read ({error})",
            expected="a whole file",
        ) from error
