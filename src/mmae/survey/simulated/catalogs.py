"""Who is listed where: HSC's and DESI's catalogues, their faults, and the truth behind them."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from astropy import units
from astropy.coordinates import SkyCoord

from mmae.instruments import N_WAVE
from mmae.settings import Faults
from mmae.survey.desi import healpix_of
from mmae.survey.simulated.faults import add_faults
from mmae.survey.simulated.population import Population, draw
from mmae.survey.simulated.sources import (
    QUASAR,
    SKY,
    SPECTYPES,
    Sources,
    join,
    make_sources,
    make_stars,
)

TARGETS_PER_SQUARE_DEGREE = 1200.0
POSITION_SCATTER_ARCSEC = 0.1
MAX_SCATTER_ARCSEC = 0.25
DUPLICATE_OFFSET_ARCSEC = 0.6
MIN_DISTANCE_ARCSEC = 5.0
"""Between independent sources, so that no match happens by chance."""


class Catalogs(NamedTuple):
    """The embedded survey before rendering."""

    sources: Sources
    hsc: pd.DataFrame
    """One row an HSC object: object_id, source, role, ra, dec, dx, dy (arcsec), redshift,
    bad_image."""
    desi: pd.DataFrame
    """One row a DESI spectrum: zall-pix's columns, source, role, keep_from, keep_to (pixels),
    lost_arm, bad_pixel."""
    artefacts: pd.DataFrame
    """One row a bad pixel: desi_row, pixel (of the combined grid), height (in sigma)."""


def plant(
    n_good: int, faults: Faults, shares: dict[str, float], rng: np.random.Generator
) -> Catalogs:
    """Draw a survey of which cleaning must leave exactly `n_good` galaxies.

    Parameters
    ----------
    n_good : int
    faults : Faults
        Fractions of n_good.
    shares : dict of str to float
        Of each kind of object (`population.TARGETS`).
    rng : numpy Generator

    Returns
    -------
    Catalogs
        Rows of both catalogues are shuffled, but for the last ones of DESI's. `role` says what each
        row is: good, star, zwarn, duplicate, inconsistent, missing, neighbour, hsc_only, repeat,
        desi_only, sky, bad_fiber, empty, bad_image, displaced, unassigned or no_position.
    """
    count = {name: _count(n_good, getattr(faults, name)) for name in Faults.__dataclass_fields__}
    role, sources = _draw_sources(n_good, count, shares, rng)
    ra, dec = _positions(len(role), rng)
    hsc = _base_hsc(role, sources, ra, dec, rng)
    desi = _base_desi(role, sources, ra, dec, rng)

    good = np.flatnonzero(role == "good")
    chosen = rng.permutation(good)
    twice = chosen[: count["duplicate"]]
    repeated = chosen[len(twice) : len(twice) + count["repeat"]]
    crowded = chosen[-count["neighbour"] :] if count["neighbour"] else chosen[:0]
    hsc = pd.concat(
        [hsc, _second_listing(hsc, twice), _neighbours(hsc, desi, role, crowded, rng)],
        ignore_index=True,
    )
    desi = pd.concat(
        [
            desi,
            _second_observation(desi, twice, "duplicate", DUPLICATE_OFFSET_ARCSEC),
            _second_observation(desi, repeated, "repeat", 0.0),
            _sky_fibres(count["sky_fibre"], ra, dec, rng),
        ],
        ignore_index=True,
    )
    hsc["object_id"] = 36_400_000_000_000_000 + rng.choice(10**9, len(hsc), replace=False)
    again, desi_again = hsc["role"] == "duplicate", desi["role"] == "duplicate"
    hsc.loc[again, "object_id"] = _of_sources(hsc[~again], twice)["object_id"].to_numpy()
    desi.loc[desi_again, "TARGETID"] += 10**11
    desi["HEALPIX"] = healpix_of(desi["TARGET_RA"].to_numpy(), desi["TARGET_DEC"].to_numpy())
    hsc = hsc.iloc[rng.permutation(len(hsc))].reset_index(drop=True)
    desi = desi.iloc[rng.permutation(len(desi))].reset_index(drop=True)
    _lose_pixels(desi, rng)
    artefacts = _artefacts(desi, count["artefact"], rng)
    spiked, pairs = artefacts["desi_row"].unique(), np.flatnonzero(role == "neighbour")
    hsc, desi = add_faults(
        hsc, desi, spiked, np.column_stack([crowded, pairs]), count, rng.spawn(1)[0]
    )
    return Catalogs(sources, hsc, desi, artefacts)


def _count(n: int, fraction: float) -> int:
    """A fraction of n, and at least one where any are asked for."""
    return max(1, round(fraction * n)) if fraction > 0 else 0


def _draw_sources(
    n_good: int, count: dict[str, int], shares: dict[str, float], rng: np.random.Generator
) -> tuple[np.ndarray, Sources]:
    """Role of each source, and the sources."""
    bright = {"good": n_good} | {
        name: count[name] for name in ("zwarn", "inconsistent", "missing", "desi_only")
    }
    wide = {name: count[name] for name in ("hsc_only", "neighbour")}
    populations = [
        draw(sum(bright.values()), rng, shares),
        draw(sum(wide.values()), rng, {"parent": 1.0}),
    ]
    galaxies = make_sources(Population(*map(np.concatenate, zip(*populations, strict=True))), rng)
    stars = make_stars(count["star"], rng)
    sources = join([galaxies, stars])
    names = [*bright, *wide, "star"]
    return np.repeat(names, [*bright.values(), *wide.values(), count["star"]]), sources


def _positions(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positions in an equatorial strip like HSC's Wide fields, degrees; none near another."""
    height = 2.0
    width = max(n / TARGETS_PER_SQUARE_DEGREE / height, 0.2)
    ra, dec = np.empty(n), np.empty(n)
    todo = np.arange(n)
    while len(todo):
        ra[todo] = 150.0 + rng.uniform(0, width, len(todo))
        dec[todo] = rng.uniform(0.0, height, len(todo))
        sky = SkyCoord(ra, dec, unit="deg")
        first, second, _, _ = sky.search_around_sky(sky, MIN_DISTANCE_ARCSEC * units.arcsec)
        todo = np.unique(first[first > second])
    return ra, dec


