"""What networks and controls say of real spectra, and how good it is."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from mmae.metrics.redshift import sigma_nmad
from mmae.models.base import GalaxyModel
from mmae.models.batch import Batch, to_batch
from mmae.models.masking import Mask
from sky.basis import Fitted
from sky.sets import PATCH, Spectra, hidden_tokens

BATCH, RESAMPLINGS = 64, 400
METRICS: dict[str, Callable[[np.ndarray], float]] = {
    "sigma": lambda dz: sigma_nmad(dz, np.zeros_like(dz)),
    "over 0.15": lambda dz: np.mean(np.abs(dz) > 0.15),
    "over 0.01": lambda dz: np.mean(np.abs(dz) > 0.01),
    "within 0.002": lambda dz: np.mean(np.abs(dz) < 0.002),
}
"""Of dz = (z_pred - z) / (1 + z)."""


class Answer(NamedTuple):
    """Of N spectra."""

    z_pred: np.ndarray
    ends: np.ndarray | None
    """(N, 5) of 95% and 68% intervals and the median; None where there are none."""
    delta_chi2: np.ndarray | None
    seconds: float
    """Of one core, a spectrum."""

    def rows(self, rows: np.ndarray) -> "Answer":
        """Of some of them."""
        parts = (part if part is None else part[rows] for part in self[:3])
        return Answer(*parts, self.seconds)


Asker = Callable[[Spectra, float], Answer]
"""From spectra and the hidden share to an answer."""


def batches(
    model: GalaxyModel, spectra: Spectra, share: float, chosen: slice = slice(None)
) -> Iterator[tuple[Batch, dict[str, Mask]]]:
    """Batches of a network, spectrum alone, with their masks; of some of the spectra."""
    flux, ivar = spectra.pooled()
    hidden = torch.from_numpy(hidden_tokens(ivar, share))[chosen]
    flux, ivar = np.where(ivar > 0, flux, np.nan)[chosen], ivar[chosen]
    for start in range(0, len(flux), BATCH):
        rows = slice(start, start + BATCH)
        values, masks = {}, {}
        for name, modality in model.modalities.items():
            one = name == "spectrum"
            n = len(flux[rows])
            values[name] = flux[rows] if one else np.zeros((n, *modality.shape), np.float32)
            gone = torch.ones(n, modality.n_tokens, dtype=torch.bool)
            masks[name] = Mask(hidden[rows] if one else gone)
        told = {"spectrum": ivar[rows]} if model.modalities["spectrum"].has_ivar else {}
        yield to_batch(values, np.full(n, np.nan, np.float32), "cpu", ivar=told), masks


def of_network(model: GalaxyModel) -> Asker:
    """A trained network asked for redshifts."""

    @torch.no_grad()
    def ask(spectra: Spectra, share: float) -> Answer:
        started = time.process_time()
        said = [model.predict(*shown) for shown in batches(model, spectra, share)]
        seconds = (time.process_time() - started) / len(spectra.flux)
        parts = []
        for name in ("z_pred", "quantiles", "delta_chi2"):
            found = [getattr(one, name) for one in said]
            known = found[0] is not None
            parts.append(torch.cat(found).double().numpy() if known else None)
        return Answer(*parts, seconds)

    return ask


def of_fit(fit: Callable[[torch.Tensor, torch.Tensor], Fitted]) -> Asker:
    """A control, which fits flux and ivar (N, L), asked for redshifts."""

    def ask(spectra: Spectra, share: float) -> Answer:
        started = time.process_time()
        flux, ivar = spectra.pooled()
        hidden = hidden_tokens(ivar, share).repeat(PATCH, axis=1)
        ivar[:, : hidden.shape[1]][hidden] = 0
        ivar[:, hidden.shape[1] :] = 0
        found = fit(torch.from_numpy(flux), torch.from_numpy(ivar))
        seconds = (time.process_time() - started) / len(flux)
        return Answer(found.z_pred.astype(float), None, found.delta_chi2, seconds)

    return ask


def errors(answer: Answer, spectra: Spectra) -> np.ndarray:
    """The error dz of each spectrum."""
    return (answer.z_pred - spectra.redshift) / (1 + spectra.redshift)


def cells(dz: np.ndarray) -> list[str]:
    """Each metric with half of its 68% interval, of galaxies drawn again and again."""
    rng = np.random.default_rng(0)
    drawn = dz[rng.integers(0, len(dz), (RESAMPLINGS, len(dz)))]
    found = []
    for name, metric in METRICS.items():
        low, high = np.percentile([metric(one) for one in drawn], [16, 84])
        digits = 4 if name == "sigma" else 2
        found.append(f"{metric(dz):.{digits}f} ± {(high - low) / 2:.{digits}f}")
    return found


def coverage(answer: Answer, spectra: Spectra) -> tuple[float, float]:
    """Shares of redshifts inside their 68% and 95% intervals."""
    z, ends = spectra.redshift, answer.ends
    inside = [(z >= ends[:, k]) & (z <= ends[:, 4 - k]) for k in (1, 0)]
    return tuple(float(np.mean(one)) for one in inside)
