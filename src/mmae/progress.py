"""Progress for people: a bar in a terminal, a line now and then in a log file.

Both say the same words. Whether there is a terminal is asked of stderr: in Snakemake's rules it is
a pipe, so that their logs have lines.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.table import Column

log = logging.getLogger(__name__)

LINE_EVERY_SECONDS = 10.0
BAR_EVERY_SECONDS = 0.1

Item = TypeVar("Item")


class LineHandler(logging.StreamHandler):
    """Log lines on what stderr is now: while there is a bar, rich puts them above it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        self.stream = sys.stderr
        super().emit(record)


class Bar:
    """How far a piece of work is: a bar in a terminal, elsewhere a line now and then.

    Parameters
    ----------
    what : str
        What is being done, in a word or two.
    total : float or None
        How much comes, if known.
    """

    def __init__(self, what: str, total: float | None = None):
        self.what, self.total = what, total
        self.task: TaskID | None = None

    def __enter__(self) -> Self:
        self.told = time.monotonic()
        if sys.stderr.isatty():
            self.task = _BARS.add(self.what, self.total)
        return self

    def __exit__(self, *exception: object) -> None:
        if self.task is not None:
            _BARS.remove(self.task)

    def at(self, done: float, words: Callable[[], str]) -> None:
        """Say how far it is.

        Parameters
        ----------
        done : float
        words : callable
            Gives the words behind the bar or in the line; called only when they are shown.
        """
        now = time.monotonic()
        every = LINE_EVERY_SECONDS if self.task is None else BAR_EVERY_SECONDS
        if now - self.told <= every:
            return
        self.told = now
        if self.task is None:
            log.info("%s: %s", self.what, words())
        else:
            _BARS.update(self.task, self.what, done, self.total, words())


class _Bars:
    """All bars of this process. Rich draws them together, as downloads run side by side."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.display: Progress | None = None

    def add(self, what: str, total: float | None) -> TaskID:
        """Show one more; the first one begins the drawing."""
        with self.lock:
            if self.display is None:
                self.display = _display()
                self.display.start()
            return self.display.add_task(what, total=total, words="")

    def update(self, task: TaskID, what: str, done: float, total: float | None, words: str) -> None:
        """Draw one as it is now."""
        if (display := self.display) is not None:
            display.update(task, description=what, completed=done, total=total, words=words)

    def remove(self, task: TaskID) -> None:
        """Take one away; the last one ends the drawing."""
        with self.lock:
            if self.display is None:
                return
            self.display.remove_task(task)
            if not self.display.tasks:
                self.display.stop()
                self.display = None


_BARS = _Bars()


def _display() -> Progress:
    """Name, bar, percentage and words, which take a second line where the terminal is narrow."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn("{task.fields[words]}", markup=False, table_column=Column(ratio=1)),
        console=Console(stderr=True),
        expand=True,
        transient=True,
        refresh_per_second=4,
        # results are printed there
        redirect_stdout=False,
    )


def duration(seconds: float) -> str:
    """Seconds in the two units that matter, such as `2 h 05 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} d {hours % 24:02d} h"


def time_left(elapsed: float, done: float, left: float) -> str:
    """How long the rest takes if it goes on as it went; empty before anything was done."""
    return f", {duration(elapsed / done * left)} left" if done > 0 else ""


def progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Pass items on and tell how far it is.

    Parameters
    ----------
    items : iterable
    what : str
        What is being done, in a word or two.
    total : int, optional
        How many items come; taken from the items where they know it.
    """
    if total is None and isinstance(items, Collection):
        total = len(items)
    began, done = time.monotonic(), 0

    def words() -> str:
        if total is None:
            return f"{done}"
        return f"{done} of {total}{time_left(time.monotonic() - began, done, total - done)}"

    with Bar(what, total) as bar:
        for done, item in enumerate(items, 1):
            yield item
            bar.at(done, words)


class ByteProgress:
    """How far a download is, with its rate and the time left.

    Parameters
    ----------
    what : str
        Name of the file.
    total : int or None
        Its bytes, if known.
    """

    def __init__(self, what: str, total: int | None):
        self.bar = Bar(what, total)
        self.done = self.start = 0
        self.began = time.monotonic()

    def __enter__(self) -> Self:
        self.bar.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.__exit__(*exception)

    def at(self, done: int, total: int | None) -> None:
        """Say where an attempt begins."""
        self.done = self.start = done
        self.bar.total = total
        self.began = time.monotonic()

    def add(self, count: int) -> None:
        """Say that so many bytes have come."""
        self.done += count
        self.bar.at(self.done, self._words)

    def _words(self) -> str:
        """Megabytes, their rate, and the time left."""
        elapsed, come = time.monotonic() - self.began, self.done - self.start
        rate, total = come / max(elapsed, 1e-9), self.bar.total
        size = f" of {total / 1e6:.0f}" if total else ""
        left = time_left(elapsed, come, total - self.done) if total else ""
        return f"{self.done / 1e6:.0f}{size} MB, {rate / 1e6:.1f} MB/s{left}"
