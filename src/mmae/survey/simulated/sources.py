"""What each simulated source is: its spectrum, its magnitudes, its size and shape."""

from typing import NamedTuple

import numpy as np
from astropy.cosmology import Planck18

from mmae.instruments import BANDS
from mmae.survey.simulated import bands
from mmae.survey.simulated.galaxies import (
    Galaxies,
    components,
    draw_stars,
    draw_untied,
    with_gas,
    with_narrow_lines,
)
from mmae.survey.simulated.hydrogen import igm_transmission
from mmae.survey.simulated.population import Population
from mmae.survey.simulated.quasars import CONTINUUM_WAVE, Nuclei, draw_nuclei, nucleus_flux
from mmae.survey.simulated.shapes import Shapes, draw_shapes
from mmae.survey.simulated.templates import NEBULAR_WAVE

GALAXY, QUASAR, STAR = 0, 1, 2
SPECTYPES = ("GALAXY", "QSO", "STAR")
"""DESI's SPECTYPE of each kind."""

SKY = -1
"""Row of a fibre that is on no source."""

PIVOT_WAVE = 7730.0
"""Wavelength at which the colour correction leaves the flux as it is (the i band), Å."""

BULGE, DISK, NUCLEUS = 0, 1, 2
"""Components of a source in images; a star is a nucleus alone."""

QUIESCENT, FORMING = 3, 7
"""Candidates without and with young stars that a galaxy's spectrum is chosen from."""

FADING = 1.2
"""Since z = 1, of galaxies of a given mass, mag."""

RED_SCATTER = 0.055
"""Of the colour of old stars beyond what dust and metals make of it, mag."""

BLOCK = 1024
"""Sources that are made at a time; bounds the memory."""

_G, _I, _Z = (BANDS.index(band) for band in "giz")


class Sources(NamedTuple):
    """Sources on the sky; the first axis of each array has length N."""

    kind: np.ndarray
    """GALAXY, QUASAR or STAR."""
    redshift: np.ndarray
    mag: np.ndarray
    """True AB magnitudes in g r i z y, shape (N, 5)."""
    share: np.ndarray
    """Of bulge, disk and nucleus in each band's flux, shape (N, 3, 5)."""
    galaxies: Galaxies
    """Stars and gas; without light for stars."""
    nuclei: Nuclei
    """Active nuclei; without light for most galaxies."""
    tilt: np.ndarray
    """Exponent of the colour correction (observed wave / PIVOT_WAVE) ** tilt."""
    shapes: Shapes
    fibre_fraction: np.ndarray
    """Share of the light that enters DESI's fibre."""
    seed: np.ndarray
    """Of what is drawn later and stays with the source: knots, line of sight."""


def take(sources: NamedTuple, rows: np.ndarray) -> NamedTuple:
    """The sources at `rows`, in that order; also of parts of sources."""
    parts = (take(v, rows) if isinstance(v, tuple) else v[rows] for v in sources)
    return type(sources)(*parts)


def join(several: list) -> NamedTuple:
    """Sources of several sets, one after the other; also of parts of sources."""
    parts = (
        join(list(p)) if isinstance(p[0], tuple) else np.concatenate(p)
        for p in zip(*several, strict=True)
    )
    return type(several[0])(*parts)


def make_sources(population: Population, rng: np.random.Generator) -> Sources:
    """Give each galaxy a spectrum whose g - z at its redshift is the one drawn.

    A quasar has the colour of its spectrum, as an untied object has.

    Parameters
    ----------
    population : Population
    rng : numpy Generator

    Returns
    -------
    Sources
        Galaxies and quasars, in the order of the population.
    """
    starts = range(0, len(population.redshift), BLOCK)
    blocks = (Population(*(p[k : k + BLOCK] for p in population)) for k in starts)
    return join([_make_block(block, rng) for block in blocks])


