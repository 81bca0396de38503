"""Hold the embedded survey against the sky, in one table.

PYTHONPATH=benchmarks python -m calibration [--quick] [--write docs/survey.md]

Half an hour on one core; --quick leaves out redshifts from images and takes two minutes. Real files
are read from $MMAE_SHARED/real where they are there. With --write the table in a file is replaced.
"""

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
from calibration.spectra import galaxies, lines_above_noise, quasars

START, END = "<!-- calibration -->\n", "<!-- end of calibration -->\n"
SIZES, N_TEST = (4_900, 30_000, 94_173), 10_000


def parts(quick: bool) -> dict[str, Callable[[], list[Row]]]:
    """Parts of the table by their titles."""
    sizes = (4_900,) if quick else SIZES
    return {
        "Objects": distributions,
        "No memory of single galaxies": leak,
        "Colours, and redshifts from them, of simulated galaxies in the place of real ones": (
            beside_real_tables
        ),
        "Redshifts from the survey's own magnitudes": lambda: [
            row for n in sizes for row in all_redshifts(n, N_TEST)
        ],
        "Pixels, and redshifts from images": lambda: [
            *shared_noise(),
            *pixels_and_redshifts(sizes, 2_000 if quick else N_TEST),
        ],
        "Shapes": morphology,
        "Spectra of galaxies": galaxies,
        "Spectra of quasars": quasars,
        "Lines above the noise": lines_above_noise,
    }


def main() -> None:
    """Print the table part by part, and write it if asked to."""
    torch.set_num_threads(1)
    lines = ["| what | simulated | real | origin |", "|---|---|---|---|"]
    print(*lines, sep="\n", flush=True)
    for title, make in parts("--quick" in sys.argv).items():
        started = time.process_time()
        part = [f"| **{title}** | | | |", *(f"| {' | '.join(row)} |" for row in make())]
        print(*part, sep="\n", flush=True)
        print(f"{title}: {time.process_time() - started:.0f} core-seconds", file=sys.stderr)
        lines += part
    if "--write" in sys.argv:
        path = Path(sys.argv[sys.argv.index("--write") + 1])
        before, rest = path.read_text().split(START)
        table = "\n".join(lines) + "\n"
        path.write_text(before + START + table + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
