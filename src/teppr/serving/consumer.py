"""A model server's side of the queue: take tasks, answer them, take over those of servers that are gone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.commands.core import Script

from teppr.serving.queue import COUNTS, GROUP, SERVERS, TASKS, make_streams, script
from teppr.serving.tasks import GIVEN_UP, TOO_LATE, Outcome, encode

MOST_TRIES = 5
"""Servers that may die over a task before it is given up."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task that this server holds.

    entry, waiting: where the queue keeps it
    ask: as `tasks.decode_ask` reads it
    waited_ms: in the queue until it was taken
    """

    entry: bytes
    id: bytes
    waiting: bytes
    ask: bytes
    image: bytes
    waited_ms: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Tasks of one stream; empty where there is nothing to do."""

    stream: bytes = b""
    tasks: tuple[Task, ...] = ()


class Consumer:
    """Takes from and answers into the queue; for one thread. Raises redis.ConnectionError where the queue is gone.

    name: of this server, unique; tasks stay its own while `SERVERS + name` is there
    hangs_after_s: how long a server that is there may hold a task before another takes it over
    """

    def __init__(self, queue: redis.Redis, name: str, streams: Sequence[str], *, hangs_after_s: float) -> None:
        self._queue = queue
        self._name = name
        self._streams = tuple(streams)
        self._hangs_after_ms = int(1000 * hangs_after_s)
        self._take, self._answer, self._claim = (
            queue.register_script(script(name)) for name in ("take", "answer", "claim")
        )
        make_streams(queue, streams)

    def take(self, streams: Sequence[str], most: int) -> Batch:
        """At most so many tasks of the first stream that has any, without waiting."""
        return _batch(self._run(self._take, list(streams), [GROUP, self._name, most, TASKS, COUNTS, encode(TOO_LATE)]))

    def wait(self, timeout_ms: int) -> list[Batch]:
        """Sleep until there is a task; at most one of each stream, nothing once the time is over."""
        return self._read(self._streams, 1, timeout_ms)

    def fill(self, batch: Batch, most: int, wait_ms: int) -> Batch:
        """The batch with further tasks of its stream as they come, until there are so many or the time is over."""
        until = time.monotonic() + wait_ms / 1000
        while len(batch.tasks) < most and (left_ms := int(1000 * (until - time.monotonic()))) > 0:
            for more in self._read([batch.stream], most - len(batch.tasks), left_ms):
                batch = Batch(batch.stream, batch.tasks + more.tasks)
        return batch

    def answer(self, stream: bytes, outcomes: Sequence[tuple[Task, Outcome]]) -> int:
        """Store the outcomes and wake who waits; returns how many were not answered before."""
        keys: list[bytes | str] = [stream]
        arguments: list[bytes | str] = [GROUP, COUNTS]
        for task, outcome in outcomes:
            keys += [TASKS.encode() + task.id, task.waiting]
            arguments += [task.entry, task.id, encode(outcome)]
        return int(self._run(self._answer, keys, arguments))

    def claim(self) -> Batch:
        """A task of a server that is gone or hangs, if there is one; one at a time, to find the one to blame."""
        arguments: list[bytes | str | int] = [
            GROUP, self._name, SERVERS, TASKS, COUNTS, self._hangs_after_ms, MOST_TRIES, encode(GIVEN_UP),
        ]  # fmt: skip
        return _batch(self._run(self._claim, list(self._streams), arguments))

    def _read(self, streams: Sequence[str | bytes], most: int, timeout_ms: int) -> list[Batch]:
        asked: dict[Any, Any] = dict.fromkeys(streams, ">")
        found: Any = self._queue.xreadgroup(GROUP, self._name, asked, count=most, block=timeout_ms) or []
        return [Batch(stream, tuple(_fresh(entry, fields) for entry, fields in entries)) for stream, entries in found]

    def _run(self, script: Script, keys: list[bytes | str], arguments: Sequence[bytes | str | int]) -> Any:  # noqa: ANN401 - as each script says
        try:
            return script(keys=keys, args=arguments)
        except redis.ResponseError as error:
            # A queue that kept nothing over its restart has no groups any more.
            if "NOGROUP" not in str(error):
                raise
            make_streams(self._queue, self._streams)
            return script(keys=keys, args=arguments)


def _batch(found: Sequence[Any]) -> Batch:
    if not found:
        return Batch()
    stream, *tasks = found
    return Batch(stream, tuple(Task(*task) for task in tasks))


def _fresh(entry: bytes, fields: dict[bytes, bytes]) -> Task:
    return Task(entry, fields[b"id"], fields[b"waiting"], fields[b"options"], fields[b"image"], waited_ms=0)
