"""HSC to DESI by position: nearest within a radius, one to one."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from mmae.errors import InputError
from mmae.files.damage import sound
from mmae.survey.galaxiesml import LIMITS
from mmae.survey.nearby import TARGETS, nearby_targets
from mmae.survey.nearest import nearest_neighbour, pairs_within

MATCH_COLUMNS = (
    *("hsc_row", "desi_row", "object_id", "targetid", "separation_arcsec"),
    *("hsc_redshift", "desi_redshift", "zwarn", "spectype", "zcat_primary"),
    *("coadd_fiberstatus", "survey", "program", "healpix"),
)

MANY = 1_000_000
"""Positions compared at a time, to bound the memory."""


class Match(NamedTuple):
    """What came of a cross-match."""

    matches: pd.DataFrame
    """One row a pair, in HSC's order; columns MATCH_COLUMNS."""
    contested: pd.DataFrame
    """HSC rows that lost their nearest DESI target to a closer HSC row: object_id, targetid,
    separation_arcsec, winner (object_id), winner_separation_arcsec."""
    counts: pd.DataFrame
    """quantity, count: what was and was not matched, on both sides."""


def crossmatch(
    hsc: pd.DataFrame,
    desi: pd.DataFrame | Iterable[pd.DataFrame],
    radius_arcsec: float,
    engine: str = "astropy",
) -> Match:
    """Match HSC's galaxies to DESI's targets.

    Each HSC row takes its nearest DESI target within the radius (equal distances: the first in the
    file). Where several HSC rows want the same target, the closest has it and the others stay
    without (equal distances: the first in the file). A target that DESI lists several times is one
    target (`mmae.survey.nearby.RANK`). Fibres on no target and rows of either side with impossible
    positions or redshifts are left out and counted.

    Parameters
    ----------
    hsc : DataFrame
        Columns object_id, ra, dec (degrees), specz_redshift.
    desi : DataFrame, or iterable of DataFrame
        Columns of zall-pix; or blocks of it, whose index is the row of the catalogue. Memory
        grows with the targets near HSC's galaxies, and by 34 bytes for each of the others.
    radius_arcsec : float
    engine : "astropy" or "lsdb"
        What finds the nearest neighbours. The result is the same.

    Raises
    ------
    InputError
        If a catalogue is empty, nothing matches, or the engine is not installed.
    """
    usable = sound(hsc, LIMITS)
    galaxies = hsc[usable]
    blocks = [desi] if isinstance(desi, pd.DataFrame) else desi
    targets, listed, positions = nearby_targets(galaxies, blocks, radius_arcsec)
    if galaxies.empty or positions.empty:
        raise InputError(
            "crossmatch",
            "one of the catalogues has no rows",
            found=f"{len(galaxies)} HSC rows and {len(positions)} DESI rows on targets",
            expected="galaxies in both",
        )
    near = _pairs(engine)(galaxies, targets, radius_arcsec) if len(targets) else pd.DataFrame()
    if near.empty:
        raise _no_pair(galaxies, positions, radius_arcsec)
    near = near.assign(hsc_row=np.flatnonzero(usable)[near["hsc_row"]])
    winners = near.sort_values(["separation_arcsec", "hsc_row"]).drop_duplicates("desi_row")
    losers = near.drop(winners.index)
    matches = _describe(winners.sort_values("hsc_row"), hsc, targets)
    counts = {
        "HSC rows": len(hsc),
        "HSC rows matched": len(matches),
        "HSC rows with no DESI target within the radius": len(galaxies) - len(near),
        "HSC rows that lost their target to a closer one": len(losers),
        "HSC rows without a possible position or redshift": len(hsc) - len(galaxies),
        **listed,
        "DESI targets matched": len(matches),
        "DESI targets with no HSC row": listed[TARGETS] - len(matches),
    }
    return Match(
        matches,
        _contested(losers, winners, hsc, targets),
        pd.DataFrame({"quantity": counts.keys(), "count": counts.values()}),
    )


def _pairs(engine: str) -> Callable[[pd.DataFrame, pd.DataFrame, float], pd.DataFrame]:
    """What finds the pairs within the radius."""
    if engine == "astropy":
        return pairs_within
    from mmae.survey.nearest_lsdb import pairs_within_lsdb

    return pairs_within_lsdb


def _no_pair(hsc: pd.DataFrame, positions: pd.DataFrame, radius_arcsec: float) -> InputError:
    """The error of two catalogues that have no pair, with how far they are apart."""
    parts = np.array_split(positions.to_numpy(), -(-len(positions) // MANY))
    nearest = min(nearest_neighbour(*part.T, hsc["ra"], hsc["dec"])[1].min() for part in parts)
    return InputError(
        "crossmatch",
        found=f"no pair within {radius_arcsec} arcsec of {len(hsc)} HSC and "
        f"{len(positions)} DESI positions (the nearest is at {nearest:.1f} arcsec)",
        expected="two catalogues of the same sky",
    )


def _describe(pairs: pd.DataFrame, hsc: pd.DataFrame, targets: pd.DataFrame) -> pd.DataFrame:
    """Add to each pair what later steps need to know of it."""
    ours, theirs = hsc.iloc[pairs["hsc_row"]], targets.loc[pairs["desi_row"]]
    columns = {
        "object_id": ours["object_id"],
        "targetid": theirs["TARGETID"],
        "hsc_redshift": ours["specz_redshift"],
        "desi_redshift": theirs["Z"],
        "zwarn": theirs["ZWARN"],
        "spectype": theirs["SPECTYPE"],
        "zcat_primary": theirs["ZCAT_PRIMARY"],
        "coadd_fiberstatus": theirs["COADD_FIBERSTATUS"],
        "survey": theirs["SURVEY"],
        "program": theirs["PROGRAM"],
        "healpix": theirs["HEALPIX"],
    }
    table = pairs.assign(**{name: values.to_numpy() for name, values in columns.items()})
    return table[list(MATCH_COLUMNS)].reset_index(drop=True)


def _contested(
    losers: pd.DataFrame, winners: pd.DataFrame, hsc: pd.DataFrame, targets: pd.DataFrame
) -> pd.DataFrame:
    """Who lost which target to whom, and by how much."""
    both = losers.merge(winners, on="desi_row", suffixes=("", "_winner"))
    object_id = hsc["object_id"].to_numpy()
    return pd.DataFrame(
        {
            "object_id": object_id[both["hsc_row"]],
            "targetid": targets.loc[both["desi_row"], "TARGETID"].to_numpy(),
            "separation_arcsec": both["separation_arcsec"],
            "winner": object_id[both["hsc_row_winner"]],
            "winner_separation_arcsec": both["separation_arcsec_winner"],
        }
    )