def _make_block(population: Population, rng: np.random.Generator) -> Sources:
    """Sources of up to BLOCK objects."""
    n, z, quasar = len(population.redshift), population.redshift, population.is_quasar
    distance = Planck18.distmod(np.maximum(z, 0.003)).value
    # ASSUME: hosts of quasars are luminous galaxies (K corrections: one magnitude at z = 1)
    host = rng.normal(-21.9, 0.6, n)
    absolute = np.where(quasar, host, population.i_mag - distance)
    # galaxies of a given mass were brighter in the past
    faded = absolute + np.where(quasar, 0.0, FADING * np.minimum(z, 1.5))
    galaxies = _choose(faded, population.g_minus_z, z, rng)
    stellar = np.where(quasar, 10 ** (-0.4 * (host + distance + z - population.i_mag)), 1.0)
    stellar = np.where(quasar, np.where(z < 2, np.minimum(stellar, 0.6), 0.0), stellar)
    # Seyfert galaxies: a nucleus beside the stars
    active = ~quasar & (rng.uniform(size=n) < ACTIVE)
    stellar = np.where(active, 1 - 10 ** rng.uniform(-1.5, -0.3, n), stellar)
    nuclei = draw_nuclei(n, rng)
    nuclei = nuclei._replace(light=np.where(quasar | active, 1.0, 0.0))
    tilt, untied = np.zeros(n), np.flatnonzero(np.isnan(population.g_minus_z))
    if len(untied):
        free = draw_untied(n, rng)
        for part, ours in zip(galaxies, free, strict=True):
            part[untied] = ours[untied]
        tilt[untied] = rng.normal(0, UNTIED_TILT, len(untied))
        host = np.where(z < 1.2, 0.9 * rng.uniform(size=n) ** 2, stellar)
        stellar[untied] = np.where(quasar, host, stellar)[untied]
    galaxies, nuclei, tilt, maggies = _scaled(population, galaxies, nuclei, stellar, tilt)
    power = np.exp(nuclei.slope[:, 0] * np.log(5000 / CONTINUUM_WAVE))
    galaxies = with_narrow_lines(galaxies, nuclei.light * power, rng)
    old, young, nucleus = np.moveaxis(maggies, 1, 0)
    total = maggies.sum(1)
    quiescent = galaxies.light[:, 1] == 0
    shapes = draw_shapes(absolute, z, quiescent, rng)
    bulge = old * shapes.concentration[:, None]
    share = np.stack([bulge, old - bulge + young, nucleus], axis=1) / total[:, None]
    point = share[:, NUCLEUS, _I]
    return Sources(
        kind=np.where(quasar, QUASAR, GALAXY),
        redshift=z,
        mag=-2.5 * np.log10(total),
        share=share,
        galaxies=galaxies,
        nuclei=nuclei,
        tilt=tilt,
        shapes=shapes,
        # a fibre of 1.5 arcsec in seeing of 1.1 arcsec takes three quarters of a point source
        fibre_fraction=0.75 * (point + (1 - point) / (1 + shapes.radius**1.2)),
        seed=rng.integers(0, 2**62, n),
    )


ACTIVE = 0.02
"""Share of galaxies with a nucleus whose broad lines are seen (Hao et al. 2005, AJ 129, 1783)."""


UNTIED_TILT = 0.6
"""Scatter of the exponent of the colour correction of untied objects."""


