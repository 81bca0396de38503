"""The paper's quality cuts, each a function of the matched pairs (paper section 3).

A cut returns which pairs it removes. Cuts are applied in the order of CUTS, each to what the ones
before it have left.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from mmae.errors import InputError
from mmae.files.damage import check_share
from mmae.settings import Cleaning


def no_spectrum(pairs: pd.DataFrame, settings: Cleaning) -> np.ndarray:
    """Targets whose spectrum could not be had."""
    return ~pairs["available"].to_numpy()


def bad_fibre(pairs: pd.DataFrame, settings: Cleaning) -> np.ndarray:
    """Targets whose fibre was broken, out of place or not to be calibrated in all exposures."""
    bits = sum({1 << bit for bit in settings.bad_fiberstatus_bits})
    return ((pairs["coadd_fiberstatus"] & bits) != 0).to_numpy()


def no_data(pairs: pd.DataFrame, settings: Cleaning) -> np.ndarray:
    """Spectra without a single pixel that has data."""
    return (pairs["missing_fraction"] >= 1).to_numpy()


def not_galaxy_or_quasar(pairs: pd.DataFrame, settings: Cleaning) -> np.ndarray:
    """Targets whose spectrum is not that of a galaxy or a quasar (the paper: stars)."""
    return ~pairs["spectype"].isin(settings.spectypes).to_numpy()


def redshift_warning(pairs: pd.DataFrame, settings: Cleaning) -> np.ndarray:
    """Targets for which DESI's redshift fit gave a warning (ZWARN not 0)."""
    return (pairs["zwarn"] != 0).to_numpy()


def duplicate(pairs: pd.DataFrame, settings: Cleaning) -> np.ndarray:
    """All but one pair of the same TARGETID or the same HSC object.

    The pair of the catalogue's primary observation stays, and among equals the closest pair.
    """
    best_first = pairs.assign(secondary=~pairs["zcat_primary"].astype(bool)).sort_values(
        ["secondary", "separation_arcsec"], kind="stable"
    )
    again = best_first["targetid"].duplicated() | best_first["object_id"].duplicated()
    return again.sort_index().to_numpy()


def inconsistent_redshift(pairs: pd.DataFrame, settings: Cleaning) -> np.ndarray:
    """Pairs whose HSC and DESI redshifts disagree: not the same galaxy, or one is wrong."""
    difference = np.abs(pairs["hsc_redshift"] - pairs["desi_redshift"])
    limit = settings.max_redshift_difference * (1 + pairs["desi_redshift"])
    # written so that a difference that is no number does not stay
    return ~(difference <= limit).to_numpy()


def mostly_missing(pairs: pd.DataFrame, settings: Cleaning) -> np.ndarray:
    """Spectra with more than 80% of their pixels missing."""
    return (pairs["missing_fraction"] > settings.max_missing_fraction).to_numpy()


def damaged_image(pairs: pd.DataFrame, settings: Cleaning) -> np.ndarray:
    """Images with pixels that are no numbers."""
    return pairs["damaged_image"].to_numpy()


Cut = Callable[[pd.DataFrame, Cleaning], np.ndarray]
CUTS: dict[str, Cut] = {
    "no spectrum to be had": no_spectrum,
    "bad fibre": bad_fibre,
    "spectrum without data": no_data,
    "not a galaxy or quasar": not_galaxy_or_quasar,
    "redshift warning": redshift_warning,
    "duplicate": duplicate,
    "inconsistent redshift": inconsistent_redshift,
    "mostly missing spectrum": mostly_missing,
    "damaged image": damaged_image,
}


class Cleaned(NamedTuple):
    """What the cuts left and what they took."""

    kept: pd.DataFrame
    """Pairs that stay, in their order, with the index of the matches."""
    removed: pd.DataFrame
    """targetid, object_id and the cut that took each removed pair."""
    report: pd.DataFrame
    """cut, removed, remaining: one row a cut, the cross-matched sources first."""


def apply_cuts(pairs: pd.DataFrame, settings: Cleaning) -> Cleaned:
    """Apply all cuts in their order.

    Parameters
    ----------
    pairs : DataFrame
        The matches, and of each `available`, `missing_fraction`, `damaged_pixels` (of the spectrum)
        and `damaged_image`.
    settings : Cleaning

    Raises
    ------
    InputError
        If too many have no spectrum or are damaged, or nothing is left.
    """
    _check_shares(pairs, settings)
    kept, removed = pairs, []
    report = [("cross-matched", 0, len(pairs))]
    for name, cut in CUTS.items():
        gone = cut(kept, settings)
        removed.append(kept.loc[gone, ["targetid", "object_id"]].assign(cut=name))
        kept = kept[~gone]
        report.append((name, int(gone.sum()), len(kept)))
    if kept.empty:
        raise InputError("clean", found=f"no pair left of {len(pairs)}", expected="galaxies")
    return Cleaned(
        kept,
        pd.concat(removed, ignore_index=True),
        pd.DataFrame(report, columns=["cut", "removed", "remaining"]),
    )


def _check_shares(pairs: pd.DataFrame, settings: Cleaning) -> None:
    """Raise InputError if more pairs than allowed have no spectrum, or are damaged."""
    damaged = damaged_image(pairs, settings) | (pairs["damaged_pixels"] > 0).to_numpy()
    unavailable = "clean.max_unavailable: the tables beside the groups' spectra say why"
    for bad, limit, name, words in (
        (no_spectrum(pairs, settings), settings.max_unavailable, unavailable, "without a spectrum"),
        (damaged, settings.max_damaged, "clean.max_damaged", "with pixels that are no numbers"),
    ):
        key = f"target {pairs.loc[bad, 'targetid'].iloc[0]}" if bad.any() else None
        check_share("clean", bad.sum(), len(pairs), limit, name, f"pairs {words}", key)


def unpaired(hsc: pd.DataFrame, matches: pd.DataFrame, contested: pd.DataFrame) -> pd.DataFrame:
    """HSC's objects that have no DESI target near, nor lost one to a closer object.

    Parameters
    ----------
    hsc : DataFrame
        HSC's catalogue, all rows.
    matches, contested : DataFrame
        Of the cross-match.

    Returns
    -------
    DataFrame
        hsc_row, object_id.
    """
    alone = np.ones(len(hsc), bool)
    alone[matches["hsc_row"]] = False
    alone &= ~hsc["object_id"].isin(contested["object_id"]).to_numpy()
    rows = np.flatnonzero(alone)
    return pd.DataFrame({"hsc_row": rows, "object_id": hsc["object_id"].to_numpy()[rows]})


def with_notes(report: pd.DataFrame, *notes: str) -> pd.DataFrame:
    """The report, and below it what was counted without removing a pair."""
    remaining = int(report["remaining"].iloc[-1])
    rows = [(note, 0, remaining) for note in notes]
    return pd.concat([report, pd.DataFrame(rows, columns=report.columns)], ignore_index=True)
