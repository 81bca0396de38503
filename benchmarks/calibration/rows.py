"""Rows of the table, and the real files that they are held against."""

import os
from pathlib import Path
from typing import NamedTuple

REAL = Path(os.environ.get("MMAE_SHARED", "../shared")) / "real"
"""Real files (they are not part of this project); rows that need an absent one say so."""


class Row(NamedTuple):
    """One line of the table."""

    what: str
    simulated: str
    real: str
    origin: str
    """Where the real number is from."""


def numbers(values, digits: int) -> str:
    """Numbers with a space between."""
    return " ".join(f"{value:.{digits}f}" for value in values)


def absent(path: str) -> Row | None:
    """A row that says so if a real file is not there."""
    if (REAL / path).exists():
        return None
    return Row(path, "-", "-", "file absent: not compared")
