"""Faults of the real release: bad fibres, lost arms, values that are no numbers, odd second rows.

They come to a survey that is drawn already, from random numbers of their own: what was drawn before
stays as it was.
"""

from typing import Any

import numpy as np
import pandas as pd

from mmae.instruments import ARMS, N_WAVE
from mmae.survey.desi import healpix_of
from mmae.survey.simulated.sources import SKY

BAD_FIBER = (512, 513, 515, 520, 1033, 1)
"""COADD_FIBERSTATUS of bad fibres, as seen in the release: sums of BADPOSITION (512), POORPOSITION
(1024), RESTRICTED (8), STUCKPOSITIONER (2) and UNASSIGNED (1)."""
BAD_AMPLIFIER = {arm.name: 1 << (22 + k) for k, arm in enumerate(ARMS)}
"""COADD_FIBERSTATUS of targets that lost an arm: BADAMPB, BADAMPR, BADAMPZ."""
RESTRICTED, RESTRICTED_FRACTION = 8, 0.02
"""COADD_FIBERSTATUS of a fibre of restricted reach, and how many good targets have such a fibre."""
NO_DATA = 516
"""ZWARN of a spectrum without data: NODATA (512) and SMALL_DELTA_CHI2 (4)."""
OBSERVED, UNPLACED, NON_SKY = (
    39_627_200_000_000_000,
    39_627_300_000_000_000,
    616_000_200_000_000_000,
)
"""First TARGETIDs of the rows that are added."""


