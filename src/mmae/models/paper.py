"""The multi-modal masked autoencoder of arXiv:2510.22527, section 4.

The paper has two modalities, image and spectrum; here there may be more. Shapes: B galaxies, N
tokens of a modality, D width of a token, M modalities. Masks: True = hidden.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmae.modalities.base import Modality
from mmae.models.base import GalaxyModel, Losses, Prediction
from mmae.models.batch import Batch
from mmae.models.losses import Mean, masked_mse, redshift_loss
from mmae.models.masking import Mask, Masks, draw, hidden_values, modality_dropout
from mmae.settings import PaperModel

SETTINGS = PaperModel


class Output(NamedTuple):
    """What the model says of a batch."""

    reconstruction: dict[str, Tensor]
    """By modality, (B, *shape), on its scale."""
    z_pred: Tensor
    """Redshift, (B,)."""
    embedding: Tensor
    """Joint representation, (B, M D)."""


class Tokens(NamedTuple):
    """Tokens of one modality of some galaxies."""

    values: Tensor
    """(B, N, D)"""
    padding: Tensor | None = None
    """(B, N) bool, True where a galaxy has fewer tokens than others; None: nowhere."""

    def readable(self) -> Tensor | None:
        """Padding, but of a galaxy that has no token, whose softmax would be NaN."""
        return None if self.padding is None else self.padding & ~self.padding.all(1, keepdim=True)

    def read_by(self, query: Tensor, attention: nn.MultiheadAttention) -> Tensor:
        """What queries (B, K, D) read of the tokens: the same shape, 0 where there is none."""
        read, _ = attention(
            *(query, self.values, self.values),
            key_padding_mask=self.readable(),
            need_weights=False,
        )
        if self.padding is None:
            return read
        return read.masked_fill(self.padding.all(dim=1)[:, None, None], 0.0)


class PaperMMAE(GalaxyModel):
    """Multi-modal masked autoencoder (paper, section 4).

    Parameters
    ----------
    settings : PaperModel
        Sizes; see config/schema.yaml.
    modalities : mapping of str to Modality

    Notes
    -----
    What the text leaves open is as in the authors' code (modules.py): encoder layers normalise
    after the residual, tokens are zeroed after embedding and position, one cross-attention block
    serves all directions, and all directions read the same previous state.
    """

    def __init__(self, settings: PaperModel, modalities: Mapping[str, Modality]):
        super().__init__(settings, modalities)
        dim, heads, dropout = settings.dim, settings.heads, settings.dropout
        joint = len(modalities) * dim

        # "divided into 8 x 8 x 5 patches and projected into a 256-dimensional embedding"; "patches
        # of length 8 and a linear projection"
        self.positions, self.projections = nn.ParameterDict(), nn.ModuleDict()
        for name, modality in modalities.items():
            self.projections[name] = modality.projection(dim, settings.mask_channel)
            self.positions[name] = nn.Parameter(0.02 * torch.randn(1, modality.n_tokens, dim))
        # unlike the image's, tokens of rows of values are normalised (authors' code)
        self.norms = nn.ModuleDict(
            {name: nn.LayerNorm(dim) for name, one in modalities.items() if len(one.shape) == 1}
        )
        self.scales = nn.ModuleDict(
            {
                name: one.even_scale() if settings.even_scales else one.scale()
                for name, one in modalities.items()
            }
        )

        # "a 1D transformer encoder with depth 4, 8 attention heads, and a dropout rate of 0.1"
        self.encoders = nn.ModuleDict(
            {name: _encoder(dim, settings.depth, heads, dropout) for name in modalities}
        )
        # "four layers of cross-attention blocks"
        self.fusion = nn.ModuleList(
            CrossAttentionBlock(dim, heads, dropout) for _ in range(settings.cross_layers)
        )
        # "aggregated via attention pooling"
        self.pools = nn.ModuleDict({name: AttentionPool(dim, heads) for name in modalities})

        # "the decoders are MLPs with GeLU activations and dropout"
        self.decoders = nn.ModuleDict(
            {name: _decoder(joint, dim, one.n_outputs, dropout) for name, one in modalities.items()}
        )
        self.apply(_initialise)
        # "the regression head maps the fused embedding to a scalar redshift"
        self.redshift_head = nn.Sequential(nn.Linear(joint, dim), nn.ReLU(), nn.Linear(dim, 1))

    def prepare(self, sample: Batch, n_train: int) -> None:
        """Learn the scale of modalities that have one."""
        for name, scale in self.scales.items():
            scale.fit(sample.known(name))

    # --- "Masking strategy" ------------------------------------------------------------------

    def draw_masks(
        self, n: int, mask_ratio: float, generator: torch.Generator, training: bool
    ) -> Masks:
        """Random tokens; in training, of some galaxies a modality entirely.

        Half of the spectra are zeroed in training (paper). As in the authors' code, a zeroed
        spectrum still goes through embedding and mask: tokens that are not hidden carry their
        positions. At validation all of its tokens are hidden, as at test time, and none counts.
        """
        settings, masks = self.settings, {}
        for name, modality in self.modalities.items():
            if name in settings.dropped and not training:
                hidden = torch.ones(n, modality.n_tokens, dtype=torch.bool)
                masks[name] = Mask(hidden, counts=torch.zeros(n, dtype=torch.bool))
                continue
            kinds = {"random": settings.mask_ratios.get(name, mask_ratio)}
            if training:
                kinds |= settings.more_masks.get(name, {})
            masks[name] = draw(modality, n, kinds, generator)
        for name, fraction in settings.dropped.items() if training else ():
            gone = modality_dropout(n, fraction, settings.dropped_by, generator)
            masks[name] = self._dropped(masks[name], gone, len(self.modalities[name].shape))
        return masks

    def _dropped(self, mask: Mask, gone: Tensor, n_axes: int) -> Mask:
        """Take a modality from some galaxies: nothing to reconstruct, and nothing to see."""
        tokens = mask.tokens | gone[:, None] if self.settings.masking == "drop" else mask.tokens
        values = gone.view(-1, *[1] * n_axes)
        values = values if mask.values is None else values | mask.values
        return Mask(tokens, values, ~gone)

    def complete(self, batch: Batch, masks: Masks) -> dict[str, Mask]:
        """Masks of all modalities, with what the data lack: whole modalities, and values."""
        found = {}
        for name, modality in self.modalities.items():
            n, device = batch.redshift.shape[0], batch.redshift.device
            none = torch.zeros(n, modality.n_tokens, dtype=torch.bool, device=device)
            mask = masks.get(name, Mask(none))
            if (present := batch.present(name)) is not None:
                counts = present if mask.counts is None else mask.counts & present
                mask = mask._replace(tokens=mask.tokens | ~present[:, None], counts=counts)
                if self._hides_missing(modality):
                    missing = modality.with_tells(~batch.valid[name])
                    values = missing if mask.values is None else missing | mask.values
                    tokens = mask.tokens | modality.whole_tokens(values)
                    mask = mask._replace(tokens=tokens, values=values)
            found[name] = mask
        return found

    def _hides_missing(self, modality: Modality) -> bool:
        """Whether values that the data lack are hidden, rather than 0."""
        return self.settings.missing == "hidden" or not modality.has_zero

    # --- "Architecture" ----------------------------------------------------------------------

    def forward(self, values: Mapping[str, Tensor], masks: Masks) -> Output:
        """Reconstruct all modalities and predict the redshift from what is not hidden.

        Parameters
        ----------
        values : mapping of str to Tensor, shape (B, *shape)
            As the modalities define them.
        masks : mapping of str to Mask
            One for each modality.
        """
        joint = self.encode(values, masks)  # (B, M D)
        return Output(
            {
                name: one.arrange(self.decoders[name](joint))
                for name, one in self.modalities.items()
            },
            self.redshift_head(joint).squeeze(-1),  # (B,)
            joint,
        )

    def encode(self, values: Mapping[str, Tensor], masks: Masks) -> Tensor:
        """Joint representation of what is not hidden: (B, M D)."""
        drop = self.settings.masking == "drop"
        if drop and not torch.compiler.is_exporting():
            return self.encode_visible(values, masks)
        tokens = {}
        for name, mask in masks.items():
            own = self.embed(name, values[name], mask)
            # in torch.export no shape may depend on data: hidden tokens stay, and none reads them
            tokens[name] = self._encoded(
                name, Tokens(own, mask.tokens) if drop else Tokens(hide(own, mask.tokens))
            )
        return self.concatenate(self.fuse(tokens))

    def embed(self, name: str, values: Tensor, mask: Mask) -> Tensor:
        """Patches of what is not hidden as tokens with their positions: (B, N, D)."""
        values = self.scales[name](values)
        if mask.values is not None:
            values = values.masked_fill(mask.values, 0.0)
        tokens = self.projections[name](values, mask.values) + self.positions[name]
        return self.norms[name](tokens) if name in self.norms else tokens

    def encode_visible(self, values: Mapping[str, Tensor], masks: Masks) -> Tensor:
        """Joint representation, of which the part of a hidden modality is 0.

        Hidden tokens are left out, as in He et al. 2022 (arXiv:2111.06377, section 3): they cost
        nothing, and a galaxy of which a modality is hidden whole pays nothing for it.
        """
        names = list(masks)
        seen = torch.stack([~masks[name].tokens.all(dim=1) for name in names], dim=1)  # (B, M)
        joint = self.redshift_head[0].weight.new_zeros(len(seen), len(names) * self.settings.dim)
        for pattern in seen.unique(dim=0):
            rows = (seen == pattern).all(dim=1).nonzero().squeeze(1)
            shown = [name for name, has in zip(names, pattern.tolist(), strict=True) if has]
            if shown:
                own = {name: masks[name].of(rows, joint.device) for name in shown}
                tokens = {
                    name: self._encoded(
                        name, keep(self.embed(name, values[name][rows], mask), mask.tokens)
                    )
                    for name, mask in own.items()
                }
                part = self.concatenate(self.fuse(tokens))
                joint = joint.index_copy(0, rows, part.to(joint.dtype))
        return joint

    def _encoded(self, name: str, tokens: Tokens) -> Tokens:
        """Visible tokens through their encoder."""
        encoded = self.encoders[name](tokens.values, src_key_padding_mask=tokens.readable())
        return tokens._replace(values=encoded)

    def fuse(self, tokens: Mapping[str, Tokens]) -> dict[str, Tokens]:
        """Tokens of each modality query those of all others, block by block."""
        for block in self.fusion:
            tokens = {
                name: own._replace(values=block(own.values, others(tokens, name)))
                for name, own in tokens.items()
            }
        return dict(tokens)

    def concatenate(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """One vector for each modality, concatenated: (B, M D); 0 for those that are hidden."""
        pooled = {name: self.pools[name](own) for name, own in tokens.items()}
        none = torch.zeros_like(next(iter(pooled.values())))
        return torch.cat([pooled.get(name, none) for name in self.modalities], dim=1)

    # --- "Losses" ----------------------------------------------------------------------------

    def losses(self, batch: Batch, masks: Masks, generator: torch.Generator) -> Losses:
        """Mean squared errors of hidden values, and the redshift loss."""
        masks = self.complete(batch, masks)
        output = self(batch.values, masks)
        parts = {
            name: self.reconstruction_loss(name, output.reconstruction[name], batch, mask)
            for name, mask in masks.items()
        }
        parts["redshift"] = redshift_loss(output.z_pred, batch.redshift)
        return Losses(parts, output.z_pred)

    def reconstruction_loss(
        self, name: str, reconstruction: Tensor, batch: Batch, mask: Mask
    ) -> Mean:
        """Mean squared error of the hidden values of a modality that are known."""
        modality = self.modalities[name]
        hidden = hidden_values(modality, mask)
        if mask.counts is not None:
            hidden = hidden & mask.counts.view(-1, *[1] * (hidden.dim() - 1))
        if name in batch.valid and self._hides_missing(modality):
            hidden = hidden & batch.valid[name]
        return masked_mse(reconstruction, self.scales[name](batch.values[name]), hidden)

    def total(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Weighted sum (paper: 0.1 image + 0.01 spectrum + redshift)."""
        weights = {name: one.weight for name, one in self.modalities.items()} | {"redshift": 1.0}
        return sum((weights | self.settings.weights)[name] * part for name, part in parts.items())

    # --- "Inference" -------------------------------------------------------------------------

    def predict(self, batch: Batch, masks: Masks) -> Prediction:
        """Redshift and joint representation; nothing is reconstructed for them."""
        joint = self.encode(batch.values, self.complete(batch, masks))  # (B, M D)
        return Prediction(self.redshift_head(joint).squeeze(-1), embedding=joint)

    def reconstruct(self, batch: Batch, masks: Masks) -> tuple[dict[str, Tensor], Prediction]:
        """Values of each modality, and what `predict` says."""
        output = self(batch.values, self.complete(batch, masks))
        values = {
            name: self.scales[name].inverse(part) for name, part in output.reconstruction.items()
        }
        return values, Prediction(output.z_pred, embedding=output.embedding)

    def slow_parameters(self) -> list[nn.Parameter]:
        """Positions and pooling queries: a tenth of the learning rate, no decay (authors' code)."""
        return [*self.positions.values(), *(pool.query for pool in self.pools.values())]


