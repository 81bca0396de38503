"""The three losses of the paper (section 4)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

REDSHIFT_GAMMA = 0.15
"""Scale of the redshift loss: the limit beyond which a prediction counts as an outlier."""


class Losses(NamedTuple):
    """Scalar tensors."""

    image: Tensor
    spectrum: Tensor
    redshift: Tensor


def masked_mse(
    reconstruction: Tensor, target: Tensor, hidden: Tensor, n_hidden: Tensor | None = None
) -> Tensor:
    """Mean squared error over hidden pixels; 0 if none is hidden.

    Parameters
    ----------
    reconstruction, target : Tensor, same shape
    hidden : Tensor of bool
        Same shape, or 1 along axes where all values are hidden alike.
    n_hidden : Tensor, scalar, optional
        Divides the sum instead of the number hidden here: where several processes divide a batch,
        this process's share of the number hidden in all of it.

    Returns
    -------
    Tensor, scalar
    """
    if n_hidden is None:
        n_hidden = hidden.sum() * (target.numel() // hidden.numel())
    # as numbers: a product with bools is several times slower
    squared = mse_loss(reconstruction, target, reduction="none") * hidden.to(target.dtype)
    return squared.sum() / n_hidden.clamp(min=1)


def redshift_loss(z_pred: Tensor, z_spec: Tensor) -> Tensor:
    """Mean of 1 - 1 / (1 + (dz / 0.15)^2) with dz = (z_pred - z_spec) / (1 + z_spec).

    Parameters
    ----------
    z_pred, z_spec : Tensor, shape (B,)

    Notes
    -----
    Source: paper section 4; Tanaka et al. 2018, PASJ 70, S9, equation 7.
    """
    dz = (z_pred - z_spec) / (1 + z_spec)
    return torch.mean(1 - 1 / (1 + (dz / REDSHIFT_GAMMA).square()))


def info_nce(image: Tensor, spectrum: Tensor, logit_scale: float) -> Tensor:
    """Symmetric InfoNCE: how well each image is told from the others by its spectrum, and back.

    Parameters
    ----------
    image, spectrum : Tensor, shape (B, E)
        Embeddings of length 1; the same row is the same galaxy.
    logit_scale : float
        Factor of the cosines.

    Returns
    -------
    Tensor, scalar

    Notes
    -----
    Source: Parker et al. 2024, equation 1; Radford et al. 2021, arXiv:2103.00020, figure 3.
    """
    logits = logit_scale * image @ spectrum.T  # (B, B)
    own = torch.arange(len(logits), device=logits.device)
    return (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2
