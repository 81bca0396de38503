"""Galaxies as tensors on the device of a model."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmae.errors import InputError
from mmae.instruments import BANDS


class Share(NamedTuple):
    """A process's part of a batch."""

    start: int
    stop: int
    n_whole: int
    counts: bool = True
    """False where there were too few galaxies for all: it only keeps step with the others."""


class Batch(NamedTuple):
    """Galaxies as all models see them."""

    image: Tensor
    """(B, C, H, W), flux with zero point 27.0."""
    spectrum: Tensor
    """(B, L), normalised and pooled flux."""
    redshift: Tensor
    """(B,), z_spec."""
    magnitudes: Tensor
    """(B, C), AB; NaN where unknown."""
    sizes: Tensor
    """(B, C), half-light radii, arcsec."""
    share: Share | None = None
    """Which part this is of a batch that several processes divide; None: all of it."""

    @property
    def n_whole(self) -> int:
        """Galaxies of the whole batch.

        Random numbers are drawn for all of them: they then do not depend on how many processes
        divide the batch.
        """
        return len(self.redshift) if self.share is None else self.share.n_whole

    @property
    def n_counted(self) -> int:
        """Galaxies here that no other process counts."""
        return len(self.redshift) if self.share is None or self.share.counts else 0

    @property
    def own(self) -> slice:
        """Rows of the whole batch that this is."""
        return slice(None) if self.share is None else slice(self.share.start, self.share.stop)


def to_batch(
    images: np.ndarray,
    spectra: np.ndarray,
    redshift: np.ndarray,
    magnitudes: np.ndarray,
    sizes: np.ndarray,
    spectrum_length: int,
    device: torch.device | str,
) -> Batch:
    """Put galaxies on a device; spectra are cut or padded with zeros to the model's length."""
    spectrum = torch.from_numpy(np.ascontiguousarray(spectra[:, :spectrum_length]))
    short = spectrum_length - spectrum.shape[1]
    others = (torch.from_numpy(values) for values in (redshift, magnitudes, sizes))
    padded = torch.nn.functional.pad(spectrum, (0, short))
    return Batch(*(_sent(part, device) for part in (torch.from_numpy(images), padded, *others)))


def _sent(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A tensor on a device; on its way to a GPU, which nobody waits for."""
    if torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def check_sizes(model: Any, images: tuple[int, ...], spectra: tuple[int, ...], where: str) -> None:
    """Check that a model can read these galaxies.

    Parameters
    ----------
    model : GalaxyModel or Estimator
        With spectrum_length and, where images are read, settings.image_size.
    images, spectra : tuple of int
        Shapes (N, C, H, W) and (N, L).
    where : str
        Of the arrays, for the error message.

    Raises
    ------
    InputError
        If the images have another size, or the spectra are shorter than the model's.
    """
    size = getattr(model.settings, "image_size", None)
    if size is not None and images[1:] != (len(BANDS), size, size):
        raise InputError(
            where,
            key="images",
            found=f"shape {images}",
            expected=f"(N, {len(BANDS)}, {size}, {size}), as models.<model>.image_size says",
        )
    if spectra[1] < model.spectrum_length:
        raise InputError(
            where,
            key="spectra",
            found=f"{spectra[1]} pooled pixels",
            expected=f"at least models.<model>.spectrum_length, {model.spectrum_length}",
        )


def generator_of(seed: int, *stream: int) -> torch.Generator:
    """A generator of its own for each purpose (and step), so that no draw depends on another's."""
    mixed = np.random.SeedSequence([seed, *stream]).generate_state(1)[0]
    return torch.Generator().manual_seed(int(mixed))
