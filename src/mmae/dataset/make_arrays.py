"""The training arrays, made of a GalaxiesML-Spectra file."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.format import write_array_header_1_0

from mmae import limits
from mmae.checksums import file_digest
from mmae.dataset import layout
from mmae.dataset.arrays import MANIFEST
from mmae.dataset.photometry import aperture_magnitudes, half_light_radii
from mmae.dataset.spectra import normalise, pool
from mmae.errors import InputError
from mmae.files import atomic, write_json
from mmae.limits import Known
from mmae.outputs import ARRAYS
from mmae.progress import progress

log = logging.getLogger(__name__)

UNITS = {
    "images": "flux, zero point 27.0 AB mag; bands g r i z y",
    "spectra": "dimensionless: normalised flux, pooled",
    "wave": "Angstrom: middle of each pooled pixel",
    "redshift": "dimensionless: z_spec of DESI",
    "targetid": "DESI's TARGETID",
    "magnitudes": "AB mag; bands g r i z y",
    "sizes": "arcsec: half-light radius within 2 arcsec, as measured in the image; bands g r i z y",
}
APERTURE = "within 2 arcsec of the middle of each image, as the dataset has no cmodel magnitudes"
"""Where the magnitudes of such a dataset come from."""


def write_arrays(
    folder: Path | str,
    dataset: Path | str,
    width: int,
    chunk_size: int,
    max_damaged: float = 0.01,
) -> None:
    """Make the training arrays of a GalaxiesML-Spectra file.

    Magnitudes and redshifts that cannot be (`mmae.limits`) become NaN; a spectrum's pixel whose
    flux or ivar cannot be gets no weight, and an image's becomes 0, the sky. All are counted in
    warnings.

    Parameters
    ----------
    folder : path
        To write: one .npy file an array, and manifest.json.
    dataset : path
        GalaxiesML-Spectra.
    width : int
        Spectrum pixels averaged into one (paper: 30).
    chunk_size : int
        Galaxies held in memory at a time.
    max_damaged : float
        Fraction of the galaxies that may have such pixels.

    Raises
    ------
    InputError
        If the dataset is damaged or has spectra shorter than `width`, or too many galaxies have
        pixels that cannot be.
    """
    with (
        layout.open_dataset(dataset) as file,
        atomic(folder, ARRAYS) as part,
        Known(dataset) as known,
    ):
        part.mkdir()
        n, n_wave = file[layout.FLUX].shape
        if width > n_wave:
            raise InputError(
                "config",
                key="arrays.pool",
                found=width,
                expected=f"at most the {n_wave} pixels of a spectrum in {dataset}",
            )
        redshift = known(layout.REDSHIFT, file[layout.REDSHIFT][:], limits.REDSHIFT)
        np.save(part / "redshift.npy", redshift.astype(np.float32))
        np.save(part / "targetid.npy", layout.read_targetid(file))
        np.save(part / "wave.npy", pool(layout.read_wave(file), width))
        magnitudes, names = layout.read_magnitudes(file)
        source = ", ".join(names) or APERTURE
        log.info("magnitudes: %s", source)
        measured, sizes, n_damaged = [], [], 0
        with (
            _npy_writer(part / "images.npy", file[layout.IMAGE].shape) as images,
            _npy_writer(part / "spectra.npy", (n, n_wave // width)) as spectra,
        ):
            for start in progress(range(0, n, chunk_size), "arrays"):
                rows = slice(start, start + chunk_size)
                image, flux, ivar = (
                    file[name][rows] for name in (layout.IMAGE, layout.FLUX, layout.IVAR)
                )
                n_damaged += int(_damaged(image, flux, ivar).sum())
                image = known(layout.IMAGE, image, limits.FLUX, instead=0)
                ivar = known(layout.IVAR, ivar, limits.IVAR, instead=0)
                # where the flux is 0, nothing was measured: `normalise` gives it no weight
                flux = known(layout.FLUX, flux, limits.FLUX, instead=0)
                images(image)
                spectra(pool(normalise(flux, ivar), width))
                sizes.append(half_light_radii(image))
                if magnitudes is None:
                    measured.append(aperture_magnitudes(image))
        if n_damaged > max_damaged * n:
            raise InputError(
                dataset,
                found=f"{n_damaged} of {n} galaxies with pixels that cannot be",
                expected=f"at most a fraction {max_damaged:g} of them (arrays.max_damaged)",
            )
        if magnitudes is None:
            magnitudes = np.concatenate(measured)
        magnitudes = known("magnitudes", magnitudes, limits.MAGNITUDE)
        np.save(part / "magnitudes.npy", magnitudes.astype(np.float32))
        size = known("sizes", np.concatenate(sizes), limits.SIZE)
        np.save(part / "sizes.npy", size.astype(np.float32))
        write_json(part / MANIFEST, _manifest(part, source))


@contextmanager
def _npy_writer(path: Path, shape: tuple[int, ...]) -> Iterator[Callable[[np.ndarray], object]]:
    """Write a float32 .npy file chunk by chunk, with no more than a chunk in memory."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with path.open("wb") as stream:
        write_array_header_1_0(stream, header)
        yield lambda chunk: stream.write(np.ascontiguousarray(chunk, dtype="<f4").data)


def _damaged(image: np.ndarray, flux: np.ndarray, ivar: np.ndarray) -> np.ndarray:
    """Which galaxies have pixels that cannot be, bool, shape (B,); flux without weight may be."""
    pixels = ~limits.FLUX.contain(image).all(axis=(1, 2, 3))
    weights = ~limits.IVAR.contain(ivar) | ((ivar > 0) & ~limits.FLUX.contain(flux))
    return pixels | weights.any(axis=1)


def _manifest(folder: Path, magnitudes: str) -> dict:
    """Shape, type, unit and checksum of each array; where the magnitudes come from."""
    arrays = {}
    for name, unit in UNITS.items():
        path = folder / f"{name}.npy"
        array = np.load(path, mmap_mode="r")
        arrays[name] = {
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "unit": unit,
            "sha256": file_digest(path),
        }
    arrays["magnitudes"]["source"] = magnitudes
    return {"arrays": arrays}
