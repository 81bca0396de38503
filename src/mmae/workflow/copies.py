"""Copies of a project that has run: what was made there is known by content, not by its time."""

import json
import os
from base64 import urlsafe_b64decode
from contextlib import suppress
from pathlib import Path

MARK = ".snakemake_timestamp"
"""Snakemake's file in a folder that a job made. Its time is the folder's."""

ROUNDED = 1e-5
"""Seconds that a time loses as a number."""


def restore_times(records: Path) -> int:
    """Give folders that jobs made the time that Snakemake noted of them.

    `cp -r` gives all files new times. Of files, Snakemake then compares the checksums that it
    keeps (max-checksum-file-size in profiles/); of folders it keeps none, and would make again
    whatever is made from them.

    Parameters
    ----------
    records : Path
        Where Snakemake notes what it made: .snakemake/metadata, a file for each path.

    Returns
    -------
    int
        How many folders had another time.
    """
    n_restored = 0
    for record in records.glob("*") if records.is_dir() else ():
        # no record, one half written, or a folder of somebody else
        with suppress(OSError, ValueError, KeyError):
            mark = Path(urlsafe_b64decode(record.name).decode(), MARK)
            found = mark.stat().st_mtime
            noted = json.loads(record.read_text(encoding="utf-8"))["endtime"]
            # seconds are rounded on the way
            if abs(found - noted) > ROUNDED:
                os.utime(mark, (noted, noted))
                n_restored += 1
    return n_restored
