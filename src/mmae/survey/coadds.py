"""Cutouts of galaxies at given positions, out of coadded images of HSC's patches."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from astropy.nddata import Cutout2D

from mmae.errors import InputError
from mmae.instruments import BANDS, IMAGE_SIZE
from mmae.limits import Limits
from mmae.survey.cutouts import Plane, read_planes
from mmae.survey.fits_files import open_fits, readable
from mmae.survey.galaxiesml import DEC, IMAGE_CHUNK, LIMITS, RA

log = logging.getLogger(__name__)

OPEN_IMAGES = 2 * len(BANDS)
"""Images that are held open; compressed ones are unpacked as a whole, 70 MB each."""


def find_images(paths: Sequence[Path]) -> list[Plane]:
    """Images of patches in FITS files.

    Raises
    ------
    InputError
        As `read_planes`, or if one does not tell where in the sky it is.
    """
    planes = [plane for path in paths for plane in read_planes(path)]
    for plane in planes:
        if plane.wcs is None:
            raise InputError(
                plane.path,
                key=f"HDU {plane.hdu}",
                found="no WCS",
                expected="positions of its pixels",
            )
    return planes


def check_positions(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Raise InputError unless a table's columns (N,) have a possible position in every row."""
    for name in (RA, DEC):
        if name not in columns:
            words = f"only numbers in {list(columns)}"
            expected = f"{RA} and {DEC} in degrees; --columns says what they are called"
            raise InputError(path, key=f"column {name}", found=words, expected=expected)
        bad = ~Limits(*LIMITS[name]).contain(columns[name])
        if bad.any():
            found = f"{columns[name][bad][0]} in row {int(bad.argmax())}"
            expected = "degrees from {} to {}".format(*LIMITS[name])
            raise InputError(path, key=f"column {name}", found=found, expected=expected)


def cut(planes: Sequence[Plane], ra: np.ndarray, dec: np.ndarray) -> Iterator[np.ndarray]:
    """Images around positions, from the patch in which each is farthest from an edge.

    Parameters
    ----------
    planes : sequence of Plane
    ra, dec : ndarray, shape (N,), degrees

    Yields
    ------
    ndarray, shape (B, 5, 64, 64), float32
        Flux with zero point 27.0; NaN where no image has the pixel. Positions of which a band has
        none are counted in a warning at the end.

    Raises
    ------
    InputError
        If an image is damaged.
    """
    x, y = np.full((2, len(BANDS), len(ra)), np.nan)
    depth, chosen = np.zeros(x.shape), np.full(x.shape, -1)
    for number, plane in enumerate(planes):
        band = BANDS.index(plane.band)
        places = np.array(plane.wcs.world_to_pixel_values(ra, dec))
        far = np.minimum(places, np.array(plane.shape)[::-1, None] - 1 - places).min(axis=0)
        better = far > depth[band]
        x[band, better], y[band, better] = places[:, better]
        depth[band, better], chosen[band, better] = far[better], number
    opened = lru_cache(OPEN_IMAGES)(_open)
    for start in range(0, len(ra), IMAGE_CHUNK):
        stop = min(start + IMAGE_CHUNK, len(ra))
        images = np.full((stop - start, *x.shape[:1], IMAGE_SIZE, IMAGE_SIZE), np.nan, np.float32)
        for row, band in zip(*np.nonzero(chosen[:, start:stop].T >= 0), strict=True):
            place = band, start + row
            plane = planes[chosen[place]]
            with readable(plane.path, str(plane.hdu), "an image"):
                position = float(x[place]), float(y[place])
                pixels = opened(plane.path, plane.hdu)
                found = Cutout2D(pixels, position, IMAGE_SIZE, mode="partial", fill_value=np.nan)
                images[row, band] = found.data * plane.factor
        yield images
    if n_without := int((chosen < 0).any(axis=0).sum()):
        words = "%d of %d positions are outside the images of a band: their pixels are NaN"
        log.warning(words, n_without, len(ra))


def _open(path: Path, hdu: int) -> np.ndarray:
    """Pixels of an image, memory-mapped where the file is not compressed."""
    with open_fits(path) as hdus:
        return hdus[hdu].data
