"""A plain residual network with a density of the redshift: what one would try first on images.

Shapes: B galaxies, C bands, H W pixels on a side, K channels.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmae.errors import InputError
from mmae.modalities.base import Modality
from mmae.models.base import GalaxyModel, Losses, Prediction
from mmae.models.batch import Batch
from mmae.models.density import DensityHead
from mmae.models.masking import Masks
from mmae.settings import CnnModel

SETTINGS = CnnModel


class Cnn(GalaxyModel):
    """Residual stages, global average pooling, and a softmax over bins of ln(1 + z).

    Parameters
    ----------
    settings : CnnModel

    Notes
    -----
    He et al. 2016 (arXiv:1512.03385); redshifts as classes after Pasquet et al. 2019 (A&A 621,
    A26).
    """

    def __init__(self, settings: CnnModel, modalities: Mapping[str, Modality]):
        super().__init__(settings, modalities)
        modality = modalities[settings.image]
        check_halves(modality, settings.crop, 2 ** len(settings.channels))
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
        self.redshift_head = DensityHead(
            *(settings.channels[-1], settings.hidden, settings.bins, settings.z_max),
            settings.softness,
        )
        # the layout that convolutions on CPUs and GPUs are fastest with
        self.to(memory_format=torch.channels_last)

    def prepare(self, sample: Batch, n_train: int) -> None:
        """Scale the images."""
        self.scale.fit(sample.known(self.settings.image))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding (B, K) and logits of the density of images (B, C, H, W)."""
        pixels = self.gather(self.scale(middle(image, self.settings.crop)))
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        features = self.stages(pixels).float().mean(dim=(2, 3))  # (B, K)
        return features, self.redshift_head(self.dropout(features))

    def losses(self, batch: Batch, masks: Masks, generator: torch.Generator) -> Losses:
        """Cross-entropy of the density; nothing is hidden."""
        _, logits = self(batch.values[self.settings.image])
        median = self.redshift_head.density(logits).quantiles((0.5,))[:, 0]
        return Losses({"total": self.redshift_head.loss(logits, batch.redshift)}, median)

    def predict(self, batch: Batch, masks: Masks) -> Prediction:
        """The density's median, spread and quantiles, and pooled features."""
        features, logits = self(batch.values[self.settings.image])
        return self.redshift_head.density(logits).told(features)


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


def middle(image: Tensor, size: int | None) -> Tensor:
    """The middle of images (B, C, H, W), `size` pixels on a side; None: all of them."""
    if size is None:
        return image
    start = (image.shape[-1] - size) // 2
    return image[..., start : start + size, start : start + size]


def check_halves(modality: Modality, crop: int | None, factor: int) -> None:
    """Raise InputError unless what is read of images can be halved as often as a network does."""
    size = modality.shape[-1] if crop is None else crop
    if len(modality.shape) != 3 or size % factor or size > modality.shape[-1]:
        raise InputError(
            "config",
            key=f"modality '{modality.name}'",
            found=f"shape {modality.shape}" + (f", crop {crop}" if crop else ""),
            expected=f"images whose size is a multiple of {factor}, by which the network halves it",
        )


def build(settings: CnnModel, modalities: Mapping[str, Modality]) -> Cnn:
    """Make the model with random weights from torch's global generator."""
    return Cnn(settings, modalities)
