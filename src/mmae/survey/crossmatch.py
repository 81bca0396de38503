"""HSC to DESI by position: nearest within a radius, one to one."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from astropy import units
from astropy.coordinates import SkyCoord

from mmae.errors import InputError
from mmae.survey.desi import TARGET

MATCH_COLUMNS = (
    *("hsc_row", "desi_row", "object_id", "targetid", "separation_arcsec"),
    *("hsc_redshift", "desi_redshift", "zwarn", "spectype", "zcat_primary"),
    *("survey", "program", "healpix"),
)


class Match(NamedTuple):
    """What came of a cross-match."""

    matches: pd.DataFrame
    """One row a pair, in HSC's order; columns MATCH_COLUMNS."""
    contested: pd.DataFrame
    """HSC rows that lost their nearest DESI target to a closer HSC row: object_id, targetid,
    separation_arcsec, winner (object_id), winner_separation_arcsec."""
    counts: pd.DataFrame
    """quantity, count: what was and was not matched, on both sides."""


def crossmatch(hsc: pd.DataFrame, desi: pd.DataFrame, radius_arcsec: float) -> Match:
    """Match HSC's galaxies to DESI's targets.

    Each HSC row takes its nearest DESI target within the radius. Where several HSC rows want the
    same target, the closest has it and the others stay without (equal distances: the first in the
    file). Fibres on blank sky are no targets. Of several DESI rows at one position (a target
    observed in several programs) the primary one stands for all.

    Parameters
    ----------
    hsc : DataFrame
        Columns object_id, ra, dec (degrees), specz_redshift.
    desi : DataFrame
        Columns of zall-pix.
    radius_arcsec : float

    Raises
    ------
    InputError
        If a catalogue is empty, or nothing matches.
    """
    targets = _distinct_targets(desi)
    if hsc.empty or targets.empty:
        raise InputError("crossmatch", "one of the catalogues has no rows", expected="galaxies")
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
    near = pairs[separation <= radius_arcsec]
    if near.empty:
        raise InputError(
            "crossmatch",
            found=f"no pair within {radius_arcsec} arcsec of {len(hsc)} HSC and {len(targets)} "
            f"DESI positions (the nearest is at {separation.min():.1f} arcsec)",
            expected="two catalogues of the same sky",
        )
    winners = near.sort_values(["separation_arcsec", "hsc_row"]).drop_duplicates("desi_row")
    losers = near.drop(winners.index)
    matches = _describe(winners.sort_values("hsc_row"), hsc, desi)
    counts = {
        "HSC rows": len(hsc),
        "HSC rows matched": len(matches),
        "HSC rows with no DESI target within the radius": len(hsc) - len(near),
        "HSC rows that lost their target to a closer one": len(losers),
        "DESI rows": len(desi),
        "DESI rows matched": len(matches),
        "DESI fibres on blank sky": int((desi["OBJTYPE"] != TARGET).sum()),
        "DESI rows of a target at the same position": int((desi["OBJTYPE"] == TARGET).sum())
        - len(targets),
        "DESI targets with no HSC row": len(targets) - len(matches),
    }
    return Match(
        matches,
        _contested(losers, winners, hsc, desi),
        pd.DataFrame({"quantity": counts.keys(), "count": counts.values()}),
    )


def nearest_neighbour(
    ra: np.ndarray, dec: np.ndarray, other_ra: np.ndarray, other_dec: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each position the nearest of the others, on the sphere.

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
    index, separation, _ = here.match_to_catalog_sky(there)
    return index, separation.arcsec


def _distinct_targets(desi: pd.DataFrame) -> pd.DataFrame:
    """DESI's targets, one row a position: the primary one, else the first in the file."""
    targets = desi[desi["OBJTYPE"] == TARGET]
    order = targets.sort_values("ZCAT_PRIMARY", ascending=False, kind="stable")
    return order.drop_duplicates(["TARGET_RA", "TARGET_DEC"]).sort_index()


def _describe(pairs: pd.DataFrame, hsc: pd.DataFrame, desi: pd.DataFrame) -> pd.DataFrame:
    """Add to each pair what later steps need to know of it."""
    ours, theirs = hsc.iloc[pairs["hsc_row"]], desi.iloc[pairs["desi_row"]]
    columns = {
        "object_id": ours["object_id"],
        "targetid": theirs["TARGETID"],
        "hsc_redshift": ours["specz_redshift"],
        "desi_redshift": theirs["Z"],
        "zwarn": theirs["ZWARN"],
        "spectype": theirs["SPECTYPE"],
        "zcat_primary": theirs["ZCAT_PRIMARY"],
        "survey": theirs["SURVEY"],
        "program": theirs["PROGRAM"],
        "healpix": theirs["HEALPIX"],
    }
    table = pairs.assign(**{name: values.to_numpy() for name, values in columns.items()})
    return table[list(MATCH_COLUMNS)].reset_index(drop=True)


def _contested(
    losers: pd.DataFrame, winners: pd.DataFrame, hsc: pd.DataFrame, desi: pd.DataFrame
) -> pd.DataFrame:
    """Who lost which target to whom, and by how much."""
    both = losers.merge(winners, on="desi_row", suffixes=("", "_winner"))
    object_id = hsc["object_id"].to_numpy()
    return pd.DataFrame(
        {
            "object_id": object_id[both["hsc_row"]],
            "targetid": desi["TARGETID"].to_numpy()[both["desi_row"]],
            "separation_arcsec": both["separation_arcsec"],
            "winner": object_id[both["hsc_row_winner"]],
            "winner_separation_arcsec": both["separation_arcsec_winner"],
        }
    )
