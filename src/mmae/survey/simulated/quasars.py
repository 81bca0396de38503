"""Spectra of quasars and other active nuclei in their rest frame."""

from typing import NamedTuple

import numpy as np

from mmae.instruments import SPEED_OF_LIGHT_KMS

# (wavelength, equivalent width, sigma), all Å: Vanden Berk et al. 2001, AJ 122, 549, table 2, but
# for Ly-alpha, N V, Si IV, C IV, He II, Al III to C III], Mg II, H-beta and H-alpha. Those are as
# in a stack of fainter quasars of BOSS (docs/survey.md): lines are stronger in fainter quasars, and
# the table takes weak ones out of the wings of strong ones beside them. N V is an example: 1.11 Å,
# sigma 2.71 Å there, which leaves the flux at 1240 Å a quarter below that of the stack
BROAD_LINES = np.array(
    [
        *((1033.03, 9.8, 7.8), (1215.67, 105.0, 19.5), (1240.14, 13.0, 11.0), (1305.42, 1.7, 5.4)),
        *((1336.60, 0.7, 3.9), (1398.33, 12.0, 14.3), (1549.06, 52.0, 16.0), (1640.42, 9.0, 15.0)),
        *((1857.40, 2.0, 10.0), (1892.03, 3.0, 10.0), (1908.73, 25.0, 21.0), (2326.44, 0.5, 5.0)),
        *((2798.75, 68.0, 28.0), (4102.89, 6.0, 18.6), (4341.68, 14.0, 20.3), (4687.0, 2.0, 20.0)),
        *((4862.68, 95.0, 38.0), (5877.25, 4.9, 23.5), (6564.61, 300.0, 44.0)),
    ]
)

# (wavelength, equivalent width, sigma), Å: blends of iron lines and the Balmer continuum's edge,
# after the templates of Vestergaard & Wilkes 2001, ApJS 134, 1 and Boroson & Green 1992, ApJS 80,
# 109, and the small blue bump of Grandi 1982, ApJ 255, 25; the first eight are ultraviolet
IRON = np.array(
    [
        *((1785.0, 1.5, 20.0), (2080.0, 6.0, 45.0), (2290.0, 8.0, 60.0), (2400.0, 14.0, 60.0)),
        *((2510.0, 20.0, 60.0), (2630.0, 16.0, 45.0), (2950.0, 24.0, 80.0), (3250.0, 60.0, 180.0)),
        *((3560.0, 35.0, 130.0), (4190.0, 6.0, 45.0), (4460.0, 10.0, 35.0), (4570.0, 55.0, 50.0)),
        *((5190.0, 12.0, 40.0), (5300.0, 34.0, 60.0)),
    ]
)
N_ULTRAVIOLET = 8

ABSORBED = (1239.0, 1394.0, 1549.0)
"""N V, Si IV and C IV, the troughs of broad absorption, Å."""

CONTINUUM_WAVE = 3000.0
"""Where a nucleus' light is given, Å."""


class Nuclei(NamedTuple):
    """Active nuclei of N objects; those without have no light."""

    light: np.ndarray
    """F_lambda of the continuum at rest 3000 Å, as observed."""
    slope: np.ndarray
    """Exponent of F_lambda below and above 5000 Å, shape (N, 2)."""
    lines: np.ndarray
    """Equivalent width of each broad line over the composite's, shape (N, len(BROAD_LINES))."""
    width: np.ndarray
    """Of the broad lines over the composite's."""
    shift: np.ndarray
    """Of the lines of high ionisation to the blue, fraction of the wavelength."""
    iron: np.ndarray
    """Ultraviolet and optical iron over the composite's, shape (N, 2)."""
    dust: np.ndarray
    """A_V in front of the nucleus, mag."""
    absorption: np.ndarray
    """Broad absorption: depth, velocity and width, the latter two in km/s, shape (N, 3)."""


