"""What training and prediction ask of every model."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmae.errors import InputError
from mmae.modalities.base import Modality
from mmae.models.batch import Batch
from mmae.models.losses import Mean
from mmae.models.masking import Masks

if TYPE_CHECKING:
    from mmae.models.density import Density


class Prediction(NamedTuple):
    """What a model says of a batch; what it does not give is None."""

    z_pred: Tensor | None
    """Redshift, (B,)."""
    z_std: Tensor | None = None
    """Standard deviation of the redshift's forecast, (B,)."""
    embedding: Tensor | None = None
    """Representation that a readout may use, (B, E)."""
    quantiles: Tensor | None = None
    """Ends of the 95% and 68% intervals and the median, (B, 5): `mmae.metrics.ends.QUANTILES`."""
    delta_chi2: Tensor | None = None
    """How much worse the best fit at another redshift is, (B,); NaN where no spectrum was seen."""
    density: "Density | None" = None
    """Of the redshift."""


class Losses(NamedTuple):
    """What a model does wrong on a batch."""

    parts: dict[str, Mean]
    z_pred: Tensor | None = None
    """Redshifts that it gave on the way, (B,)."""


def full_precision(tensor: Tensor) -> torch.autocast:
    """A context in which nothing is rounded to 16 bits: redshifts need more than three digits."""
    return torch.autocast(tensor.device.type, enabled=False)


def reconstructs_nothing() -> InputError:
    """What to raise for a model without decoders."""
    return InputError(
        "model", found="one that reconstructs nothing", expected="a masked autoencoder"
    )


class GalaxyModel(nn.Module):
    """A network that `mmae.training.fit` trains; every file of this folder that holds one says how.

    Parameters
    ----------
    settings : settings dataclass
        The config entry; what the model can do is said by its class (`CanDo`).
    modalities : mapping of str to Modality
        Those that it reads, by name.
    """

    def __init__(self, settings: Any, modalities: Mapping[str, Modality]):
        super().__init__()
        self.settings, self.modalities = settings, dict(modalities)

    @property
    def smallest_batch(self) -> int:
        """Galaxies that a training step needs: two where they are compared, as in batch norm."""
        return 2 if any(isinstance(part, _BatchNorm) for part in self.modules()) else 1

    @property
    def exported(self) -> tuple[str, ...]:
        """Modalities that an exported program is shown; the others are hidden whole."""
        return tuple(self.modalities)

    def prepare(self, sample: Batch, n_train: int) -> None:
        """Learn the scale of the inputs from some of the `n_train` training galaxies."""

    def draw_masks(
        self, n: int, mask_ratio: float, generator: torch.Generator, training: bool
    ) -> Masks:
        """What is hidden of n galaxies, in training or at validation; nothing by default."""
        return {}

    def losses(self, batch: Batch, masks: Masks, generator: torch.Generator) -> Losses:
        """Losses of galaxies of which something is hidden.

        Parameters
        ----------
        batch : Batch
        masks : mapping of str to Mask
            As `draw_masks` gave them, of these galaxies.
        generator : torch Generator
            For what is drawn besides.
        """
        raise NotImplementedError

    def total(self, parts: Mapping[str, Tensor]) -> Tensor:
        """What is minimised, of the means of all losses: their sum."""
        return (
            torch.stack(list(parts.values())).sum()
            if len(parts) > 1
            else next(iter(parts.values()))
        )

    def predict(self, batch: Batch, masks: Masks) -> Prediction:
        """Say what the model knows of galaxies of which something is hidden."""
        raise NotImplementedError

    def reconstruct(self, batch: Batch, masks: Masks) -> tuple[dict[str, Tensor], Prediction]:
        """Values of each modality, (B, *shape), and what `predict` says.

        Models whose settings name several `reconstructions` have an argument `kind` more.
        """
        raise reconstructs_nothing()

    def slow_parameters(self) -> list[nn.Parameter]:
        """Parameters that learn at `position_rate` of the rate, without decay."""
        return []

    @property
    def position_rate(self) -> float:
        """Learning rate of the slow parameters, relative."""
        return getattr(self.settings, "position_rate", 1.0)
