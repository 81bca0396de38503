"""Spectra on one grid of wavelengths: normalised, pooled, and cut into patches."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from pydantic.dataclasses import dataclass

from mmae import limits
from mmae.dataset import layout
from mmae.dataset.spectra import normalise, normalise_pooled, pool, pool_by_ivar
from mmae.errors import InputError
from mmae.files.checks import check_datasets
from mmae.limits import Known
from mmae.metrics.hidden import composite
from mmae.metrics.line_quality import (
    BPT_RATIOS,
    COMPARED_LINES,
    bpt_errors,
    line_errors,
    noise_lines,
)
from mmae.metrics.spectrum_quality import continuum_slope_error, cosine_similarity, mse, noise
from mmae.modalities.base import Measured, Modality
from mmae.settings import Arrays, SpectrumModality

if TYPE_CHECKING:
    import h5py
    from torch import Tensor, nn

NORMALISATION = {
    "mean": "ivar-weighted mean 0 and rms 1, then averaged",
    "ivar": "averaged by ivar, then weighted mean 0 and rms 1",
}
"""By the way of pooling."""


@dataclass(frozen=True)
class SpectrumGeometry:
    """What spectra on one grid have in common."""

    wave: tuple[float, ...]
    """Middle of each pooled pixel, Å."""
    pool: int
    """Pixels averaged into one."""
    normalisation: str


class Spectrum(Modality):
    """Normalised flux (L,)."""

    Settings, Geometry = SpectrumModality, SpectrumGeometry
    weight = 0.01
    summary = ("mse", "normalised flux squared", mse)

    @classmethod
    def of_file(
        cls, name: str, settings: SpectrumModality, file: "h5py.File", arrays: Arrays
    ) -> Self:
        """Spectra as a dataset file has them."""
        check_datasets(file, dict.fromkeys((layout.FLUX, layout.IVAR), (None, None)))
        wave = layout.read_wave(file)
        if arrays.pool > len(wave):
            raise InputError(
                "config",
                key="arrays.pool",
                found=arrays.pool,
                expected=f"at most the {len(wave)} pixels of a spectrum in {file.filename}",
            )
        pooled = tuple(float(x) for x in pool(wave, arrays.pool))
        how = NORMALISATION[settings.pooling]
        return cls(name, settings, SpectrumGeometry(pooled, arrays.pool, how))

    def as_in(self, file: "h5py.File") -> Self:
        """The spectra of another file, pooled in the same way."""
        arrays = Arrays(pool=self.geometry.pool, chunk_size=1)
        return self.of_file(self.name, self.settings, file, arrays)

    def is_in(self, file: "h5py.File") -> bool:
        """Whether a file has spectra."""
        return layout.FLUX in file

    def read(self, file: "h5py.File", rows: slice, known: Known) -> np.ndarray:
        """Normalised and pooled flux; a pooled pixel without any data is missing."""
        flux, ivar = file[layout.FLUX][rows], file[layout.IVAR][rows]
        ivar = known(layout.IVAR, ivar, limits.IVAR, instead=0, damage=True)
        weighted = known(layout.FLUX, np.where(ivar > 0, flux, 0), limits.FLUX, damage=True)
        ivar = np.where(np.isnan(weighted), 0, ivar)
        flux = np.where(np.isnan(weighted), 0, flux)
        return self.pooled(flux, ivar)

    def pooled(self, flux: np.ndarray, ivar: np.ndarray) -> np.ndarray:
        """Spectra of finite flux (B, L of the file) as `read` gives them."""
        width = self.geometry.pool
        if self.has_ivar:
            pooled, weight = normalise_pooled(*pool_by_ivar(flux, ivar, width))
            values = np.where(weight > 0, pooled, np.float32(np.nan))
            return np.stack([values, weight], axis=1)
        pooled = pool(normalise(flux, ivar), width)
        n = pooled.shape[1]
        empty = (ivar[:, : n * width].reshape(-1, n, width) <= 0).all(axis=2)
        return np.where(empty, np.float32(np.nan), pooled)

    @property
    def has_ivar(self) -> bool:
        """Whether pixels were averaged by it."""
        return self.settings.pooling == "ivar"

    @property
    def wave(self) -> np.ndarray:
        """Wavelengths, (L,) float64, Å."""
        return np.array(self.geometry.wave)

    @property
    def shape(self) -> tuple[int]:
        """(L,)."""
        return (len(self.geometry.wave),)

    @property
    def n_tokens(self) -> int:
        """Patches; pixels beyond the last whole one stay out."""
        return len(self.geometry.wave) // self.settings.patch

    def projection(self, dim: int, mask_channel: bool) -> "nn.Module":
        """Each patch through a linear layer."""
        from mmae.modalities.projections import PatchLinear

        return PatchLinear(self.settings.patch, dim, mask_channel)

    def covered(self, tokens: "Tensor") -> "Tensor":
        """Pixels of patches: (B, M) to (B, L)."""
        from torch.nn.functional import pad

        pixels = tokens.repeat_interleave(self.settings.patch, dim=1)
        return pad(pixels, (0, self.shape[0] - pixels.shape[1]), value=False)

    def whole_tokens(self, values: "Tensor") -> "Tensor":
        """Patches that are hidden whole."""
        used = values.expand(values.shape[0], *self.shape)[:, : self.n_tokens * self.settings.patch]
        return used.unflatten(1, (self.n_tokens, -1)).all(dim=2)

    def quality(
        self, true: np.ndarray, reconstruction: np.ndarray, hidden: np.ndarray, z_spec: np.ndarray
    ) -> Iterator[Measured]:
        """Pixels, shape, continuum, and lines that were hidden whole."""
        wave, arrays = self.wave, (true, reconstruction, hidden)
        slope = continuum_slope_error(wave, *arrays, z_spec)
        unit = "normalised flux squared"
        yield Measured("spectrum mse", "", unit, "median", False, mse(*arrays))
        yield Measured("spectrum noise", "", unit, "median", False, noise(true, hidden))
        cosine = cosine_similarity(*arrays)
        yield Measured("spectrum cosine", "", "dimensionless", "median", False, cosine)
        unit = "normalised flux / 1000 Angstrom"
        yield Measured("continuum slope", "", unit, "median", True, slope)
        yield from _lines(*arrays, wave, z_spec)
        passed = noise_lines(wave, true, z_spec)
        passed[~hidden.any(axis=1)] = np.nan
        yield Measured("line noise", "", "dimensionless", "fraction", False, passed)

    def quality_at(
        self,
        true: np.ndarray,
        reconstruction: np.ndarray,
        hidden: np.ndarray,
        z_spec: np.ndarray,
        z_pred: np.ndarray,
    ) -> Iterator[Measured]:
        """Lines where they belong at the redshift that the model says."""
        yield from _lines(true, reconstruction, hidden, self.wave, z_spec, z_pred)


def _lines(
    true: np.ndarray,
    reconstruction: np.ndarray,
    hidden: np.ndarray,
    wave: np.ndarray,
    z_spec: np.ndarray,
    z_pred: np.ndarray | None = None,
) -> Iterator[Measured]:
    """Quantities of lines that were hidden whole, in the composite of what was shown and not."""
    pasted = composite(true, reconstruction, hidden)
    errors = line_errors(wave, true, pasted, z_spec, hidden=hidden, own_redshift=z_pred)

    def by_galaxy(series: pd.Series) -> np.ndarray:
        return series.reindex(range(len(z_spec))).to_numpy(dtype=float)

    for line in COMPARED_LINES:
        ours = errors[errors["line"] == line].set_index("galaxy")
        for name, column, unit in (
            ("line centre", "centre_error_kms", "km/s"),
            ("line height", "height_ratio", "reconstructed / true"),
            ("line width", "width_ratio", "reconstructed / true"),
        ):
            yield Measured(name, line, unit, "median", True, by_galaxy(ours[column]))
        found = ours["found_true"]
        both = (ours["found_reconstructed"] & found).astype(float)
        for name, column, among in (
            ("line found", "both", found),
            ("line right", "right", found),
            ("line too wide", "too_wide", found),
            ("line missed", "missed", found),
            ("line unresolved", "unresolved", found),
            ("line false", "false", ~found),
        ):
            values = by_galaxy(ours.assign(both=both)[column][among])
            yield Measured(name, line, "dimensionless", "fraction", False, values)
    # how far the true ones scatter is how far a constant is from them
    for end, column in (("", "flux_ratio"), (" true", "flux_true")):
        ratios = bpt_errors(errors, column)
        for ratio in BPT_RATIOS:
            values = by_galaxy(ratios[ratio])
            yield Measured(f"bpt {ratio}{end}", "", "dex", "median", True, values)


MODALITY = Spectrum
