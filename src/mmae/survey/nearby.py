"""DESI's targets near HSC's galaxies, taken out of a catalogue that is larger than memory."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from mmae.files.damage import sound
from mmae.survey.desi import LIMITS, SKY, TARGET
from mmae.survey.fits_rows import join_blocks

MAX_CELLS = 256
"""Cells of the grid on a side of the cube around the sphere: half a degree each, 17 MB in all."""


KINDS = (
    "DESI fibres on blank sky",
    "DESI fibres on neither target nor sky",
    "DESI rows with a negative TARGETID",
    "DESI rows without a possible position or redshift",
)
"""Rows that cannot be matched, each counted as the first of these that it is."""
TARGETS = "DESI targets"
RANK = {"ZCAT_PRIMARY": False, "ZWARN": True, "DELTACHI2": False}
"""Which of a target's rows stands for it: the primary one, then one without a warning, then that of
the largest DELTACHI2, then the first in the file. True: the lower comes first."""


class Nearby(NamedTuple):
    """What a pass through a catalogue leaves."""

    targets: pd.DataFrame
    """One row a target in the cells around the galaxies; the index is the row of the catalogue.
    Every target within the radius of a galaxy is here."""
    counts: dict[str, int]
    """What the rows of the catalogue are; the numbers beside that of all rows add up to it."""
    positions: pd.DataFrame
    """TARGET_RA, TARGET_DEC (degrees) of all targets."""


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

    Rows of one TARGETID are one target, wherever each says that it is; so are those of one
    position. The row that stands for all (RANK) gives the position.

    Parameters
    ----------
    hsc : DataFrame
        Columns ra, dec (degrees).
    desi : iterable of DataFrame
        Blocks of zall-pix, whose index is the row of the catalogue.
    radius_arcsec : float
    """
    grid = SkyGrid(hsc["ra"].to_numpy(), hsc["dec"].to_numpy(), radius_arcsec)
    kept, near, counts = [], [], np.zeros(len(KINDS) + 1, int)
    rows: dict[str, np.ndarray] = {}
    for block in desi:
        kind = _kind(block)
        counts += np.bincount(kind, minlength=len(counts))
        targets = block[kind == len(KINDS)]
        near.append(grid.has(targets["TARGET_RA"].to_numpy(), targets["TARGET_DEC"].to_numpy()))
        kept.append(targets[near[-1]])
        for name in ("TARGETID", "TARGET_RA", "TARGET_DEC", *RANK):
            values = targets[name].to_numpy()
            values = values != 0 if name == "ZWARN" else values
            # grown in place: parts to be joined at the end would take as much again
            whole = rows.setdefault(name, np.empty(0, values.dtype))
            n = len(whole)
            whole.resize(n + len(values), refcheck=False)
            whole[n:] = values
    table = pd.DataFrame(rows, copy=False)
    stands = standing(table)
    *others, n_rows = counts.tolist()
    return Nearby(
        join_blocks(kept)[stands[np.concatenate(near)]],
        {
            "DESI rows": sum(others) + n_rows,
            **dict(zip(KINDS, others, strict=True)),
            "DESI rows of a target that another row stands for": n_rows - int(stands.sum()),
            TARGETS: int(stands.sum()),
        },
        table.loc[stands, ["TARGET_RA", "TARGET_DEC"]],
    )


def _kind(block: pd.DataFrame) -> np.ndarray:
    """Which of KINDS each row of a block is; one more: a target."""
    conditions = [
        block["OBJTYPE"] == SKY,
        block["OBJTYPE"] != TARGET,
        block["TARGETID"] < 0,
        ~sound(block, LIMITS),
    ]
    return np.select(conditions, range(len(KINDS)), len(KINDS))


def standing(rows: pd.DataFrame) -> np.ndarray:
    """Which rows stand for their target, bool, shape (N,).

    Parameters
    ----------
    rows : DataFrame
        TARGETID, TARGET_RA, TARGET_DEC and the columns of RANK; the index is 0 to N - 1.
    """
    stands = np.ones(len(rows), bool)
    for key in (["TARGETID"], ["TARGET_RA", "TARGET_DEC"]):
        values, again = rows[key[0]].to_numpy(), np.zeros(len(rows), bool)
        order = np.argsort(values)
        again[1:] = np.diff(values[order]) == 0
        # few share an identifier or a right ascension: only those are compared whole
        shared = order[again | np.roll(again, -1)]
        some = rows.iloc[np.sort(shared[stands[shared]])]
        best_first = some.sort_values(list(RANK), ascending=list(RANK.values()), kind="stable")
        stands[best_first.index[best_first.duplicated(key)]] = False
    return stands
