"""Photometry in circular annuli, taken from the visible pixels of an image."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from mmae.modalities.tracing import may_be_any

EDGES_ARCSEC = (0.0, 0.35, 0.6, 0.9, 1.3, 1.8, 2.4, 3.2, 4.2, 5.3)
"""Of the annuli, narrow where galaxies change fast."""
SUBPIXELS = 5
"""On a side, by which a pixel is divided among annuli."""
CLAMP = 6.0
"""Standard deviations beyond which a feature says no more."""
MIN_SHOWN = 0.02
"""Of an annulus: less says nothing."""
MIN_NOISE, MIN_STD = 1e-6, 1e-4
"""Flux of a pixel, and of a feature."""
SHOWN_STD = 0.25
"""By which the hidden part of an annulus is divided."""


class Annuli(nn.Module):
    """Fluxes in annuli and circles by band, scaled by their noise; colours and concentrations.

    What a careful astronomer measures: fluxes on an asinh scale in units of their noise, colours
    between neighbouring bands, growth from circle to circle, and how much of each annulus was
    shown. A hidden pixel is taken to be like its counterpart on the other side of the middle.

    Parameters
    ----------
    n_bands, size : int
        Of images (B, C, size, size).
    pixel_scale_arcsec : float
    """

    def __init__(self, n_bands: int, size: int, pixel_scale_arcsec: float):
        super().__init__()
        offset = (torch.arange(SUBPIXELS) + 0.5) / SUBPIXELS - 0.5
        place = (torch.arange(size) - (size - 1) / 2)[:, None] + offset
        radius = pixel_scale_arcsec * torch.hypot(place.reshape(-1, 1), place.reshape(1, -1))
        share = [
            ((radius >= low) & (radius < high)).float() for low, high in pairwise(EDGES_ARCSEC)
        ]
        cells = torch.stack(share).view(-1, size, SUBPIXELS, size, SUBPIXELS).mean(dim=(2, 4))
        cells = cells[cells.flatten(1).any(dim=1)]
        # (K, H W): the part of each pixel in each annulus
        self.register_buffer("cells", cells.flatten(1), persistent=False)
        self.register_buffer("noise", torch.ones(n_bands))
        n = self.measure(torch.zeros(1, n_bands, size, size))[0].shape[1]
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("std", torch.ones(n))
        self.n_features = n + n_bands * len(cells)

    def fit(self, image: Tensor) -> None:
        """Learn the noise of the sky, and mean and scatter of the features, from images.

        Missing pixels are NaN. A feature that is the same in all images is 0 ever after.
        """
        missing = image.isnan()
        image = image[~missing.flatten(1).all(dim=1)]
        if not len(image):
            return
        pixels = image.transpose(0, 1).flatten(1)
        middle = pixels.nanmedian(dim=1, keepdim=True).values
        scatter = 1.4826 * (pixels - middle).abs().nanmedian(dim=1).values
        self.noise.copy_(scatter.nan_to_num(nan=0.0).clamp(min=MIN_NOISE))
        features, _ = self.measure(image.nan_to_num(), image.isnan())
        std = features.std(dim=0, correction=0)
        self.mean.copy_(features.mean(dim=0))
        self.std.copy_(std.masked_fill(std < MIN_STD, torch.inf))

    def forward(self, image: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W), hidden pixels True (broadcasts), to features (B, F)."""
        features, shown = self.measure(image, hidden)
        standardised = ((features - self.mean) / self.std).clamp(-CLAMP, CLAMP)
        return torch.cat([standardised, (1 - shown.flatten(1)) / SHOWN_STD], dim=1)

    def measure(self, image: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features before they are standardised, and how much of each annulus was seen."""
        flux, shown = self.fluxes(image, hidden)
        area = self.cells.sum(dim=1)  # (K,) pixels
        noise = self.noise[:, None] * area.sqrt()
        grown, grown_noise = flux.cumsum(dim=2), self.noise[:, None] * area.cumsum(dim=0).sqrt()
        parts = []
        for signal, error in ((flux, noise), (grown, grown_noise)):
            parts.append(torch.asinh(signal / (2 * error)))
            # a logarithm that noise cannot break
            soft = torch.log(0.5 * (torch.hypot(signal, 1.5 * error) + signal.clamp(min=0)))
            parts.append(soft[:, :-1] - soft[:, 1:])
        logarithm = torch.log(grown.clamp(min=1e-3) + 1.5 * grown_noise)
        parts.append(logarithm.diff(dim=2))
        return torch.cat([part.flatten(1) for part in parts], dim=1), shown

    def fluxes(self, image: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Flux of each annulus and band as if all of it had been seen, and how much was.

        (B, C, K) both. An annulus of which next to nothing was seen has no flux.
        """
        full = self.cells.sum(dim=1)
        if hidden is None or not may_be_any(hidden):
            flux = image.flatten(2) @ self.cells.T
            return flux, torch.ones_like(flux)
        seen = (~hidden).to(image.dtype).expand(image.shape[0], -1, *image.shape[2:])
        image = image * seen
        filled = image + image.flip(2, 3) * (1 - seen)
        area = torch.maximum(seen, seen.flip(2, 3)).flatten(2) @ self.cells.T
        flux = filled.flatten(2) @ self.cells.T / area.clamp(min=1e-3) * full
        flux = flux.masked_fill(area <= MIN_SHOWN * full, 0.0)
        return flux, (area / full).expand(flux.shape)
