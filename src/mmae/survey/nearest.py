"""Nearest neighbours on the sphere."""

import numpy as np
import pandas as pd
from astropy import units
from astropy.coordinates import SkyCoord, match_coordinates_sky

ROUNDING = 1e-14
"""Distances (radians) that differ by no more are equal: 2e-9 arcsec, ten times the error of a right
ascension of 360 degrees."""


def pairs_within(hsc: pd.DataFrame, targets: pd.DataFrame, radius_arcsec: float) -> pd.DataFrame:
    """For each HSC row the nearest DESI target, if it is within the radius.

    Parameters
    ----------
    hsc : DataFrame
        Columns ra, dec (degrees).
    targets : DataFrame
        Columns TARGET_RA, TARGET_DEC (degrees); the index is the row of DESI's catalogue.
    radius_arcsec : float

    Returns
    -------
    DataFrame
        Columns hsc_row, desi_row, separation_arcsec, in HSC's order.
    """
    nearest, separation = nearest_neighbour(
        hsc["ra"], hsc["dec"], targets["TARGET_RA"], targets["TARGET_DEC"]
    )
    pairs = pd.DataFrame(
        {
            "hsc_row": np.arange(len(hsc)),
            "desi_row": targets.index.to_numpy()[nearest],
            "separation_arcsec": separation,
        }
    )
    return pairs[separation <= radius_arcsec]


def nearest_neighbour(
    ra: np.ndarray, dec: np.ndarray, other_ra: np.ndarray, other_dec: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each position the nearest of the others, on the sphere; of equal ones the first.

    Parameters
    ----------
    ra, dec : array, shape (N,), degrees
    other_ra, other_dec : array, shape (M,), degrees

    Returns
    -------
    index : ndarray of int, shape (N,)
    separation : ndarray, shape (N,), arcsec
    """
    here = SkyCoord(np.asarray(ra) * units.deg, np.asarray(dec) * units.deg)
    there = SkyCoord(np.asarray(other_ra) * units.deg, np.asarray(other_dec) * units.deg)
    index, separation, chord = match_coordinates_sky(here, there, storekdtree="tree")
    index, separation = index.copy(), separation.arcsec
    # which of several equal ones a tree finds depends on all the others: take the first instead
    tree, reach = there.cache["tree"], chord.value + ROUNDING
    xyz = here.cartesian.xyz.value.T
    tied = np.flatnonzero(tree.query_ball_point(xyz, reach, return_length=True) > 1)
    if len(tied):
        index[tied] = [min(equal) for equal in tree.query_ball_point(xyz[tied], reach[tied])]
        separation[tied] = there[index[tied]].separation(here[tied]).arcsec
    return index, separation
