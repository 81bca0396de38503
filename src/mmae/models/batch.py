"""Galaxies as tensors on the device of a model."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmae.errors import InputError
from mmae.instruments import BANDS
from mmae.settings import PaperModel


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


def check_sizes(
    settings: PaperModel, images: tuple[int, ...], spectra: tuple[int, ...], where: str
) -> None:
    """Check that a model can read these galaxies.

    Parameters
    ----------
    settings : model settings
        With image_size and spectrum_length.
    images, spectra : tuple of int
        Shapes (N, C, H, W) and (N, L).
    where : str
        Of the arrays, for the error message.

    Raises
    ------
    InputError
        If the images have another size, or the spectra are shorter than the model's.
    """
    size = settings.image_size
    if images[1:] != (len(BANDS), size, size):
        raise InputError(
            where,
            key="images",
            found=f"shape {images}",
            expected=f"(N, {len(BANDS)}, {size}, {size}), as models.<model>.image_size says",
        )
    if spectra[1] < settings.spectrum_length:
        raise InputError(
            where,
            key="spectra",
            found=f"{spectra[1]} pooled pixels",
            expected=f"at least models.<model>.spectrum_length, {settings.spectrum_length}",
        )


def generator_of(seed: int, stream: int) -> torch.Generator:
    """A generator of its own for each purpose, so that no draw depends on another's."""
    mixed = np.random.SeedSequence([seed, stream]).generate_state(1)[0]
    return torch.Generator().manual_seed(int(mixed))
