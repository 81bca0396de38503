"""AstroCLIP: images and spectra of the same galaxies aligned (Parker et al. 2024, MNRAS 531, 4990).

Shapes: B galaxies, C bands, H W pixels on a side, L spectrum pixels, N tokens, P values of a patch,
D width of a token, E numbers of an embedding.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from mmae.instruments import BANDS
from mmae.models.base import GalaxyModel, Prediction
from mmae.models.batch import Batch
from mmae.models.losses import info_nce
from mmae.models.scaling import AsinhScale
from mmae.settings import AstroClipModel

SETTINGS = AstroClipModel


class AstroClip(GalaxyModel):
    """An image and a spectrum encoder, trained to give both of a galaxy the same embedding.

    Parameters
    ----------
    settings : AstroClipModel

    Notes
    -----
    Both encoders are transformers, pooled by a cross-attention head and an MLP (public code of
    AstroCLIP). There they are trained on their own first, on far more galaxies; here they start
    from nothing. The model gives no redshifts: those are read out of its frozen embeddings
    (`mmae probe`).
    """

    # a contrast is one with other galaxies
    smallest_batch = 2

    def __init__(self, settings: AstroClipModel):
        super().__init__()
        self.settings = settings
        self.spectrum_length = settings.spectrum_length
        self.scale = AsinhScale()
        patch, dim = settings.image_patch, settings.dim
        self.image_encoder = Encoder(
            nn.Linear(len(BANDS) * patch**2, dim),
            (settings.image_size // patch) ** 2,
            settings,
        )
        self.spectrum_encoder = Encoder(
            nn.Linear(settings.spectrum_patch, dim),
            settings.spectrum_length // settings.spectrum_patch,
            settings,
        )

    def prepare(self, sample: Batch, n_train: int) -> None:
        """Scale the images."""
        self.scale.fit(sample.image)

    def embed_image(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to (B, E), of length 1."""
        patch = self.settings.image_patch
        patches = nn.functional.unfold(self.scale(image), patch, stride=patch)  # (B, C P P, N)
        return normalize(self.image_encoder(patches.transpose(1, 2)), dim=1)

    def embed_spectrum(self, spectrum: Tensor) -> Tensor:
        """(B, L) to (B, E), of length 1; pixels beyond the last patch stay out."""
        patch = self.settings.spectrum_patch
        return normalize(self.spectrum_encoder(spectrum.unfold(1, patch, patch)), dim=1)

    def forward(self, image: Tensor, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of both: (B, E) each."""
        return self.embed_image(image), self.embed_spectrum(spectrum)

    def training_losses(
        self, batch: Batch, mask_ratio: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Symmetric InfoNCE among the galaxies of the batch."""
        embeddings = self(batch.image, batch.spectrum)
        return {"total": info_nce(*embeddings, self.settings.logit_scale)}

    def validation_losses(
        self, batch: Batch, mask_ratio: float, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], None]:
        """The same loss."""
        return self.training_losses(batch, mask_ratio, generator), None

    def predict(self, batch: Batch, image_mask: Tensor, spectrum_mask: Tensor) -> Prediction:
        """Embedding of the one that is shown: of the image, or of the spectrum if it is hidden."""
        hidden = bool(image_mask.all())
        embedding = self.embed_spectrum(batch.spectrum) if hidden else self.embed_image(batch.image)
        return Prediction(None, embedding=embedding)


class Encoder(nn.Module):
    """Patches (B, N, P) to an embedding (B, E): transformer, cross-attention head, MLP."""

    def __init__(self, projection: nn.Linear, n_tokens: int, settings: AstroClipModel):
        super().__init__()
        dim = settings.dim
        self.projection = projection
        self.position = nn.Parameter(0.02 * torch.randn(1, n_tokens, dim))
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

    def forward(self, patches: Tensor) -> Tensor:
        """One learnable query reads all tokens."""
        tokens = self.transformer(self.projection(patches) + self.position)  # (B, N, D)
        query = self.query.expand(len(tokens), -1, -1)
        pooled, _ = self.attention(query, tokens, tokens, need_weights=False)  # (B, 1, D)
        return self.mlp(self.norm(pooled.squeeze(1)))


def build(settings: AstroClipModel) -> AstroClip:
    """Make the model with random weights from torch's global generator."""
    return AstroClip(settings)
