"""Images in several bands, flux as the survey gives it: patches of all bands are tokens."""

from collections.abc import Iterator
from itertools import compress
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic.dataclasses import dataclass

from mmae import limits
from mmae.dataset import image_statistics, layout
from mmae.files.checks import check_datasets
from mmae.instruments import BANDS, IMAGE_SIZE, PIXEL_SCALE_ARCSEC, ZERO_POINT_MAG
from mmae.limits import Known
from mmae.metrics.image_quality import COLOURS, colour_error, psnr, shape_errors, ssim
from mmae.modalities.base import Measured, Modality
from mmae.settings import Arrays, ImageModality
from mmae.survey.galaxiesml import image_shape, read_images

if TYPE_CHECKING:
    import h5py
    from torch import Tensor, nn


NOT_FINITE, BLANK = (
    "image with pixels that are not finite",
    "image with a band in which all pixels are equal",
)


@dataclass(frozen=True)
class ImageGeometry:
    """What images of one survey have in common."""

    bands: tuple[str, ...]
    size: int
    """Pixels on a side."""
    pixel_scale_arcsec: float
    zero_point_mag: float
    """AB magnitude of a flux of 1."""


class Image(Modality):
    """Flux (C, H, W)."""

    Settings, Geometry = ImageModality, ImageGeometry
    verbatim = layout.IMAGE
    weight = 0.1
    summary = ("psnr", "dB", psnr)
    unlike_words = f"flux with zero point {ZERO_POINT_MAG}, bands {' '.join(BANDS)}"

    @classmethod
    def of_file(cls, name: str, settings: ImageModality, file: "h5py.File", arrays: Arrays) -> Self:
        """Images as a dataset file has them."""
        check_datasets(file, {layout.IMAGE: image_shape(file)})
        size = min(file[layout.IMAGE].shape[-1], IMAGE_SIZE)
        geometry = ImageGeometry(BANDS, size, PIXEL_SCALE_ARCSEC, ZERO_POINT_MAG)
        return cls(name, settings, geometry)

    def is_in(self, file: "h5py.File") -> bool:
        """Whether a file has images."""
        return layout.IMAGE in file

    def read(self, file: "h5py.File", rows: slice, known: Known) -> np.ndarray:
        """Flux of some galaxies; of larger images, the middle."""
        flux = read_images(file, rows)
        return known(layout.IMAGE, flux, limits.FLUX, damage=True)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return len(self.geometry.bands), self.geometry.size, self.geometry.size

    @property
    def patches_per_side(self) -> int:
        """Pixels beyond the last whole patch stay out."""
        return self.geometry.size // self.settings.patch

    @property
    def n_tokens(self) -> int:
        """Patches of an image."""
        return self.patches_per_side**2

    @property
    def n_outputs(self) -> int:
        """Values of all whole patches."""
        return self.n_tokens * len(self.geometry.bands) * self.settings.patch**2

    def projection(self, dim: int, mask_channel: bool) -> "nn.Module":
        """Each patch through a convolution as wide as it is."""
        from mmae.modalities.projections import PatchConvolution

        return PatchConvolution(len(self.geometry.bands), dim, self.settings.patch, mask_channel)

    def even_scale(self) -> "nn.Module":
        """Asinh of the flux in units of the sky noise."""
        from mmae.modalities.scaling import AsinhScale

        return AsinhScale(len(self.geometry.bands))

    def arrange(self, outputs: "Tensor") -> "Tensor":
        """Decoded patches back in their places: (B, N C P P) to (B, C, H, W)."""
        side, patch = self.patches_per_side, self.settings.patch
        patches = outputs.unflatten(1, (side, side, len(self.geometry.bands), patch, patch))
        image = patches.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
        return self._padded(image)

    def covered(self, tokens: "Tensor") -> "Tensor":
        """Pixels of patches, in all bands: (B, N) to (B, 1, H, W)."""
        side, patch = self.patches_per_side, self.settings.patch
        tiles = tokens.unflatten(1, (side, side))
        pixels = tiles.repeat_interleave(patch, dim=1).repeat_interleave(patch, dim=2)
        return self._padded(pixels.unsqueeze(1))

    def _padded(self, pixels: "Tensor") -> "Tensor":
        """Add the pixels beyond the last whole patch, as zeros."""
        from torch.nn.functional import pad

        beyond = self.geometry.size - pixels.shape[-1]
        return pad(pixels, (0, beyond, 0, beyond)) if beyond else pixels

    def whole_tokens(self, values: "Tensor") -> "Tensor":
        """Patches that are hidden in all bands."""
        side, patch = self.patches_per_side, self.settings.patch
        pixels = values.expand(values.shape[0], *self.shape)[..., : side * patch, : side * patch]
        tiles = pixels.unflatten(3, (side, patch)).unflatten(2, (side, patch))
        return tiles.all(dim=5).all(dim=3).all(dim=1).flatten(1)

    def unusable(self, values: np.ndarray) -> np.ndarray:
        """Bands without pixels, pixels that are not finite, and bands without any structure."""
        pixels = values.reshape(*values.shape[:2], -1)
        low, high = pixels.min(axis=2), pixels.max(axis=2)  # NaN if one pixel is
        finite = (np.isfinite(low) & np.isfinite(high)).all(axis=1)
        # the sky is never without noise: nothing was observed, or never written to the file
        blank = (low == high).any(axis=1)
        problem = np.select([~finite, blank], [NOT_FINITE, BLANK], "").astype(object)
        for row in np.flatnonzero(~finite):
            lacks = np.isnan(pixels[row]).all(axis=1)
            if lacks.any():
                problem[row] = f"image without {' '.join(compress(self.geometry.bands, lacks))}"
        return problem

    def describe(self, values: np.ndarray, rows: np.ndarray) -> dict[str, Any] | None:
        """Noise, brightness and colours of HSC's images."""
        if self.geometry.bands != BANDS:
            return None
        return image_statistics.describe_images(values, rows)

    def unlike(self, values: np.ndarray, described: dict[str, Any]) -> dict[str, np.ndarray]:
        """Another scale, other noise, bands exchanged or half blank."""
        found = image_statistics.flags(values, described)
        return dict(zip(image_statistics.FLAGS, found.T, strict=True))

    def quality(
        self, true: np.ndarray, reconstruction: np.ndarray, hidden: np.ndarray, z_spec: np.ndarray
    ) -> Iterator[Measured]:
        """Pixels, structure; colours and shapes of HSC's images."""
        arrays = true, reconstruction, hidden
        yield Measured("image psnr", "", "dB", "median", False, psnr(*arrays))
        yield Measured("image ssim", "", "dimensionless", "median", False, ssim(*arrays))
        if self.geometry.bands != BANDS:
            return
        for colour, error in zip(COLOURS, colour_error(*arrays).T, strict=True):
            yield Measured(f"colour {colour}", "", "mag", "median", True, error)
        shapes = shape_errors(*arrays)
        for name, unit, values in (
            ("half-light radius", "relative", shapes.half_light_radius),
            ("ellipticity", "dimensionless", shapes.ellipticity),
        ):
            yield Measured(name, "", unit, "median", True, values)


MODALITY = Image
