"""Size and speed of HDF5 filters on images and spectra: none, gzip, lzf, and Blosc2's.

python benchmarks/storage.py DATASET [galaxies]

DATASET is a GalaxiesML-Spectra file, such as results/demo/dataset/galaxiesml_spectra.hdf5. Blosc2
and Zstd need hdf5plugin (pip install hdf5plugin); without it they are left out. Prints a Markdown
table; every filter writes and reads the same galaxies, in chunks as the workflow does.
"""

import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from mmae.dataset.layout import FLUX, IMAGE, IVAR

GALAXIES = 2000
BLOCK = 256
"""Galaxies written at a time (clean.chunk_size)."""
REPEATS = 3


def filters() -> dict[str, dict]:
    """Keyword arguments of `create_dataset`, by name."""
    found = {
        "none": {},
        "lzf, shuffle": {"compression": "lzf", "shuffle": True},
        "gzip 1, shuffle": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
        "gzip 4, shuffle": {"compression": "gzip", "compression_opts": 4, "shuffle": True},
    }
    try:
        import hdf5plugin
    except ImportError:
        print("hdf5plugin is not installed: Blosc2 and Zstd are left out", file=sys.stderr)
        return found
    bits = {"filters": hdf5plugin.Blosc2.BITSHUFFLE}
    return found | {
        "Blosc2 lz4, bitshuffle": dict(hdf5plugin.Blosc2("lz4", 5, **bits)),
        "Blosc2 zstd 3, bitshuffle": dict(hdf5plugin.Blosc2("zstd", 3, **bits)),
        "Zstd 3, shuffle": dict(hdf5plugin.Zstd(3)) | {"shuffle": True},
    }


def measure(
    values: np.ndarray, options: dict, order: np.ndarray
) -> tuple[float, float, float, float]:
    """Size relative to the values; MB/s of writing, of reading in order, of single rows."""
    size = values.nbytes / 1e6
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "values.hdf5"
        started = time.perf_counter()
        with h5py.File(path, "w") as file:
            chunks = (1, *values.shape[1:])
            dataset = file.create_dataset("x", values.shape, values.dtype, chunks=chunks, **options)
            for start in range(0, len(values), BLOCK):
                dataset[start : start + BLOCK] = values[start : start + BLOCK]
        write = time.perf_counter() - started
        with h5py.File(path) as file:
            started = time.perf_counter()
            for start in range(0, len(values), BLOCK):
                file["x"][start : start + BLOCK]
            read = time.perf_counter() - started
            started = time.perf_counter()
            for row in order:
                file["x"][row]
            rows = time.perf_counter() - started
        share = path.stat().st_size / 1e6 / size
    return share, size / write, size / read, size * len(order) / len(values) / rows


def main() -> None:
    """Print one line a kind of data and filter; medians of interleaved repeats."""
    path = sys.argv[1]
    n = int(sys.argv[2]) if len(sys.argv) > 2 else GALAXIES
    order = np.random.default_rng(0).permutation(n)[: min(n, 500)]
    with h5py.File(path) as file:
        data = {name: file[name][:n] for name in (IMAGE, FLUX, IVAR)}
    print("| data | filter | size | write MB/s | read MB/s | single rows MB/s |")
    print("|---|---|---|---|---|---|")
    for name, values in data.items():
        results: dict[str, list] = {}
        for _ in range(REPEATS):
            for label, options in filters().items():
                results.setdefault(label, []).append(measure(values, options, order))
        for label, runs in results.items():
            share, *speeds = np.median(runs, axis=0)
            numbers = " | ".join(f"{speed:.0f}" for speed in speeds)
            print(f"| {name} | {label} | {share:.2f} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
