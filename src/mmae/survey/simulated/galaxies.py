"""Spectra of galaxies: old and young stars behind dust of their own, and the gas between them."""

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.interpolate import BSpline
from scipy.ndimage import gaussian_filter1d

from mmae.survey.simulated.bands import REST_WAVE, STEP
from mmae.survey.simulated.templates import (
    NEBULAR_WAVE,
    OLD,
    YOUNG,
    gaussian_lines,
    load_templates,
)

V_WAVE = 5500.0
"""Where A_V and the light of each component are given, Å."""

KNOTS = np.exp(np.linspace(np.log(1800.0), np.log(10_800.0), 12))
"""Å. Between them smooth deviations of a galaxy's spectrum from its templates."""

FORMATION = (4.0, 12.0, 8.0)
"""Of the Dirichlet distribution of the young templates' shares: starburst, disk, after a burst."""

RECENT = (0.02, 0.15)
"""Mean share of stars of a gigayear among old ones, and how much more that is at z = 1."""

DUST, OLD_DUST, BEHIND = 0.2, 0.1, 0.3
"""A_V: scale of that of young stars in a galaxy of M_i = -20, mean of that of old stars, and the
part of the former that old stars are behind as well."""

STEEPNESS = 0.1
"""Scatter of the dust's law."""

SCATTER = 0.008
"""Of the smooth deviations at each knot, ln F_lambda.

These five are such that the colours of real galaxies of the same i, g - z and z scatter as much and
tell redshifts as well (docs/survey.md).
"""

DEEPER = 0.43
"""Absorption lines of young stars beyond the templates', in units of the old stars' lines."""

GAS, GAS_DUST = 0.365, 0.6
"""H-alpha of young stars, relative to the template's, and mean A_V in front of it alone, mag."""

SODIUM = (5894.6, 4.5)
"""Wavelength and sigma of the interstellar Na D doublet at the templates' resolution, Å."""


class Galaxies(NamedTuple):
    """Stars and gas of N galaxies. Components are the old and the young stars, in this order."""

    light: np.ndarray
    """F_lambda of each component at rest 5500 Å without its dust, as observed, shape (N, 2)."""
    mixture: np.ndarray
    """Share of each template in its component at 5500 Å, shape (N, 7)."""
    dust: np.ndarray
    """A_V in front of each component, mag, shape (N, 2)."""
    shape: np.ndarray
    """Of the spectrum, shape (N, 2 + knots): steepness of the dust's law, depth of the old stars'
    absorption lines beyond the template's, and the smooth deviations, ln F_lambda."""
    lines: np.ndarray
    """Flux of each nebular line as observed, shape (N, len(NEBULAR_WAVE))."""
    gas_sigma: np.ndarray
    """Velocity dispersion of the gas, km/s."""


@cache
def _basis(coarse: bool) -> tuple[np.ndarray, np.ndarray]:
    """Templates, shape (7, W), and the exponents that galaxies are deformed by, shape (P, W)."""
    templates = load_templates()
    wave, values = templates.wave, np.vstack([templates.continuum, templates.absorption])
    if coarse:
        pixels = STEP / np.log(wave[1] / wave[0])
        values = gaussian_filter1d(values, pixels / np.sqrt(12), axis=1)
        values = np.array([np.interp(REST_WAVE, wave, v) for v in values])
        wave = REST_WAVE
    x = np.log(wave / V_WAVE)
    # Charlot & Fall 2000, ApJ 539, 718, and how the curve turns with its steepness (Noll et al.
    # 2009, A&A 507, 1793), to first order
    law = -0.4 * np.log(10) * np.exp(-0.7 * x)
    knots = np.log(KNOTS)
    padded = np.r_[[knots[0]] * 3, knots, [knots[-1]] * 3]
    inside = np.clip(np.log(wave), knots[0], knots[-1] - 1e-9)
    smooth = BSpline.design_matrix(inside, padded, 3).toarray().T
    sodium = -gaussian_lines(wave, *(np.array([v]) for v in SODIUM))
    return values[:-1], np.vstack([law, law * x, values[-1:], sodium, smooth])


N_SMOOTH = len(KNOTS) + 2


