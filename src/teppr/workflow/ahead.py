"""Work that is done before it is asked for."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def groups_ahead(items: Generator[Item, None, None], size: int) -> Iterator[list[Item]]:
    """The items in their order, `size` at a time (the last group may be smaller), the next group made by a thread
    while one is used.

    What making an item raises is raised in place of its group. Closed early, it closes `items` too.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    try:
        waiting = pool.submit(lambda: list(islice(items, size)))
        while group := waiting.result():
            waiting = pool.submit(lambda: list(islice(items, size)))
            yield group
    finally:
        pool.shutdown(cancel_futures=True)
        items.close()
