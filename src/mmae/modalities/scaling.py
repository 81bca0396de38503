"""Input scales, learned from training galaxies and kept with the weights."""

import torch
from torch import Tensor, nn

SOFTENING = 3.0
"""Flux in units of the sky noise below which the scale is linear."""

HIGHEST = 20.0
"""On the asinh scale: no flux is nearly as large, and its inverse is still a number."""


class AsinhScale(nn.Module):
    """Image flux on an asinh scale (Lupton et al. 1999, AJ 118, 1406), in units of the sky noise.

    Galaxies span five magnitudes and more: in raw flux the brightest alone would shape a network.
    A band that is the same in all training images is 0 ever after: nothing was learnt of it.
    """

    def __init__(self, n_bands: int) -> None:
        super().__init__()
        self.register_buffer("noise", torch.ones(n_bands, 1, 1))

    def fit(self, image: Tensor) -> None:
        """Take each band's noise from the scatter of all pixels (B, C, H, W); most are sky.

        Those that are missing are NaN.
        """
        for band, pixels in enumerate(image.transpose(0, 1).flatten(1)):  # (B H W,)
            known = pixels[pixels.isfinite()]
            self.noise[band] = torch.inf
            if len(known) and known.amin() < known.amax():
                scatter = 1.4826 * (known - known.median()).abs().median()
                self.noise[band] = scatter.clamp(min=1e-6)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape, dimensionless."""
        return asinh(image / (SOFTENING * self.noise))

    def inverse(self, values: Tensor) -> Tensor:
        """Flux; 0 of a band that was the same in all training images."""
        noise = self.noise.masked_fill(self.noise.isinf(), 0.0)
        return torch.sinh(values.clamp(-HIGHEST, HIGHEST)) * SOFTENING * noise


def asinh(x: Tensor) -> Tensor:
    """Inverse hyperbolic sine, to the last digits of torch.asinh.

    That one is not vectorised on CPUs: it took a quarter of the time of a convolutional network.
    """
    size = x.abs()
    square = size.square()
    return torch.log1p(size + square / (1 + torch.sqrt(1 + square))).copysign(x)


class Identity(nn.Identity):
    """Values as they are."""

    def fit(self, values: Tensor) -> None:
        """Nothing is learnt."""

    def inverse(self, values: Tensor) -> Tensor:
        """Values as they are."""
        return values


class Standardise(nn.Module):
    """Numbers with mean 0 and standard deviation 1; unknown ones become 0, the mean.

    So do those that are unknown or the same in all training galaxies. Standard deviations that
    stand behind the numbers become relative to that of the number.

    Parameters
    ----------
    n_values : int
    """

    def __init__(self, n_values: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_values))
        self.register_buffer("std", torch.ones(n_values))

    def fit(self, values: Tensor) -> None:
        """Take mean and standard deviation of the known numbers (B, K) of each column."""
        for column, one in enumerate(values[:, : len(self.mean)].T):
            known = one[one.isfinite()]
            self.std[column] = torch.inf
            if len(known):
                self.mean[column] = known.mean()
                if known.amin() < known.amax():
                    self.std[column] = known.std().clamp(min=1e-3)

    def forward(self, values: Tensor) -> Tensor:
        """(B, K), or (B, 2 K) with errors, to the same shape, dimensionless."""
        numbers, errors = values.split([len(self.mean), values.shape[1] - len(self.mean)], dim=1)
        scaled = [(numbers - self.mean) / self.std]
        if errors.shape[1]:
            scaled.append(errors / self.std)
        return torch.nan_to_num(torch.cat(scaled, dim=1), nan=0.0)

    def inverse(self, values: Tensor) -> Tensor:
        """What `forward` was given; numbers that are the same in all become their mean."""
        n = len(self.mean)
        std = self.std.masked_fill(self.std.isinf(), 0.0)
        return torch.cat([values[:, :n] * std + self.mean, values[:, n:]], dim=1)