def components(galaxies: Galaxies, coarse: bool = False) -> np.ndarray:
    """F_lambda of the old and the young stars behind their dust, shape (N, 2, W).

    On the templates' wavelengths, or on REST_WAVE if `coarse`.
    """
    templates, curves = _basis(coarse)
    flux = np.stack(
        [galaxies.mixture[:, which] @ templates[list(which)] for which in (OLD, YOUNG)], axis=1
    )
    steep, depth, smooth = np.split(galaxies.shape, [1, 2], axis=1)
    exponents = np.empty((len(flux), 2, len(curves)))
    exponents[:, :, 0] = galaxies.dust
    exponents[:, :, 1] = -steep * galaxies.dust
    exponents[:, :, 2] = depth + np.array([0, DEEPER])
    exponents[:, :, 3] = 0.4 * galaxies.dust + np.array([0.3, 0.05])
    exponents[:, :, 4:] = smooth[:, None]
    return galaxies.light[:, :, None] * flux * np.exp(exponents @ curves)


def dust_at(wave: np.ndarray, galaxies: Galaxies, component: int) -> np.ndarray:
    """Transmission of the dust in front of a component at rest wavelengths (K,), shape (N, K)."""
    x = np.log(wave / V_WAVE)
    steep = 1 - galaxies.shape[:, :1] * x
    return 10 ** (-0.4 * galaxies.dust[:, [component]] * np.exp(-0.7 * x) * steep)


def draw_stars(
    absolute: np.ndarray, z: np.ndarray, quiescent: np.ndarray, rng: np.random.Generator
) -> Galaxies:
    """Stars of galaxies of an absolute magnitude in i, each component of unit light, no gas yet.

    Parameters
    ----------
    absolute : ndarray, shape (N,), mag
    z : ndarray, shape (N,)
    quiescent : ndarray of bool, shape (N,)
        Have old stars only.
    rng : numpy Generator
    """
    n = len(absolute)
    mixture = np.zeros((n, 7))
    # old stars were younger then
    recent = np.minimum(rng.exponential(RECENT[0] + RECENT[1] * np.minimum(z, 1.5), n), 0.6)
    mixture[:, OLD[:2]] = rng.dirichlet((1, 1), n) * (1 - recent)[:, None]
    mixture[:, OLD[2]] = recent
    mixture[:, YOUNG] = rng.dirichlet(FORMATION, n)
    # ASSUME: young stars of luminous galaxies are behind more dust
    dusty = DUST * np.clip(1 - 0.3 * (absolute + 20), 0.3, 2.0)
    dust = np.c_[rng.exponential(OLD_DUST, n), np.abs(rng.normal(0, dusty))]
    dust[:, 0] += np.where(quiescent, 0, BEHIND * dust[:, 1])
    shape = np.c_[
        rng.normal(0, STEEPNESS, n),
        # more metals in luminous galaxies (Gallazzi et al. 2005, MNRAS 362, 41)
        rng.normal(0.1 - 0.05 * np.clip(absolute + 21, -3, 3), 0.15),
        rng.normal(0, SCATTER, (n, N_SMOOTH)),
    ]
    return Galaxies(
        np.ones((n, 2)) * np.where(quiescent, [[1], [0]], [[1], [1]]).T,
        mixture,
        dust,
        shape,
        np.zeros((n, len(NEBULAR_WAVE))),
        90 * 10 ** (rng.normal(0, 0.12, n) - 0.08 * np.clip(absolute + 20.5, -3, 3)),
    )


def with_gas(
    galaxies: Galaxies, absolute: np.ndarray, z: np.ndarray, rng: np.random.Generator
) -> Galaxies:
    """Give galaxies their emission lines: of star formation, of a weak nucleus or of old stars.

    Star formation follows the abundance sequence of the BPT diagram (Kewley et al. 2013, ApJ 774,
    100, equation 3) with the metals that a galaxy of its luminosity has (N2 of Pettini & Pagel
    2004, MNRAS 348, L59); [O II] after Kewley et al. 2004, AJ 127, 2002.
    """
    n = len(z)
    young = galaxies.light[:, 1] * (galaxies.mixture @ load_templates().h_alpha)
    # more of it in the past (Fumagalli et al. 2012, ApJ 757, L22), in all but the most luminous
    past = ((1 + z) / 1.1) ** (2.2 * np.clip(absolute + 22.0, 0, 1.6))
    h_alpha = GAS * past * young * 10 ** rng.normal(0, 0.2, n)
    metals = 8.87 - 0.11 * (absolute + 20.5) - 0.25 * np.clip(z, 0, 2) + rng.normal(0, 0.12, n)
    n2 = np.clip((metals - 8.90) / 0.57, -2.0, -0.35)
    o3 = 0.61 / (n2 + 0.08) + 1.10 + rng.normal(0, 0.12, n)
    o2 = 0.0 - 0.8 * (metals - 8.5) + rng.normal(0, 0.12, n)
    stars = h_alpha[:, None] * _ratios(10**n2, 10**o3, 10 ** np.clip(o2, -1.0, 0.35), 0.3, 0.03)
    # the gas is behind more dust than the stars (Calzetti et al. 2000, ApJ 533, 682)
    behind = 2.3 * galaxies.dust + rng.exponential(GAS_DUST, (n, 1))
    stars *= dust_at(NEBULAR_WAVE, galaxies._replace(dust=behind), 1)
    # old stars and weak nuclei: LINERs in many, Seyferts in a twentieth of luminous galaxies
    liner = rng.uniform(size=n) < 0.55
    seyfert = rng.uniform(size=n) < np.clip(0.05 - 0.03 * (absolute + 21), 0, 0.1)
    width = np.where(liner, 1.4, 0.1) * 10 ** rng.normal(0, 0.3, n)
    width = np.where(seyfert, 4.0 * 10 ** rng.normal(0, 0.4, n), width)
    o3 = np.where(seyfert, rng.normal(0.75, 0.2, n), rng.normal(0.2, 0.15, n))
    nucleus = (galaxies.light.sum(1) * width)[:, None] * _ratios(
        10 ** rng.normal(0.05, 0.12, n), 10**o3, 10 ** rng.normal(0.0, 0.15, n), 0.5, 0.15
    )
    return galaxies._replace(lines=stars + nucleus)


