"""What each simulated source is: its spectrum, its magnitudes, its size and shape."""

from functools import cache
from typing import NamedTuple

import numpy as np
from astropy import units
from astropy.cosmology import Planck18
from astropy.modeling.physical_models import BlackBody
from speclite import filters

from mmae.instruments import BANDS
from mmae.survey.simulated.population import Population
from mmae.survey.simulated.quasars import BROAD_LINES, igm_transmission, quasar_flux
from mmae.survey.simulated.templates import N_TEMPLATES, NEBULAR_WAVE, OLD, load_templates

GALAXY, QUASAR, STAR = 0, 1, 2
SPECTYPES = ("GALAXY", "QSO", "STAR")
"""DESI's SPECTYPE of each kind."""

SKY = -1
"""Row of a fibre that is on no source."""

FLUX_UNIT = 1e-17
"""DESI's unit of flux: erg / (s cm2 Å)."""

PIVOT_WAVE = 7730.0
"""Wavelength at which the colour correction leaves the flux as it is (the i band), Å."""

BAND_WAVE = np.array([4844.0, 6259.0, 7730.0, 8912.0, 9787.0])
"""Effective wavelengths of HSC's bands (speclite), Å."""

BLOCK = 4096
"""Galaxies whose mixtures are chosen at a time; bounds the memory."""

_REDSHIFT_GRID = np.concatenate([np.arange(0, 0.2, 0.005), np.arange(0.2, 4.6, 0.02)])


class Sources(NamedTuple):
    """Sources on the sky; the first axis of each array has length N."""

    kind: np.ndarray
    """GALAXY, QUASAR or STAR."""
    redshift: np.ndarray
    mag: np.ndarray
    """True AB magnitudes in g r i z y, shape (N, 5)."""
    coefficient: np.ndarray
    """F_lambda of each template in units of 1e-17 erg / (s cm2 Å), shape (N, 5); quasars and stars
    use the first alone."""
    tilt: np.ndarray
    """Exponent of the colour correction (wave / PIVOT_WAVE) ** tilt."""
    line_strength: np.ndarray
    """Strength of nebular lines (galaxies) or broad lines (quasars) relative to the template,
    shape (N, K)."""
    temperature: np.ndarray
    """Of stars, K."""
    bulge_fraction: np.ndarray
    """Share of the bulge in each band's flux, shape (N, 5)."""
    bulge_radius: np.ndarray
    """Half-light radius, arcsec; 0 for point sources."""
    disk_radius: np.ndarray
    """Half-light radius, arcsec; 0 for point sources."""
    axis_ratio: np.ndarray
    """Of the disk."""
    angle: np.ndarray
    """Position angle, degrees."""
    fibre_fraction: np.ndarray
    """Share of the light that enters DESI's fibre."""


def take(sources: Sources, rows: np.ndarray) -> Sources:
    """The sources at `rows`, in that order."""
    return Sources(*(values[rows] for values in sources))


def make_sources(population: Population, rng: np.random.Generator) -> Sources:
    """Give each real (i, g - z, redshift) a spectrum whose g - z at that redshift is the real one.

    Parameters
    ----------
    population : Population
    rng : numpy Generator

    Returns
    -------
    Sources
        Galaxies and quasars, in the order of the population.
    """
    n, z = len(population.redshift), population.redshift
    maggies = _interpolate(_maggies_table(), z)  # (N, 6, 5)
    share = _mixtures(maggies[:, :N_TEMPLATES], population.g_minus_z, rng)  # (N, 5), of the i flux
    quasar = population.is_quasar
    share[quasar] = np.eye(N_TEMPLATES)[0]
    each = np.where(quasar[:, None, None], maggies[:, [N_TEMPLATES]], maggies[:, :N_TEMPLATES])
    coefficient = share / each[:, :, BANDS.index("i")] * 10 ** (-0.4 * population.i_mag)[:, None]
    bands = coefficient[:, :, None] * each  # (N, 5 templates, 5 bands)

    # what the best mixture leaves of the colour is a change of slope: dust, age, metallicity
    colour = -2.5 * np.log10(bands[:, :, 0].sum(1) / bands[:, :, 3].sum(1))
    tilt = (colour - population.g_minus_z) / (2.5 * np.log10(BAND_WAVE[0] / BAND_WAVE[3]))
    tilt = np.clip(tilt, -4, 4)
    total = bands.sum(1) * (BAND_WAVE / PIVOT_WAVE) ** tilt[:, None]
    radius = _radius_arcsec(population, rng)
    concentration = rng.uniform(0.4, 1.0, n)
    old = bands[:, OLD].sum(1) / bands.sum(1)
    n_lines = max(len(NEBULAR_WAVE), len(BROAD_LINES))
    return Sources(
        kind=np.where(quasar, QUASAR, GALAXY),
        redshift=z,
        mag=-2.5 * np.log10(total),
        coefficient=coefficient,
        tilt=tilt,
        line_strength=np.exp(rng.normal(0, 0.35, (n, 1)) + rng.normal(0, 0.15, (n, n_lines))),
        temperature=np.zeros(n),
        bulge_fraction=np.where(quasar[:, None], 0.0, old * concentration[:, None]),
        bulge_radius=np.where(quasar, 0.0, 0.6 * radius),
        disk_radius=np.where(quasar, 0.0, 1.2 * radius),
        axis_ratio=rng.uniform(0.25, 1.0, n),
        angle=rng.uniform(0, 180, n),
        # a fibre of 1.5 arcsec in seeing of 1.1 arcsec takes three quarters of a point source
        fibre_fraction=0.75 / (1 + np.where(quasar, 0.0, radius) ** 1.2),
    )


