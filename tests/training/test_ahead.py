"""The next item is made while this one is used."""

import threading
from collections.abc import Iterator

import pytest

from mmae.training.ahead import ahead


def test_items_come_in_their_order():
    assert list(ahead(range(50))) == list(range(50))
    assert list(ahead([])) == []


def test_the_next_item_is_made_meanwhile_and_not_the_one_after():
    made: list[int] = []
    second = threading.Event()

    def items() -> Iterator[int]:
        for k in range(5):
            made.append(k)
            if k == 1:
                second.set()
            yield k

    coming = ahead(items())
    assert next(coming) == 0
    assert second.wait(timeout=60), "nothing was made while the first item was used"
    assert made == [0, 1]
    assert list(coming) == [1, 2, 3, 4]


def test_an_error_comes_where_its_item_would_have_come():
    def items() -> Iterator[int]:
        yield 0
        raise ValueError("the second one")

    coming = ahead(items())
    assert next(coming) == 0
    with pytest.raises(ValueError, match="the second one"):
        next(coming)


def test_who_stops_early_leaves_no_thread_behind():
    before = threading.active_count()
    coming = ahead(iter(range(1000)))
    next(coming)
    coming.close()
    assert threading.active_count() == before
