"""What training reads: spectra normalised and pooled once, all as memory-mapped arrays."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmae.checksums import file_digest
from mmae.errors import InputError
from mmae.files import atomic, existing, read_json
from mmae.outputs import VERIFIED
from mmae.progress import progress

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
    """Open training arrays (memory-mapped), whose checksums are compared the first time.

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
    _verify(Path(folder), manifest)
    return TrainingArrays(**arrays)


def _verify(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Compare arrays with their checksums, once for as long as no file is touched.

    Each of many jobs opens them; reading the 11 GB of the paper takes seven seconds of CPU.
    """
    paths = [folder / f"{name}.npy" for name in TrainingArrays._fields]
    stamp, digest = folder / VERIFIED, file_digest(folder / MANIFEST)

    def touched() -> list[int]:
        # when bytes or times were last changed, which no program can set
        return [path.stat().st_ctime_ns for path in paths]

    before = touched()
    with suppress(OSError):
        if stamp.read_bytes() == digest.encode() and stamp.stat().st_mtime_ns > max(before):
            return
    for path in progress(paths, "arrays verified"):
        found, expected = file_digest(path), manifest[path.stem].get("sha256")
        if found != expected:
            expected = f"{expected}, as in {MANIFEST} (damaged or changed: make the arrays again)"
            raise InputError(path, found=f"SHA-256 {found}", expected=expected)
    # a folder that cannot be written is verified each time
    with suppress(InputError, OSError), atomic(stamp) as part:
        part.write_bytes(digest.encode() if touched() == before else b"")
