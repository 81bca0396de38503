"""The three losses of the paper (section 4)."""

from typing import NamedTuple

import torch
from torch import Tensor

REDSHIFT_GAMMA = 0.15
"""Scale of the redshift loss: the limit beyond which a prediction counts as an outlier."""


class Losses(NamedTuple):
    """Scalar tensors."""

    image: Tensor
    spectrum: Tensor
    redshift: Tensor


def masked_mse(reconstruction: Tensor, target: Tensor, hidden: Tensor) -> Tensor:
    """Mean squared error over hidden pixels; 0 if none is hidden.

    Parameters
    ----------
    reconstruction, target : Tensor, same shape
    hidden : Tensor of bool
        Same shape, or 1 along axes where all values are hidden alike.

    Returns
    -------
    Tensor, scalar
    """
    n_hidden = hidden.sum() * (target.numel() // hidden.numel())
    # as numbers: a product with bools is several times slower
    squared = (reconstruction - target).square() * hidden.to(target.dtype)
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
