"""Spectra as other telescopes see them: noisier, cut off, badly calibrated, their noise misjudged.

A model that has seen one instrument only takes its habits for the sky's.
"""

from collections.abc import Mapping

import numpy as np
import torch

from mmae.dataset.spectra import normalise_pooled
from mmae.modalities.base import Modality
from mmae.models.batch import Batch

NOISIER = 6.0
"""By which the noise of half of the spectra is multiplied at most."""
BENDS, BEND = 5, 0.08
"""Cosines of an error of calibration along the spectrum, and the amplitude of the slowest."""
SKY_WAVE, SKY_SHARES, SKY_HEIGHT = 7200.0, (0.005, 0.06), 2.5
"""Å; share of pixels with residuals of sky lines below and above it, and their height in sigma."""
BLUE_END, RED_END, CUT = (3600.0, 4500.0), (8600.0, 9830.0), 0.3
"""Å, between which spectra begin and end where they are cut, and the share that is, of each."""
MISJUDGED, FLAT = 0.3, 0.1
"""Scatter of ln(ivar) from spectrum to spectrum, and the share whose ivar is one number."""


def degrade(
    batch: Batch,
    modalities: Mapping[str, Modality],
    n_whole: int,
    own: slice | np.ndarray,
    rng: np.random.Generator,
) -> Batch:
    """Degrade all spectra of a batch whose inverse variance is known, and normalise them again.

    Parameters
    ----------
    batch : Batch
    modalities : mapping of str to Modality
        Those of the model.
    n_whole : int
        Galaxies of the whole batch, for all of which numbers are drawn.
    own : slice or ndarray of int
        Which of these are here.
    rng : numpy Generator
    """
    parts = {"values": dict(batch.values), "ivar": dict(batch.ivar), "valid": dict(batch.valid)}
    for name, ivar in batch.ivar.items():
        spectra = (part.cpu().numpy() for part in (batch.values[name], ivar))
        flux, weight = degraded(*spectra, modalities[name].wave, n_whole, own, rng)
        found = {"values": flux, "ivar": weight, "valid": weight > 0}
        for part, array in found.items():
            parts[part][name] = torch.from_numpy(array).to(ivar.device)
    return batch._replace(**parts)


def degraded(
    flux: np.ndarray,
    ivar: np.ndarray,
    wave: np.ndarray,
    n_whole: int,
    own: slice | np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Normalised flux and its ivar, (B, L) float32 each; wave (L,) in Å."""
    shape = (n_whole, len(wave))

    def normal(*size: int) -> np.ndarray:
        return rng.normal(size=(n_whole, *size))[own]

    def uniform(*size: int) -> np.ndarray:
        return rng.uniform(size=(n_whole, *size))[own]

    # a smooth factor of the flux, whose zero the normalised spectrum no longer knows
    k = np.arange(1, BENDS + 1)[:, None]
    waves = np.cos(np.pi * k * np.linspace(0, 1, shape[1]) + 2 * np.pi * uniform(BENDS, 1))
    bend = (normal(BENDS, 1) * BEND / k * waves).sum(axis=1)
    flux = flux * (1 + bend) + bend * normal(1)
    factor = np.where(uniform(1) < 0.5, 1.0, NOISIER ** uniform(1))
    sigma = factor / np.sqrt(np.where(ivar > 0, ivar, np.inf))
    flux = flux + sigma * np.sqrt(1 - factor**-2) * normal(shape[1])
    residual = uniform(shape[1]) < np.where(wave < SKY_WAVE, *SKY_SHARES)
    flux = flux + residual * sigma * SKY_HEIGHT * normal(shape[1])
    cut = uniform(2) < CUT
    ends = uniform(2)
    first = np.where(cut[:, 0], BLUE_END[0] + ends[:, 0] * np.ptp(BLUE_END), 0)[:, None]
    last = np.where(cut[:, 1], RED_END[0] + ends[:, 1] * np.ptp(RED_END), np.inf)[:, None]
    weight = np.where((wave >= first) & (wave <= last), ivar / factor**2, 0)
    told = weight * np.exp(MISJUDGED * normal(1))
    seen = np.where(weight > 0, told, np.nan)
    some = np.isfinite(seen).any(axis=1)
    one = np.ones(len(told))
    one[some] = np.nanmedian(seen[some], axis=1)
    told = np.where((uniform(1) < FLAT) & (weight > 0), one[:, None], told)
    return normalise_pooled(flux, told)
