"""From a spectrograph's pixels to DESI's: vacuum wavelengths, shared pixels, unknown noise."""

import numpy as np

from mmae.instruments import WAVE_STEP, desi_wave

MIN_COVERED = 0.01
"""Of a pixel; less is how wavelengths were rounded."""
TO_STD = 1.4826 / 2**0.5
"""From the median absolute difference of two neighbours to the standard deviation of one."""
MIN_NOISE = 0.02
"""In units of a spectrum's scatter."""
WINDOW = 100
"""Pixels in which noise is taken to be the same."""
BLOCK = 256
"""Spectra resampled at once."""


def air_to_vacuum(wave: np.ndarray) -> np.ndarray:
    """Vacuum wavelengths of those in standard air, Å.

    Notes
    -----
    Refractive index of Ciddor (1996, Applied Optics 35, 1566), eq. 1, of vacuum wavelengths, which
    are found by iteration: to 1e-9 in three steps.
    """
    vacuum = np.asarray(wave, dtype=float)
    for _ in range(3):
        wave_number = (1e4 / vacuum) ** 2
        index = 5.792105e-2 / (238.0185 - wave_number) + 1.67917e-3 / (57.362 - wave_number)
        vacuum = wave * (1 + index)
    return vacuum


def resample(wave: np.ndarray, flux: np.ndarray, ivar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spectra of one grid of wavelengths, of any step, on DESI's pixels.

    Each pixel gives its flux to those that it shares, with its inverse variance in proportion:
    averaged by ivar over wider pixels, the result is as if the originals had been averaged. Where
    ivar is even, flux is conserved.

    Parameters
    ----------
    wave : ndarray, shape (L,), Å
        Middle of each pixel in vacuum, increasing.
    flux, ivar : ndarray, shape (N, L)
        Finite.

    Returns
    -------
    flux, ivar : ndarray, shape (N, 7781), float64
        Both 0 where nothing is covered. Neighbours that share an original are not independent.
    """
    middle = (wave[1:] + wave[:-1]) / 2
    edges = np.concatenate([[2 * wave[0] - middle[0]], middle, [2 * wave[-1] - middle[-1]]])
    ours = np.append(desi_wave(), desi_wave()[-1] + WAVE_STEP) - WAVE_STEP / 2
    place = np.interp(ours, edges, np.arange(len(edges)))
    left = np.minimum(place.astype(int), len(wave) - 1)

    def shared(values: np.ndarray) -> np.ndarray:
        total = np.pad(values.cumsum(axis=1), ((0, 0), (1, 0)))
        at = total[:, left] + (place - left) * (total[:, left + 1] - total[:, left])
        return np.diff(at, axis=1)

    parts = []
    for start in range(0, len(flux), BLOCK):
        weight = ivar[start : start + BLOCK].astype(float)
        covered = shared((weight > 0) * np.diff(edges)) / WAVE_STEP
        total = np.where(covered < MIN_COVERED, 0, shared(weight))
        weighted = shared(weight * flux[start : start + BLOCK])
        parts.append((np.divide(weighted, total, out=0 * total, where=total > 0), total))
    flux, ivar = (np.concatenate(part) for part in zip(*parts, strict=True))
    return flux, ivar


def estimated_ivar(flux: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Inverse variance of spectra of which none is known, as far as neighbours differ.

    Parameters
    ----------
    flux : ndarray, shape (N, L)
        Finite.
    good : ndarray of bool, shape (N, L)

    Returns
    -------
    ndarray, shape (N, L)
        0 where not good.
    """
    n = flux.shape[1]
    steps = np.abs(np.diff(flux, axis=1, append=0.0))
    steps[~good | ~np.append(good[:, 1:], np.zeros_like(good[:, :1]), axis=1)] = np.nan
    starts = np.arange(0, n, WINDOW)
    ivar = np.zeros(flux.shape)
    for row in np.flatnonzero(np.isfinite(steps).any(axis=1)):
        known = [
            np.median(part[np.isfinite(part)]) if np.isfinite(part).any() else np.nan
            for part in np.split(steps[row], starts[1:])
        ]
        some = np.isfinite(known)
        noise = np.interp(np.arange(n), starts[some] + WINDOW / 2, np.array(known)[some])
        floor = MIN_NOISE * flux[row, good[row]].std()
        noise = np.maximum(TO_STD * noise, floor)
        ivar[row] = np.where(good[row] & (noise > 0), 1 / np.where(noise > 0, noise, 1) ** 2, 0)
    return ivar
