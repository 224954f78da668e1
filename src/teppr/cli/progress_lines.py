"""Progress where nobody sees a bar move: a line now and then, and one for whatever ends a stretch of the work."""

from __future__ import annotations

import time
from collections.abc import Callable

from teppr.progress import Progress

SECONDS_BETWEEN = 10.0


class Lines(Progress):
    """Says how far the work is, at most every `SECONDS_BETWEEN`; short work says nothing.

    clock: seconds that only ever rise
    """

    def __init__(
        self,
        title: str,
        say: Callable[[str], None],
        total: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title, self._say, self._total, self._clock = title, say, total, clock
        self._done = self._done_before = 0
        self._began = self._said = clock()

    def advance(self, steps: int = 1, *, news: str | None = None) -> None:
        """Count, and say so where it is time again."""
        now = self._clock()
        self._done += steps
        if now - self._said >= SECONDS_BETWEEN:
            self._said = now
            self._say(self._line(now, news))

    def expect(self, total: int) -> None:
        """So many steps there will be in all."""
        self._total = total

    def skip(self, steps: int) -> None:
        """Steps that were done at another time and say nothing of how long the others take."""
        self._done += steps
        self._done_before += steps

    def milestone(self, sentence: str) -> None:
        """Say it at once, with the time that is left."""
        self._said = self._clock()
        self._say(self._line(self._said, sentence))

    def _line(self, now: float, news: str | None) -> str:
        seconds = now - self._began
        of = f" of {self._total}" if self._total else ""
        parts = [f"{self._title}: {self._done}{of}", f"{seconds:.0f} s"]
        fresh = self._done - self._done_before
        if self._total and fresh and self._total > self._done:
            parts.append(f"about {seconds / fresh * (self._total - self._done):.0f} s left")
        return ", ".join([*parts, *([news] if news else [])])
