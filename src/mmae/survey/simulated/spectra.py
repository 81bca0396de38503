"""DESI spectra: what falls into the fibre, at DESI's resolution, with noise that knows the sky."""

from functools import cache
from typing import NamedTuple

import numpy as np

from mmae.instruments import ARMS, SPEED_OF_LIGHT_KMS, desi_wave, resolving_power
from mmae.survey.simulated.galaxies import components
from mmae.survey.simulated.hydrogen import forest, igm_transmission
from mmae.survey.simulated.quasars import nucleus_flux
from mmae.survey.simulated.sources import PIVOT_WAVE, Sources, take
from mmae.survey.simulated.templates import NEBULAR_WAVE, load_templates


def vacuum_wave(air_wave: np.ndarray) -> np.ndarray:
    """Vacuum wavelength of a wavelength in air, both Å (Ciddor 1996, Appl. Opt. 35, 1566)."""
    squared = (1e4 / air_wave) ** 2
    return air_wave * (1 + 5.792105e-2 / (238.0185 - squared) + 1.67917e-3 / (57.362 - squared))


SKY_LINES = np.array(
    [
        (4358.3, 1.0), (5460.7, 1.0), (5577.3, 12.0), (5891.6, 3.0), (6300.3, 6.0), (6363.8, 2.5),
        (6498.7, 0.8), (6533.0, 1.0), (6553.6, 0.8), (6863.9, 2.5), (6923.2, 2.0), (7276.4, 3.5),
        (7316.3, 3.5), (7340.9, 3.5), (7369.3, 2.0), (7402.0, 1.5), (7524.1, 1.2), (7571.7, 1.5),
        (7716.3, 2.5), (7750.6, 4.5), (7794.1, 5.0), (7821.5, 4.0), (7853.2, 3.5), (7913.7, 5.5),
        (7964.7, 5.0), (7993.3, 4.5), (8025.8, 3.0), (8344.6, 5.0), (8399.2, 6.5), (8430.2, 6.5),
        (8465.4, 5.0), (8493.4, 2.5), (8504.6, 2.0), (8761.6, 3.0), (8767.9, 5.0), (8778.3, 4.0),
        (8827.1, 7.5), (8885.9, 8.0), (8919.6, 7.0), (8943.4, 4.0), (8958.1, 4.0), (8988.4, 4.0),
        (9038.1, 2.5), (9313.4, 5.0), (9376.0, 7.5), (9419.7, 6.0), (9439.7, 7.0), (9476.9, 6.0),
        (9502.8, 3.0), (9521.0, 4.0), (9552.5, 3.5), (9567.6, 3.0), (9620.6, 3.0), (9701.9, 3.5),
        (9719.8, 4.0), (9793.0, 4.0), (9805.0, 4.0),
    ]
)  # fmt: skip
"""Bright night-sky lines: (wavelength in vacuum, Å, noise relative to the continuum's).

Positions after Hanuschik 2003 (A&A 407, 1157), who gives them in air; the strengths are rounded.
"""
SKY_LINES[:, 0] = vacuum_wave(SKY_LINES[:, 0])

EFFECTIVE_SECONDS = {"dark": 1000.0, "bright": 180.0}
"""Exposure of each program, in seconds of nominal dark sky (Schlafly et al. 2023, AJ 166, 259)."""

_CALIBRATION_ERROR = 0.02
"""Noise in proportion to the flux: photon noise and flux calibration together."""

_RESIDUAL_SIGMA = 0.6
"""Amplitude of the residuals that sky subtraction leaves at sky lines, in units of the noise."""

BAD_PIXEL = 2
"""Bit of the mask for a pixel without data."""

BAD_RUNS_PER_ARM = 3.0
"""Mean number of runs of bad pixels in the spectrum of an arm.

ASSUME: after several exposures are coadded few pixels have no data at all.
"""


class ArmSpectra(NamedTuple):
    """Spectra of one arm, as in a coadd file; each array has shape (B, pixels of the arm)."""

    flux: np.ndarray
    """1e-17 erg / (s cm2 Å), float32."""
    ivar: np.ndarray
    """Inverse variance, float32; 0 where the pixel is missing."""
    mask: np.ndarray
    """int32, 0 is good."""


def observe(
    sources: Sources, rows: np.ndarray, seeds: np.ndarray, program: str = "dark"
) -> dict[str, ArmSpectra]:
    """Spectra of sources in the three arms, each from its own seed.

    Parameters
    ----------
    sources : Sources
    rows : ndarray of int, shape (B,)
        Which source each fibre is on; -1 for blank sky.
    seeds : ndarray of int, shape (B,)
    program : str
        Of DESI's, which says how long they are exposed.

    Returns
    -------
    dict of str to ArmSpectra
        By the arm's name.
    """
    spectra = {
        arm.name: ArmSpectra(
            np.empty((len(rows), arm.n_pixels), np.float32),
            np.empty((len(rows), arm.n_pixels), np.float32),
            np.zeros((len(rows), arm.n_pixels), np.int32),
        )
        for arm in ARMS
    }
    sky = sky_noise() * np.sqrt(1000.0 / EFFECTIVE_SECONDS[program])
    for k, (row, seed) in enumerate(zip(rows, seeds, strict=True)):
        rng = np.random.default_rng(seed)
        truth = fibre_flux(sources, row) if row >= 0 else np.zeros_like(sky)
        # exposure time, airmass and moon differ from fibre to fibre
        sigma = np.hypot(sky * np.exp(rng.normal(0, 0.15)), _CALIBRATION_ERROR * truth)
        residual = _sky_residual(rng, sigma)
        for arm in ARMS:
            part = slice(arm.offset, arm.offset + arm.n_pixels)
            noise = rng.normal(0, 1, arm.n_pixels) * sigma[part]
            flux, ivar, _ = spectra[arm.name]
            flux[k] = truth[part] + residual[part] + noise
            ivar[k] = 1 / sigma[part] ** 2
            _mask_bad_pixels(spectra[arm.name], k, rng)
    return spectra