def make_stars(n: int, rng: np.random.Generator) -> Sources:
    """Stars as black bodies of 3,500 to 8,000 K, i = 16 to 20.5."""
    temperature = rng.uniform(3500, 8000, n)
    i_mag = rng.uniform(16, 20.5, n)
    wave = np.arange(3000.0, 11_500.0, 5.0)
    maggies = np.array([_ab_maggies(star_flux(wave, t), wave) for t in temperature]).reshape(n, 5)
    scale = 10 ** (-0.4 * i_mag) / maggies[:, BANDS.index("i")]
    point = np.zeros(n)
    return Sources(
        kind=np.full(n, STAR),
        redshift=rng.normal(0, 1e-4, n),
        mag=-2.5 * np.log10(maggies * scale[:, None]),
        coefficient=scale[:, None] * np.eye(N_TEMPLATES)[0],
        tilt=point,
        line_strength=np.ones((n, max(len(NEBULAR_WAVE), len(BROAD_LINES)))),
        temperature=temperature,
        bulge_fraction=np.zeros((n, 5)),
        bulge_radius=point,
        disk_radius=point,
        axis_ratio=np.ones(n),
        angle=point,
        fibre_fraction=np.full(n, 0.75),
    )


def star_flux(wave: np.ndarray, temperature: float) -> np.ndarray:
    """F_lambda of a black body, 1 at PIVOT_WAVE."""
    body = BlackBody(
        temperature * units.K, scale=1 * units.erg / (units.cm**2 * units.s * units.AA * units.sr)
    )
    return (body(wave * units.AA) / body(PIVOT_WAVE * units.AA)).value


def _mixtures(maggies: np.ndarray, colour: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Of 48 random mixtures for each galaxy, the one whose g - z is nearest to the real one.

    `maggies` has shape (N, 5 templates, 5 bands); the result (N, 5) sums to 1 along the templates.
    """
    relative = maggies / maggies[:, :, [BANDS.index("i")]]
    share = np.empty((len(colour), N_TEMPLATES))
    for start in range(0, len(colour), BLOCK):
        rows = slice(start, start + BLOCK)
        n = len(colour[rows])
        candidates = rng.dirichlet(np.full(N_TEMPLATES, 0.5), (n, 48))  # (n, 48, 5)
        g, z = (
            np.einsum("nkt,nt->nk", candidates, relative[rows, :, BANDS.index(b)]) for b in "gz"
        )
        error = np.abs(-2.5 * np.log10(g / z) - colour[rows, None])
        share[rows] = candidates[np.arange(n), np.argmin(error, axis=1)]
    return share


@cache
def _maggies_table() -> np.ndarray:
    """AB maggies of five templates and a quasar on the redshift grid, shape (Z, 6, 5)."""
    templates = load_templates()
    rest = np.vstack([templates.flux, quasar_flux(templates.wave)])
    return np.array([_observed_maggies(templates.wave, rest, z) for z in _REDSHIFT_GRID])


def _observed_maggies(rest_wave: np.ndarray, rest_flux: np.ndarray, z: float) -> np.ndarray:
    """Maggies of rest-frame spectra (S, W) put at redshift z, shape (S, 5)."""
    wave = rest_wave * (1 + z)
    seen = (wave > 3000) & (wave < 11_500)
    return _ab_maggies((rest_flux * igm_transmission(wave, z))[:, seen], wave[seen])


def _ab_maggies(flux: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """AB maggies in HSC's five bands, shape (S, 5); flux in FLUX_UNIT."""
    hsc = filters.load_filters(*(f"hsc2017-{band}" for band in BANDS))
    table = hsc.get_ab_maggies(np.atleast_2d(flux) * FLUX_UNIT, wave)
    return np.array([table[name] for name in hsc.names]).T


def _interpolate(table: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Linear interpolation of the table along its redshift axis."""
    right = np.clip(np.searchsorted(_REDSHIFT_GRID, z), 1, len(_REDSHIFT_GRID) - 1)
    lo, hi = _REDSHIFT_GRID[right - 1], _REDSHIFT_GRID[right]
    weight = ((z - lo) / (hi - lo))[:, None, None]
    return (1 - weight) * table[right - 1] + weight * table[right]


def _radius_arcsec(population: Population, rng: np.random.Generator) -> np.ndarray:
    """Half-light radius on the sky from the luminosity, arcsec, shape (N,).

    The slope, scatter and evolution of the size-luminosity relation follow Shen et al. 2003
    (MNRAS 343, 978) and van der Wel et al. 2014 (ApJ 788, 28), without K corrections.
    """
    z = np.maximum(population.redshift, 0.005)
    absolute = population.i_mag - Planck18.distmod(z).value
    kpc = 4.5 * 10 ** (-0.2 * (absolute + 21.8)) * (1 + z) ** -0.7
    kpc = np.clip(kpc * 10 ** rng.normal(0, 0.15, len(z)), 0.4, 15)
    kpc_per_arcsec = Planck18.kpc_proper_per_arcmin(z).value / 60
    return np.clip(kpc / kpc_per_arcsec, 0.05, 4.0)
