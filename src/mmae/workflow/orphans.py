"""Processes whose starter was killed: jobs of a killed Snakemake, workers of a killed job."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "MMAE_RUN"
"""Environment variable of each job: which process started it, and for which folder."""

PATIENCE = 30.0
"""Seconds in which a training saves where it is."""

LOOK_EVERY = 0.5
"""Seconds after which a worker looks again whether its parent lives."""


def mark(folder: Path) -> str:
    """What the jobs that this process starts for a folder carry as `MARK`."""
    return f"{os.getpid()}:{_identity(folder)}"


def end_with(parent: int) -> None:
    """Send this process SIGTERM soon after its parent is gone.

    A worker whose parent was killed would wait for work for ever, and whatever reads its output for
    the worker.

    Parameters
    ----------
    parent : int
        Process id.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_EVERY)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _identity(folder: Path) -> str:
    """Of a folder, whatever its name is."""
    found = folder.stat()
    return f"{found.st_dev}:{found.st_ino}"


def end_orphans(folder: Path, patience: float = PATIENCE) -> list[str]:
    """End jobs for a folder that no living Snakemake waits for, before they are started again.

    They get SIGTERM, upon which a training saves where it is, and SIGKILL if that does not help.

    Parameters
    ----------
    folder : Path
        Where Snakemake runs.
    patience : float
        Seconds between the two.

    Returns
    -------
    list of str
        Their commands.
    """
    ended = {}
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in _orphans(folder):
            with suppress(psutil.Error):
                ended[process.pid] = " ".join(process.cmdline()[:4])
                # what writes the log ends with what it listens to
                if number == signal.SIGKILL or process.name() != "tee":
                    process.send_signal(number)
                    # one that was stopped takes no signal until it goes on
                    process.resume()
        end = time.monotonic() + patience
        while any(_orphans(folder)) and time.monotonic() < end:
            time.sleep(0.05)
    return list(ended.values())


def _orphans(folder: Path) -> Iterator[psutil.Process]:
    """Processes with the mark of a folder whose Snakemake is not among their ancestors."""
    identity = _identity(folder)
    for process in psutil.process_iter():
        # one that ends as we look, or is another user's
        with suppress(psutil.Error, OSError):
            starter, _, where = process.environ().get(MARK, "").partition(":")
            ancestors = {str(parent.pid) for parent in process.parents()}
            if where == identity and starter not in ancestors:
                yield process
