"""DESI's targets near HSC's galaxies, taken out of a catalogue that is larger than memory."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from mmae.survey.desi import TARGET
from mmae.survey.fits_rows import join_blocks

MAX_CELLS = 256
"""Cells of the grid on a side of the cube around the sphere: half a degree each, 17 MB in all."""


class Nearby(NamedTuple):
    """What a pass through a catalogue leaves."""

    targets: pd.DataFrame
    """Rows on targets in the cells around the galaxies; the index is the row of the catalogue.
    Every target within the radius of a galaxy is here."""
    n_rows: int
    """Rows of the catalogue."""
    positions: np.ndarray
    """(n, 2) float64, degrees: right ascension and declination of all rows on targets."""


class SkyGrid:
    """Cells on the sky around some positions, wide enough that no neighbour can be missed.

    The unit sphere lies in a cube of cubic cells. A side is longer than the chord of the radius,
    so that two positions within the radius differ by at most one cell along each axis. This holds
    at the poles and across 0 hours as anywhere else.

    Parameters
    ----------
    ra, dec : array, shape (N,), degrees
    radius_arcsec : float
    """

    def __init__(self, ra: np.ndarray, dec: np.ndarray, radius_arcsec: float):
        chord = 2 * np.sin(np.radians(min(radius_arcsec / 3600, 180)) / 2)
        # a little more than the chord: coordinates are rounded
        self._n = max(1, min(MAX_CELLS, int(2 / (chord * (1 + 1e-6) + 1e-9))))
        side = self._n + 3  # a coordinate of exactly 1 has a cell of its own, and a rim around all
        near = np.zeros((side, side, side), bool)
        x, y, z = np.unique(np.stack(self._cells(ra, dec)), axis=1)
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                for dz in (-1, 0, 1):
                    near[x + dx, y + dy, z + dz] = True
        self._near = near

    def has(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Whether positions (degrees, shape (M,)) are in a cell around the grid's positions."""
        return self._near[self._cells(ra, dec)]

    def _cells(self, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, ...]:
        """Number of the cell along each axis."""
        lon, lat = np.radians(ra), np.radians(dec)
        xyz = (np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat))
        return tuple(((axis + 1) * (self._n / 2)).astype(np.intp) + 1 for axis in xyz)


def nearby_targets(hsc: pd.DataFrame, desi: Iterable[pd.DataFrame], radius_arcsec: float) -> Nearby:
    """Go once through DESI's catalogue and keep the targets that could match.

    Parameters
    ----------
    hsc : DataFrame
        Columns ra, dec (degrees).
    desi : iterable of DataFrame
        Blocks of zall-pix, whose index is the row of the catalogue.
    radius_arcsec : float
    """
    grid = SkyGrid(hsc["ra"].to_numpy(), hsc["dec"].to_numpy(), radius_arcsec)
    n_rows, kept, positions = 0, [], []
    for block in desi:
        targets = block[block["OBJTYPE"] == TARGET]
        ra, dec = targets["TARGET_RA"].to_numpy(), targets["TARGET_DEC"].to_numpy()
        n_rows += len(block)
        kept.append(targets[grid.has(ra, dec)])
        positions.append(np.column_stack([ra, dec]))
    return Nearby(join_blocks(kept), n_rows, np.concatenate(positions))


def count_distinct(positions: np.ndarray) -> int:
    """Count the different positions of an array of shape (N, 2)."""
    order = np.argsort(positions[:, 0])
    same = np.diff(positions[order, 0]) == 0
    # few share a right ascension: only those are compared whole
    shared = order[np.append(same, False) | np.append(False, same)]
    distinct = pd.DataFrame(positions[shared]).drop_duplicates()
    return len(positions) - len(shared) + len(distinct)
