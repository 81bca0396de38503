"""Speed and peak memory of `mmae predict` on more and more galaxies.

python benchmarks/predict.py CATALOGUE MODEL VIEW [galaxies ...]

CATALOGUE is a GalaxiesML file, such as results/demo/catalog/galaxiesml.hdf5, MODEL the folder of a
trained model, VIEW what it is shown, such as image0.25-spectrum1.00. A million images are 82 GB: an
HDF5 file of virtual datasets shows those of CATALOGUE again and again instead. They are read as any
others are, but stay in the memory that the system has for files: disks are not measured. CPU
seconds, start included, tell the speed where other work runs beside. Prints Markdown and writes
results/bench/predict.json.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py

from mmae.config import read_config
from mmae.files.read import read_json
from mmae.files.write import write_json
from mmae.survey.galaxiesml import IMAGE, MAGNITUDES, OBJECT_ID, REDSHIFT

RESULT = Path("results/bench/predict.json")
SIZES = (20_000, 200_000)


def repeat(path: Path, catalogue: Path, n_galaxies: int) -> None:
    """Write a file in which the galaxies of a catalogue stand again and again."""
    with h5py.File(catalogue) as source, h5py.File(path, "w", libver="latest") as file:
        for name in (IMAGE, OBJECT_ID, REDSHIFT, *MAGNITUDES):
            n, *rest = source[name].shape
            whole = h5py.VirtualSource(str(catalogue.resolve()), name, source[name].shape)
            virtual = h5py.VirtualLayout((n_galaxies, *rest), source[name].dtype)
            for start in range(0, n_galaxies, n):
                some = min(n, n_galaxies - start)
                virtual[start : start + some] = whole[:some]
            file.create_virtual_dataset(name, virtual)


def measure(catalogue: Path, model: Path, view: str, folder: Path) -> dict[str, float]:
    """Galaxies, seconds, CPU seconds, rates of both, peak memory (MB) of one run of the command."""
    table, speed = folder / "predictions.csv", folder / "speed.json"
    words = ["predict", catalogue, "--model", model, "--view", view]
    words += ["--predictions", table, "--speed", speed]
    process = subprocess.Popen([sys.executable, "-m", "mmae", *map(str, words)])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), process.args)
    with table.open(encoding="utf-8") as lines:
        n = sum(1 for _ in lines) - 1
    rate = read_json(speed)["galaxies_per_second"]
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return {
        "galaxies": n,
        "seconds": n / rate,
        "cpu_seconds": cpu_seconds,
        "galaxies_per_second": rate,
        "galaxies_per_cpu_second": n / cpu_seconds,
        # kilobytes on Linux
        "peak_memory_mb": usage.ru_maxrss / 1024,
    }


def main() -> None:
    """Print one line a size and write everything."""
    catalogue, model, view = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    sizes = [int(word) for word in sys.argv[4:]] or SIZES
    evaluation = read_config("config/config.yaml")["evaluation"]
    print("| galaxies | seconds | CPU s | galaxies/s | galaxies/CPU s | peak memory, MB |")
    print("|---|---|---|---|---|---|")
    runs = []
    with (
        tempfile.TemporaryDirectory() as home,
        # beside the catalogue: a file from outside may refer to its own folder only
        tempfile.NamedTemporaryFile(dir=catalogue.resolve().parent, suffix=".hdf5") as repeated,
    ):
        for size in sizes:
            repeat(Path(repeated.name), catalogue, size)
            run = measure(Path(repeated.name), model, view, Path(home))
            if run["galaxies"] != size:
                raise RuntimeError(f"{run['galaxies']} predictions of {size} galaxies")
            runs.append(run)
            numbers = (f"{run[name]:,.0f}" for name in run)
            print(f"| {' | '.join(numbers)} |", flush=True)
    result = {
        "runs": runs,
        "ratio_memory": runs[-1]["peak_memory_mb"] / runs[0]["peak_memory_mb"],
        "model": read_json(model / "model.json")["name"],
        "view": view,
        "batch_size": evaluation["batch_size"],
        "threads": evaluation["threads"],
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    write_json(RESULT, result)
    print(f"\nWritten: {RESULT}")


if __name__ == "__main__":
    main()
