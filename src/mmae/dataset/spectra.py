"""Spectra: artefacts removed, normalised, pooled (paper sections 3 and 4)."""

import numpy as np
from scipy.ndimage import median_filter

from mmae.instruments import ARMS, N_WAVE

EDGE_SPIKE = 100.0
"""Normalised first and last pixels beyond this are replaced (authors' code, galaxy_loader.py)."""


MAX_SNR = 20.0
"""Of a pooled pixel, beyond which its weight in the normalisation does not grow."""
MAX_FLUX = 30.0
"""Normalised flux; quasars' lines reach 20."""


def find_artefacts(flux: np.ndarray, ivar: np.ndarray, sigma: float) -> np.ndarray:
    """Spikes sharper than the spectrograph's resolution.

    A real line is at least two pixels wide at half its height (0.8 Å pixels, R of 2000 to 5500),
    so that its shoulders stand at a good part of its peak. A cosmic ray or a hot pixel fills one
    or two pixels and leaves its shoulders at the level of the spectrum. A missing pixel beside it
    counts as one of the two; a shoulder that is missing is taken to be high.

    Parameters
    ----------
    flux, ivar : ndarray, shape (B, L)
    sigma : float
        Smallest height above or below the spectrum, in units of the pixel's noise.

    Returns
    -------
    ndarray of bool, shape (B, L)
    """
    missing = ivar <= 0
    # mirrored ends: repeating the last pixel would make a spike there its own level
    level = median_filter(_bridged(flux, missing), size=(1, 11), mode="mirror")
    height = (flux - level) * np.sqrt(np.where(missing, 0, ivar))
    found = np.zeros(flux.shape, dtype=bool)
    for sign in (1.0, -1.0):
        # a missing pixel is a high shoulder; beyond the ends there is nothing
        up = np.pad(np.where(missing, np.inf, sign * height), ((0, 0), (2, 2)))
        middle, left, right = up[:, 2:-2], up[:, 1:-3], up[:, 3:-1]
        left2, right2 = up[:, :-4], up[:, 4:]
        one = _stands_alone(middle, np.maximum(left, right), sigma)
        pair_right = _stands_alone(np.minimum(middle, right), np.maximum(left, right2), sigma)
        pair_left = _stands_alone(np.minimum(middle, left), np.maximum(right, left2), sigma)
        found |= one | pair_right | pair_left
    return found & ~missing


