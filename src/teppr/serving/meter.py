"""What all webs did, in numbers: each counts for itself and adds it, once a second, to what the queue keeps of all.

So every web process tells the same, whichever of them a scraper reaches, and the numbers outlive each of them; files
shared by the workers of one machine would know nothing of the other machines. A web that is killed takes with it what
it did in its last second.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from teppr.serving.declined import queue_gone
from teppr.serving.directory import Directory, ServerFacts
from teppr.serving.queue import COUNTED, COUNTS, METRICS, QUEUE_ERRORS, Priority, stream_of

if TYPE_CHECKING:
    from redis.asyncio import Redis as AsyncRedis

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets that times are sorted into; what took longer is in one of its own."""
REST, SUM_US = "rest", "sum_us"
REQUESTS, REQUEST_S, WAIT_S = "requests", "request_seconds", "wait_seconds"

Field: TypeAlias = tuple[Any, ...]
"""The name of a count, its labels, and of times the bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The numbers of the whole service at a time.

    counts: of all webs, by `Field`
    tasks: of the queue, by the words of `COUNTED`
    lengths: tasks that wait or are under way, by model and priority
    """

    counts: Mapping[Field, int]
    tasks: Mapping[str, int]
    lengths: Mapping[tuple[str, Priority], int]
    servers: Sequence[ServerFacts]


class Meter:
    """Counts what this process does until it is added to the rest; belongs to one event loop."""

    def __init__(self) -> None:
        self._counts: Counter[Field] = Counter()

    @property
    def pending(self) -> Mapping[Field, int]:
        """What was counted and is not added yet."""
        return self._counts

    def answered(self, route: str, model: str, status: int, spent_s: float) -> None:
        """A request was answered, or refused."""
        self._counts[REQUESTS, route, model, status] += 1
        self._sort(spent_s, REQUEST_S, route, model)

    def waited(self, model: str, priority: Priority, wait_s: float) -> None:
        """A task had waited so long when a model server took it."""
        self._sort(wait_s, WAIT_S, model, priority)

    async def add(self, queue: AsyncRedis) -> None:
        """Add what was counted to what the queue keeps; raises what a queue that is gone raises, and keeps it then."""
        added, self._counts = self._counts, Counter()
        if not added:
            return
        try:
            async with queue.pipeline(transaction=True) as together:
                for field, count in added.items():
                    together.hincrby(METRICS, orjson.dumps(field).decode(), count)
                await together.execute()
        except QUEUE_ERRORS:
            self._counts.update(added)
            raise

    def _sort(self, spent_s: float, *field: str) -> None:
        at = bisect_left(BOUNDS_S, spent_s)
        self._counts[(*field, BOUNDS_S[at] if at < len(BOUNDS_S) else REST)] += 1
        self._counts[(*field, SUM_US)] += round(1_000_000 * spent_s)


async def read_numbers(queue: AsyncRedis, directory: Directory) -> Reading:
    """The numbers of the whole service; raises Declined 503 where the queue does not answer."""
    streams = list(product(directory.models(), Priority))
    try:
        async with queue.pipeline(transaction=False) as together:
            together.hgetall(METRICS)
            together.mget([COUNTS + word for word in COUNTED])
            for key, priority in streams:
                together.xlen(stream_of(key, priority))
            counts, tasks, *lengths = await together.execute()
    except QUEUE_ERRORS as error:
        raise queue_gone() from error
    return Reading(
        counts={tuple(orjson.loads(field)): int(count) for field, count in counts.items()},
        tasks={word: int(count or 0) for word, count in zip(COUNTED, tasks, strict=True)},
        lengths=dict(zip(streams, lengths, strict=True)),
        servers=[server for server in directory.servers if server.alive],
    )
