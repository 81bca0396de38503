"""A plain residual network: what a practitioner would try first on galaxy images.

Shapes: B galaxies, C bands, H W pixels on a side, K channels.
"""

import torch
from torch import Tensor, nn

from mmae.instruments import BANDS
from mmae.models.base import GalaxyModel, Prediction, full_precision
from mmae.models.batch import Batch
from mmae.models.losses import redshift_loss
from mmae.models.scaling import AsinhScale
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

    def __init__(self, settings: CnnModel):
        super().__init__()
        self.settings = settings
        self.scale = AsinhScale()
        # pixels are gathered in fours, so that no stage works at full resolution
        self.gather = nn.PixelUnshuffle(2)
        stages = []
        for before, channels in zip(
            (4 * len(BANDS), *settings.channels), settings.channels, strict=False
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
        self.scale.fit(sample.image)
        nn.init.constant_(self.head.bias, sample.redshift.log1p().mean().item())

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Redshift (B,) and embedding (B, K) of images (B, C, H, W)."""
        pixels = self.gather(self.scale(image)).contiguous(memory_format=torch.channels_last)
        features = self.stages(pixels).float().mean(dim=(2, 3))  # (B, K)
        with full_precision(features):
            zeta = self.head(self.dropout(features)).squeeze(-1)
        return zeta.expm1(), features

    def training_losses(
        self, batch: Batch, mask_ratio: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The redshift loss; nothing is hidden."""
        return {"total": redshift_loss(self(batch.image)[0], batch.redshift)}

    def validation_losses(
        self, batch: Batch, mask_ratio: float, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The same loss, and redshifts."""
        z_pred, _ = self(batch.image)
        return {"total": redshift_loss(z_pred, batch.redshift)}, z_pred

    def predict(self, batch: Batch, image_mask: Tensor, spectrum_mask: Tensor) -> Prediction:
        """Redshift and pooled features."""
        z_pred, features = self(batch.image)
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


def build(settings: CnnModel) -> Cnn:
    """Make the model with random weights from torch's global generator."""
    return Cnn(settings)
