"""AstroCLIP: images and spectra of the same galaxies aligned (Parker et al. 2024, MNRAS 531, 4990).

Shapes: B galaxies, N tokens, D width of a token, E numbers of an embedding.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from mmae.modalities.base import Modality
from mmae.models.base import GalaxyModel, Losses, Prediction
from mmae.models.batch import Batch
from mmae.models.losses import info_nce
from mmae.models.masking import Masks
from mmae.settings import AstroClipModel

SETTINGS = AstroClipModel


class AstroClip(GalaxyModel):
    """Two encoders, trained to give both modalities of a galaxy the same embedding.

    Parameters
    ----------
    settings : AstroClipModel
    modalities : mapping of str to Modality
        Two.

    Notes
    -----
    Both encoders are transformers, pooled by a cross-attention head and an MLP (public code of
    AstroCLIP). There they are trained on their own first, on far more galaxies; here they start
    from nothing. The model gives no redshifts: those are read out of its frozen embeddings
    (`mmae probe`).
    """

    # a contrast is one with other galaxies
    smallest_batch = 2

    def __init__(self, settings: AstroClipModel, modalities: Mapping[str, Modality]):
        super().__init__(settings, modalities)
        self.scales = nn.ModuleDict({name: one.even_scale() for name, one in modalities.items()})
        self.encoders = nn.ModuleDict(
            {name: Encoder(one, settings) for name, one in modalities.items()}
        )

    def prepare(self, sample: Batch, n_train: int) -> None:
        """Learn the scales."""
        for name, scale in self.scales.items():
            scale.fit(sample.known(name))

    def embed(self, name: str, values: Tensor) -> Tensor:
        """(B, *shape) to (B, E), of length 1."""
        return normalize(self.encoders[name](self.scales[name](values)), dim=1)

    def losses(self, batch: Batch, masks: Masks, generator: torch.Generator) -> Losses:
        """Symmetric InfoNCE among the galaxies of the batch that have both."""
        values = batch.values
        if present := [batch.present(name) for name in batch.valid]:
            both = torch.stack(present).all(dim=0)
            values = {name: part[both] for name, part in values.items()}
        embeddings = [self.embed(name, values[name]) for name in self.modalities]
        return Losses({"total": info_nce(*embeddings, self.settings.logit_scale)})

    def predict(self, batch: Batch, masks: Masks) -> Prediction:
        """Embedding of the first modality, or of the second where the first is hidden."""
        first, second = self.modalities
        hidden = first in masks and bool(masks[first].tokens.all())
        name = second if hidden else first
        return Prediction(None, embedding=self.embed(name, batch.values[name]))


class Encoder(nn.Module):
    """Values (B, *shape) to an embedding (B, E): transformer, cross-attention head, MLP."""

    def __init__(self, modality: Modality, settings: AstroClipModel):
        super().__init__()
        dim = settings.dim
        self.projection = modality.projection(dim, False)
        self.position = nn.Parameter(0.02 * torch.randn(1, modality.n_tokens, dim))
        layer = nn.TransformerEncoderLayer(
            dim,
            settings.heads,
            dim_feedforward=4 * dim,
            dropout=settings.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.transformer = nn.TransformerEncoder(
            layer, settings.depth, norm=nn.LayerNorm(dim), enable_nested_tensor=False
        )
        self.query = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.attention = nn.MultiheadAttention(dim, settings.pool_heads, batch_first=True)
        self.norm = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, settings.embedding)
        )

    def forward(self, values: Tensor) -> Tensor:
        """One learnable query reads all tokens."""
        tokens = self.transformer(self.projection(values) + self.position)  # (B, N, D)
        query = self.query.expand(tokens.shape[0], -1, -1)
        pooled, _ = self.attention(query, tokens, tokens, need_weights=False)  # (B, 1, D)
        return self.mlp(self.norm(pooled.squeeze(1)))


def build(settings: AstroClipModel, modalities: Mapping[str, Modality]) -> AstroClip:
    """Make the model with random weights from torch's global generator."""
    return AstroClip(settings, modalities)
