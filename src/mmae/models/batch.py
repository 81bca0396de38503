"""Galaxies as tensors on the device of a model."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Batch(NamedTuple):
    """Galaxies as all models see them."""

    image: Tensor
    """(B, C, H, W), flux with zero point 27.0."""
    spectrum: Tensor
    """(B, L), normalised and pooled flux."""
    redshift: Tensor
    """(B,), z_spec."""


def to_batch(
    images: np.ndarray,
    spectra: np.ndarray,
    redshift: np.ndarray,
    spectrum_length: int,
    device: torch.device | str,
) -> Batch:
    """Put galaxies on a device; spectra are cut or padded with zeros to the model's length."""
    spectrum = torch.from_numpy(np.ascontiguousarray(spectra[:, :spectrum_length]))
    short = spectrum_length - spectrum.shape[1]
    return Batch(
        torch.from_numpy(images).to(device),
        torch.nn.functional.pad(spectrum, (0, short)).to(device),
        torch.from_numpy(redshift).to(device),
    )


def generator_of(seed: int, stream: int) -> torch.Generator:
    """A generator of its own for each purpose, so that no draw depends on another's."""
    mixed = np.random.SeedSequence([seed, stream]).generate_state(1)[0]
    return torch.Generator().manual_seed(int(mixed))
