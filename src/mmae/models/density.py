"""Redshift as a density: probabilities of bins of zeta = ln(1 + z).

On this scale photometric errors are alike at all redshifts, and a spectrum is shifted, not
stretched, along ln(wavelength).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, pad, softmax

from mmae.metrics.ends import QUANTILES
from mmae.models.base import Prediction, full_precision
from mmae.models.layers import perceptron
from mmae.models.losses import Mean


class Density(NamedTuple):
    """What is known of the redshifts of B galaxies."""

    probability: Tensor
    """(B, K), of each bin."""
    edges: Tensor
    """(K + 1,), of the bins, in zeta."""

    def quantiles(self, levels: Sequence[float]) -> Tensor:
        """Redshifts below which shares of the probability lie, (B, len(levels)).

        Within a bin, zeta is as probable everywhere.
        """
        cumulative = pad(self.probability.double().cumsum(dim=1), (1, 0))
        wanted = torch.tensor(levels, device=cumulative.device, dtype=cumulative.dtype)
        wanted = (wanted * cumulative[:, -1:]).contiguous()
        right = torch.searchsorted(cumulative, wanted).clamp(1, len(self.edges) - 1)
        low, high = cumulative.gather(1, right - 1), cumulative.gather(1, right)
        part = ((wanted - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
        edges = self.edges.double()
        return torch.expm1(torch.lerp(edges[right - 1], edges[right], part)).float()

    def on(self, edges: Tensor) -> "Density":
        """The same density on other bins; what lies outside of them is lost."""
        cumulative = pad(self.probability.cumsum(dim=1), (1, 0))
        right = torch.searchsorted(self.edges, edges).clamp(1, len(self.edges) - 1)
        left = self.edges[right - 1]
        part = ((edges - left) / (self.edges[right] - left)).clamp(0, 1)
        at = torch.lerp(cumulative[:, right - 1], cumulative[:, right], part)
        return Density(at.diff(dim=1), edges)

    def told(self, embedding: Tensor, z_pred: Tensor | None = None) -> Prediction:
        """Median, unless another redshift is told, half of the 68% interval, and quantiles."""
        ends = self.quantiles(QUANTILES)
        z_pred = ends[:, 2] if z_pred is None else z_pred
        return Prediction(z_pred, (ends[:, 3] - ends[:, 1]) / 2, embedding, ends, density=self)


class DensityHead(nn.Module):
    """From an embedding to a density: a softmax over bins.

    Parameters
    ----------
    n_in, hidden : int
        Length of the embedding, and units of the layer after it.
    n_bins : int
    z_max : float
        End of the last bin; the first begins at 0.
    softness : float
        Standard deviation, in zeta, of the target around the true redshift.
    """

    def __init__(self, n_in: int, hidden: int, n_bins: int, z_max: float, softness: float):
        super().__init__()
        self.network, self.softness = perceptron(n_in, hidden, n_bins), softness
        edges = torch.linspace(0, torch.tensor(z_max).log1p().item(), n_bins + 1)
        self.register_buffer("edges", edges, persistent=False)

    def forward(self, embedding: Tensor) -> Tensor:
        """(B, E) to logits of the bins, (B, K), in single precision."""
        with full_precision(embedding):
            return self.network(embedding.float())

    def density(self, logits: Tensor) -> Density:
        """What the logits say."""
        return Density(softmax(logits, dim=1), self.edges)

    def loss(self, logits: Tensor, redshift: Tensor) -> Mean:
        """Cross-entropy with a Gaussian around each known redshift.

        Parameters
        ----------
        logits : Tensor, shape (B, K)
        redshift : Tensor, shape (B,)
            z_spec; NaN where unknown, which does not count.
        """
        known = redshift.isfinite()
        zeta = redshift.masked_fill(~known, 0.0).clamp(min=0).log1p()
        # the part of the Gaussian that lies in each bin
        t = (self.edges - zeta[:, None]) / (self.softness * 2**0.5)
        target = torch.erf(t).diff(dim=1)
        target = target / target.sum(dim=1, keepdim=True).clamp(min=1e-12)
        loss = -(target * log_softmax(logits, dim=1)).sum(dim=1)
        return Mean(loss.masked_fill(~known, 0.0).sum(), known.sum())