def _choose(
    absolute: np.ndarray, colour: np.ndarray, z: np.ndarray, rng: np.random.Generator
) -> Galaxies:
    """Of ten random galaxies each, one chosen by how well it explains the colour g - z.

    Those without young stars must have the colour, within RED_SCATTER; of the others the share of
    young stars is what makes the colour, and its prior favours even shares.
    """
    n, k = len(z), QUIESCENT + FORMING
    of = np.repeat(np.arange(n), k)
    quiescent = np.tile(np.arange(k) < QUIESCENT, n)
    galaxies = draw_stars(absolute[of], z[of], quiescent, rng)
    flux = bands.maggies(components(galaxies, coarse=True), z[of])
    galaxies = with_gas(galaxies, absolute[of], z[of], rng)
    lines = np.stack([galaxies.lines * 0, galaxies.lines], axis=1)
    observed = np.repeat(NEBULAR_WAVE[None] * (1 + z[of, None]), 2, axis=0)
    gas = bands.line_maggies(observed, (lines * (1 + z[of, None, None])).reshape(2 * n * k, -1))
    flux = flux + gas.reshape(n * k, 2, 5)
    scale = np.where(flux[:, :, _I] > 0, flux[:, :, _I], 1.0)
    (og, oz), (yg, yz) = np.moveaxis((flux / scale[:, :, None])[:, :, [_G, _Z]], (1, 2), (0, 1))
    ratio = 10 ** (-0.4 * colour[of])
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (ratio * oz - og) / ((ratio * oz - og) - (ratio * yz - yg))
    share = np.where(quiescent | ~np.isfinite(share), 0.0, np.clip(share, 0.0, 1.0))
    g, r = (1 - share) * og + share * yg, (1 - share) * oz + share * yz
    missed = -2.5 * np.log10(g / r) - colour[of]
    # density of the colour: of old stars a Gaussian, of mixtures that of the share
    steep = np.abs((yg - og) / g - (yz - oz) / r) * 2.5 / np.log(10) + 1e-3
    spread = np.where(quiescent, RED_SCATTER, 0.03)
    inside = ~quiescent & (share > 0.02) & (share < 1)
    density = np.exp(-0.5 * (missed / spread) ** 2) / (np.sqrt(2 * np.pi) * spread)
    density = (
        np.where(
            inside, 6 * share * (1 - share) / steep, np.where(quiescent, density, 0.05 * density)
        )
        + 1e-12
    )
    density /= 1 + np.abs(missed / spread) ** 3
    # ASSUME: half of the galaxies of M_i = -22 form no stars, more of the luminous ones
    old = 1 / (1 + np.exp((absolute[of] - FADING * np.minimum(z[of], 1.5) + 22.0) / 0.7))
    density *= np.where(quiescent, old / QUIESCENT, (1 - old) / FORMING)
    chances = density.reshape(n, k).cumsum(1)
    pick = (chances < rng.uniform(size=(n, 1)) * chances[:, -1:]).sum(1) + np.arange(n) * k
    chosen = Galaxies(*(part[pick] for part in galaxies))
    light = np.c_[1 - share, share][pick] / scale[pick]
    young = np.where(chosen.light[:, 1] > 0, light[:, 1] / light.sum(1), 0.0)
    lines = chosen.lines * np.where(young > 0, light[:, 1], light[:, 0])[:, None]
    return chosen._replace(light=light, lines=lines)