class CrossAttentionBlock(nn.Module):
    """Tokens of one modality query those of others; then a feed-forward layer."""

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

    def forward(self, query: Tensor, other: Tokens | None) -> Tensor:
        """`query` (B, N, D) reads `other`, if there is any; returns (B, N, D)."""
        if other is not None:
            query = query + other.read_by(query, self.attention)
        tokens = self.norm_attention(query)
        return self.norm_feed_forward(tokens + self.feed_forward(tokens))


class AttentionPool(nn.Module):
    """One learnable query reads all tokens."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.query = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)

    def forward(self, tokens: Tokens) -> Tensor:
        """(B, N, D) to (B, D)."""
        query = self.query.expand(tokens.values.shape[0], -1, -1)
        return tokens.read_by(query, self.attention).squeeze(1)


def hide(tokens: Tensor, mask: Tensor) -> Tensor:
    """Zero the hidden tokens, position included (authors' code)."""
    return tokens.masked_fill(mask.unsqueeze(-1), 0.0)


def keep(tokens: Tensor, mask: Tensor) -> Tokens:
    """Visible tokens in their order, (B, K, D); padded where galaxies have different numbers."""
    counts = (~mask).sum(dim=1)
    most = int(counts.max())
    if (counts == most).all():
        return Tokens(tokens[~mask].unflatten(0, (len(tokens), most)))
    order = mask.to(torch.uint8).argsort(dim=1, stable=True)[:, :most]
    visible = tokens.gather(1, order.unsqueeze(-1).expand(-1, -1, tokens.shape[2]))
    return Tokens(visible, torch.arange(most, device=mask.device) >= counts[:, None])


def others(tokens: Mapping[str, Tokens], name: str) -> Tokens | None:
    """Tokens of all modalities but one, behind each other."""
    rest = [other for key, other in tokens.items() if key != name]
    if len(rest) < 2:
        return rest[0] if rest else None
    padding = None
    if any(other.padding is not None for other in rest):
        padding = torch.cat(
            [
                other.values.new_zeros(other.values.shape[:2], dtype=torch.bool)
                if other.padding is None
                else other.padding
                for other in rest
            ],
            dim=1,
        )
    return Tokens(torch.cat([other.values for other in rest], dim=1), padding)


def build(settings: PaperModel, modalities: Mapping[str, Modality]) -> PaperMMAE:
    """Make the model with random weights from torch's global generator."""
    return PaperMMAE(settings, modalities)


def _encoder(dim: int, depth: int, heads: int, dropout: float) -> nn.TransformerEncoder:
    """Post-norm transformer layers and a final LayerNorm."""
    layer = nn.TransformerEncoderLayer(
        dim, heads, dim_feedforward=4 * dim, dropout=dropout, activation="gelu", batch_first=True
    )
    return nn.TransformerEncoder(layer, depth, norm=nn.LayerNorm(dim), enable_nested_tensor=False)


def _decoder(joint: int, dim: int, n_values: int, dropout: float) -> nn.Sequential:
    """MLP from the joint vector to all values: 2 D -> 2 D -> D -> n_values."""
    return nn.Sequential(
        nn.Linear(joint, joint),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(joint, dim),
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
