"""The multi-modal masked autoencoder of arXiv:2510.22527, section 4.

Shapes: B galaxies, C bands, H W pixels on a side, L spectrum pixels, N tokens of the image, M of
the spectrum, P values of a patch, D width of a token. Masks: True = hidden.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmae.instruments import BANDS
from mmae.models.base import GalaxyModel, Prediction
from mmae.models.batch import Batch
from mmae.models.losses import Losses, masked_mse, redshift_loss
from mmae.models.masking import modality_dropout, random_mask
from mmae.models.visible import see_visible
from mmae.settings import PaperModel

SETTINGS = PaperModel
N_BANDS = len(BANDS)


class Output(NamedTuple):
    """What the model says of a batch."""

    image: Tensor
    """Reconstruction, (B, C, H, W)."""
    spectrum: Tensor
    """Reconstruction, (B, L)."""
    z_pred: Tensor
    """Redshift, (B,)."""
    embedding: Tensor
    """Joint representation, (B, 2 D)."""


class PaperMMAE(GalaxyModel):
    """Multi-modal masked autoencoder (paper, section 4).

    Parameters
    ----------
    settings : PaperModel
        Sizes; see config/schema.yaml.

    Notes
    -----
    What the text leaves open is as in the authors' code (modules.py): encoder layers normalise
    after the residual, tokens are zeroed after embedding and position, one cross-attention block
    serves both directions, and both directions read the same previous state.
    """

    hides_tokens = True

    def __init__(self, settings: PaperModel):
        super().__init__()
        self.settings = settings
        self.spectrum_length = settings.spectrum_length
        self.patches_per_side = settings.image_size // settings.image_patch
        self.n_image_tokens = self.patches_per_side**2
        self.n_spectrum_tokens = settings.spectrum_length // settings.spectrum_patch
        dim, heads, dropout = settings.dim, settings.heads, settings.dropout

        # "divided into 8 x 8 x 5 patches and projected into a 256-dimensional embedding"
        self.image_projection = nn.Conv2d(
            N_BANDS, dim, kernel_size=settings.image_patch, stride=settings.image_patch
        )
        self.image_position = nn.Parameter(0.02 * torch.randn(1, self.n_image_tokens, dim))
        # "patches of length 8 and a linear projection"
        self.spectrum_projection = nn.Linear(settings.spectrum_patch, dim)
        self.spectrum_position = nn.Parameter(0.02 * torch.randn(1, self.n_spectrum_tokens, dim))
        self.spectrum_norm = nn.LayerNorm(dim)

        # "a 1D transformer encoder with depth 4, 8 attention heads, and a dropout rate of 0.1"
        self.image_encoder = _encoder(dim, settings.depth, heads, dropout)
        self.spectrum_encoder = _encoder(dim, settings.depth, heads, dropout)
        # "four layers of cross-attention blocks"
        self.fusion = nn.ModuleList(
            CrossAttentionBlock(dim, heads, dropout) for _ in range(settings.cross_layers)
        )
        # "aggregated via attention pooling"
        self.image_pool = AttentionPool(dim, heads)
        self.spectrum_pool = AttentionPool(dim, heads)

        # "the decoders are MLPs with GeLU activations and dropout"
        n_image_values = self.n_image_tokens * N_BANDS * settings.image_patch**2
        self.image_decoder = _decoder(dim, n_image_values, dropout)
        self.spectrum_decoder = _decoder(dim, settings.spectrum_length, dropout)
        self.apply(_initialise)
        # "the regression head maps the fused embedding to a scalar redshift"
        self.redshift_head = nn.Sequential(nn.Linear(2 * dim, dim), nn.ReLU(), nn.Linear(dim, 1))

    def forward(
        self, image: Tensor, spectrum: Tensor, image_mask: Tensor, spectrum_mask: Tensor
    ) -> Output:
        """Reconstruct both modalities and predict the redshift from what is not hidden.

        Parameters
        ----------
        image : Tensor, shape (B, C, H, W)
            Flux with zero point 27.0.
        spectrum : Tensor, shape (B, L)
            Normalised and pooled flux.
        image_mask : Tensor of bool, shape (B, N)
        spectrum_mask : Tensor of bool, shape (B, M)
        """
        joint = self.encode(image, spectrum, image_mask, spectrum_mask)  # (B, 2 D)
        return Output(
            image=self.unpatchify(self.image_decoder(joint)),  # (B, C, H, W)
            spectrum=self.spectrum_decoder(joint),  # (B, L)
            z_pred=self.redshift_head(joint).squeeze(-1),  # (B,)
            embedding=joint,
        )

    def encode(
        self, image: Tensor, spectrum: Tensor, image_mask: Tensor, spectrum_mask: Tensor
    ) -> Tensor:
        """Joint representation of what is not hidden: (B, 2 D)."""
        if self.settings.masking == "drop":
            return see_visible(self, image, spectrum, image_mask, spectrum_mask)
        image_tokens = hide(self.embed_image(image), image_mask)  # (B, N, D)
        spectrum_tokens = hide(self.embed_spectrum(spectrum), spectrum_mask)  # (B, M, D)
        return self.join(
            *self.fuse(self.image_encoder(image_tokens), self.spectrum_encoder(spectrum_tokens))
        )

    def embed_image(self, image: Tensor) -> Tensor:
        """Image patches as tokens with their positions."""
        patches = self.image_projection(image)  # (B, D, H / patch, W / patch)
        return patches.flatten(2).transpose(1, 2) + self.image_position  # (B, N, D)

    def embed_spectrum(self, spectrum: Tensor) -> Tensor:
        """Spectrum patches as tokens with their positions; pixels beyond the last patch stay out.

        Unlike the image's, these tokens are normalised (authors' code).
        """
        used = self.n_spectrum_tokens * self.settings.spectrum_patch
        patches = spectrum[:, :used].unflatten(1, (self.n_spectrum_tokens, -1))  # (B, M, P)
        tokens = self.spectrum_projection(patches) + self.spectrum_position  # (B, M, D)
        return self.spectrum_norm(tokens)

    def fuse(self, image: Tensor, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        """Image tokens query spectrum tokens, and the reverse, block by block."""
        for block in self.fusion:
            image, spectrum = block(image, spectrum), block(spectrum, image)
        return image, spectrum

    def join(self, image: Tensor, spectrum: Tensor) -> Tensor:
        """One vector for each modality, concatenated: (B, 2 D)."""
        return torch.cat([self.image_pool(image), self.spectrum_pool(spectrum)], dim=1)

    def unpatchify(self, values: Tensor) -> Tensor:
        """Decoded patches back in their places: (B, N C P P) to (B, C, H, W)."""
        side, patch = self.patches_per_side, self.settings.image_patch
        patches = values.unflatten(1, (side, side, N_BANDS, patch, patch))
        return patches.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)

    def image_pixels(self, mask: Tensor) -> Tensor:
        """Which pixels the hidden image tokens cover, in all bands: (B, N) to (B, 1, H, W)."""
        patch = self.settings.image_patch
        tiles = mask.unflatten(1, (self.patches_per_side, self.patches_per_side))
        pixels = tiles.repeat_interleave(patch, dim=1).repeat_interleave(patch, dim=2)
        return pixels.unsqueeze(1)

    def spectrum_pixels(self, mask: Tensor) -> Tensor:
        """Which pixels the hidden spectrum tokens cover: (B, M) to (B, L)."""
        pixels = mask.repeat_interleave(self.settings.spectrum_patch, dim=1)
        beyond = self.settings.spectrum_length - pixels.shape[1]
        return nn.functional.pad(pixels, (0, beyond), value=False)

    def losses(
        self,
        output: Output,
        image: Tensor,
        spectrum: Tensor,
        redshift: Tensor,
        image_mask: Tensor,
        spectrum_mask: Tensor,
        n_counted: Tensor | None = None,
    ) -> Losses:
        """Mean squared errors of hidden pixels and the redshift loss, not weighted.

        Parameters
        ----------
        output : Output
        image, spectrum : Tensor
            The truth, as in `forward`.
        redshift : Tensor, shape (B,)
            z_spec.
        image_mask : Tensor of bool, shape (B, N)
        spectrum_mask : Tensor of bool, shape (B, M)
            Of the tokens whose reconstruction counts; all False for galaxies whose spectrum was
            zeroed, as there is nothing to reconstruct.
        n_counted : Tensor, scalar, optional
            Number of such tokens, if it is not the number in this mask.
        """
        n_pixels = None if n_counted is None else n_counted * self.settings.spectrum_patch
        return Losses(
            image=masked_mse(output.image, image, self.image_pixels(image_mask)),
            spectrum=masked_mse(
                output.spectrum, spectrum, self.spectrum_pixels(spectrum_mask), n_pixels
            ),
            redshift=redshift_loss(output.z_pred, redshift),
        )

    def training_losses(
        self, batch: Batch, mask_ratio: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Losses under random masks, half of the spectra zeroed (paper, section 4).

        As in the authors' code, a zeroed spectrum still goes through embedding and mask: tokens
        that are not hidden carry their positions. At validation and test all of them are hidden.
        """
        settings, n, device = self.settings, batch.n_whole, batch.image.device
        image_mask = random_mask(n, self.n_image_tokens, mask_ratio, generator)
        ratio = mask_ratio if settings.spectrum_mask is None else settings.spectrum_mask
        spectrum_mask = random_mask(n, self.n_spectrum_tokens, ratio, generator)
        zeroed = modality_dropout(
            n, settings.modality_dropout, settings.modality_dropout_by, generator
        )
        # a zeroed spectrum has nothing to reconstruct
        counted = spectrum_mask & ~zeroed[:, None]
        n_counted = counted.sum() * (len(batch.redshift) / n)
        if settings.masking == "drop":
            # and nothing to see
            spectrum_mask = spectrum_mask | zeroed[:, None]
        image_mask, spectrum_mask, zeroed, counted = (
            drawn[batch.own].to(device) for drawn in (image_mask, spectrum_mask, zeroed, counted)
        )
        spectrum = batch.spectrum.masked_fill(zeroed[:, None], 0.0)
        output = self(batch.image, spectrum, image_mask, spectrum_mask)
        losses = self.losses(
            *(output, batch.image, batch.spectrum, batch.redshift, image_mask, counted),
            n_counted.to(device),
        )
        return losses._asdict() | {"total": self.total_loss(losses)}

    def validation_losses(
        self, batch: Batch, mask_ratio: float, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Losses with the spectra hidden whole, as at test time (authors' code)."""
        n, device = len(batch.redshift), batch.image.device
        image_mask = random_mask(batch.n_whole, self.n_image_tokens, mask_ratio, generator)
        image_mask = image_mask[batch.own].to(device)
        hidden = torch.ones(n, self.n_spectrum_tokens, dtype=torch.bool, device=device)
        output = self(batch.image, torch.zeros_like(batch.spectrum), image_mask, hidden)
        losses = self.losses(
            output, batch.image, batch.spectrum, batch.redshift, image_mask, ~hidden
        )
        parts = {"image": losses.image, "redshift": losses.redshift}
        return parts | {"total": self.total_loss(losses)}, output.z_pred

    def total_loss(self, losses: Losses) -> Tensor:
        """Weighted sum (paper: 0.1 image + 0.01 spectrum + redshift)."""
        return (
            self.settings.image_weight * losses.image
            + self.settings.spectrum_weight * losses.spectrum
            + self.settings.redshift_weight * losses.redshift
        )

    def predict(self, batch: Batch, image_mask: Tensor, spectrum_mask: Tensor) -> Prediction:
        """Redshift and joint representation; nothing is reconstructed for them."""
        joint = self.encode(batch.image, batch.spectrum, image_mask, spectrum_mask)  # (B, 2 D)
        return Prediction(self.redshift_head(joint).squeeze(-1), embedding=joint)

    def slow_parameters(self) -> list[nn.Parameter]:
        """Positions and pooling queries: a tenth of the learning rate, no decay (authors' code)."""
        positions = [self.image_position, self.spectrum_position]
        return [*positions, self.image_pool.query, self.spectrum_pool.query]


class CrossAttentionBlock(nn.Module):
    """Tokens of one modality query those of the other; then a feed-forward layer."""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, dropout=dropout, batch_first=True)
        self.norm_attention = nn.LayerNorm(dim)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * dim, dim),
            nn.Dropout(dropout),
        )
        self.norm_feed_forward = nn.LayerNorm(dim)

    def forward(self, query: Tensor, other: Tensor) -> Tensor:
        """`query` (B, N, D) reads `other` (B, M, D); returns (B, N, D)."""
        read, _ = self.attention(query, other, other, need_weights=False)
        return self.digest(query + read)

    def digest(self, tokens: Tensor) -> Tensor:
        """What follows the attention: all there is where the other modality is hidden."""
        tokens = self.norm_attention(tokens)
        return self.norm_feed_forward(tokens + self.feed_forward(tokens))


