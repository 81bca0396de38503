"""From patches of values to tokens: the input layers of modalities."""

import torch
from torch import Tensor, nn


class PatchConvolution(nn.Conv2d):
    """Patches of an image through a convolution as wide as they are.

    Parameters
    ----------
    n_bands : int
    dim : int
        Width of a token.
    patch : int
        Pixels on a side.
    told : bool
        Whether it is told which pixels are hidden, in as many channels more.
    """

    def __init__(self, n_bands: int, dim: int, patch: int, told: bool):
        super().__init__(n_bands * (1 + told), dim, kernel_size=patch, stride=patch)
        self.told = told

    def forward(self, image: Tensor, hidden: Tensor | None = None) -> Tensor:
        """(B, C, H, W) to (B, N, D)."""
        if self.told:
            image = torch.cat([image, _as_numbers(hidden, image)], dim=1)
        return super().forward(image).flatten(2).transpose(1, 2)


class PatchLinear(nn.Linear):
    """Patches of a row of values through one linear layer.

    Parameters
    ----------
    patch : int
        Values of a patch.
    dim : int
        Width of a token.
    told : bool
        Whether it is told which values are hidden, in a channel more.
    length : int, optional
        Values of a row, of which the last patch may lack some. Without it, values beyond the last
        whole patch stay out.
    errors : bool
        Whether as many errors stand behind the values.
    """

    def __init__(
        self, patch: int, dim: int, told: bool, length: int | None = None, errors: bool = False
    ):
        super().__init__(patch * (1 + errors + told), dim)
        self.patch, self.told, self.length = patch, told, length

    def forward(self, values: Tensor, hidden: Tensor | None = None) -> Tensor:
        """(B, L) to (B, M, D); errors stand behind the values, (B, 2 L)."""
        length = values.shape[1] if self.length is None else self.length
        parts = list(values.split(length, dim=1))
        if self.told:
            parts.append(_as_numbers(hidden, values)[:, :length])
        return super().forward(torch.cat([self._patches(part) for part in parts], dim=2))

    def _patches(self, row: Tensor) -> Tensor:
        """(B, L) to (B, M, P)."""
        beyond = row.shape[1] % self.patch
        if self.length is not None and beyond:
            row = nn.functional.pad(row, (0, self.patch - beyond))
        elif beyond:
            row = row[:, :-beyond]
        return row.unflatten(1, (-1, self.patch))


def _as_numbers(hidden: Tensor | None, values: Tensor) -> Tensor:
    """1 where values are hidden, and 0 elsewhere."""
    return torch.zeros_like(values) if hidden is None else hidden.expand_as(values).to(values.dtype)
