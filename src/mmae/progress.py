"""Progress for people: a bar in a terminal, a line now and then in a log file."""

import logging
import sys
import time
from collections.abc import Collection, Iterable, Iterator
from typing import TypeVar

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
