"""The real spectra, on the pixels that models see, and their halves."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord

from mmae.dataset.spectra import normalise_pooled, pool_by_ivar
from mmae.survey.foreign.reading import read_spectra

REAL = Path(os.environ.get("MMAE_SHARED", "../shared")) / "real" / "spectra"
POOL, PATCH = 30, 8
SAME_ARCSEC = 2.0
"""Spectra that are no farther apart are of one object."""

FILES = {
    "luminous red galaxies": ("eboss_lrg_3650", "eBOSS"),
    "star-forming galaxies": ("sdss_starforming_431", "SDSS"),
    "quasars": ("boss_quasars", "BOSS"),
    "DESI": ("desi_edr_three", "DESI EDR"),
    "VLT": ("fors2_lo_even", "VLT/FORS2"),
    "sky fibres": ("sdss_sky_fibres", "SDSS"),
}
"""File and survey of each set."""
TUNED = ("luminous red galaxies", "star-forming galaxies", "quasars")
"""Sets of which halves are trained on; the others never are."""
SKY = "sky fibres"


class Spectra(NamedTuple):
    """N spectra of one set."""

    flux: np.ndarray
    """(N, 7781), 1e-17 erg / (s cm2 Å) or arbitrary."""
    ivar: np.ndarray
    """(N, 7781); 0 where not covered."""
    redshift: np.ndarray
    """(N,), as published; NaN of sky."""
    half: np.ndarray
    """(N,) 0 or 1; spectra of one object share it."""

    def rows(self, rows: np.ndarray) -> "Spectra":
        """Some of them."""
        return Spectra(*(part[rows] for part in self))

    def pooled(self) -> tuple[np.ndarray, np.ndarray]:
        """Normalised flux and ivar as models see them, (N, 259) float32."""
        return normalise_pooled(*pool_by_ivar(self.flux, self.ivar, POOL))


def read(name: str) -> Spectra:
    """Spectra of a set whose redshift is known, in the order of the file; all of the sky."""
    path = REAL / f"{FILES[name][0]}.npz"
    found = read_spectra(path)
    with np.load(path) as file:
        kept = (found.ivar > 0).any(axis=1)
        if "cls" in file and name == "quasars":
            kept &= file["cls"] == "QSO"
        redshift = np.full(len(kept), np.nan) if name == SKY else file["z"].astype(float)
        kept &= np.isfinite(redshift) | (name == SKY)
        has = "ra" in file and np.isfinite(file["ra"][kept]).all()
        half = np.arange(kept.sum()) % 2
        if has:
            half = _halves(file["ra"][kept], file["dec"][kept])
    return Spectra(found.flux[kept], found.ivar[kept], redshift[kept], half)


def _halves(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Every other object, (N,): spectra of one are on one side."""
    place = SkyCoord(ra, dec, unit=units.deg)
    first, second, _, _ = place.search_around_sky(place, SAME_ARCSEC * units.arcsec)
    leader = np.arange(len(ra))
    np.minimum.at(leader, first, second)
    return np.unique(leader, return_inverse=True)[1] % 2


def hidden_tokens(ivar: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """Patches (N, 32) that are hidden: a share of those with data in half of their pixels or more.

    Parameters
    ----------
    ivar : ndarray, shape (N, 259)
    """
    n = ivar.shape[1] // PATCH
    covered = (ivar[:, : n * PATCH] > 0).reshape(-1, n, PATCH).mean(axis=2) >= 0.5
    order = np.random.default_rng(seed).uniform(size=covered.shape) + 10 * ~covered
    rank = order.argsort(axis=1).argsort(axis=1)
    return (rank < np.round(share * covered.sum(axis=1, keepdims=True))) | ~covered
