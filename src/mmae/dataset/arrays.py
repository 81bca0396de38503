"""What training reads: spectra normalised and pooled once, all as memory-mapped arrays."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmae.errors import InputError
from mmae.files import existing, read_json

MANIFEST = "manifest.json"


class TrainingArrays(NamedTuple):
    """Galaxies as the networks see them; the first axis is the row of the dataset."""

    images: np.ndarray
    """(N, 5, 64, 64) float32."""
    spectra: np.ndarray
    """(N, pooled pixels) float32."""
    wave: np.ndarray
    """(pooled pixels,) Å."""
    redshift: np.ndarray
    """(N,) float32, z_spec."""
    targetid: np.ndarray
    """(N,) int64."""
    magnitudes: np.ndarray
    """(N, 5) float32, AB; NaN where unknown."""
    sizes: np.ndarray
    """(N, 5) float32, half-light radii, arcsec; NaN where unknown."""


def open_arrays(folder: Path | str) -> TrainingArrays:
    """Open training arrays without reading them (memory-mapped).

    Raises
    ------
    InputError
        If the folder or an array is missing, or an array is not what the manifest says.
    """
    folder = existing(folder)
    manifest = read_json(folder / MANIFEST).get("arrays", {})
    arrays = {}
    for name in TrainingArrays._fields:
        path = existing(folder / f"{name}.npy")
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise InputError(
                path, found=f"a damaged array ({error})", expected="a .npy file"
            ) from error
        expected = manifest.get(name, {})
        if [list(array.shape), str(array.dtype)] != [expected.get("shape"), expected.get("dtype")]:
            raise InputError(
                path,
                found=f"shape {array.shape}, {array.dtype}",
                expected=f"shape {expected.get('shape')}, {expected.get('dtype')} (manifest.json)",
            )
        arrays[name] = array
    return TrainingArrays(**arrays)