class AttentionPool(nn.Module):
    """One learnable query reads all tokens."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.query = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, D) to (B, D)."""
        query = self.query.expand(len(tokens), -1, -1)
        return self.attention(query, tokens, tokens, need_weights=False)[0].squeeze(1)


def hide(tokens: Tensor, mask: Tensor) -> Tensor:
    """Zero the hidden tokens, position included (authors' code)."""
    return tokens.masked_fill(mask.unsqueeze(-1), 0.0)


def build(settings: PaperModel) -> PaperMMAE:
    """Make the model with random weights from torch's global generator."""
    return PaperMMAE(settings)


def _encoder(dim: int, depth: int, heads: int, dropout: float) -> nn.TransformerEncoder:
    """Post-norm transformer layers and a final LayerNorm."""
    layer = nn.TransformerEncoderLayer(
        dim, heads, dim_feedforward=4 * dim, dropout=dropout, activation="gelu", batch_first=True
    )
    return nn.TransformerEncoder(layer, depth, norm=nn.LayerNorm(dim), enable_nested_tensor=False)


def _decoder(dim: int, n_values: int, dropout: float) -> nn.Sequential:
    """MLP from the joint vector to all pixels: 2 D -> 2 D -> D -> n_values."""
    return nn.Sequential(
        nn.Linear(2 * dim, 2 * dim),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(2 * dim, dim),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(dim, n_values),
    )


def _initialise(module: nn.Module) -> None:
    """Glorot for linear layers, He for the convolution (authors' code)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
