"""Time, peak memory and disk of every data step, at a sixteenth, a quarter and the whole of a size.

python benchmarks/survey.py [galaxies] [fractions ...]

Prints a Markdown table as it goes; with 134533 galaxies it is the paper's dataset, which takes
about an hour on two cores and 45 GB of disk. Memory is the sum over a step's processes.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

GALAXIES = 4000
FRACTIONS = (1 / 16, 1 / 4, 1)
GROUPS = 2
CORES = 2
SAMPLE_SECONDS = 0.1

FILES = {
    "galaxiesml": "galaxiesml.hdf5",
    "desi": "desi",
    "truth": "truth.fits",
    "matches": "matches.csv",
    "contested": "contested.csv",
    "counts": "counts.csv",
    "spectra": "spectra.hdf5",
    "dataset": "dataset.hdf5",
    "report": "report.csv",
    "removed": "removed.csv",
    "summary": "summary.csv",
    "split": "split.npz",
    "arrays": "arrays",
}
STEPS = {
    "simulate-survey": ("galaxiesml", "desi", "truth"),
    "crossmatch": ("galaxiesml", "desi", "matches", "contested", "counts"),
    "fetch-spectra": ("matches",),
    "collect-spectra": ("matches", "spectra"),
    "clean": ("matches", "galaxiesml", "spectra", "dataset", "report", "removed"),
    "summarise": ("galaxiesml", "desi", "dataset", "summary"),
    "split": ("dataset", "split"),
    "training-arrays": ("dataset", "arrays"),
}
DONE_WITH = {
    "collect-spectra": ("group0.hdf5", "group1.hdf5", "desi/healpix"),
    "clean": ("spectra.hdf5",),
    "summarise": ("galaxiesml.hdf5",),
}
"""What no later step reads, so that the disk need not hold all at once."""


def commands(folder: Path, step: str, n_galaxies: int) -> list[list[str]]:
    """Command lines of a step; one a group where the spectra are fetched."""
    survey = {"simulate": {"n_galaxies": n_galaxies}, "spectra": {"groups": GROUPS}}
    words = [sys.executable, "-m", "mmae", step]
    for name in STEPS[step]:
        words += [f"--{name}", str(folder / FILES[name])]
    if step not in ("summarise", "collect-spectra"):
        words += ["--config", "config/config.yaml", "--config", json.dumps({"survey": survey})]
    groups = [folder / f"group{k}.hdf5" for k in range(GROUPS)]
    if step == "fetch-spectra":
        return [
            [
                *(*words, "--tree", str(folder / "desi"), "--group", str(k)),
                *("--spectra", str(path), "--unavailable", str(path.with_suffix(".csv"))),
            ]
            for k, path in enumerate(groups)
        ]
    if step == "collect-spectra":
        return [[*words, *(f"--group={path}" for path in groups)]]
    if step == "simulate-survey":
        return [[*words, "--workers", str(CORES)]]
    return [words]


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds, and the peak memory of all its processes together, MB."""
    started, peak = time.monotonic(), 0.0
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, _memory(process))
        time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.monotonic() - started, peak


def _memory(process: psutil.Process) -> float:
    """Resident memory of a process and its children now, MB."""
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total / 1e6


def disk(folder: Path) -> float:
    """GB of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9


def main() -> None:
    """Print one line a step and size."""
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else GALAXIES
    fractions = [float(word) for word in sys.argv[2:]] or FRACTIONS
    print("| step | galaxies | seconds | galaxies/s | peak memory, MB | disk so far, GB |")
    print("|---|---|---|---|---|---|")
    for fraction in fractions:
        n_galaxies = round(largest * fraction)
        with tempfile.TemporaryDirectory() as home:
            folder = Path(home)
            for step in STEPS:
                runs = [measure(command) for command in commands(folder, step, n_galaxies)]
                seconds, peak = sum(run[0] for run in runs), max(run[1] for run in runs)
                print(
                    f"| {step} | {n_galaxies} | {seconds:.1f} | {n_galaxies / seconds:.0f} "
                    f"| {peak:.0f} | {disk(folder):.1f} |",
                    flush=True,
                )
                for name in DONE_WITH.get(step, ()):
                    path = folder / name
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main()