def draw_untied(n: int, rng: np.random.Generator) -> Galaxies:
    """Galaxies of which stars, gas and metals know nothing of each other, nor of the redshift.

    What is learnt from them is what spectra are made of, and no habit of a sample: wider than the
    sky on purpose, for redshifts of objects of kinds and surveys that were never seen.
    """
    quiescent = rng.uniform(size=n) < 0.35
    absolute, past = rng.normal(-21, 1.2, n), rng.uniform(0, 1.5, n)
    galaxies = draw_stars(absolute, past, quiescent, rng)
    share = np.where(quiescent, 0.0, rng.uniform(0.03, 1.0, n))
    light = np.c_[1 - share, share]
    lines = with_gas(galaxies, absolute, past, rng).lines
    lines *= np.where(quiescent, light[:, 0], light[:, 1])[:, None]
    # of the whole, and of each; none in some
    lines *= 10 ** (rng.normal(0, 0.4, (n, 1)) + rng.normal(0, 0.1, lines.shape))
    lines[rng.uniform(size=n) < 0.2] = 0
    galaxies.shape[:, 1] += rng.normal(0.1, 0.3, n)
    return galaxies._replace(light=light, lines=lines)


def with_narrow_lines(galaxies: Galaxies, light: np.ndarray, rng: np.random.Generator) -> Galaxies:
    """Add the narrow lines of active nuclei of F_lambda `light` at rest 5000 Å, shape (N,).

    ASSUME: [O III] of an equivalent width of 32 Å, scatter 0.35 dex (Shen et al. 2011).
    """
    n = len(light)
    o3 = 10 ** rng.normal(0.95, 0.1, n)
    h_alpha = light * 32.0 * 10 ** rng.normal(0, 0.35, n) * 2.86 / o3
    ratios = _ratios(10 ** rng.normal(-0.1, 0.1, n), o3, 10 ** rng.normal(-0.2, 0.15, n), 0.4, 0.1)
    return galaxies._replace(
        lines=galaxies.lines + h_alpha[:, None] * ratios,
        gas_sigma=np.where(light > 0, np.maximum(galaxies.gas_sigma, 170.0), galaxies.gas_sigma),
    )


def _ratios(n2: np.ndarray, o3: np.ndarray, o2: np.ndarray, s2: float, o1: float) -> np.ndarray:
    """Fluxes of the nebular lines relative to H-alpha, shape (N, len(NEBULAR_WAVE)).

    From [N II] 6585 / H-alpha, [O III] 5008 / H-beta, [O II], [S II], [O I] / H-alpha; Balmer lines
    of case B at 10,000 K (Osterbrock & Ferland 2006), doublets at low density.
    """
    h_beta = np.ones_like(n2) / 2.86
    return np.array(
        [
            *(0.41 * o2, 0.59 * o2, 0.1 * o3 * h_beta, 0.259 * h_beta, 0.468 * h_beta, h_beta),
            *(o3 * h_beta / 2.98, o3 * h_beta, o1 * n2**0, n2 / 2.96, n2**0, n2),
            *(0.57 * s2 * n2**0, 0.43 * s2 * n2**0, 0.03 * n2**0, 0.08 * n2**0, 0.2 * n2**0),
        ]
    ).T