def _bridged(flux: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """The flux with missing pixels interpolated, for a level that they do not pull."""
    bridged, pixel = flux.copy(), np.arange(flux.shape[1])
    for row in np.flatnonzero(missing.any(axis=1) & ~missing.all(axis=1)):
        good = ~missing[row]
        bridged[row, missing[row]] = np.interp(pixel[missing[row]], pixel[good], flux[row, good])
    return bridged


def _stands_alone(peak: np.ndarray, shoulder: np.ndarray, sigma: float) -> np.ndarray:
    """High peaks whose shoulders are below a quarter of their height."""
    # noise of the shoulders is 1 in these units; lines keep 0.3 or more of their peak there
    return (peak > sigma) & (shoulder < np.maximum(0.25 * peak, 3.0))


def replace_artefacts(
    flux: np.ndarray, ivar: np.ndarray, sigma: float
) -> tuple[np.ndarray, np.ndarray]:
    """Replace artefacts by the spectrum's median flux (paper section 3).

    Returns
    -------
    flux : ndarray, shape (B, L)
        A copy.
    n_replaced : ndarray of int, shape (B,)
    """
    artefact = find_artefacts(flux, ivar, sigma)
    good = np.where((ivar > 0) & ~artefact, flux, np.nan)
    clean = flux.copy()
    for row in np.flatnonzero(artefact.any(axis=1)):
        clean[row, artefact[row]] = np.nanmedian(good[row])
    return clean, artefact.sum(axis=1)


def missing_fraction(ivar: np.ndarray) -> np.ndarray:
    """Fraction of pixels without data, shape (B,)."""
    return np.mean(ivar <= 0, axis=1)


def lost_arm(ivar: np.ndarray) -> np.ndarray:
    """Whether one of DESI's arms has no data where no other arm sees, bool, shape (B,).

    Parameters
    ----------
    ivar : ndarray, shape (B, 7781)
        Of combined spectra.
    """
    starts = [arm.offset for arm in ARMS]
    ends = [arm.offset + arm.n_pixels for arm in ARMS]
    alone = zip([0, *ends[:-1]], [*starts[1:], N_WAVE], strict=True)
    return np.any([(ivar[:, start:end] <= 0).all(axis=1) for start, end in alone], axis=0)


def normalise(flux: np.ndarray, ivar: np.ndarray) -> np.ndarray:
    """Subtract the ivar-weighted mean and divide by the ivar-weighted rms of valid pixels.

    Valid pixels have ivar > 0 and a flux that is not 0; all others become 0. The first and the last
    pixel become the median of the valid ones where they exceed 100. A spectrum without valid pixels
    is all zeros.

    Parameters
    ----------
    flux, ivar : ndarray, shape (B, L)

    Returns
    -------
    ndarray, shape (B, L), float32, dimensionless

    Notes
    -----
    Source: paper section 4; authors' code, galaxy_loader.py. Sums are in float64.
    """
    valid = (ivar > 0) & (flux != 0)
    flux = np.asarray(flux, dtype=np.float64)
    weight = np.where(valid, ivar, 0.0).astype(np.float64)
    total = weight.sum(axis=1, keepdims=True)
    total[total == 0] = 1.0
    centred = flux - (weight * flux).sum(axis=1, keepdims=True) / total
    rms = np.sqrt((weight * centred**2).sum(axis=1, keepdims=True) / total)
    rms[rms == 0] = 1.0
    normalised = np.where(valid, centred / rms, 0.0)
    edges = normalised[:, [0, -1]]
    for row in np.flatnonzero((np.abs(edges) > EDGE_SPIKE).any(axis=1)):
        median = np.median(normalised[row, valid[row]])
        spike = np.abs(edges[row]) > EDGE_SPIKE
        normalised[row, [0, -1]] = np.where(spike, median, edges[row])
    return normalised.astype(np.float32)


def pool(flux: np.ndarray, width: int) -> np.ndarray:
    """Average every `width` pixels; what is left at the end is dropped.

    7781 and 7783 pixels pooled by 30 both give 259 (paper section 4).

    Parameters
    ----------
    flux : ndarray, shape (..., L)

    Returns
    -------
    ndarray, shape (..., L // width), dtype of `flux`
    """
    n = flux.shape[-1] // width
    blocks = flux[..., : n * width].reshape(*flux.shape[:-1], n, width)
    return blocks.mean(axis=-1, dtype=np.float64).astype(flux.dtype)


def pool_by_ivar(flux: np.ndarray, ivar: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Average every `width` pixels by their inverse variance; what is left at the end is dropped.

    Parameters
    ----------
    flux, ivar : ndarray, shape (B, L)

    Returns
    -------
    flux, ivar : ndarray, shape (B, L // width), float64
        0 in both where no pixel has weight.
    """
    n = flux.shape[1] // width
    weight = np.asarray(ivar, dtype=np.float64)[:, : n * width].reshape(-1, n, width)
    blocks = np.asarray(flux, dtype=np.float64)[:, : n * width].reshape(-1, n, width)
    total = weight.sum(axis=2)
    mean = (weight * blocks).sum(axis=2) / np.where(total > 0, total, 1.0)
    return mean, total


def normalise_pooled(flux: np.ndarray, ivar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean 0 and rms 1 of pooled spectra, and their inverse variance on that scale.

    A pixel weighs no more than one of a signal-to-noise ratio of 20 against the spectrum's scatter:
    otherwise a few pixels of bright galaxies would decide alone.

    Parameters
    ----------
    flux, ivar : ndarray, shape (B, L)

    Returns
    -------
    flux, ivar : ndarray, shape (B, L), float32, dimensionless
        Flux is clipped to 30 on both sides.
    """
    scale = np.ones((len(flux), 1))
    mean = np.zeros((len(flux), 1))
    # the cap depends on the scale: twice is enough
    for _ in range(3):
        relative = ivar * scale**2
        weight = relative / (1 + relative / MAX_SNR**2)
        total = weight.sum(axis=1, keepdims=True)
        total[total == 0] = 1.0
        mean = (weight * flux).sum(axis=1, keepdims=True) / total
        scale = np.sqrt((weight * (flux - mean) ** 2).sum(axis=1, keepdims=True) / total)
        scale[scale == 0] = 1.0
    normalised = np.where(ivar > 0, (flux - mean) / scale, 0.0)
    clipped = np.clip(normalised, -MAX_FLUX, MAX_FLUX)
    return clipped.astype(np.float32), (ivar * scale**2).astype(np.float32)
