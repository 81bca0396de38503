"""A masked autoencoder that finds lines and redshifts: spectra are decoded in the rest frame.

The redshift is a density, an image is the photometry of what is visible of it, and the spectrum's
decoder gives what the galaxy emits; shifting by 1 + z and averaging over the observed pixels is
arithmetic, so that no uncertainty of the redshift blurs a line. docs/restframe.md tells it as a
paper's section would.

Shapes: B galaxies, N tokens, D width of a token, E length of the embedding, K bins of the redshift,
L observed pixels. Masks: True = hidden.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmae.instruments import LINES
from mmae.modalities.base import Modality
from mmae.modalities.tracing import may_be_any
from mmae.models.base import GalaxyModel, Losses, Prediction, full_precision
from mmae.models.batch import Batch
from mmae.models.density import Density, DensityHead
from mmae.models.layers import Block, nothing_hidden, perceptron, visible_mean
from mmae.models.losses import Mean, redshift_loss
from mmae.models.masking import Mask, Masks, draw, hidden_values, unseen_values
from mmae.models.noise import estimated_ivar, usual_ivar
from mmae.models.photometry import Photometry
from mmae.models.profile import Profile
from mmae.models.restframe_decoder import RestframeDecoder
from mmae.models.synthesis import Synthesis
from mmae.settings import RestframeModel

SETTINGS = RestframeModel
N_DRAWS = 24
"""Redshifts, equally probable, over which the mean spectrum is averaged."""
IVAR_SCALE = 4.0
"""By which ln(1 + ivar) is divided to be read."""
LINE_REACH = 36.0
"""Å around a line that its emphasis reaches, a pixel and a half of the paper's."""
LOSS_ERROR = 0.15
"""Added to the noise where pixels of a loss weigh by it, in units of the normalised flux."""


class Encoded(NamedTuple):
    """What is known of galaxies from what is visible."""

    embedding: Tensor
    """(B, E)"""
    logits: Tensor
    """(B, K), of the redshift's density."""


