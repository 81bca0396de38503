"""What training and prediction ask of every model."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmae.models.batch import Batch


class Prediction(NamedTuple):
    """What a model says of a batch; what it does not give is None."""

    z_pred: Tensor | None
    """Redshift, (B,)."""
    z_std: Tensor | None = None
    """Standard deviation of the redshift's forecast, (B,)."""
    embedding: Tensor | None = None
    """Representation that a readout may use, (B, E)."""


def full_precision(tensor: Tensor) -> torch.autocast:
    """A context in which nothing is rounded to 16 bits: redshifts need more than three digits."""
    return torch.autocast(tensor.device.type, enabled=False)


class GalaxyModel(nn.Module):
    """A network that `mmae.training.fit` trains; every file of this folder that holds one says how.

    The losses are a mapping of names to scalars; `total` is the one that is minimised.
    """

    settings: Any
    """The config entry; `image_size`, if it has one, is checked against the galaxies."""
    spectrum_length: int = 0
    """Pooled spectrum pixels that are read; 0: none."""
    hides_tokens: bool = False
    """Whether parts of image and spectrum may be hidden; else only all or nothing of each."""
    reads_photometry: bool = False
    """Whether magnitudes or sizes are read; if not, a catalogue need not have them."""
    n_image_tokens: int = 1
    n_spectrum_tokens: int = 1

    @property
    def smallest_batch(self) -> int:
        """Galaxies that a training step needs: two where they are compared, as in batch norm."""
        return 2 if any(isinstance(part, _BatchNorm) for part in self.modules()) else 1

    def prepare(self, sample: Batch, n_train: int) -> None:
        """Learn the scale of the inputs from some of the `n_train` training galaxies."""

    def training_losses(
        self, batch: Batch, mask_ratio: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Losses of one batch; whatever is drawn comes from `generator`."""
        raise NotImplementedError

    def validation_losses(
        self, batch: Batch, mask_ratio: float, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """Losses of validation galaxies, and their redshifts (B,) if the model gives any."""
        raise NotImplementedError

    def predict(self, batch: Batch, image_mask: Tensor, spectrum_mask: Tensor) -> Prediction:
        """Say what the model knows of galaxies whose tokens are in part hidden (True = hidden)."""
        raise NotImplementedError

    def slow_parameters(self) -> list[nn.Parameter]:
        """Parameters that learn at `position_rate` of the rate, without decay."""
        return []

    @property
    def position_rate(self) -> float:
        """Learning rate of the slow parameters, relative."""
        return getattr(self.settings, "position_rate", 1.0)
