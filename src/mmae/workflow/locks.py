"""Locks that a killed Snakemake left behind, told from those of one that runs."""

import errno
import fcntl
import shutil
from pathlib import Path
from typing import TextIO

TAKEN = (errno.EAGAIN, errno.EACCES)
"""Another process has the lock."""


def clear_stale_locks(folder: Path, temporary: Path) -> TextIO:
    """Delete Snakemake's locks and temporary folders if no other one runs in this folder.

    Snakemake's locks are files, which stay when it is killed. A lock of the operating system does
    not: each run holds a shared one, and who gets it alone knows that all others are gone.

    Parameters
    ----------
    folder : Path
        Snakemake's own, `.snakemake`.
    temporary : Path
        Of this run, elsewhere; a later run deletes it if this one is killed.

    Returns
    -------
    file
        Keep it open as long as the run lasts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    held = (folder / "running").open("a+", encoding="utf-8")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder / "locks", ignore_errors=True)
        held.seek(0)
        for left in held.read().splitlines():
            if Path(left).name.startswith("snakemake"):
                shutil.rmtree(left, ignore_errors=True)
        held.truncate(0)
        # Snakemake expects the folder, which it makes before it reads the rules
        (folder / "locks").mkdir(exist_ok=True)
    except OSError as error:
        if error.errno not in TAKEN:
            # a file system without such locks: Snakemake's own stay, for --unlock
            return held
    fcntl.flock(held, fcntl.LOCK_SH)
    print(temporary, file=held, flush=True)
    return held
