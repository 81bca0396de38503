"""From patches of values to tokens: the input layers of modalities."""

import torch
from torch import Tensor, nn


class PatchConvolution(nn.Conv2d):
    """Patches of an image through a convolution as wide as they are.

    Parameters
    ----------
    channels : int
        Bands, and as many again where it is told which pixels are hidden.
    dim : int
        Width of a token.
    patch : int
        Pixels on a side.
    """

    def __init__(self, channels: int, dim: int, patch: int):
        super().__init__(channels, dim, kernel_size=patch, stride=patch)

    def forward(self, image: Tensor, hidden: Tensor | None = None) -> Tensor:
        """(B, C, H, W) to (B, N, D)."""
        if hidden is not None:
            image = torch.cat([image, hidden.expand_as(image).to(image.dtype)], dim=1)
        return super().forward(image).flatten(2).transpose(1, 2)


class PatchLinear(nn.Linear):
    """Patches of a row of values through one linear layer.

    Parameters
    ----------
    patch : int
        Values of a patch.
    dim : int
        Width of a token.
    channels : int
        Values a place: the value itself, its error where there is one, whether it is hidden.
    length : int, optional
        Values of a row, of which the last patch may lack some. Without it, values beyond the last
        whole patch stay out.
    """

    def __init__(self, patch: int, dim: int, channels: int = 1, length: int | None = None):
        super().__init__(patch * channels, dim)
        self.patch, self.length = patch, length

    def forward(self, values: Tensor, hidden: Tensor | None = None) -> Tensor:
        """(B, L) to (B, M, D); errors stand behind the values, (B, 2 L)."""
        length = values.shape[1] if self.length is None else self.length
        parts = list(values.split(length, dim=1))
        if hidden is not None:
            parts.append(hidden.expand_as(values)[:, :length].to(values.dtype))
        return super().forward(torch.cat([self._patches(part) for part in parts], dim=2))

    def _patches(self, row: Tensor) -> Tensor:
        """(B, L) to (B, M, P)."""
        beyond = row.shape[1] % self.patch
        if self.length is not None and beyond:
            row = nn.functional.pad(row, (0, self.patch - beyond))
        elif beyond:
            row = row[:, :-beyond]
        return row.unflatten(1, (-1, self.patch))
