"""Magnitudes of rest-frame spectra in HSC's bands, for many redshifts at once."""

from functools import cache

import numpy as np
from speclite import filters

from mmae.instruments import BANDS

FLUX_UNIT = 1e-17
"""DESI's unit of flux: erg / (s cm2 Å)."""

AB_FLUX = 0.10885
"""F_lambda of AB magnitude 0 times the wavelength squared, erg Å / (s cm2): 3631 Jy times c."""

STEP = 0.0025
"""Step of the grid below in ln(wavelength): 750 km/s."""

REST_WAVE = np.exp(np.arange(np.log(830.0), np.log(11_600.0), STEP))
"""Wavelengths at which rest-frame spectra are sampled for magnitudes, Å, shape (W,)."""

_OBSERVED = (3850.0, 11_200.0)
"""Part of the spectrum that the bands see, Å."""


@cache
def weights() -> np.ndarray:
    """What a flux on `observed_wave` adds to AB maggies in HSC's bands, shape (window, 5)."""
    hsc = filters.load_filters(*(f"hsc2017-{band}" for band in BANDS))
    return weights_of([(curve.wavelength, curve.response) for curve in hsc])


def weights_of(curves: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The same for any filter curves (wavelength, response)."""
    wave = observed_wave()
    seen = np.array([np.interp(wave, *curve, 0, 0) for curve in curves])
    return (seen * wave**2 / seen.sum(1, keepdims=True) * FLUX_UNIT / AB_FLUX).T


def observed_wave() -> np.ndarray:
    """Wavelengths on which `maggies` takes a transmission, Å, shape (window,)."""
    return np.exp(np.arange(*np.log(_OBSERVED), STEP))


def maggies(flux: np.ndarray, z: np.ndarray, transmission: np.ndarray | None = None) -> np.ndarray:
    """AB maggies in HSC's bands of spectra put at their redshifts.

    Parameters
    ----------
    flux : ndarray, shape (N, ..., W)
        On REST_WAVE, in FLUX_UNIT as observed; only the wavelengths move.
    z : ndarray, shape (N,)
    transmission : ndarray, shape (N, window), optional
        Of what is in front of the source, on `observed_wave`.

    Returns
    -------
    ndarray, shape (N, ..., 5)
    """
    weight = weights()
    place = (np.log(_OBSERVED[0] / REST_WAVE[0]) - np.log1p(z)) / STEP
    first = np.floor(place).astype(int)
    after = place - first
    index = first[:, None] + np.arange(len(weight) + 1)
    index = index.reshape(len(z), *(1,) * (flux.ndim - 2), -1)
    seen = np.take_along_axis(flux, np.clip(index, 0, flux.shape[-1] - 1), axis=-1)
    after = after.reshape(len(z), *(1,) * (flux.ndim - 1))
    seen = (1 - after) * seen[..., :-1] + after * seen[..., 1:]
    if transmission is not None:
        seen = seen * transmission
    return seen @ weight


def line_maggies(wave: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """AB maggies that narrow lines add to each band, shape (N, 5).

    Parameters
    ----------
    wave, flux : ndarray, shape (N, K)
        Observed wavelength, Å, and flux of each line, FLUX_UNIT Å.
    """
    place = np.log(wave / _OBSERVED[0]) / STEP
    at = np.array([np.interp(place, np.arange(len(w)), w, 0, 0) for w in weights().T])  # (5, N, K)
    # a line of unit area covers 1 / (wave * STEP) of a pixel's flux density
    return np.einsum("bnk,nk->nb", at, flux / (wave * STEP))