def add_faults(
    hsc: pd.DataFrame,
    desi: pd.DataFrame,
    spiked: np.ndarray,
    crowded: np.ndarray,
    count: dict[str, int],
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add the faults to both catalogues.

    Parameters
    ----------
    hsc, desi : DataFrame
        As in Catalogs.
    spiked : ndarray of int
        Rows of `desi` whose spectra have spikes.
    crowded : ndarray of int, shape (K, 2)
        Sources of good galaxies, and of the other HSC source inside the match radius of each.
    count : dict of str to int
        By the name in Faults. There are at most as many of bad_fiber, empty and bad_image together
        as galaxies of hsc_only.
    rng : numpy Generator

    Returns
    -------
    hsc, desi : DataFrame
        With more rows at the end of `desi`, and more columns: bad_image (bool); lost_arm (name of
        the arm, or empty) and bad_pixel (of arm B, or -1).
    """
    hsc, desi = hsc.assign(bad_image=False), desi.assign(lost_arm="", bad_pixel=-1)
    _damage_spectra(desi, spiked, count, rng)
    added = [
        _observe(
            hsc,
            desi,
            [name for name in ("bad_fiber", "empty", "bad_image") for _ in range(count[name])],
        ),
        _displace(hsc, desi, crowded, count["displaced"], rng),
        _without_target(desi, count["unassigned"], rng),
        _without_position(desi, count["no_position"], rng),
    ]
    return hsc, pd.concat([desi, *added], ignore_index=True)


def _damage_spectra(
    desi: pd.DataFrame, spiked: np.ndarray, count: dict[str, int], rng: np.random.Generator
) -> None:
    """Take an arm from some good spectra, and a number from others, in place."""
    good = desi["role"] == "good"
    restricted = good & (rng.random(len(desi)) < RESTRICTED_FRACTION)
    desi.loc[restricted, "COADD_FIBERSTATUS"] = RESTRICTED
    whole = good & (desi["keep_to"] - desi["keep_from"] == N_WAVE) & ~desi.index.isin(spiked)
    lost, sound = np.split(rng.permutation(np.flatnonzero(whole)), [count["lost_arm"]])
    desi.loc[lost, "lost_arm"] = rng.choice([arm.name for arm in ARMS], len(lost))
    desi.loc[lost, "COADD_FIBERSTATUS"] = desi.loc[lost, "lost_arm"].map(BAD_AMPLIFIER)
    half = -(-count["not_finite"] // 2)
    unmatched = np.flatnonzero(desi["role"] == "desi_only")[: count["not_finite"] - half]
    odd = np.concatenate([sound[:half], unmatched])
    desi.loc[odd, "bad_pixel"] = rng.integers(0, ARMS[1].offset, len(odd))


def _observe(hsc: pd.DataFrame, desi: pd.DataFrame, roles: list[str]) -> pd.DataFrame:
    """DESI's rows of galaxies that only HSC had; their roles change, in place."""
    rows = np.flatnonzero(hsc["role"] == "hsc_only")[: len(roles)]
    role = np.array(roles[: len(rows)], dtype=object)
    seen = role == "bad_image"
    hsc.loc[rows, "role"], hsc.loc[rows, "bad_image"] = role, seen
    ours = hsc.loc[rows].reset_index(drop=True)
    return _copies(
        desi,
        np.zeros(len(rows), int),
        role,
        TARGETID=OBSERVED + np.arange(len(rows)),
        SPECTYPE="GALAXY",
        Z=ours["redshift"],
        ZWARN=np.where(seen, 0, NO_DATA),
        TARGET_RA=ours["ra"],
        TARGET_DEC=ours["dec"] + 0.1 / 3600,
        HEALPIX=healpix_of(ours["ra"].to_numpy(), ours["dec"].to_numpy()),
        COADD_FIBERSTATUS=np.where(role == "bad_fiber", np.resize(BAD_FIBER, len(rows)), 0),
        source=ours["source"],
        keep_to=np.where(seen, N_WAVE, 0),
    )


def _displace(
    hsc: pd.DataFrame, desi: pd.DataFrame, crowded: np.ndarray, n: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Second rows of good targets, nearer to HSC's position and with a wrong redshift.

    Half are in crowded places. There the first row moves, in place, towards HSC's other source,
    which is nearer to the first row than to the second then.
    """
    ours, others = (hsc[hsc["role"] == role].set_index("source") for role in ("good", "neighbour"))
    first = pd.Series(
        desi.index[desi["role"] == "good"], desi.loc[desi["role"] == "good", "source"]
    )
    beside = crowded[: n // 2]
    taken = [*crowded[:, 0], *hsc.loc[hsc["role"] == "duplicate", "source"]]
    alone = rng.permutation(np.setdiff1d(ours.index, taken))[: n - len(beside)]
    sources = np.concatenate([beside[:, 0], alone])
    here = ours.loc[sources, ["ra", "dec"]].to_numpy()
    apart = np.zeros_like(here)
    apart[: len(beside)] = others.loc[beside[:, 1], ["ra", "dec"]] - here[: len(beside)]
    rows = first[sources].to_numpy()
    moved = slice(len(beside))
    desi.loc[rows[moved], ["TARGET_RA", "TARGET_DEC"]] = (here + 0.4 * apart)[moved]
    return _copies(
        desi,
        rows,
        "displaced",
        SURVEY="special",
        Z=rng.uniform(0, 1.6, len(rows)),
        ZWARN=4,
        DELTACHI2=rng.uniform(0, 9, len(rows)),
        TARGET_RA=(here - 0.15 * apart)[:, 0],
        TARGET_DEC=(here - 0.15 * apart)[:, 1],
        ZCAT_PRIMARY=False,
    )


def _without_target(desi: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Fibres that no target was given, on galaxies by chance: OBJTYPE is empty or BAD."""
    blank = np.arange(n) % 2 == 0
    return _copies(
        desi,
        rng.choice(np.flatnonzero(desi["role"] == "good"), n),
        "unassigned",
        TARGETID=np.where(blank, -1 - np.arange(n), NON_SKY + np.arange(n)),
        OBJTYPE=np.where(blank, "", "BAD"),
        ZWARN=NO_DATA,
        COADD_FIBERSTATUS=np.resize((1, 515, 1033, 513), n),
        source=SKY,
        keep_to=0,
    )


def _without_position(desi: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Targets whose right ascension is no number."""
    rows, targetid = rng.integers(0, len(desi), n), UNPLACED + np.arange(n)
    return _copies(desi, rows, "no_position", TARGETID=targetid, OBJTYPE="TGT", TARGET_RA=np.nan)


def _copies(desi: pd.DataFrame, rows: np.ndarray, role: Any, **columns: Any) -> pd.DataFrame:
    """Rows of `desi`, whole spectra of a good fibre but for what is given."""
    whole = {"lost_arm": "", "bad_pixel": -1, "COADD_FIBERSTATUS": 0, "keep_from": 0}
    whole |= {"keep_to": N_WAVE, "ZCAT_PRIMARY": True}
    table = desi.iloc[rows].reset_index(drop=True)
    return table.assign(**(whole | {"role": role} | columns))
