"""Hidden pixels of an image from what is visible: point symmetry, and the radial profile."""

import torch
from torch import Tensor, nn

NARROW, WIDE = 0.7, 4.0
"""Pixels: how far rings are averaged, and how far where none nearer is visible."""
FEW = 3.0
"""Visible pixels of which a ring's mean is trusted."""


class Profile(nn.Module):
    """What an astronomer without a model would put in: nothing is learnt.

    A hidden pixel is like its counterpart on the other side of the middle, where that is visible,
    else like the mean of its ring.

    Parameters
    ----------
    size : int
        Of images (B, C, size, size).
    """

    def __init__(self, size: int):
        super().__init__()
        place = torch.arange(size) - (size - 1) / 2
        radius = torch.hypot(place[:, None], place).flatten()
        rings = torch.arange(int(radius.max()) + 2) + 0.5
        for name, width in (("narrow", NARROW), ("wide", WIDE)):
            weight = torch.exp(-0.5 * ((radius - rings[:, None]) / width) ** 2)  # (R, H W)
            self.register_buffer(name, weight, persistent=False)
        self.register_buffer("ring", (radius - 0.5).clamp(min=0), persistent=False)

    def forward(self, image: Tensor, hidden: Tensor) -> Tensor:
        """Images (B, C, H, W) with their hidden pixels (bool, broadcasts) filled."""
        seen = (~hidden).to(image.dtype).expand(-1, -1, *image.shape[2:])
        visible = image * seen
        profile = self.profile(visible, seen).view(image.shape)
        turned = seen.flip(2, 3)
        filled = torch.where(turned > 0, visible.flip(2, 3), profile)
        return torch.where(seen > 0, image, filled)

    def profile(self, visible: Tensor, seen: Tensor) -> Tensor:
        """Mean of each pixel's ring, (B, C, H W)."""
        flux, count = visible.flatten(2), seen.flatten(2)
        means = []
        for weight in (self.narrow, self.wide):
            n = count @ weight.T
            means.append((flux @ weight.T / n.clamp(min=1e-6), n))
        (near, n_near), (far, _) = means
        rings = torch.where(n_near > FEW, near, far)  # (B, C, R)
        left = self.ring.floor().long().clamp(max=rings.shape[2] - 2)
        return torch.lerp(rings[..., left], rings[..., left + 1], self.ring - left)
