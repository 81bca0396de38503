"""Galaxies as tensors on the device of a model."""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmae.dataset.arrays import TrainingArrays


class Batch(NamedTuple):
    """B galaxies as all models see them; what is known of them by the names of modalities."""

    values: dict[str, Tensor]
    """(B, *shape); 0 where missing."""
    redshift: Tensor
    """(B,), z_spec; NaN where unknown."""
    valid: dict[str, Tensor]
    """(B, *shape) bool, of modalities that lack some values here."""
    ivar: Mapping[str, Tensor] = MappingProxyType({})
    """(B, *shape), inverse variance of values of which it is known; 0 where missing."""

    def rows(self, rows: Tensor) -> "Batch":
        """Some of the galaxies."""
        parts = [
            {name: part[rows] for name, part in values.items()}
            for values in (self.values, self.valid, self.ivar)
        ]
        return Batch(parts[0], self.redshift[rows], *parts[1:])

    def present(self, name: str) -> Tensor | None:
        """Which galaxies have a modality, (B,) bool; None: all."""
        valid = self.valid.get(name)
        return None if valid is None else valid.flatten(1).any(dim=1)

    def known(self, name: str) -> Tensor:
        """Values with NaN where they are missing."""
        values, valid = self.values[name], self.valid.get(name)
        return values if valid is None else values.masked_fill(~valid, torch.nan)

    def without(self, name: str, hidden: Tensor) -> "Batch":
        """The same galaxies as if values of a modality (bool, broadcasts) were missing."""
        values = self.values[name]
        missing = hidden.expand(values.shape)
        valid = self.valid.get(name, torch.ones_like(missing)) & ~missing
        return self._replace(
            values=self.values | {name: values.masked_fill(missing, 0.0)},
            valid=self.valid | {name: valid},
        )


def to_batch(
    values: Mapping[str, np.ndarray],
    redshift: np.ndarray,
    device: torch.device | str,
    complete: Collection[str] = (),
    ivar: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> Batch:
    """Put galaxies on a device.

    Parameters
    ----------
    values : mapping of str to ndarray, shape (B, *shape)
        By modality; NaN where missing.
    redshift : ndarray, shape (B,)
    device : torch device
    complete : collection of str
        Modalities that are known to lack nothing, which are not looked through.
    ivar : mapping of str to ndarray, shape (B, *shape)
        Of those of which it is known.
    """
    tensors, valid = {}, {}
    for name, part in values.items():
        tensor = torch.from_numpy(np.ascontiguousarray(part))
        if name not in complete and (missing := tensor.isnan()).any():
            tensor = tensor.masked_fill(missing, 0.0)
            valid[name] = _sent(~missing, device)
        tensors[name] = _sent(tensor, device)
    weights = {name: torch.from_numpy(np.nan_to_num(part)) for name, part in ivar.items()}
    weights = {name: _sent(part, device) for name, part in weights.items()}
    return Batch(tensors, _sent(torch.from_numpy(redshift), device), valid, weights)


def load_batch(
    arrays: TrainingArrays, rows: np.ndarray, names: Iterable[str], device: torch.device | str
) -> Batch:
    """Read the named modalities of the galaxies at `rows` and put them on the device."""
    values = {name: arrays.values[name][rows] for name in names}
    ivar = {name: part[rows] for name, part in arrays.ivar.items() if name in values}
    return to_batch(values, arrays.redshift[rows], device, arrays.complete, ivar)


def _sent(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A tensor on a device; on its way to a GPU, which nobody waits for."""
    if torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def generator_of(seed: int, *stream: int) -> torch.Generator:
    """A generator of its own for each purpose (and step), so that no draw depends on another's."""
    mixed = np.random.SeedSequence([seed, *stream]).generate_state(1)[0]
    return torch.Generator().manual_seed(int(mixed))