def _base_hsc(
    role: np.ndarray, sources: Sources, ra: np.ndarray, dec: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    """HSC's rows of all sources that HSC lists."""
    listed = np.flatnonzero(~np.isin(role, ["desi_only", "neighbour"]))
    z = sources.redshift[listed]
    error = 5e-4 * (1 + z)
    redshift = z + rng.normal(0, 1, len(z)) * error
    wrong = role[listed] == "inconsistent"
    # a line taken for another one: [O III] or H-alpha for [O II], or the reverse
    mistaken = rng.choice([3728.48 / 5008.24, 3728.48 / 6564.61, 5008.24 / 3728.48], len(z))
    redshift = np.where(wrong, (1 + z) * mistaken - 1, redshift)
    redshift = np.where(wrong & (redshift < 0.01), (1 + z) * 6564.61 / 3728.48 - 1, redshift)
    return pd.DataFrame(
        {
            "source": listed,
            "role": role[listed],
            "ra": ra[listed],
            "dec": dec[listed],
            "dx": 0.0,
            "dy": 0.0,
            "redshift": redshift,
            "redshift_error": error,
        }
    )


def _base_desi(
    role: np.ndarray, sources: Sources, ra: np.ndarray, dec: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    """DESI's rows of all sources that DESI observed."""
    seen = np.flatnonzero(~np.isin(role, ["hsc_only", "neighbour"]))
    n, z = len(seen), sources.redshift[seen]
    scatter = rng.normal(0, POSITION_SCATTER_ARCSEC, (n, 2))
    length = np.hypot(*scatter.T)
    scatter *= (np.minimum(length, MAX_SCATTER_ARCSEC) / length)[:, None]
    faint = (sources.kind[seen] == QUASAR) | (sources.mag[seen, 2] > 19.5)
    warned = role[seen] == "zwarn"
    return pd.DataFrame(
        {
            "TARGETID": 39_627_000_000_000_000 + rng.choice(10**11, n, replace=False),
            "SURVEY": np.where(rng.uniform(size=n) < 0.08, "sv3", "main"),
            "PROGRAM": np.where(faint, "dark", "bright"),
            "Z": z + rng.normal(0, 5e-5, n) * (1 + z),
            "ZERR": 5e-5 * (1 + z),
            "ZWARN": np.where(warned, rng.choice([4, 4, 4, 5, 1024], n), 0),
            "SPECTYPE": np.array(SPECTYPES)[sources.kind[seen]],
            "DELTACHI2": np.where(warned, rng.uniform(0, 9, n), 10 ** rng.uniform(1.5, 4, n)),
            "TARGET_RA": ra[seen] + scatter[:, 0] / 3600 / np.cos(np.radians(dec[seen])),
            "TARGET_DEC": dec[seen] + scatter[:, 1] / 3600,
            "OBJTYPE": "TGT",
            "COADD_FIBERSTATUS": 0,
            "ZCAT_PRIMARY": True,
            "source": seen,
            "role": role[seen],
        }
    )


def _of_sources(table: pd.DataFrame, sources: np.ndarray) -> pd.DataFrame:
    """Rows of the given sources, in their order."""
    return table.set_index("source").loc[sources].reset_index()


def _second_listing(hsc: pd.DataFrame, twice: np.ndarray) -> pd.DataFrame:
    """The same sources once more in HSC, 0.6 arcsec further north."""
    rows = _of_sources(hsc, twice)
    rows["dec"] += DUPLICATE_OFFSET_ARCSEC / 3600
    rows["dy"] -= DUPLICATE_OFFSET_ARCSEC
    return rows.assign(role="duplicate")


def _second_observation(
    desi: pd.DataFrame, again: np.ndarray, role: str, north_arcsec: float
) -> pd.DataFrame:
    """The same targets once more in DESI, in the other program."""
    rows = _of_sources(desi, again)
    rows["TARGET_DEC"] += north_arcsec / 3600
    rows["PROGRAM"] = np.where(rows["PROGRAM"] == "dark", "bright", "dark")
    return rows.assign(role=role, ZCAT_PRIMARY=False)


def _neighbours(
    hsc: pd.DataFrame,
    desi: pd.DataFrame,
    role: np.ndarray,
    crowded: np.ndarray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """A second HSC source inside the match radius, on the far side of the DESI position."""
    rows, target = _of_sources(hsc, crowded), _of_sources(desi, crowded)
    east = (target["TARGET_RA"] - rows["ra"]) * np.cos(np.radians(rows["dec"]))
    north = target["TARGET_DEC"] - rows["dec"]
    away = rng.uniform(0.45, 0.7, len(rows)) / 3600 / np.hypot(east, north)
    rows["ra"] -= away * east / np.cos(np.radians(rows["dec"]))
    rows["dec"] -= away * north
    return rows.assign(source=np.flatnonzero(role == "neighbour"), role="neighbour")


def _sky_fibres(n: int, ra: np.ndarray, dec: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Fibres on blank sky: redrock fits noise and says so."""
    return pd.DataFrame(
        {
            "TARGETID": 616_000_000_000_000_000 + rng.choice(10**11, n, replace=False),
            "SURVEY": "main",
            "PROGRAM": rng.choice(["dark", "bright"], n),
            "Z": rng.uniform(0, 1.6, n),
            "ZERR": 1e-3,
            "ZWARN": 4,
            "SPECTYPE": "GALAXY",
            "DELTACHI2": rng.uniform(0, 5, n),
            "TARGET_RA": rng.uniform(ra.min(), ra.max(), n),
            "TARGET_DEC": rng.uniform(dec.min(), dec.max(), n),
            "OBJTYPE": "SKY",
            "COADD_FIBERSTATUS": 0,
            "ZCAT_PRIMARY": True,
            "source": SKY,
            "role": "sky",
        }
    )


def _lose_pixels(desi: pd.DataFrame, rng: np.random.Generator) -> None:
    """Add which pixels each spectrum keeps: nearly all, some, or (role missing) few."""
    n = len(desi)
    kept = np.where(rng.uniform(size=n) < 0.03, rng.uniform(0.4, 0.8, n), 1.0)
    kept = np.where(desi["role"] == "missing", rng.uniform(0.05, 0.15, n), kept)
    width = np.round(kept * N_WAVE).astype(int)
    desi["keep_from"] = np.round(rng.uniform(size=n) * (N_WAVE - width)).astype(int)
    desi["keep_to"] = desi["keep_from"] + width


def _artefacts(desi: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Spikes of one or two pixels in `n` good spectra."""
    whole = (desi["role"] == "good") & (desi["keep_to"] - desi["keep_from"] == N_WAVE)
    rows = rng.choice(np.flatnonzero(whole), min(n, int(whole.sum())), replace=False)
    bad = []
    for row in np.sort(rows):
        # far enough apart to be seen as single spikes
        slots = rng.choice(N_WAVE // 20 - 1, rng.integers(1, 7), replace=False)
        for pixel in np.sort(slots * 20 + rng.integers(0, 18, len(slots))):
            height = rng.choice([-1, 1]) * 10 ** rng.uniform(1.6, 2.8)
            bad += [(row, pixel + k, height) for k in range(rng.integers(1, 3))]
    return pd.DataFrame(bad, columns=["desi_row", "pixel", "height"])
