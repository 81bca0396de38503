"""Hold the embedded survey against the sky, in one table.

PYTHONPATH=benchmarks python -m calibration [--images N ...] [--catalogue N ...] [--write FILE]

Prints the table; with --write it also replaces the one in a file (docs/survey.md: make calibrate).
--images are the numbers of galaxies that redshifts from images are learnt from, --catalogue those
of redshifts from magnitudes. Real files are read from $MMAE_SHARED/real where they are there.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from calibration.images import pixels_and_redshifts, shared_noise
from calibration.morphology import morphology
from calibration.photometry import all_redshifts, beside_real_tables
from calibration.population import distributions, leak
from calibration.rows import Row
from calibration.spectra import galaxies, lines_above_noise, noise, quasars

START, END = "<!-- calibration -->\n", "<!-- end of calibration -->\n"
DEMO, LARGE, PAPER = 4_900, 30_000, 94_173
"""Training galaxies of the demo, of a larger survey, of the paper."""


def parts(images: list[int], catalogue: list[int]) -> dict[str, Callable[[], list[Row]]]:
    """Parts of the table by their titles."""
    n_test = 10_000 if max(images) > DEMO else 2_000
    return {
        "Objects": distributions,
        "No memory of single galaxies": leak,
        "Colours, and redshifts from them, of simulated galaxies in the place of real ones": (
            beside_real_tables
        ),
        "Redshifts from the survey's own magnitudes": lambda: [
            row for n in catalogue for row in all_redshifts(n, 10_000)
        ],
        "Pixels, and redshifts from images": lambda: [
            *shared_noise(),
            *pixels_and_redshifts(tuple(images), n_test),
        ],
        "Shapes": morphology,
        "Spectra of galaxies": galaxies,
        "Spectra of quasars": quasars,
        "Noise of spectra, and lines above it": lambda: [*noise(), *lines_above_noise()],
    }


def main() -> None:
    """Print the table part by part, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=[DEMO, LARGE, PAPER])
    parser.add_argument("--catalogue", type=int, nargs="+", default=[DEMO, LARGE, PAPER])
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    lines = ["| what | simulated | real | origin |", "|---|---|---|---|"]
    print(*lines, sep="\n", flush=True)
    for title, make in parts(given.images, given.catalogue).items():
        started = time.process_time()
        part = [f"| **{title}** | | | |", *(f"| {' | '.join(row)} |" for row in make())]
        print(*part, sep="\n", flush=True)
        print(f"{title}: {time.process_time() - started:.0f} core-seconds", file=sys.stderr)
        lines += part
    if given.write:
        before, rest = given.write.read_text(encoding="utf-8").split(START)
        table = "\n".join(lines) + "\n"
        text = before + START + table + END + rest.split(END)[1]
        given.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
