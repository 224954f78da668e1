"""Which stream a model server looks into first: a fair share of its time for each model, people before bulk."""

from __future__ import annotations

from collections.abc import Sequence

from teppr.serving.queue import Priority

BULK_EVERY = 10
"""After so many batches for people comes one of bulk, if any waits, so that it never starves."""


MOST_CREDIT_S = 1.0
"""Time that a model can be behind the others and catch up at one go."""


class Scheduler:
    """The order of (model, priority) to look into, by what was done before; pure arithmetic, for one thread."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._spent_s = dict.fromkeys(keys, 0.0)
        self._since_bulk = dict.fromkeys(keys, 0)

    def order(self) -> list[tuple[str, Priority]]:
        """All streams, best first: by priority, then the model that had the least time.

        A model's bulk goes before everything once its share is due.
        """
        by_time = sorted(self._spent_s, key=lambda key: self._spent_s[key])
        due = [(key, Priority.BULK) for key in by_time if self._since_bulk[key] >= BULK_EVERY]
        rest = [(key, priority) for priority in Priority for key in by_time]
        return due + [stream for stream in rest if stream not in due]

    def done(self, key: str, priority: Priority, spent_s: float) -> None:
        """A batch took so long; a model that was idle does not save up its share."""
        self._spent_s[key] += spent_s
        longest = max(self._spent_s.values())
        # Else a model that comes back after a quiet hour would have the server for an hour.
        self._spent_s = {name: max(spent, longest - MOST_CREDIT_S) for name, spent in self._spent_s.items()}
        if priority is Priority.BULK:
            self._since_bulk[key] = 0
        else:
            self._since_bulk[key] += 1