def _mask_bad_pixels(spectra: ArmSpectra, row: int, rng: np.random.Generator) -> None:
    """Mark as missing, in place, runs of one to three pixels: defects and known cosmic rays."""
    flux, ivar, mask = spectra
    for start in rng.integers(0, flux.shape[1], rng.poisson(BAD_RUNS_PER_ARM)):
        run = slice(start, start + rng.integers(1, 4))
        flux[row, run], ivar[row, run], mask[row, run] = 0, 0, BAD_PIXEL


def fibre_flux(sources: Sources, row: int) -> np.ndarray:
    """Noiseless flux of one source in the fibre on the combined grid, 1e-17 erg / (s cm2 Å)."""
    wave, z = desi_wave(), sources.redshift[row]
    one = take(sources, np.array([row]))
    rest = load_templates().wave
    stars = components(one.galaxies)[0].sum(0) + nucleus_flux(one.nuclei, rest)[0]
    flux = np.interp(wave / (1 + z), rest, stars)
    # line fluxes are per rest-frame Å: the profile widens by 1 + z and its height stays
    _add_lines(flux, wave, NEBULAR_WAVE * (1 + z), one.galaxies.lines[0] * (1 + z), one)
    if z > 1.9:
        mean = igm_transmission(wave, z)
        flux *= forest(mean, np.random.default_rng(one.seed[0]))
    return one.fibre_fraction[0] * flux * (wave / PIVOT_WAVE) ** one.tilt[0]


def _add_lines(
    flux: np.ndarray, wave: np.ndarray, centre: np.ndarray, strength: np.ndarray, one: Sources
) -> None:
    """Add the narrow lines of one source's gas, in place."""
    sigma = line_sigma(centre, one.galaxies.gas_sigma[0])
    for c, s, total in zip(centre, sigma, strength, strict=True):
        near = slice(*np.searchsorted(wave, [c - 6 * s, c + 6 * s]))
        profile = np.exp(-0.5 * ((wave[near] - c) / s) ** 2) / (np.sqrt(2 * np.pi) * s)
        flux[near] += total * profile


def line_sigma(wave: np.ndarray, velocity_kms: float) -> np.ndarray:
    """Width of a line at `wave` from the gas and from DESI's resolution, Å."""
    intrinsic = wave * velocity_kms / SPEED_OF_LIGHT_KMS
    instrumental = wave / resolving_power(wave) / 2.355
    return np.hypot(intrinsic, instrumental)


def sky_noise() -> np.ndarray:
    """Noise of 1000 effective seconds on the combined grid, 1e-17 erg / (s cm2 Å) a pixel.

    Of two coadds of DESI's early release (1,250 and 14,160 effective seconds, which agree to 10%),
    between the sky lines.
    """
    wave = desi_wave()
    smooth = np.interp(
        wave,
        [3600, 3620, 3700, 3800, 4000, 4200, 4500, 5000, 5400, 5760, 6000, 6500, 7000, 7400, 7500,
         7550, 7750, 8000, 8500, 9250, 9500, 9824],
        [3.70, 3.18, 1.90, 1.35, 0.87, 0.67, 0.58, 0.42, 0.39, 0.42, 0.35, 0.28, 0.22, 0.22, 0.31,
         0.23, 0.19, 0.18, 0.16, 0.17, 0.23, 0.26],
    )  # fmt: skip
    return smooth * (1 + SKY_LINES[:, 1] @ _sky_line_profiles())


@cache
def _sky_line_profiles() -> np.ndarray:
    """Profile of each sky line at DESI's resolution, of height 1, shape (lines, 7781)."""
    centre = SKY_LINES[:, :1]
    sigma = centre / resolving_power(centre) / 2.355
    return np.exp(-0.5 * ((desi_wave() - centre) / sigma) ** 2)


def _sky_residual(rng: np.random.Generator, sigma: np.ndarray) -> np.ndarray:
    """What sky subtraction leaves: line-shaped, of either sign, beyond the stated noise."""
    height = rng.normal(0, _RESIDUAL_SIGMA, len(SKY_LINES))
    return height @ _sky_line_profiles() * sigma


def lose_pixels(spectra: dict[str, ArmSpectra], keep_from: np.ndarray, keep_to: np.ndarray) -> None:
    """Mark as missing, in place, all pixels of the combined grid outside [keep_from, keep_to).

    Parameters
    ----------
    spectra : dict of str to ArmSpectra
    keep_from, keep_to : ndarray of int, shape (B,)
    """
    for arm in ARMS:
        pixel = arm.offset + np.arange(arm.n_pixels)
        lost = (pixel < keep_from[:, None]) | (pixel >= keep_to[:, None])
        flux, ivar, mask = spectra[arm.name]
        flux[lost], ivar[lost], mask[lost] = 0, 0, BAD_PIXEL


def add_spike(spectra: dict[str, ArmSpectra], row: int, pixel: int, height: float) -> None:
    """Add a spike, in place, in each arm that sees a pixel of the combined grid.

    `height` is in units of the pixel's noise or of the flux there, whichever is larger.
    """
    for arm in ARMS:
        k = pixel - arm.offset
        if 0 <= k < arm.n_pixels:
            flux, ivar, _ = spectra[arm.name]
            if ivar[row, k] > 0:
                scale = max(1 / np.sqrt(ivar[row, k]), abs(flux[row, k]))
                flux[row, k] += height * scale
