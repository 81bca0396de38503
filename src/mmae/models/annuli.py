"""Photometric redshifts as an astronomer would have them: a perceptron on fluxes in annuli.

What the rest-frame model knows of an image, without its spectrum: the same photometry, the same
density.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from mmae.modalities.base import Modality
from mmae.models.base import GalaxyModel, Losses, Prediction
from mmae.models.batch import Batch
from mmae.models.density import DensityHead
from mmae.models.masking import Masks
from mmae.models.photometry import Photometry
from mmae.settings import AnnuliModel

SETTINGS = AnnuliModel


class AnnuliNetwork(GalaxyModel):
    """Density of the redshift from photometry of the image.

    Parameters
    ----------
    settings : AnnuliModel
    modalities : mapping of str to Modality
        The images.
    """

    def __init__(self, settings: AnnuliModel, modalities: Mapping[str, Modality]):
        super().__init__(settings, modalities)
        image = modalities[settings.image]
        self.photometry = Photometry(image, settings.hidden, settings.width)
        self.redshift_head = DensityHead(
            *(settings.width, settings.hidden // 2, settings.bins, settings.z_max),
            settings.softness,
        )

    def prepare(self, sample: Batch, n_train: int) -> None:
        """Scale the inputs."""
        self.photometry.fit(sample.known(self.settings.image))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Embedding (B, D) and logits of the density (B, K)."""
        name = self.settings.image
        missing = ~batch.valid[name] if name in batch.valid else None
        token = self.photometry(batch.values[name], missing)
        return token, self.redshift_head(torch.nn.functional.gelu(token))

    def losses(self, batch: Batch, masks: Masks, generator: torch.Generator) -> Losses:
        """Cross-entropy of the density."""
        _, logits = self(batch)
        median = self.redshift_head.density(logits).quantiles((0.5,))[:, 0]
        return Losses({"total": self.redshift_head.loss(logits, batch.redshift)}, median)

    def predict(self, batch: Batch, masks: Masks) -> Prediction:
        """The density's median, spread and quantiles, and the photometry's token."""
        token, logits = self(batch)
        return self.redshift_head.density(logits).told(token)


def build(settings: AnnuliModel, modalities: Mapping[str, Modality]) -> AnnuliNetwork:
    """Make the model with random weights from torch's global generator."""
    return AnnuliNetwork(settings, modalities)
