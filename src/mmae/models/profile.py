"""Hidden pixels of an image from what is visible: the radial profile, and how it varies around."""

import torch
from torch import Tensor, nn

NARROW, WIDE = 0.7, 4.0
"""Pixels: how far rings are averaged, and how far where there is less to go by."""
FEW = 3.0
"""Visible pixels of which a ring's mean is trusted."""
ORDERS = (1, 2)
"""Of the variation around a ring: one side brighter than the other, and ellipses."""
RIDGE = 3.0
"""Visible pixels that it takes to believe in half of the first order's variation."""


class Profile(nn.Module):
    """What an astronomer without a model would put in: nothing is learnt.

    A hidden pixel is like the mean of its ring's visible ones, plus the first harmonics of the
    angle, fitted to what is visible around that ring.

    Parameters
    ----------
    size : int
        Of images (B, C, size, size).
    """

    def __init__(self, size: int):
        super().__init__()
        place = torch.arange(size) - (size - 1) / 2
        radius = torch.hypot(place[:, None], place).flatten()
        angle = torch.atan2(place[:, None].expand(size, size), place).flatten()
        rings = torch.arange(int(radius.max()) + 2) + 0.5
        waves = torch.cat([torch.stack([(m * angle).cos(), (m * angle).sin()]) for m in ORDERS])
        tables = {
            name: torch.exp(-0.5 * ((radius - rings[:, None]) / width) ** 2)  # (R, H W)
            for name, width in (("narrow", NARROW), ("wide", WIDE))
        }
        tables |= {"waves": waves, "ring": (radius - 0.5).clamp(min=0)}  # (K, H W), (H W,)
        tables["ridge"] = RIDGE * torch.tensor(ORDERS).repeat_interleave(2).diag().float()
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)

    def forward(self, image: Tensor, hidden: Tensor) -> Tensor:
        """Images (B, C, H, W) with their hidden pixels (bool, broadcasts) filled."""
        seen = (~hidden).to(image.dtype).expand(-1, -1, *image.shape[2:])
        profile = self.profile(image * seen, seen)
        filled = profile + self.around((image.flatten(2) - profile) * seen.flatten(2), seen)
        return torch.where(seen > 0, image, filled.view(image.shape))

    def profile(self, visible: Tensor, seen: Tensor) -> Tensor:
        """Mean of each pixel's ring, (B, C, H W)."""
        flux, count = visible.flatten(2), seen.flatten(2)
        means = []
        for weight in (self.narrow, self.wide):
            n = count @ weight.T
            means.append((flux @ weight.T / n.clamp(min=1e-6), n))
        (near, n_near), (far, _) = means
        return self._at(torch.where(n_near > FEW, near, far))

    def around(self, rest: Tensor, seen: Tensor) -> Tensor:
        """Harmonics of the angle in what a profile leaves, 0 where hidden: (B, C, H W)."""
        pairs = (self.waves[:, None] * self.waves).flatten(0, 1)  # (K K, H W)
        count, k = seen.flatten(2)[:, :, None], len(self.waves)
        normal = ((count * pairs) @ self.wide.T).unflatten(2, (k, k))  # (B, C, K, K, R)
        sums = (rest[:, :, None] * self.waves) @ self.wide.T  # (B, C, K, R)
        normal = normal.movedim(-1, -3) + self.ridge
        size = torch.linalg.solve(normal, sums.movedim(-1, -2).unsqueeze(-1)).squeeze(-1)
        return (self._at(size.movedim(-1, -2)) * self.waves).sum(dim=-2)

    def _at(self, rings: Tensor) -> Tensor:
        """From rings to their pixels: (..., R) to (..., H W)."""
        left = self.ring.floor().long().clamp(max=rings.shape[-1] - 2)
        return torch.lerp(rings[..., left], rings[..., left + 1], self.ring - left)