class Restframe(GalaxyModel):
    """Density of the redshift, and spectra decoded in the rest frame.

    Parameters
    ----------
    settings : RestframeModel
    modalities : mapping of str to Modality
        Images become photometry, spectra tokens of patches, all others tokens of their own.
    """

    def __init__(self, settings: RestframeModel, modalities: Mapping[str, Modality]):
        super().__init__(settings, modalities)
        width, hidden, length = settings.width, settings.hidden, settings.embedding
        self.images = [name for name, one in modalities.items() if len(one.shape) == 3]
        self.spectra = [name for name, one in modalities.items() if hasattr(one.geometry, "wave")]
        self.others = [n for n in modalities if n not in (*self.images, *self.spectra)]
        self.photometry, self.projections, self.scales, self.decoders = (
            nn.ModuleDict() for _ in range(4)
        )
        self.positions = nn.ParameterDict()
        for name in self.images:
            self.photometry[name] = Photometry(modalities[name], hidden, width)
            self.decoders[name] = Profile(modalities[name].shape[-1])
        for name in self.spectra:
            one = modalities[name]
            self.projections[name] = nn.Linear(2 * one.settings.patch, width)
            self.decoders[name] = RestframeDecoder(one, settings)
        for name in self.others:
            one = modalities[name]
            self.projections[name], self.scales[name] = one.projection(width, True), one.scale()
            self.decoders[name] = perceptron(length, hidden, one.n_outputs)
        for name in self.projections:
            place = 0.02 * torch.randn(1, modalities[name].n_tokens, width)
            self.positions[name] = nn.Parameter(place)
        self.start = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.blocks = nn.ModuleList(Block(width, settings.heads) for _ in range(settings.depth))
        self.norm = nn.LayerNorm(width)
        self.embed = nn.Linear((1 + len(self.images) + len(self.spectra)) * width, length)
        self.redshift_head = DensityHead(
            *(length, hidden // 2, settings.bins, settings.z_max), settings.softness
        )
        self.log_variance = nn.ParameterDict()
        if settings.dynamic_weights:
            self.log_variance.update({n: nn.Parameter(torch.zeros(())) for n in settings.losses})
        # made when they are first needed, and no part of the weights
        self._tables: dict[str, Synthesis] = {}

    def prepare(self, sample: Batch, n_train: int) -> None:
        """Learn the scales of the inputs."""
        for name, photometry in self.photometry.items():
            photometry.fit(sample.known(name))
        for name, scale in self.scales.items():
            scale.fit(sample.known(name))
        for name in self.spectra:
            ivar = sample.ivar.get(name)
            self.decoders[name].fit(usual_ivar(sample.known(name)) if ivar is None else ivar)

    @property
    def exported(self) -> tuple[str, ...]:
        """All but spectra, if these are fitted: fits have tables."""
        fitted = self.spectra if self.settings.synthesis else []
        return tuple(name for name in self.modalities if name not in fitted)

    # --- what is hidden ------------------------------------------------------------------------

    def draw_masks(
        self, n: int, mask_ratio: float, generator: torch.Generator, training: bool
    ) -> Masks:
        """Random tokens, of each galaxy another fraction up to the ratio, so that one model serves.

        Of `settings.whole` of the galaxies nothing is hidden. A modality in `settings.dropped` is
        hidden entirely of a fraction of the galaxies, and of all at validation.
        """
        settings, masks = self.settings, {}
        for name, one in self.modalities.items():
            limit = settings.mask_ratios.get(name, mask_ratio)
            ratio = limit * torch.rand(n, 1, generator=generator)
            ratio[torch.rand(n, generator=generator) < settings.whole] = 0
            mask = draw(one, n, settings.more_masks.get(name, {}) if training else {}, generator)
            order = torch.rand(n, one.n_tokens, generator=generator).argsort(dim=1).argsort(dim=1)
            tokens = mask.tokens | (order < ratio * one.n_tokens)
            if name in settings.dropped:
                gone = torch.rand(n, 1, generator=generator) < settings.dropped[name]
                tokens = tokens | gone if training else torch.ones_like(tokens)
            masks[name] = mask._replace(tokens=tokens)
        return masks

    def complete(self, batch: Batch, masks: Masks) -> dict[str, Mask]:
        """Masks of all modalities, with what the data lack."""
        found = {}
        for name, one in self.modalities.items():
            n, device = batch.redshift.shape[0], batch.redshift.device
            mask = masks.get(name, Mask(nothing_hidden(n, one.n_tokens, device)))
            if name in batch.valid:
                missing = one.with_tells(~batch.valid[name])
                values = missing if mask.values is None else missing | mask.values
                mask = mask._replace(tokens=mask.tokens | one.whole_tokens(values), values=values)
            found[name] = mask
        return found

    # --- encoder -------------------------------------------------------------------------------

    def forward(
        self,
        batch: Batch,
        masks: Mapping[str, Mask],
        measured: Mapping[str, Tensor] | None = None,
    ) -> Encoded:
        """Embedding, and density of the redshift, from what is visible.

        Parameters
        ----------
        batch : Batch
        masks : mapping of str to Mask
            Of `complete`.
        measured : mapping of str to Tensor, shape (B, D), optional
            Photometry of the images, if it was measured already.
        """
        n = batch.redshift.shape[0]
        none = nothing_hidden(n, 1, self.start.device)
        measured = self.measure(batch, masks) if measured is None else measured
        tokens, hidden = {"": self.start.expand(n, -1, -1)}, {"": none}
        for name, token in measured.items():
            tokens[name] = token.unsqueeze(1)
            hidden[name] = masks[name].tokens.all(dim=1, keepdim=True)
        for name in self.projections:
            # what is hidden of all costs nothing
            if may_be_any(~masks[name].tokens):
                tokens[name] = self._patches(name, batch, masks[name]) + self.positions[name]
                hidden[name] = masks[name].tokens
        read = self._compared(tokens, hidden, 1 + len(measured))
        summaries = [read[""][:, 0], *measured.values()]
        nothing = self.start.new_zeros(n, self.settings.width)
        summaries += [
            visible_mean(read[name], hidden[name]) if name in read else nothing
            for name in self.spectra
        ]
        with full_precision(self.start):
            embedding = self.embed(torch.cat([part.float() for part in summaries], dim=1))
        return Encoded(embedding, self.redshift_head(embedding))

    def measure(self, batch: Batch, masks: Mapping[str, Mask]) -> dict[str, Tensor]:
        """Photometry of the visible pixels of images as tokens, (B, D); 0 of a hidden image."""
        return {
            name: photometry(batch.values[name], unseen_values(self.modalities[name], masks[name]))
            for name, photometry in self.photometry.items()
        }

    def _compared(
        self, tokens: Mapping[str, Tensor], hidden: Mapping[str, Tensor], n_first: int
    ) -> dict[str, Tensor]:
        """Tokens after they have read each other, by name.

        The first ones, start and photometry, have nothing to be compared with where all others are
        hidden, and stay as they are.
        """
        before = torch.cat([one.to(self.start.dtype) for one in tokens.values()], dim=1)
        gone = torch.cat(list(hidden.values()), dim=1)
        alone = gone[:, n_first:].all(dim=1)
        after = before
        for block in self.blocks if may_be_any(~alone) else ():
            after = block(after, gone)
        read = self.norm(torch.where(alone[:, None, None], before, after))
        sizes = [one.shape[1] for one in tokens.values()]
        return dict(zip(tokens, read.split(sizes, dim=1), strict=True))

    def _patches(self, name: str, batch: Batch, mask: Mask) -> Tensor:
        """Tokens (B, N, D) of a spectrum, whose inverse variance stands beside it, or of others."""
        one, values = self.modalities[name], batch.values[name]
        gone = unseen_values(one, mask).expand(values.shape)
        if name in self.others:
            values = self.scales[name](values).masked_fill(gone, 0.0)
            return self.projections[name](values, gone)
        ivar = self._ivar(name, batch, ~gone)
        if not self.settings.ivar_input:
            ivar = torch.zeros_like(ivar)
        pair = torch.stack([values.masked_fill(gone, 0.0), torch.log1p(ivar) / IVAR_SCALE], dim=1)
        patch = one.settings.patch
        patches = pair[..., : one.n_tokens * patch].unflatten(2, (-1, patch))  # (B, 2, N, P)
        return self.projections[name](patches.transpose(1, 2).flatten(2))

    def _seen(self, name: str, batch: Batch, mask: Mask) -> Tensor:
        """Inverse variance of a spectrum, (B, L); 0 where it is hidden or missing."""
        unseen = unseen_values(self.modalities[name], mask)
        return self._ivar(name, batch, ~unseen.expand(batch.values[name].shape))

    def _drawn(
        self, name: str, batch: Batch, mask: Mask, embedding: Tensor, zeta: Tensor
    ) -> Tensor:
        """A spectrum as it looks at zeta (B,), with what the visible part tells beside it."""
        decoder = self.decoders[name]
        decoded = decoder(embedding, zeta, batch.ivar.get(name))
        if decoder.deviations is None:
            return decoded
        seen = self._seen(name, batch, mask)
        return decoder.deviate(decoded, zeta, batch.values[name], seen)

    def _ivar(self, name: str, batch: Batch, seen: Tensor) -> Tensor:
        """Inverse variance of a spectrum where it is seen, (B, L); estimated if it is not known."""
        if name in batch.ivar:
            return batch.ivar[name].masked_fill(~seen, 0.0)
        return estimated_ivar(batch.values[name], seen, self.decoders[name].weight)

    # --- losses --------------------------------------------------------------------------------

    def losses(self, batch: Batch, masks: Masks, generator: torch.Generator) -> Losses:
        """Of all galaxies without what may be dropped; of those that show it, from all they show.

        The latter are called `<loss>_joint`.
        """
        masks = self.complete(batch, masks)
        dropped = [masks[name].tokens for name in self.settings.dropped]
        alone = masks | {
            name: masks[name]._replace(tokens=torch.ones_like(tokens))
            for name, tokens in zip(self.settings.dropped, dropped, strict=True)
        }
        measured = self.measure(batch, masks)
        encoded = self(batch, alone, measured)
        parts = self._parts(encoded, batch, alone)
        median = self.redshift_head.density(encoded.logits).quantiles((0.5,))[:, 0]
        if dropped:
            shown = torch.stack([~tokens.all(dim=1) for tokens in dropped]).any(dim=0)
            rows = shown.nonzero().squeeze(1)
            if len(rows):
                some = batch.rows(rows)
                own = {name: mask.of(rows, rows.device) for name, mask in masks.items()}
                joint = self(some, own, {name: one[rows] for name, one in measured.items()})
                found = self._parts(joint, some, own)
                parts |= {f"{name}_joint": part for name, part in found.items()}
        return Losses(parts, median)

    def _parts(self, encoded: Encoded, batch: Batch, masks: Mapping[str, Mask]) -> dict[str, Mean]:
        """Cross-entropy of the redshift, and squared errors of what is decoded at the true one."""
        parts = {"redshift": self.redshift_head.loss(encoded.logits, batch.redshift)}
        if "point" in self.settings.weights:
            median = self.redshift_head.density(encoded.logits).quantiles((0.5,))[:, 0]
            parts["point"] = redshift_loss(median, batch.redshift)
        zeta = batch.redshift.nan_to_num().clamp(min=0).log1p()
        for name in self.spectra:
            decoded = self._drawn(name, batch, masks[name], encoded.embedding, zeta)
            weight = self._weight(name, batch, masks[name])
            parts[name] = _weighted((decoded - batch.values[name]).square(), weight)
        for name in self.others:
            one = self.modalities[name]
            truth = self.scales[name](batch.values[name])
            rebuilt = one.arrange(self.decoders[name](encoded.embedding))
            counted = hidden_values(one, masks[name]).expand(truth.shape)
            counted = counted & batch.valid.get(name, counted)
            parts[name] = _weighted((rebuilt - truth).square(), counted.to(truth.dtype))
        return parts

    def _weight(self, name: str, batch: Batch, mask: Mask) -> Tensor:
        """Of a spectrum's pixels in the loss, (B, L): none without data, or without redshift."""
        hidden = hidden_values(self.modalities[name], mask)
        weight = torch.where(hidden, 1.0, self.settings.visible_weight)
        weight = weight * batch.redshift.isfinite()[:, None]
        if self.settings.line_weight:
            weight = weight * (1 + self.settings.line_weight * self._at_lines(name, batch.redshift))
        valid = batch.valid.get(name, torch.ones_like(hidden))
        if self.settings.ivar_weights:
            information = self._ivar(name, batch, valid) * LOSS_ERROR**2
            weight = weight * information / (1 + information)
        return weight * valid

    def _at_lines(self, name: str, redshift: Tensor) -> Tensor:
        """Which pixels of a spectrum are within LINE_REACH of a known line, (B, L)."""
        lines = redshift.new_tensor([line.wave for line in LINES.values()])
        places = lines * (1 + redshift.nan_to_num()[:, None])  # (B, lines)
        wave = redshift.new_tensor(self.modalities[name].geometry.wave)
        return ((wave - places[..., None]).abs() < LINE_REACH).any(dim=1)

    def total(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Weighted sum; with learnt weights, each loss over its variance plus what that costs."""
        weighted = {n: self.settings.weights.get(n, 1.0) * part for n, part in parts.items()}
        if not self.settings.dynamic_weights:
            return sum(weighted.values())
        return sum((-s).exp() * weighted[n] + s for n, s in self.log_variance.items() if n in parts)

    # --- inference -----------------------------------------------------------------------------

    def predict(self, batch: Batch, masks: Masks) -> Prediction:
        """The density's median, spread and quantiles, and the embedding.

        Where a part of a spectrum is visible the density is that of the synthesis, and the redshift
        its best fit.
        """
        return self._told(batch, self.complete(batch, masks))

    def reconstruct(
        self, batch: Batch, masks: Masks, kind: str = "mean"
    ) -> tuple[dict[str, Tensor], Prediction]:
        """Values of each modality, and what `predict` says.

        Parameters
        ----------
        batch : Batch
        masks : mapping of str to Mask
        kind : {"mean", "mode"}
            Spectra averaged over the density of the redshift, which has the least squared error,
            or as they are at the redshift that is predicted, whose lines are sharp.
        """
        masks = self.complete(batch, masks)
        told = self._told(batch, masks)
        density, embedding = told.density, told.embedding
        redshifts = told.z_pred[:, None]
        if kind == "mean":
            redshifts = density.quantiles([(k + 0.5) / N_DRAWS for k in range(N_DRAWS)])
        values = {}
        for name in self.spectra:
            drawn = (
                self._drawn(name, batch, masks[name], embedding, zeta)
                for zeta in redshifts.clamp(min=0).log1p().unbind(dim=1)
            )
            values[name] = sum(drawn) / redshifts.shape[1]
        for name in self.others:
            rebuilt = self.modalities[name].arrange(self.decoders[name](embedding))
            values[name] = self.scales[name].inverse(rebuilt)
        for name in self.images:
            unseen = unseen_values(self.modalities[name], masks[name])
            values[name] = self.decoders[name](batch.values[name], unseen)
        return values, told

    def _told(self, batch: Batch, masks: Mapping[str, Mask]) -> Prediction:
        """What is said of galaxies; of several spectra, the first that any shows is fitted."""
        embedding, logits = self(batch, masks)
        density = self.redshift_head.density(logits)
        shown = [
            name
            for name in self.spectra
            # of what is exported, none: fits have tables
            if name in self.exported or not torch.compiler.is_exporting()
            if may_be_any(~masks[name].tokens)
        ]
        if not (shown and self.settings.synthesis):
            told = density.told(embedding)
            return told._replace(delta_chi2=told.z_pred * torch.nan)
        name = shown[0]
        decoder, flux = self.decoders[name], batch.values[name]
        ivar = self._seen(name, batch, masks[name])
        if name not in self._tables:
            keys = ("z_max", "temper", "misfit")
            self._tables[name] = Synthesis(decoder, *(getattr(self.settings, k) for k in keys))
        synthesis = self._tables[name].to(embedding.device)
        fit = synthesis(decoder, embedding, density, flux, ivar)
        some = (ivar > 0).any(dim=1)
        fine = density.on(fit.density.edges).probability
        probability = torch.where(some[:, None], fit.density.probability, fine)
        median = density.quantiles((0.5,))[:, 0]
        density = Density(probability, fit.density.edges)
        told = density.told(embedding, torch.where(some, fit.best, median))
        return told._replace(delta_chi2=torch.where(some, fit.delta_chi2, torch.nan))


def _weighted(squared: Tensor, weight: Tensor) -> Mean:
    """Weighted mean of errors."""
    return Mean((squared * weight).sum(), weight.sum())


def build(settings: RestframeModel, modalities: Mapping[str, Modality]) -> Restframe:
    """Make the model with random weights from torch's global generator."""
    return Restframe(settings, modalities)
