"""Real galaxies of HSC PDR2, drawn with the selection that DESI's targets have."""

from importlib.resources import files
from typing import NamedTuple

import numpy as np

QUASAR_MIN_REDSHIFT = 1.6
"""DESI's targets beyond this redshift are quasars (Schlafly et al. 2023, AJ 166, 259)."""

MAX_REDSHIFT = 4.2
"""Of DESI's targets that are simulated; the paper's go to 4.119."""


SATURATED_MAG = 15.6
"""Brighter galaxies than this in i seldom pass HSC's pixel flags."""

BLUE = 0.7
"""How much more of the blue galaxies are taken, a magnitude of g - z."""


class Population(NamedTuple):
    """Galaxies before anything is rendered; each array has shape (N,)."""

    i_mag: np.ndarray
    """AB magnitude in i."""
    g_minus_z: np.ndarray
    """Colour, AB mag."""
    redshift: np.ndarray
    """Spectroscopic redshift."""
    is_quasar: np.ndarray
    """bool."""


def real_sample() -> Population:
    """The 80,000 real HSC galaxies that this package ships (data/README.md tells their origin)."""
    path = files("mmae.survey") / "data" / "hsc_specz_sample.npz"
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        i_mag = archive["i_mag_milli"] * 1e-3
        g_minus_z = archive["g_minus_z_milli"] * 1e-3
        redshift = archive["redshift_e4"] * 1e-4
    return Population(i_mag, g_minus_z, redshift, _is_quasar(i_mag, g_minus_z, redshift))


def _is_quasar(i_mag: np.ndarray, g_minus_z: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Quasars by redshift, or by a blue colour at a luminosity that galaxies do not reach."""
    # ASSUME: i < 22.5 beyond z = 1.6 is a quasar; fainter ones are Lyman-break galaxies
    distant = (redshift > QUASAR_MIN_REDSHIFT) & (i_mag < 22.5)
    luminous = (redshift > 0.8) & (i_mag < 20.5) & (g_minus_z < 1.2)
    return distant | luminous


def desi_weight(population: Population) -> np.ndarray:
    """Relative chance that DESI has observed each galaxy, shape (N,).

    The bright and luminous-red samples fade out near i = 20.5, quasars near i = 22.4. DESI's bright
    sample is limited in r, so that blue galaxies reach fainter in i, and the brightest galaxies are
    saturated in HSC. The result is close to the authors' test set: a median redshift of 0.27
    (theirs: 0.34), a 90th percentile of 1.69 (theirs: 1.65), and i = 20.70 (theirs: 20.635).
    """
    i_mag, z = population.i_mag, population.redshift
    # luminous red galaxies reach fainter than the bright sample
    limit = np.where((z > 0.4) & (population.g_minus_z > 1.8), 20.7, 19.7)
    galaxy = 1 / (1 + np.exp((i_mag - limit) / 0.2)) / (1 + np.exp((SATURATED_MAG - i_mag) / 0.2))
    galaxy *= np.exp(-BLUE * (population.g_minus_z - 1.8) * (z < 0.6))
    # ASSUME: quasars are targeted seven times as completely as the parent catalogue lists them
    quasar = 7 / (1 + np.exp((i_mag - 22.2) / 0.15))
    weight = np.where(population.is_quasar, quasar, galaxy)
    return np.where((z > 0.01) & (z < MAX_REDSHIFT), weight, 0.0)


def draw(n: int, rng: np.random.Generator, *, desi_like: bool) -> Population:
    """Draw galaxies with replacement, each displaced a little (a smoothed bootstrap).

    The sample holds few quasars, most of which are drawn more than once: they are displaced
    further, so that the next quasar drawn tells little of the last.

    Parameters
    ----------
    n : int
    rng : numpy Generator
    desi_like : bool
        Weight by `desi_weight`; otherwise draw from all of HSC's spectroscopic sample.

    Returns
    -------
    Population
        Arrays of shape (n,).
    """
    sample = real_sample()
    weight = desi_weight(sample) if desi_like else (sample.redshift > 0.01).astype(float)
    rows = rng.choice(len(sample.i_mag), size=n, p=weight / weight.sum())
    z, quasar = sample.redshift[rows], sample.is_quasar[rows]
    moved = z + rng.normal(0, np.where(quasar, 0.03, 0.002)) * np.minimum(1 + z, 10 * z)
    return Population(
        i_mag=sample.i_mag[rows] + rng.normal(0, np.where(quasar, 0.15, 0.05)),
        g_minus_z=sample.g_minus_z[rows] + rng.normal(0, np.where(quasar, 0.1, 0.03)),
        redshift=np.where(moved < MAX_REDSHIFT, moved, z),
        is_quasar=quasar,
    )
