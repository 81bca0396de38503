"""Which objects DESI and HSC have both seen: smooth densities fitted to real galaxies."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np

DATA = files("mmae.survey") / "data"
POPULATION = DATA / "population.npz"
"""Gaussian mixtures over (i, g - z, ln(1 + z)), fitted by benchmarks/population.py."""

REDSHIFTS = (0.01, 4.2)
"""Of objects that are simulated; the paper's go to 4.119."""


class Population(NamedTuple):
    """Objects before anything is rendered; each array has shape (N,)."""

    i_mag: np.ndarray
    """AB magnitude in i."""
    g_minus_z: np.ndarray
    """Colour, AB mag; NaN of untied objects, which have that of their spectrum."""
    redshift: np.ndarray
    """Spectroscopic redshift."""
    is_quasar: np.ndarray
    """bool."""


def real_sample() -> Population:
    """The 80,000 real HSC galaxies that this package ships (data/README.md tells their origin)."""
    with (DATA / "hsc_specz_sample.npz").open("rb") as stream:
        archive = np.load(stream, allow_pickle=False)
        i_mag = archive["i_mag_milli"] * 1e-3
        g_minus_z = archive["g_minus_z_milli"] * 1e-3
        redshift = archive["redshift_e4"] * 1e-4
    # ASSUME: i < 22.5 beyond z = 1.6 is a quasar; fainter ones are Lyman-break galaxies, and red
    # ones below the redshifts where the Lyman-alpha forest enters g are wrong redshifts
    distant = (redshift > 1.6) & (i_mag < 22.5) & ((g_minus_z < 1.3) | (redshift > 3.0))
    near = (redshift > 0.8) & (i_mag < 20.5) & (g_minus_z < 1.0)
    return Population(i_mag, g_minus_z, redshift, distant | near)


class Mixture(NamedTuple):
    """A Gaussian mixture over (i, g - z, ln(1 + z)) of K components."""

    weight: np.ndarray
    """Shape (K,)."""
    mean: np.ndarray
    """Shape (K, 3)."""
    scale: np.ndarray
    """Lower triangle of each covariance, shape (K, 3, 3)."""

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Independent draws of (i, g - z, z), shape (n, 3)."""
        which = rng.choice(len(self.weight), n, p=self.weight / self.weight.sum())
        values = self.mean[which] + np.einsum(
            "nij,nj->ni", self.scale[which], rng.normal(0, 1, (n, 3))
        )
        values[:, 2] = np.expm1(values[:, 2])
        return values


@cache
def mixtures() -> tuple[dict[str, Mixture], float]:
    """The fitted mixtures by name, and the share of quasars in the matched sample."""
    with POPULATION.open("rb") as stream:
        archive = np.load(stream, allow_pickle=False)
        fitted = {
            name: Mixture(*(archive[f"{name}_{part}"].astype(float) for part in Mixture._fields))
            for name in ("parent", "matched", "matched_quasar", "quasar")
        }
        return fitted, float(archive["quasar_share"])


def _step(value: np.ndarray, width: float) -> np.ndarray:
    """From 0 to 1 where `value` passes 0."""
    return 0.5 * (1 + np.tanh(value / width))


def _bright(i_mag: np.ndarray, colour: np.ndarray, z: np.ndarray) -> np.ndarray:
    """DESI's bright galaxies: r < 20.175, z < 0.6 (Hahn et al. 2023, AJ 165, 253)."""
    return _step(20.175 - i_mag - 0.25 * colour, 0.1) * _step(0.55 - z, 0.05)


def _red(i_mag: np.ndarray, colour: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Luminous red galaxies: constant density at 0.4 < z < 0.85 (Zhou et al. 2023, AJ 165, 58)."""
    old = _step(colour - 2.0 - np.clip(z - 0.3, 0, 0.4), 0.2)
    luminous = _step(18.9 + 4.2 * (z - 0.4) - i_mag, 0.2)
    return old * luminous * _step(z - 0.4, 0.05) * _step(0.95 - z, 0.1)


def _emission(i_mag: np.ndarray, colour: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Emission-line galaxies: g < 24.1, blue, z to 1.6 (Raichoor et al. 2023, AJ 165, 126)."""
    g_mag = i_mag + 0.7 * colour
    blue = _step(1.7 - colour, 0.2) * _step(24.1 - g_mag, 0.1)
    # the parent sample thins out beyond z = 1.2, DESI's does not
    return blue * _step(z - 0.8, 0.1) * _step(1.6 - z, 0.05) * np.clip((z / 1.5) ** 4, 0, 1)


def _all(i_mag: np.ndarray, colour: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.ones_like(z)


TARGETS: dict[str, tuple[str, Callable]] = {
    "matched": ("matched", _all),
    "bgs": ("matched", _bright),
    "lrg": ("parent", _red),
    "elg": ("parent", _emission),
    "qso": ("quasar", _all),
    "parent": ("parent", _all),
    "matched quasar": ("matched_quasar", _all),
}
"""Kinds of objects: the mixture each comes from, and which part of it is taken. `matched` is the
paper's sample, whose quasars come last; the four after it are DESI's target classes; `parent` is
HSC's spectroscopic sample."""


UNTIED = {"any_galaxy": (0.01, 1.7), "any_quasar": (0.05, REDSHIFTS[1])}
"""Kinds whose spectra are tied neither to the redshift, which is uniform in ln(1 + z) between these
ends, nor to how bright they are, i = 17.5 to 22.7: any signal to noise."""


def _draw_untied(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """(i, g - z, z) of untied objects, shape (n, 3)."""
    zeta = rng.uniform(*np.log1p(UNTIED[kind]), n)
    return np.c_[rng.uniform(17.5, 22.7, n), np.full(n, np.nan), np.expm1(zeta)]


def draw(n: int, rng: np.random.Generator, shares: Mapping[str, float]) -> Population:
    """Draw objects independently of each other from the fitted densities.

    Parameters
    ----------
    n : int
    rng : numpy Generator
    shares : mapping of str to float
        Of each kind in TARGETS and UNTIED; they are scaled to add up to 1.

    Returns
    -------
    Population
        Arrays of shape (n,), in random order.
    """
    fitted, quasar_share = mixtures()
    names = [name for name, share in shares.items() if share > 0]
    chosen = rng.choice(names, n, p=np.array([shares[k] for k in names]) / sum(shares.values()))
    chosen = chosen.astype("<U14")
    chosen[(chosen == "matched") & (rng.uniform(size=n) < quasar_share)] = "matched quasar"
    values = np.empty((n, 3))
    for name in TARGETS:
        mixture, weight = TARGETS[name]
        todo = np.flatnonzero(chosen == name)
        while len(todo):
            drawn = fitted[mixture].draw(4 * len(todo) + 100, rng)
            inside = (drawn[:, 2] > REDSHIFTS[0]) & (drawn[:, 2] < REDSHIFTS[1])
            kept = drawn[inside & (rng.uniform(size=len(drawn)) < weight(*drawn.T))][: len(todo)]
            values[todo[: len(kept)]] = kept
            todo = todo[len(kept) :]
    for name in UNTIED:
        own = np.flatnonzero(chosen == name)
        values[own] = _draw_untied(name, len(own), rng)
    quasars = ["qso", "matched quasar", "any_quasar"]
    return Population(*values.T, is_quasar=np.isin(chosen, quasars))
