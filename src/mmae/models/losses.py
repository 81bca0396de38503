"""The three losses of the paper (section 4)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

REDSHIFT_GAMMA = 0.15
"""Scale of the redshift loss: the limit beyond which a prediction counts as an outlier."""


class Mean(NamedTuple):
    """A mean that is not yet divided, so that processes can add up theirs."""

    total: Tensor
    """Scalar."""
    n: Tensor
    """Scalar: of how many it is the sum."""

    @property
    def value(self) -> Tensor:
        """The mean; 0 of nothing."""
        return self.total / self.n.clamp(min=1)


def mean_of(values: Tensor) -> Mean:
    """Mean of a tensor."""
    return Mean(values.sum(), torch.tensor(values.numel(), device=values.device))


def masked_mse(reconstruction: Tensor, target: Tensor, hidden: Tensor) -> Mean:
    """Mean squared error over hidden values.

    Parameters
    ----------
    reconstruction, target : Tensor, same shape
    hidden : Tensor of bool
        Same shape, or 1 along axes where all values are hidden alike.
    """
    n_hidden = hidden.sum() * (target.numel() // hidden.numel())
    # as numbers: a product with bools is several times slower
    squared = mse_loss(reconstruction, target, reduction="none") * hidden.to(target.dtype)
    return Mean(squared.sum(), n_hidden)


def redshift_loss(z_pred: Tensor, z_spec: Tensor) -> Mean:
    """Mean of 1 - 1 / (1 + (dz / 0.15)^2) with dz = (z_pred - z_spec) / (1 + z_spec).

    Parameters
    ----------
    z_pred, z_spec : Tensor, shape (B,)
        Galaxies whose z_spec is NaN do not count.

    Notes
    -----
    Source: paper section 4; Tanaka et al. 2018, PASJ 70, S9, equation 7.
    """
    known = z_spec.isfinite()
    truth = z_spec.masked_fill(~known, 0.0)
    dz = (z_pred - truth) / (1 + truth)
    loss = 1 - 1 / (1 + (dz / REDSHIFT_GAMMA).square())
    return Mean(loss.masked_fill(~known, 0.0).sum(), known.sum())


def info_nce(image: Tensor, spectrum: Tensor, logit_scale: float) -> Mean:
    """Symmetric InfoNCE: how well each image is told from the others by its spectrum, and back.

    Parameters
    ----------
    image, spectrum : Tensor, shape (B, E)
        Embeddings of length 1; the same row is the same galaxy.
    logit_scale : float
        Factor of the cosines.

    Notes
    -----
    Source: Parker et al. 2024, equation 1; Radford et al. 2021, arXiv:2103.00020, figure 3.
    """
    logits = logit_scale * image @ spectrum.T  # (B, B)
    own = torch.arange(len(logits), device=logits.device)
    both = (cross_entropy(part, own, reduction="none") for part in (logits, logits.T))
    return mean_of(sum(both) / 2)
