"""SIGTERM, the warning of schedulers before they kill: save, and exit so that they start anew."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)

TRY_AGAIN = 75
"""Exit code EX_TEMPFAIL of sysexits.h; SLURM requeues on it where RequeueExit says so."""


class Warned:
    """Whether SIGTERM has come."""

    def __init__(self) -> None:
        self.flag = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Note the signal."""
        log.info("SIGTERM: saving after this step")
        self.flag = True


@contextmanager
def sigterm_noted() -> Iterator[Warned]:
    """Note SIGTERM instead of dying of it; only the main thread may."""
    warned = Warned()
    if threading.current_thread() is not threading.main_thread():
        yield warned
        return
    before = signal.signal(signal.SIGTERM, warned)
    try:
        yield warned
    finally:
        signal.signal(signal.SIGTERM, before)
