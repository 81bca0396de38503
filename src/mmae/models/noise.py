"""Inverse variance of spectra of which none is known, from how far neighbouring pixels differ."""

import torch
from torch import Tensor
from torch.nn.functional import pad

TO_STD = 1.4826 / 2**0.5
"""From the median absolute difference of two neighbours to the standard deviation of one."""
MIN_NOISE = 0.02
"""In units of the normalised flux."""


def usual_ivar(flux: Tensor) -> Tensor:
    """Inverse variance of each pixel in many galaxies: (B, L), NaN where missing, to (1, L)."""
    steps = TO_STD * flux.float().diff(dim=1).abs().nanmedian(dim=0, keepdim=True).values
    steps = steps.nan_to_num(nan=1.0)
    both = torch.stack([pad(steps, (1, 0)), pad(steps, (0, 1))])
    # at the ends there is one neighbour
    both[0, :, 0], both[1, :, -1] = steps[:, 0], steps[:, -1]
    return both.mean(dim=0).clamp(min=MIN_NOISE).pow(-2)


def estimated_ivar(flux: Tensor, seen: Tensor, usual: Tensor) -> Tensor:
    """Inverse variance of each galaxy's pixels.

    Parameters
    ----------
    flux, seen : Tensor, shape (B, L)
        And what was seen of it, bool.
    usual : Tensor, shape (L,)
        Of other galaxies.

    Returns
    -------
    Tensor, shape (B, L)
        The usual one times a number for each galaxy; 0 where nothing was seen.
    """
    noise = usual.rsqrt()
    pairs = seen[:, 1:] & seen[:, :-1]
    steps = flux.float().diff(dim=1).abs() / (0.5 * (noise[1:] + noise[:-1]))
    steps = TO_STD * steps.masked_fill(~pairs, torch.nan).nanmedian(dim=1, keepdim=True).values
    return (steps.nan_to_num(nan=1.0) * noise).clamp(min=MIN_NOISE).pow(-2) * seen
