"""Progress for people: a bar in a terminal, a line now and then in a log file."""

import logging
import sys
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Self, TypeVar

from tqdm import tqdm

log = logging.getLogger(__name__)

LINE_EVERY_SECONDS = 10.0

Item = TypeVar("Item")


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
    if sys.stderr.isatty():
        yield from tqdm(items, desc=what, total=total, leave=False)
        return
    started = told = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - told > LINE_EVERY_SECONDS and total:
            told = now
            left = (now - started) / done * (total - done)
            log.info("%s: %d of %d, %.0f s left", what, done, total, left)


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
        self.bar = tqdm(
            desc=what,
            total=total,
            unit="B",
            unit_scale=True,
            leave=False,
            disable=not sys.stderr.isatty(),
        )
        self.what, self.total = what, total
        self.done = self.start = 0
        self.began = self.told = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.close()

    def at(self, done: int, total: int | None) -> None:
        """Say where an attempt begins."""
        self.done = self.start = self.bar.n = done
        self.total = self.bar.total = total
        self.began = time.monotonic()

    def add(self, count: int) -> None:
        """Say that so many bytes have come."""
        self.done += count
        self.bar.update(count)
        now = time.monotonic()
        if self.bar.disable and now - self.told > LINE_EVERY_SECONDS:
            self.told = now
            rate = (self.done - self.start) / max(now - self.began, 1e-9)
            size = f" of {self.total / 1e6:.0f}" if self.total else ""
            left = f", {(self.total - self.done) / rate:.0f} s left" if self.total else ""
            log.info(
                "%s: %.0f%s MB, %.1f MB/s%s", self.what, self.done / 1e6, size, rate / 1e6, left
            )
