"""A plain residual network: what a practitioner would try first on galaxy images.

Shapes: B galaxies, C bands, H W pixels on a side, K channels.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmae.errors import InputError
from mmae.modalities.base import Modality
from mmae.models.base import GalaxyModel, Losses, Prediction, full_precision
from mmae.models.batch import Batch
from mmae.models.losses import redshift_loss
from mmae.models.masking import Masks
from mmae.settings import CnnModel

SETTINGS = CnnModel


class Cnn(GalaxyModel):
    """Residual stages, global average pooling, and a linear head that gives ln(1 + z).

    Parameters
    ----------
    settings : CnnModel

    Notes
    -----
    He et al. 2016 (arXiv:1512.03385). Its loss is the redshift loss of the paper, so that it and
    the masked autoencoder want the same.
    """

    def __init__(self, settings: CnnModel, modalities: Mapping[str, Modality]):
        super().__init__(settings, modalities)
        modality = modalities[settings.image]
        check_halves(modality, 2 ** len(settings.channels))
        self.scale = modality.even_scale()
        # pixels are gathered in fours, so that no stage works at full resolution
        self.gather = nn.PixelUnshuffle(2)
        stages = []
        for before, channels in zip(
            (4 * modality.shape[0], *settings.channels), settings.channels, strict=False
        ):
            stages.append(_convolution(before, channels))
            stages += [ResidualBlock(channels) for _ in range(settings.blocks)]
            stages.append(nn.AvgPool2d(2))
        self.stages = nn.Sequential(*stages[:-1])
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(settings.channels[-1], 1)
        # the layout that convolutions on CPUs and GPUs are fastest with
        self.to(memory_format=torch.channels_last)

    def prepare(self, sample: Batch, n_train: int) -> None:
        """Scale the images; start from the mean of ln(1 + z)."""
        self.scale.fit(sample.known(self.settings.image))
        nn.init.constant_(self.head.bias, sample.redshift.log1p().nanmean().item())

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Redshift (B,) and embedding (B, K) of images (B, C, H, W)."""
        pixels = self.gather(self.scale(image)).contiguous(memory_format=torch.channels_last)
        features = self.stages(pixels).float().mean(dim=(2, 3))  # (B, K)
        with full_precision(features):
            zeta = self.head(self.dropout(features)).squeeze(-1)
        return zeta.expm1(), features

    def losses(self, batch: Batch, masks: Masks, generator: torch.Generator) -> Losses:
        """The redshift loss; nothing is hidden."""
        z_pred, _ = self(batch.values[self.settings.image])
        return Losses({"total": redshift_loss(z_pred, batch.redshift)}, z_pred)

    def predict(self, batch: Batch, masks: Masks) -> Prediction:
        """Redshift and pooled features."""
        z_pred, features = self(batch.values[self.settings.image])
        return Prediction(z_pred, embedding=features)


class ResidualBlock(nn.Module):
    """Two convolutions beside the identity: (B, K, H, W) to the same shape."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add what the convolutions say."""
        return torch.relu(x + self.second(self.first(x)))


def _convolution(before: int, channels: int) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


def check_halves(modality: Modality, factor: int) -> None:
    """Raise InputError unless images can be halved as often as a network does."""
    if len(modality.shape) != 3 or modality.shape[-1] % factor:
        raise InputError(
            "config",
            key=f"modality '{modality.name}'",
            found=f"shape {modality.shape}",
            expected=f"images whose size is a multiple of {factor}, by which the network halves it",
        )


def build(settings: CnnModel, modalities: Mapping[str, Modality]) -> Cnn:
    """Make the model with random weights from torch's global generator."""
    return Cnn(settings, modalities)