def draw_nuclei(n: int, rng: np.random.Generator) -> Nuclei:
    """Nuclei of unit light, with the scatter of quasars.

    ASSUME: scatter of equivalent widths 0.15 to 0.2 dex and of widths 0.1 dex (Shen et al. 2011,
    ApJS 194, 45); of slopes 0.3 (Richards et al. 2003, AJ 126, 1131); broad absorption in 13%
    (Gibson et al. 2009, ApJ 692, 758).
    """
    common, width = rng.normal(0, 0.15, (n, 1)), 10 ** rng.normal(-0.08, 0.12, n)
    absorbed, spread = rng.uniform(size=n) < 0.13, 10 ** rng.uniform(3.0, 3.6, n)
    return Nuclei(
        light=np.ones(n),
        slope=np.c_[rng.normal(-1.58, 0.3, n), rng.normal(-0.5, 0.3, n)],
        lines=10 ** (common + rng.normal(0, 0.13, (n, len(BROAD_LINES)))),
        width=width,
        shift=np.abs(rng.normal(0, 0.0025, n)),
        # strong iron goes with narrow lines (Boroson & Green 1992)
        iron=10 ** rng.normal(0.06, 0.2, (n, 2)) * width[:, None] ** -0.7,
        dust=rng.exponential(0.06, n) * rng.choice([1, 4], n, p=[0.9, 0.1]),
        absorption=np.c_[
            np.where(absorbed, rng.uniform(0.4, 1.0, n), 0.0),
            1.5 * spread + rng.uniform(0, 16_000, n),
            spread,
        ],
    )


def nucleus_flux(nuclei: Nuclei, wave: np.ndarray) -> np.ndarray:
    """F_lambda of each nucleus at rest wavelengths (W,), shape (N, W)."""
    flux = np.zeros((len(nuclei.light), len(wave)))
    for row in np.flatnonzero(nuclei.light > 0):
        flux[row] = _one(Nuclei(*(part[row] for part in nuclei)), wave)
    return flux


def _one(nucleus: Nuclei, wave: np.ndarray) -> np.ndarray:
    blue, red = nucleus.slope
    x = np.log(wave / CONTINUUM_WAVE)
    bend = np.log(5000.0 / CONTINUUM_WAVE)
    continuum = np.exp(blue * np.minimum(x, bend) + red * np.maximum(x - bend, 0))
    excess = np.zeros_like(wave)
    centre, width, sigma = BROAD_LINES.T
    centre = centre * (1 - nucleus.shift * (centre < 1700))
    sigma = sigma * np.where(sigma > 5, nucleus.width, 1.0)
    # a core and wings
    for share, stretch in ((0.55, 0.6), (0.45, 1.7)):
        _add(excess, wave, centre, sigma * stretch, share * width * nucleus.lines)
    centre, width, sigma = IRON.T
    strength = np.repeat(nucleus.iron, [N_ULTRAVIOLET, len(IRON) - N_ULTRAVIOLET])
    _add(excess, wave, centre, sigma, width * strength)
    flux = nucleus.light * continuum * (1 + excess)
    # dust as in the Small Magellanic Cloud (Hopkins et al. 2004, AJ 128, 1112)
    if nucleus.dust > 0:
        flux *= 10 ** (-0.4 * nucleus.dust * ((wave / 5500.0) ** -1.2))
    depth, velocity, spread = nucleus.absorption
    if depth > 0:
        for line in ABSORBED:
            speed = SPEED_OF_LIGHT_KMS * np.log(line / wave)
            flux *= 1 - depth * np.exp(-(((speed - velocity) / spread) ** 4))
    return flux


def _add(
    flux: np.ndarray, wave: np.ndarray, centre: np.ndarray, sigma: np.ndarray, area: np.ndarray
) -> None:
    """Add Gaussians of the given area, in place, out to five sigma."""
    first = np.searchsorted(wave, centre - 5 * sigma)
    last = np.searchsorted(wave, centre + 5 * sigma)
    for k in np.flatnonzero(last > first):
        near = slice(first[k], last[k])
        height = area[k] / (np.sqrt(2 * np.pi) * sigma[k])
        flux[near] += height * np.exp(-0.5 * ((wave[near] - centre[k]) / sigma[k]) ** 2)
