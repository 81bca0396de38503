"""A masked autoencoder that finds lines and redshifts: spectra are decoded in the rest frame.

Redshift is a density, photometry is measured in what is visible of the image, and the spectrum's
decoder gives what the galaxy emits; shifting by 1 + z and resampling onto the observed pixels is
arithmetic, so that no uncertainty of the redshift blurs a line. Shapes: B galaxies, N tokens, D
width of a token, E length of the embedding, K bins of redshift, L observed pixels, R pixels of the
rest frame. Masks: True = hidden.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from mmae.modalities.annuli import Annuli
from mmae.modalities.base import Modality
from mmae.models.base import GalaxyModel, Losses, Prediction, full_precision
from mmae.models.batch import Batch
from mmae.models.density import QUANTILES, RedshiftBins, quantiles, rebinned
from mmae.models.losses import Mean
from mmae.models.masking import Mask, Masks, hidden_values
from mmae.models.profile import Profile
from mmae.models.synthesis import Synthesis
from mmae.settings import RestframeModel

SETTINGS = RestframeModel
N_DRAWS = 24
"""Redshifts over which the mean spectrum is averaged."""
N_WAVES = 5
"""Sines and cosines of ln(1 + z) that tell the decoder which part of the rest frame is seen."""


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
        Images become photometry, spectra tokens of patches, vectors tokens.

    Notes
    -----
    The rest-frame decoder follows spender (Melchior et al. 2023, arXiv:2211.07890).
    """

    def __init__(self, settings: RestframeModel, modalities: Mapping[str, Modality]):
        super().__init__(settings, modalities)
        width, hidden = settings.width, settings.hidden
        self.images = [name for name, one in modalities.items() if len(one.shape) == 3]
        self.spectra = [name for name, one in modalities.items() if hasattr(one.geometry, "wave")]
        self.vectors = [n for n in modalities if n not in (*self.images, *self.spectra)]
        # an image is what an astronomer would measure in it
        self.annuli, self.photometry = nn.ModuleDict(), nn.ModuleDict()
        for name in self.images:
            one = modalities[name]
            self.annuli[name] = Annuli(*one.shape[:2], one.geometry.pixel_scale_arcsec)
            self.photometry[name] = perceptron(self.annuli[name].n_features, hidden, hidden, width)
        # a spectrum is patches of flux with its inverse variance
        self.positions, self.projections, self.scales = (
            nn.ParameterDict(),
            nn.ModuleDict(),
            nn.ModuleDict(),
        )
        for name in (*self.spectra, *self.vectors):
            one = modalities[name]
            is_spectrum = name in self.spectra
            self.projections[name] = (
                nn.Linear(2 * one.settings.patch, width)
                if is_spectrum
                else one.projection(width, True)
            )
            self.positions[name] = nn.Parameter(0.02 * torch.randn(1, one.n_tokens, width))
            self.scales[name] = one.scale()
        self.start = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.blocks = nn.ModuleList(Block(width, settings.heads) for _ in range(settings.depth))
        self.norm = nn.LayerNorm(width)
        n_parts = 1 + len(self.images) + len(self.spectra)
        self.embed = nn.Linear(n_parts * width, settings.embedding)
        self.bins = RedshiftBins(settings.bins, settings.z_max, settings.softness)
        self.redshift_head = perceptron(settings.embedding, settings.hidden // 2, settings.bins)
        self._tables: dict[str, Synthesis] = {}
        self.decoders = nn.ModuleDict(
            {name: RestframeDecoder(modalities[name], settings) for name in self.spectra}
        )
        for name in self.vectors:
            n_outputs = modalities[name].n_outputs
            self.decoders[name] = perceptron(settings.embedding, hidden, n_outputs)
        for name in self.images:
            self.decoders[name] = Profile(*modalities[name].shape[:2])

    def prepare(self, sample: Batch, n_train: int) -> None:
        """Learn the scales of the inputs."""
        for name in self.images:
            self.annuli[name].fit(sample.values[name])
        for name, scale in self.scales.items():
            scale.fit(sample.known(name))
        for name in self.spectra:
            self.decoders[name].fit(sample.values[name], self._ivar(sample, name))

    # --- what is hidden ------------------------------------------------------------------------

    def draw_masks(
        self, n: int, mask_ratio: float, generator: torch.Generator, training: bool
    ) -> Masks:
        """Random tokens, of each galaxy another fraction up to the ratio, so that one model serves.

        Nothing is hidden of `settings.whole` of the galaxies; a modality in `dropped` is hidden
        entirely of a fraction of them, and of all at validation.
        """
        masks = {}
        for name, one in self.modalities.items():
            limit = self.settings.mask_ratios.get(name, mask_ratio)
            ratio = torch.rand(n, 1, generator=generator) * limit
            shown = torch.rand(n, 1, generator=generator) < self.settings.whole
            order = torch.rand(n, one.n_tokens, generator=generator).argsort(dim=1).argsort(dim=1)
            tokens = order < torch.where(shown, 0.0, ratio) * one.n_tokens
            if name in self.settings.dropped:
                gone = torch.rand(n, 1, generator=generator) < self.settings.dropped[name]
                tokens = tokens | gone if training else torch.ones_like(tokens)
            masks[name] = Mask(tokens)
        return masks

    def complete(self, batch: Batch, masks: Masks) -> dict[str, Mask]:
        """Masks of all modalities, with what the data lack."""
        found = {}
        for name, one in self.modalities.items():
            n, device = len(batch.redshift), batch.redshift.device
            none = torch.zeros(n, one.n_tokens, dtype=torch.bool, device=device)
            mask = masks.get(name, Mask(none))
            if name in batch.valid:
                missing = ~batch.valid[name]
                values = missing if mask.values is None else missing | mask.values
                mask = mask._replace(tokens=mask.tokens | one.whole_tokens(values), values=values)
            found[name] = mask
        return found

    # --- encoder -------------------------------------------------------------------------------

    def forward(
        self, batch: Batch, masks: Mapping[str, Mask], seen: Mapping[str, Tensor] | None = None
    ) -> Encoded:
        """Embedding and density of the redshift from what is visible.

        Parameters
        ----------
        batch : Batch
        masks : mapping of str to Mask
            One for each modality.
        seen : mapping of str to Tensor, (B, D), optional
            Photometry of the images, if it was measured already.
        """
        n = len(batch.redshift)
        seen = self.measured(batch, masks) if seen is None else seen
        tokens, hidden = [self.start.expand(n, -1, -1)], [_none(n, 1, self.start.device)]
        for name, token in seen.items():
            tokens.append(token.unsqueeze(1))
            hidden.append(masks[name].tokens.all(dim=1, keepdim=True))
        shown = [n for n in (*self.spectra, *self.vectors) if not bool(masks[n].tokens.all())]
        for name in shown:
            tokens.append(self._patches(name, batch, masks[name]) + self.positions[name])
            hidden.append(masks[name].tokens)
        read = torch.cat([token.to(self.start.dtype) for token in tokens], dim=1)
        gone = torch.cat(hidden, dim=1)
        # photometry alone has nothing to be compared with
        for block in self.blocks if shown else ():
            read = block(read, gone)
        summaries, place = [self.norm(read[:, 0]), *seen.values()], 1 + len(seen)
        for name in self.spectra:
            if name not in shown:
                summaries.append(self.start.new_zeros(n, self.settings.width))
                continue
            own = (~masks[name].tokens).unsqueeze(-1)
            visible = self.norm(read[:, place : place + own.shape[1]]) * own
            summaries.append(visible.sum(dim=1) / own.sum(dim=1).clamp(min=1))
            place += own.shape[1]
        with full_precision(self.start):
            embedding = self.embed(torch.cat([part.float() for part in summaries], dim=1))
            return Encoded(embedding, self.redshift_head(embedding))

    def measured(self, batch: Batch, masks: Mapping[str, Mask]) -> dict[str, Tensor]:
        """Photometry of the visible pixels of images as tokens, (B, D); 0 of a hidden image."""
        found = {}
        for name in self.images:
            pixels = hidden_values(self.modalities[name], masks[name])
            with full_precision(self.start):
                token = self.photometry[name](self.annuli[name](batch.values[name], pixels))
            gone = masks[name].tokens.all(dim=1, keepdim=True)
            found[name] = token.masked_fill(gone, 0.0)
        return found

    def _patches(self, name: str, batch: Batch, mask: Mask) -> Tensor:
        """Tokens of a spectrum or a vector, (B, N, D)."""
        one, values = self.modalities[name], self.scales[name](batch.values[name])
        gone = hidden_values(one, mask).expand(values.shape)
        values = values.masked_fill(gone, 0.0)
        if name not in self.spectra:
            return self.projections[name](values, gone)
        # signal to noise on a scale that a network can read
        weight = torch.log1p(self._ivar(batch, name)).masked_fill(gone, 0.0)
        patch = one.settings.patch
        pairs = torch.stack([values, weight / 4], dim=1)[..., : one.n_tokens * patch]
        return self.projections[name](pairs.unflatten(2, (-1, patch)).transpose(1, 2).flatten(2))

    @staticmethod
    def _ivar(batch: Batch, name: str) -> Tensor:
        """Inverse variance of values, 1 where it is not known."""
        return batch.ivar.get(name, torch.ones_like(batch.values[name]))

    # --- losses --------------------------------------------------------------------------------

    def losses(self, batch: Batch, masks: Masks, generator: torch.Generator) -> Losses:
        """Of all galaxies from what is never dropped alone; of those that show more, from it too."""
        masks = self.complete(batch, masks)
        alone = {
            name: mask._replace(tokens=torch.ones_like(mask.tokens))
            if name in self.settings.dropped
            else mask
            for name, mask in masks.items()
        }
        seen = self.measured(batch, masks)
        encoded = self(batch, alone, seen)
        parts = {"redshift": self.bins.loss(encoded.logits, batch.redshift)}
        parts |= self._decoded(encoded, batch, alone, "")
        probability = self.bins.probability(encoded.logits)
        z_pred = quantiles(probability, self.bins.edges, (0.5,))[:, 0]
        more = torch.stack([~masks[name].tokens.all(dim=1) for name in self.settings.dropped])
        rows = more.any(dim=0).nonzero().squeeze(1) if len(more) else more.new_zeros(0).long()
        if len(rows):
            some, own = (
                batch.rows(rows),
                {n: mask.of(rows, rows.device) for n, mask in masks.items()},
            )
            encoded = self(some, own, {name: token[rows] for name, token in seen.items()})
            parts["redshift_joint"] = self.bins.loss(encoded.logits, some.redshift)
            parts |= self._decoded(encoded, some, own, "_joint")
        return Losses(parts, z_pred)

    def _decoded(
        self, encoded: Encoded, batch: Batch, masks: Mapping[str, Mask], end: str
    ) -> dict[str, Mean]:
        """Errors of what is decoded at the true redshift, of spectra and vectors."""
        parts = {}
        for name in self.spectra:
            known = batch.redshift.isfinite()
            zeta = batch.redshift.nan_to_num().clamp(min=0).log1p()
            ivar = self._ivar(batch, name)
            decoded = self.decoders[name](encoded.embedding, zeta, ivar)
            hidden = hidden_values(self.modalities[name], masks[name])
            weight = torch.where(hidden, 1.0, self.settings.visible_weight) * known[:, None]
            weight = weight * (batch.valid[name] if name in batch.valid else 1.0)
            if self.settings.ivar_weights:
                floor = self.settings.model_error**2
                weight = weight * ivar * floor / (1 + ivar * floor)
            squared = (decoded - batch.values[name]).square() * weight
            parts[f"{name}{end}"] = Mean(squared.sum(), weight.sum())
        for name in self.vectors:
            one = self.modalities[name]
            truth = self.scales[name](batch.values[name])
            rebuilt = one.arrange(self.decoders[name](encoded.embedding))
            counted = hidden_values(one, masks[name]).expand(truth.shape)
            counted = counted & batch.valid.get(name, torch.ones_like(counted))
            squared = (rebuilt - truth).square() * counted
            parts[f"{name}{end}"] = Mean(squared.sum(), counted.sum())
        return parts

    def total(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Weighted sum."""
        return sum(self.settings.weights.get(name, 1.0) * part for name, part in parts.items())

    # --- inference -----------------------------------------------------------------------------

    def predict(self, batch: Batch, masks: Masks) -> Prediction:
        """The density's median, spread and quantiles, and the embedding.

        Where a part of a spectrum is visible the density is that of the synthesis, and the redshift
        its best fit.
        """
        return self._told(batch, self.complete(batch, masks))[0]

    def reconstruct(
        self, batch: Batch, masks: Masks, kind: str = "best"
    ) -> tuple[dict[str, Tensor], Prediction]:
        """Values of each modality, and what `predict` says.

        Parameters
        ----------
        batch, masks
        kind : {"best", "mean"}
            Spectra as they are at the redshift that is told, whose lines are sharp, or averaged
            over the density, which has the least squared error.
        """
        masks = self.complete(batch, masks)
        told, encoded, probability, edges = self._told(batch, masks)
        levels = ((torch.arange(N_DRAWS) + 0.5) / N_DRAWS).tolist() if kind == "mean" else []
        redshifts = quantiles(probability, edges, levels) if levels else told.z_pred[:, None]
        values = {}
        for name in self.spectra:
            ivar = batch.ivar[name] if name in batch.ivar else None
            drawn = [
                self.decoders[name](encoded.embedding, z.clamp(min=0).log1p(), ivar)
                for z in redshifts.unbind(1)
            ]
            values[name] = torch.stack(drawn).mean(dim=0)
        for name in self.vectors:
            rebuilt = self.modalities[name].arrange(self.decoders[name](encoded.embedding))
            values[name] = self.scales[name].inverse(rebuilt)
        for name in self.images:
            pixels = hidden_values(self.modalities[name], masks[name])
            values[name] = self.decoders[name](batch.values[name], pixels)
        return values, told

    def _told(
        self, batch: Batch, masks: Mapping[str, Mask]
    ) -> tuple[Prediction, Encoded, Tensor, Tensor]:
        """What is said of galaxies, and the density, with its edges in zeta, that it is said by."""
        encoded = self(batch, masks)
        probability, edges = self.bins.probability(encoded.logits), self.bins.edges
        best = quantiles(probability, edges, (0.5,))[:, 0]
        delta_chi2 = None
        shown = [name for name in self.spectra if not bool(masks[name].tokens.all())]
        if shown and self.settings.synthesis:
            synthesis = self._synthesis(shown[0])
            mask = hidden_values(self.modalities[shown[0]], masks[shown[0]])
            ivar = self._ivar(batch, shown[0]).masked_fill(mask, 0.0)
            fit = synthesis(encoded.embedding, probability, edges, batch.values[shown[0]], ivar)
            seen = (ivar > 0).any(dim=1)
            fine = rebinned(probability, edges, synthesis.edges)
            probability = torch.where(seen[:, None], fit.probability, fine)
            edges, best = synthesis.edges, torch.where(seen, fit.best, best)
            delta_chi2 = torch.where(seen, fit.delta_chi2, torch.nan)
        ends = quantiles(probability, edges, QUANTILES)
        spread = (ends[:, 3] - ends[:, 1]) / 2
        told = Prediction(best, spread, encoded.embedding, ends, delta_chi2)
        return told, encoded, probability, edges

    def _synthesis(self, name: str) -> Synthesis:
        """Tables for a spectrum's redshifts, made when they are first needed."""
        if name not in self._tables:
            made = Synthesis(self.decoders[name], self.settings.z_max)
            self._tables[name] = made.to(self.start.device)
        return self._tables[name]


class Block(nn.Module):
    """Attention and a feed-forward layer, each after a normalisation and beside the identity."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_feed_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed_forward = perceptron(width, 3 * width, width)
        # a block begins as next to nothing
        for last in (self.out, self.feed_forward[-1]):
            nn.init.normal_(last.weight, std=0.01)
            nn.init.zeros_(last.bias)

    def forward(self, tokens: Tensor, hidden: Tensor) -> Tensor:
        """(B, N, D) to the same shape; hidden tokens (B, N) are not read."""
        split = self.query_key_value(self.norm_attention(tokens)).unflatten(2, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)  # (B, heads, N, D / heads)
        # written out: for so few tokens faster than the fused kernel
        scores = query @ key.transpose(2, 3) * key.shape[3] ** -0.5
        share = scores.masked_fill(hidden[:, None, None], -math.inf).softmax(dim=3).to(value.dtype)
        tokens = tokens + self.out((share @ value).transpose(1, 2).flatten(2))
        return tokens + self.feed_forward(self.norm_feed_forward(tokens))


class RestframeDecoder(nn.Module):
    """From an embedding to a spectrum in the rest frame, and from there to observed pixels.

    Parameters
    ----------
    modality : Modality
        With wavelengths.
    settings : RestframeModel
    """

    def __init__(self, modality: Modality, settings: RestframeModel):
        super().__init__()
        low, high = settings.rest_wave
        self.step, self.first = settings.log_step, math.log(low)
        self.n_rest = int((math.log(high) - self.first) / self.step) + 2
        n_in = settings.embedding + 2 * N_WAVES
        self.network = perceptron(n_in, settings.hidden, settings.hidden, self.n_rest)
        with torch.no_grad():
            self.network[-1].weight.mul_(0.3)
            self.network[-1].bias.zero_()
        wave = torch.tensor(modality.geometry.wave, dtype=torch.float64)
        half = (wave[1] - wave[0]) / 2
        edges = torch.cat([wave - half, wave[-1:] + half]).log().float()
        self.register_buffer("edges", edges, persistent=False)
        self.register_buffer("weight", torch.ones(len(wave)))
        self.cap = settings.max_snr**2

    def fit(self, flux: Tensor, ivar: Tensor) -> None:
        """Learn which pixels usually weigh how much in the normalisation."""
        self.weight.copy_(self._capped(ivar).mean(dim=0))

    def _capped(self, ivar: Tensor) -> Tensor:
        return ivar / (1 + ivar / self.cap)

    def forward(self, embedding: Tensor, zeta: Tensor, ivar: Tensor | None = None) -> Tensor:
        """Normalised flux on the observed pixels, (B, L), of galaxies at zeta = ln(1 + z)."""
        with full_precision(embedding):
            observed = self.shift(self.rest(embedding.float(), zeta), zeta)
            return self.normalise(observed, ivar)

    def rest(self, embedding: Tensor, zeta: Tensor) -> Tensor:
        """The spectrum in its rest frame, (B, R), in steps of ln(wavelength)."""
        angle = 1.8 * zeta[:, None] * torch.arange(1, N_WAVES + 1, device=zeta.device)
        return self.network(torch.cat([embedding, angle.sin(), angle.cos()], dim=1))

    def shift(self, rest: Tensor, zeta: Tensor) -> Tensor:
        """Mean of the redshifted spectrum over each observed pixel: (B, R) to (B, L)."""
        summed = pad(rest.cumsum(dim=1), (1, 0))  # (B, R + 1)
        place = (self.edges - zeta[:, None] - self.first) / self.step
        place = place.clamp(0, self.n_rest - 1e-3)
        left = place.floor()
        part, index = place - left, left.long()
        at = summed.gather(1, index) * (1 - part) + summed.gather(1, index + 1) * part
        return at.diff(dim=1) / place.diff(dim=1).clamp(min=1e-3)

    def normalise(self, flux: Tensor, ivar: Tensor | None) -> Tensor:
        """Weighted mean 0 and rms 1, as the data are."""
        weight = self.weight.expand(flux.shape) if ivar is None else self._capped(ivar)
        total = weight.sum(dim=1, keepdim=True).clamp(min=1e-9)
        centred = flux - (weight * flux).sum(dim=1, keepdim=True) / total
        rms = ((weight * centred.square()).sum(dim=1, keepdim=True) / total).sqrt()
        return centred / rms.clamp(min=1e-3)


def perceptron(*sizes: int) -> nn.Sequential:
    """Linear layers with GELU between them."""
    layers: list[nn.Module] = []
    for before, after in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(before, after), nn.GELU()]
    return nn.Sequential(*layers[:-1])


def _none(n: int, n_tokens: int, device: torch.device) -> Tensor:
    """Nothing hidden."""
    return torch.zeros(n, n_tokens, dtype=torch.bool, device=device)


def build(settings: RestframeModel, modalities: Mapping[str, Modality]) -> Restframe:
    """Make the model with random weights from torch's global generator."""
    return Restframe(settings, modalities)
