"""The next batch is made while a GPU works on this one."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Pass items on in their order; a thread makes the next one meanwhile, and no more than that.

    Parameters
    ----------
    items : iterable
        What it raises is raised where its item would have come.
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = thread.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, iterator, end)
            yield item
