"""Redshift as a density: a softmax over bins of ln(1 + z)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, softmax

from mmae.models.losses import Mean

QUANTILES = (0.025, 0.16, 0.5, 0.84, 0.975)
"""Ends of 95% and 68% intervals, and the median."""


class RedshiftBins(nn.Module):
    """Bins of zeta = ln(1 + z), in which photometric errors are alike at all redshifts.

    Parameters
    ----------
    n_bins : int
    z_max : float
        End of the last bin.
    softness : float
        Standard deviation, in zeta, of the target around the true redshift.
    """

    def __init__(self, n_bins: int, z_max: float, softness: float):
        super().__init__()
        edges = torch.linspace(0, torch.tensor(z_max).log1p().item(), n_bins + 1)
        self.register_buffer("edges", edges, persistent=False)
        self.softness = softness

    @property
    def centres(self) -> Tensor:
        """Zeta of the middle of each bin, (K,)."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    def loss(self, logits: Tensor, redshift: Tensor, weight: Tensor | None = None) -> Mean:
        """Cross-entropy with a Gaussian around each known redshift; logits (B, K)."""
        known = redshift.isfinite()
        zeta = redshift.masked_fill(~known, 0.0).clamp(min=0).log1p()
        # bins that the Gaussian covers, exactly: their edges in its integral
        t = (self.edges - zeta[:, None]) / (self.softness * 2**0.5)
        target = torch.erf(t).diff(dim=1)
        target = target / target.sum(dim=1, keepdim=True).clamp(min=1e-12)
        loss = -(target * log_softmax(logits.float(), dim=1)).sum(dim=1)
        counted = known.to(loss.dtype) if weight is None else known * weight
        return Mean((loss * counted).sum(), counted.sum())

    @staticmethod
    def probability(logits: Tensor) -> Tensor:
        """(B, K) in single precision."""
        return softmax(logits.float(), dim=1)


def quantiles(probability: Tensor, edges: Tensor, levels: Sequence[float]) -> Tensor:
    """Redshifts below which shares of densities lie.

    Parameters
    ----------
    probability : Tensor, shape (B, K)
    edges : Tensor, shape (K + 1,)
        Of the bins, in zeta.
    levels : sequence of float

    Returns
    -------
    Tensor, shape (B, len(levels))
    """
    cumulative = nn.functional.pad(probability.double().cumsum(dim=1), (1, 0))
    wanted = torch.tensor(levels, device=probability.device, dtype=torch.float64)
    wanted = wanted.expand(len(probability), -1) * cumulative[:, -1:]
    right = torch.searchsorted(cumulative, wanted.contiguous()).clamp(1, len(edges) - 1)
    low, high = cumulative.gather(1, right - 1), cumulative.gather(1, right)
    part = ((wanted - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    left = edges[right - 1].double()
    return torch.expm1(left + part * (edges[right] - left)).float()


def rebinned(probability: Tensor, edges: Tensor, wanted: Tensor) -> Tensor:
    """Densities (B, K) on other bins, flat within the old ones: (B, len(wanted) - 1)."""
    cumulative = nn.functional.pad(probability.cumsum(dim=1), (1, 0))
    right = torch.searchsorted(edges, wanted).clamp(1, len(edges) - 1)
    part = ((wanted - edges[right - 1]) / (edges[right] - edges[right - 1])).clamp(0, 1)
    return torch.lerp(cumulative[:, right - 1], cumulative[:, right], part).diff(dim=1)