def _scaled(
    population: Population,
    galaxies: Galaxies,
    nuclei: Nuclei,
    stellar: np.ndarray,
    tilt: np.ndarray,
) -> tuple[Galaxies, Nuclei, np.ndarray, np.ndarray]:
    """Scale stars to `stellar` of the i flux, the nucleus to the rest, and tilt to the colour.

    `tilt` is what is begun with; that of quasars and of untied objects stays.

    Returns also the tilt, shape (N,), and AB maggies of old and young stars and nucleus, shape
    (N, 3, 5).
    """
    z, n = population.redshift, len(population.redshift)
    flux = np.concatenate(
        [components(galaxies, coarse=True), nucleus_flux(nuclei, bands.REST_WAVE)[:, None]], axis=1
    )
    wave = bands.observed_wave()
    sky = np.ones((n, 1, len(wave)))
    for row in np.flatnonzero(z > 2):
        sky[row, 0] = igm_transmission(wave, z[row])
    line_wave = NEBULAR_WAVE * (1 + z[:, None])
    target = 10 ** (-0.4 * population.i_mag)
    scale = np.ones((n, 3))
    tied = ~population.is_quasar & np.isfinite(population.g_minus_z)
    for _ in range(4):
        slope = (wave / PIVOT_WAVE) ** tilt[:, None, None]
        maggies = bands.maggies(flux * scale[:, :, None], z, sky * slope)
        lines = galaxies.lines * (1 + z[:, None]) * (line_wave / PIVOT_WAVE) ** tilt[:, None]
        gas = bands.line_maggies(line_wave, lines * scale[:, [0]])
        maggies[:, 1] += np.where(galaxies.light[:, [1]] > 0, gas, 0)
        maggies[:, 0] += np.where(galaxies.light[:, [1]] > 0, 0, gas)
        stars, nucleus = maggies[:, :2, _I].sum(1), maggies[:, 2, _I]
        scale[:, :2] *= (target * stellar / np.maximum(stars, 1e-30))[:, None]
        scale[:, 2] *= target * (1 - stellar) / np.maximum(nucleus, 1e-30)
        total = maggies.sum(1)
        colour = -2.5 * np.log10(total[:, _G] / total[:, _Z])
        # a change of slope: what is left of dust, ages and metals
        step = (colour - population.g_minus_z) / (2.5 * np.log10(4844.0 / 8912.0))
        tilt = np.clip(tilt + np.where(tied, step, 0.0), -4, 4)
    galaxies = galaxies._replace(
        light=galaxies.light * scale[:, :2], lines=galaxies.lines * scale[:, [0]]
    )
    return galaxies, nuclei._replace(light=nuclei.light * scale[:, 2]), tilt, maggies


def true_properties(sources: Sources) -> dict[str, np.ndarray]:
    """What an ideal observer would know of each source, by name: shapes (N,).

    Noiseless magnitudes of the whole and of its components (99 where a component has no light),
    sizes in arcsec, and what kind of object it is.
    """
    flux = 10 ** (-0.4 * sources.mag[:, None]) * np.clip(sources.share, 1e-30, None)
    apart = np.where(sources.share > 1e-6, -2.5 * np.log10(flux), 99.0)
    parts = {"mag": sources.mag} | {
        f"{name}_mag": apart[:, k] for k, name in enumerate(("bulge", "disk", "nucleus"))
    }
    shapes = ("radius", "bulge_radius", "disk_radius", "axis_ratio", "bar", "knots")
    return {
        "redshift": sources.redshift,
        "spectype": np.array(SPECTYPES)[sources.kind],
        "quiescent": (sources.kind == GALAXY) & (sources.galaxies.light[:, 1] == 0),
        **{f"{name}_{b}": mag[:, k] for name, mag in parts.items() for k, b in enumerate(BANDS)},
        **{name: getattr(sources.shapes, name) for name in shapes},
    }


def make_stars(n: int, rng: np.random.Generator) -> Sources:
    """Stars, i = 16 to 20.5: points with a smooth continuum of 3,500 to 8,000 K, about."""
    population = Population(rng.uniform(16, 20.5, n), np.zeros(n), np.zeros(n), np.ones(n, bool))
    sources = make_sources(population, rng)
    smooth = type(sources.nuclei)(*(np.zeros_like(part) for part in sources.nuclei))
    slope = np.c_[rng.uniform(-1.5, 4.0, n), rng.uniform(-2.5, 1.0, n)]
    smooth = smooth._replace(light=np.ones(n), width=np.ones(n), slope=slope)
    galaxies, nuclei, _, maggies = _scaled(
        population, sources.galaxies, smooth, np.zeros(n), np.zeros(n)
    )
    return sources._replace(
        kind=np.full(n, STAR),
        redshift=rng.normal(0, 1e-4, n),
        mag=-2.5 * np.log10(maggies.sum(1)),
        share=np.tile(np.eye(3)[NUCLEUS][:, None], (n, 1, 5)),
        galaxies=galaxies,
        nuclei=nuclei,
        fibre_fraction=np.full(n, 0.75),
    )
