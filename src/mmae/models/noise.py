"""Inverse variance of spectra of which none is known."""

import torch
from torch import Tensor

TO_STD = 1.4826 / 2**0.5
"""From the median absolute difference of two neighbours to the standard deviation of one."""
MIN_NOISE = 0.02
"""In units of the normalised flux."""


def estimated_ivar(flux: Tensor, seen: Tensor) -> Tensor:
    """Inverse variance of each galaxy's pixels, as far as neighbours differ.

    Parameters
    ----------
    flux, seen : Tensor, shape (B, L)
        And what was seen of it, bool.

    Returns
    -------
    Tensor, shape (B, L)
        The same for all pixels of a galaxy; 0 where nothing was seen.
    """
    pairs = seen[:, 1:] & seen[:, :-1]
    steps = flux.float().diff(dim=1).abs().masked_fill(~pairs, torch.nan)
    noise = TO_STD * steps.nanmedian(dim=1, keepdim=True).values
    return noise.nan_to_num(nan=1.0).clamp(min=MIN_NOISE).pow(-2) * seen
