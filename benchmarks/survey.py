"""Speed and peak memory of the data steps, at two sizes, so that growth shows.

python benchmarks/survey.py [galaxies]
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEPS = ("simulate-survey", "crossmatch", "collect-spectra", "clean", "training-arrays")


def arguments(folder: Path, n_galaxies: int) -> dict[str, list[str]]:
    """Command line of each step."""
    config = [
        *("--config", "config/config.yaml"),
        *("--config", json.dumps({"survey": {"simulate": {"n_galaxies": n_galaxies}}})),
    ]
    names = {
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
        "arrays": "arrays",
    }
    paths = {name: [f"--{name}", str(folder / file)] for name, file in names.items()}

    def of(*wanted: str) -> list[str]:
        return [word for name in wanted for word in paths[name]]

    return {
        "simulate-survey": [*config, *of("galaxiesml", "desi", "truth"), "--workers", "2"],
        "crossmatch": [*config, *of("galaxiesml", "desi", "matches", "contested", "counts")],
        "collect-spectra": of("matches", "desi", "spectra"),
        "clean": [
            *config,
            *of("matches", "galaxiesml", "spectra", "dataset", "report", "removed"),
        ],
        "training-arrays": [*config, *of("dataset", "arrays")],
    }


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds, and the peak memory (MB) of the largest process so far."""
    started = time.monotonic()
    subprocess.run(["mmae", *command], check=True, capture_output=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return time.monotonic() - started, peak


def main() -> None:
    """Print one line a step and size."""
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    print(f"{'step':<18}{'galaxies':>10}{'seconds':>10}{'galaxies/s':>12}{'peak MB so far':>16}")
    for n_galaxies in (largest // 4, largest):
        with tempfile.TemporaryDirectory() as folder:
            commands = arguments(Path(folder), n_galaxies)
            for step in STEPS:
                seconds, peak = measure([step, *commands[step]])
                rate = n_galaxies / seconds
                print(f"{step:<18}{n_galaxies:>10}{seconds:>10.1f}{rate:>12.0f}{peak:>16.0f}")


if __name__ == "__main__":
    main()
