"""Being asked to stop: work is ended at the next good place, not where the signal hit."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


def never() -> bool:
    """For work that nobody stops."""
    return False


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether SIGTERM or SIGINT came; a second one ends the process at once.

    Only for the main thread.
    """
    asked: list[int] = []

    def remember(number: int, _: FrameType | None) -> None:
        asked.append(number)
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, remember) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
