"""Work that takes long beside processes that answer: done at a low priority, so that they do not feel it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

LOW = 10
"""How nice: a tenth of the time of a neighbour that has the normal priority, all of it where there is none."""
Value = TypeVar("Value")


def at_low_priority(do: Callable[[], Value]) -> Value:
    """What `do` gives or raises, done by a thread of its own, since a process cannot go back to a higher priority.

    Only Linux has priorities of threads; elsewhere it is done as always.
    """

    def niced() -> Value:
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOW)
        return do()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(niced).result()
