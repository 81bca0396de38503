"""What training reads: spectra normalised and pooled once, all as memory-mapped arrays."""

import hashlib
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from mmae.errors import InputError
from mmae.files.checksums import file_digest
from mmae.files.outputs import VERIFIED
from mmae.files.read import existing, read_json
from mmae.files.write import atomic
from mmae.progress import progress

MANIFEST = "manifest.json"


class TrainingArrays(NamedTuple):
    """Galaxies as the networks see them; the first axis is the row of the dataset.

    Galaxies without a spectrum, where there are any, follow the pairs.
    """

    values: dict[str, np.ndarray]
    """By modality, (N, *shape) float32; NaN where missing."""
    redshift: np.ndarray
    """(N,) float32, z_spec; NaN where unknown."""
    targetid: np.ndarray
    """(N,) int64; minus HSC's object_id of galaxies without a spectrum."""
    modalities: list[dict[str, Any]]
    """Name, settings and geometry of each, as in the manifest."""
    complete: frozenset[str] = frozenset()
    """Modalities that lack nothing."""
    n_paired: int | None = None
    """Galaxies with a spectrum, which come first; None: all."""
    ivar: Mapping[str, np.ndarray] = MappingProxyType({})
    """Inverse variance of the values of modalities that have it, (N, *shape) float32."""


BLOCK = 1 << 20
"""Bytes read at a time."""
OTHERS = ("redshift", "targetid")


def open_arrays(folder: Path | str) -> TrainingArrays:
    """Open training arrays (memory-mapped), whose checksums are compared the first time.

    Raises
    ------
    InputError
        If the folder or an array is missing, or an array is not what the manifest says.
    """
    folder = existing(folder)
    manifest = read_json(folder / MANIFEST)
    described = manifest.get("arrays", {})
    try:
        names = [str(one["name"]) for one in manifest["modalities"]]
    except (KeyError, TypeError) as error:
        raise InputError(
            folder / MANIFEST, key="modalities", found="none", expected="those of the arrays"
        ) from error
    arrays = {name: _open(folder, name, described.get(name, {})) for name in (*names, *OTHERS)}
    _verify(Path(folder), described)
    both = [name for name in manifest.get("ivar", ()) if name in names]
    return TrainingArrays(
        {name: arrays[name][:, 0] if name in both else arrays[name] for name in names},
        *(arrays[name] for name in OTHERS),
        manifest["modalities"],
        frozenset(manifest.get("complete", ())),
        manifest.get("n_paired"),
        {name: arrays[name][:, 1] for name in both},
    )


def _open(folder: Path, name: str, expected: Mapping[str, Any]) -> np.ndarray:
    """One array, memory-mapped: a file of its own, or a dataset that stands as it is elsewhere."""
    path = existing(array_path(folder, name, expected))
    try:
        if "offset" in expected:
            shape, offset = tuple(expected["shape"]), expected["offset"]
            array = np.memmap(path, expected["dtype"], "r", offset, shape)
        else:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, TypeError, KeyError) as error:
        raise InputError(
            path, found=f"a damaged array ({error})", expected="a .npy file"
        ) from error
    if [list(array.shape), str(array.dtype)] != [expected.get("shape"), expected.get("dtype")]:
        raise InputError(
            path,
            found=f"shape {array.shape}, {array.dtype}",
            expected=f"shape {expected.get('shape')}, {expected.get('dtype')} (manifest.json)",
        )
    return array


def are_whole(folder: Path) -> bool:
    """Whether every file that the manifest of a folder names is there."""
    try:
        described = read_json(folder / MANIFEST)["arrays"]
        return all(array_path(folder, name, one).is_file() for name, one in described.items())
    except (InputError, KeyError, AttributeError, TypeError):
        return False


def array_path(folder: Path, name: str, described: Mapping[str, Any]) -> Path:
    """The file that an array is in."""
    return folder / described.get("file", f"{name}.npy")


def array_digest(path: Path, described: Mapping[str, Any]) -> str:
    """SHA-256 of an array's file, or of its bytes in a file that holds more."""
    if "offset" not in described:
        return file_digest(path)
    digest, left = hashlib.sha256(), 4 * math.prod(described["shape"])
    with path.open("rb") as stream:
        stream.seek(described["offset"])
        while left and (block := stream.read(min(left, BLOCK))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


def _verify(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Compare arrays with their checksums, once for as long as no file is touched.

    Each of many jobs opens them; reading the 11 GB of the paper takes seven seconds of CPU.
    """
    paths = {name: array_path(folder, name, one) for name, one in manifest.items()}
    stamp, digest = folder / VERIFIED, file_digest(folder / MANIFEST)

    def touched() -> list[int]:
        # when bytes or times were last changed, which no program can set
        return [path.stat().st_ctime_ns for path in paths.values()]

    before = touched()
    with suppress(OSError):
        if stamp.read_bytes() == digest.encode() and stamp.stat().st_mtime_ns > max(before):
            return
    for name, path in progress(paths.items(), "arrays verified"):
        found, expected = array_digest(path, manifest[name]), manifest[name].get("sha256")
        if found != expected:
            expected = f"{expected}, as in {MANIFEST} (damaged or changed: make the arrays again)"
            raise InputError(path, found=f"SHA-256 {found}", expected=expected)
    # a folder that cannot be written is verified each time
    with suppress(InputError, OSError), atomic(stamp) as part:
        part.write_bytes(digest.encode() if touched() == before else b"")
