"""Sizes and shapes of galaxies: bulge, bar, disk, and the knots along arms and rings."""

from typing import NamedTuple

import numpy as np
from astropy.cosmology import Planck18


class Shapes(NamedTuple):
    """Shapes of N galaxies; what a star has of them is not used."""

    radius: np.ndarray
    """Half-light radius of the whole, about, arcsec."""
    bulge_radius: np.ndarray
    """Half-light radius, arcsec."""
    disk_radius: np.ndarray
    """Half-light radius in i, arcsec."""
    gradient: np.ndarray
    """The disk's radius goes as (wavelength / that of i) ** -gradient."""
    axis_ratio: np.ndarray
    """Of the disk."""
    angle: np.ndarray
    """Position angle, degrees."""
    concentration: np.ndarray
    """Share of the old stars that is in the bulge."""
    bar: np.ndarray
    """Share of the bulge's light that is in a bar."""
    knots: np.ndarray
    """Share of the disk's light in i that is in knots of star formation."""
    tint: np.ndarray
    """That share goes as (wavelength / that of i) ** -tint."""
    arms: np.ndarray
    """Number of spiral arms; 0 without a pattern, -1 for a ring."""
    pitch: np.ndarray
    """Tangent of the arms' pitch angle."""
    offset: np.ndarray
    """How far the knots' centre is from the disk's, in half-light radii."""


def draw_shapes(
    absolute: np.ndarray, z: np.ndarray, quiescent: np.ndarray, rng: np.random.Generator
) -> Shapes:
    """Shapes of galaxies of an absolute magnitude in i.

    Slope, scatter and evolution of the size-luminosity relation follow Shen et al. 2003 (MNRAS 343,
    978) and van der Wel et al. 2014 (ApJ 788, 28), without K corrections; a third of the disks has
    bars (Masters et al. 2011, MNRAS 411, 2026). ASSUME: the rest, held against galaxies that HST
    has seen (docs/survey.md).
    """
    n, z = len(z), np.maximum(z, 0.005)
    kpc = 5.0 * 10 ** (-0.2 * (absolute + 21.8)) * (1 + z) ** -0.7
    kpc = np.clip(kpc * 10 ** rng.normal(0, 0.15, n), 0.4, 15)
    radius = kpc / (Planck18.kpc_proper_per_arcmin(z).value / 60)
    radius = np.clip(radius, 0.05, 4.0)
    forming = ~quiescent
    return Shapes(
        radius=radius,
        bulge_radius=radius * np.where(quiescent, 0.8, 0.5) * 10 ** rng.normal(0, 0.1, n),
        disk_radius=1.2 * radius,
        gradient=rng.normal(0.12, 0.08, n),
        axis_ratio=rng.uniform(0.25, 1.0, n),
        angle=rng.uniform(0, 180, n),
        concentration=np.where(quiescent, rng.beta(5, 1.5, n), rng.uniform(0.0, 0.7, n)),
        bar=np.where(rng.uniform(size=n) < 0.33, rng.uniform(0.3, 0.8, n), 0.0) * forming,
        knots=np.where(forming, rng.beta(2, 3, n), 0.0),
        tint=rng.uniform(0.3, 1.5, n),
        arms=rng.choice([-1, 0, 2, 3, 4], n, p=[0.1, 0.35, 0.4, 0.1, 0.05]),
        pitch=np.tan(np.radians(rng.uniform(8, 30, n))),
        offset=np.abs(rng.normal(0, 0.8, n)),
    )
