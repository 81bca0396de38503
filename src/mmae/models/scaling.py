"""Input scales, learned from training galaxies and kept with the weights."""

import torch
from torch import Tensor, nn

from mmae.instruments import BANDS

SOFTENING = 3.0
"""Flux in units of the sky noise below which the scale is linear."""


class AsinhScale(nn.Module):
    """Image flux on an asinh scale (Lupton et al. 1999, AJ 118, 1406), in units of the sky noise.

    Galaxies span five magnitudes and more: in raw flux the brightest alone would shape a network.
    A band that is the same in all training images is 0 ever after: nothing was learnt of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("noise", torch.ones(len(BANDS), 1, 1))

    def fit(self, image: Tensor) -> None:
        """Take each band's noise from the scatter of all pixels (B, C, H, W); most are sky."""
        pixels = image.transpose(0, 1).flatten(1)  # (C, B H W)
        middle = pixels.median(dim=1, keepdim=True).values
        scatter = 1.4826 * (pixels - middle).abs().median(dim=1).values
        blank = pixels.amin(dim=1) == pixels.amax(dim=1)
        self.noise.copy_(scatter.clamp(min=1e-6).masked_fill(blank, torch.inf)[:, None, None])

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape, dimensionless."""
        return asinh(image / (SOFTENING * self.noise))


def asinh(x: Tensor) -> Tensor:
    """Inverse hyperbolic sine, to the last digits of torch.asinh.

    That one is not vectorised on CPUs: it took a quarter of the time of a convolutional network.
    """
    size = x.abs()
    square = size.square()
    return torch.log1p(size + square / (1 + torch.sqrt(1 + square))).copysign(x)


class Standardise(nn.Module):
    """Magnitudes with mean 0 and standard deviation 1; unknown ones become 0, the mean.

    So do those of a band that is unknown or the same in all training galaxies.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(len(BANDS)))
        self.register_buffer("std", torch.ones(len(BANDS)))

    def fit(self, magnitudes: Tensor) -> None:
        """Take mean and standard deviation of the known magnitudes (B, C) of each band."""
        for band, values in enumerate(magnitudes.T):
            known = values[values.isfinite()]
            self.std[band] = torch.inf
            if len(known) and known.amin() < known.amax():
                self.mean[band], self.std[band] = known.mean(), known.std().clamp(min=1e-3)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """(B, C) to the same shape, dimensionless."""
        return torch.nan_to_num((magnitudes - self.mean) / self.std, nan=0.0)
