"""A web process's side of the queue: put tasks, and be woken by their answers."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from uuid import uuid4

import redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.client import PubSub

from teppr.serving.declined import Declined, queue_gone
from teppr.serving.queue import QUEUE_ERRORS, RATES, REPLIES, TASKS, WAITING, Outage, Priority, script, stream_of
from teppr.serving.tasks import TOO_LATE, Ask, Outcome, decode_outcome, encode

RETRY_S = 0.1
LISTEN_S = 1.0
MARGIN_S = 1.0
"""How much longer than the deadline an answer is waited for: who takes the task says that it came too late."""
SUBMIT_S = 5.0
"""How long a queue that is gone is waited for where nobody waits for the answer."""
log = logging.getLogger("teppr.serving")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is put into the queue beside image and question, and the bounds it must keep.

    id: of the client's own making, or made for it; asked again with the same, the same answer comes
    asked: what was asked, in the client's own words; the same id with others is another request's. Not the model that
        was found for them: that may have changed when it is asked again
    is_asked_again: False: of no use once nobody waits
    timeout_s: the deadline, from now
    keep_s: how long the answer is kept for who asks again
    most_waiting: of the model and priority; most_of_client: of this client, in all
    requests_per_minute: of this client, 0 = any
    note: kept beside the task, for who fetches its answer
    """

    id: str
    asked: str
    client: str
    priority: Priority
    timeout_s: float
    keep_s: float
    most_waiting: int
    most_of_client: int = 1_000_000
    requests_per_minute: int = 0
    is_asked_again: bool = True
    note: bytes = b""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the queue keeps of a task: the order's note, and the outcome once there is one."""

    note: bytes
    outcome: Outcome | None


class Producer:
    """Puts tasks and waits for answers; belongs to one event loop, between `start` and `close`."""

    def __init__(self, queue: AsyncRedis) -> None:
        self._queue = queue
        self._channel = REPLIES + uuid4().hex
        self._put = queue.register_script(script("put"))
        self._waiting: dict[str, list[asyncio.Future[Outcome]]] = {}
        self.people = 0
        """Interactive requests of this process that wait for an answer."""
        self._outage = Outage()
        self._listener: asyncio.Task[None] | None = None
        self._heard: PubSub | None = None

    async def start(self) -> None:
        """Listen for answers; raises redis.ConnectionError where there is no queue."""
        self._heard = self._queue.pubsub(ignore_subscribe_messages=True)
        await self._heard.subscribe(self._channel)
        self._listener = asyncio.create_task(self._listen(self._heard))

    async def close(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            self._listener.cancel()
        if self._heard is not None:
            await self._heard.aclose()  # type: ignore[no-untyped-call]  # redis-py leaves it without types

    async def ask(self, ask: Ask, image: bytes, order: Order) -> Outcome:
        """Put a task and wait for its outcome: at the latest shortly after the deadline.

        Raises Declined: 409 the id was another request's, 429 quota or rate, 503 the queue is full or gone.
        """
        task_id = _task_id(order)
        answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(task_id, []).append(answered)
        is_of_a_person = order.priority is Priority.INTERACTIVE
        self.people += is_of_a_person
        try:
            async with asyncio.timeout(order.timeout_s + MARGIN_S):
                outcome = await self._insist(ask, image, order)
                return await answered if outcome is None else outcome
        except TimeoutError:
            return TOO_LATE
        except asyncio.CancelledError:
            if not order.is_asked_again:
                await self._forget(task_id)
            raise
        finally:
            self.people -= is_of_a_person
            self._waiting[task_id].remove(answered)
            if not self._waiting[task_id]:
                del self._waiting[task_id]

    async def _forget(self, task_id: str) -> None:
        # Who takes it finds that nobody waits for it.
        try:
            await self._queue.delete(TASKS + task_id)
        except QUEUE_ERRORS as error:
            log.warning("the queue does not answer: %s", error)

    async def submit(self, ask: Ask, image: bytes, order: Order) -> None:
        """Put a task whose answer is fetched later; raises Declined as `ask` does."""
        try:
            async with asyncio.timeout(SUBMIT_S):
                await self._insist(ask, image, order)
        except TimeoutError:
            raise queue_gone() from None

    async def fetch(self, client: str, request_id: str) -> Kept:
        """What is kept of a submitted task; raises KeyError where it is not known, Declined 503 without a queue."""
        task = TASKS + f"{client}/{request_id}"
        try:
            async with self._queue.pipeline(transaction=True) as together:
                together.hmget(task, "note", "answer", "keep_ms")
                together.pttl(task)
                (note, answer, keep_ms), left_ms = await together.execute()
        except QUEUE_ERRORS as error:
            raise queue_gone() from error
        if note is None:
            raise KeyError(request_id)
        if answer is None:
            # Where no model server is there to say so: until the deadline, more is left than what is kept after it.
            is_late = left_ms < int(keep_ms) - 1000 * MARGIN_S
            return Kept(note, TOO_LATE if is_late else None)
        return Kept(note, decode_outcome(answer))

    async def _insist(self, ask: Ask, image: bytes, order: Order) -> Outcome | None:
        """Put the task, again while the queue is gone (once is as good as twice); its outcome if there is one yet."""
        while True:
            try:
                return await self._put_once(ask, image, order)
            except QUEUE_ERRORS as error:
                self._outage.gone(error)
                await asyncio.sleep(RETRY_S)

    async def _put_once(self, ask: Ask, image: bytes, order: Order) -> Outcome | None:
        question = encode(ask)
        keys = [
            stream_of(ask.key, order.priority), TASKS + _task_id(order), WAITING + order.client, RATES + order.client,
        ]  # fmt: skip
        arguments: list[Any] = [
            _task_id(order), _fingerprint(order, image), self._channel, int(1000 * order.timeout_s),
            int(1000 * order.keep_s), order.most_waiting, order.most_of_client, order.requests_per_minute, question,
            image, order.note,
        ]  # fmt: skip
        try:
            word, *more = await self._put(keys=keys, args=arguments)
        except redis.OutOfMemoryError as error:
            raise _full(ask.key, "its memory is full (maxmemory)") from error
        if word == b"answered":
            return decode_outcome(more[0])
        if word not in {b"put", b"waiting"}:
            raise _REFUSALS[word](ask.key, *more)
        return None

    async def _listen(self, heard: PubSub) -> None:
        while True:
            try:
                message = await heard.get_message(timeout=LISTEN_S)
                self._outage.back()
                if message is None:
                    await self._look_again()
                else:
                    self._wake(*message["data"].split(b"\n", 1))
            except QUEUE_ERRORS as error:
                self._outage.gone(error)
                await asyncio.sleep(RETRY_S)

    async def _look_again(self) -> None:
        """Fetch answers whose message was lost, as while the queue was gone."""
        waiting = list(self._waiting)
        async with self._queue.pipeline(transaction=False) as together:
            for task_id in waiting:
                together.hget(TASKS + task_id, "answer")
            answers = await together.execute() if waiting else []
        for task_id, answer in zip(waiting, answers, strict=True):
            if answer is not None:
                self._wake(task_id.encode(), answer)

    def _wake(self, task_id: bytes, answer: bytes) -> None:
        for answered in self._waiting.get(task_id.decode(), ()):
            if not answered.done():
                answered.set_result(decode_outcome(answer))


def _task_id(order: Order) -> str:
    # A client cannot fetch what another one asked for, whatever id it guesses.
    return f"{order.client}/{order.id}"


def _fingerprint(order: Order, image: bytes) -> bytes:
    if not order.is_asked_again:
        return b"one of a kind"  # its id is known to nobody
    digest = blake2b(order.asked.encode() + b"\0", digest_size=16)
    digest.update(image)
    return digest.digest()


def _full(key: str, why: str) -> Declined:
    return Declined(503, "busy", f"the queue of {key} is full: {why}; try again in 1 s", retry_after_s=1)


def _conflict(_key: str) -> Declined:
    return Declined(409, "request-id", "this X-Request-Id was another request's; make a new one for each")


def _quota(_key: str, waiting: int) -> Declined:
    says = f"{waiting} of your requests wait already, as many as may (max_waiting of the key); try again in 1 s"
    return Declined(429, "quota", says, retry_after_s=1)


def _rate(_key: str, wait_ms: int) -> Declined:
    wait_s = math.ceil(wait_ms / 1000)
    says = f"more requests a minute than your key may send (requests_per_minute); try again in {wait_s} s"
    return Declined(429, "rate", says, retry_after_s=wait_s)


_REFUSALS: dict[bytes, Callable[..., Declined]] = {
    b"full": lambda key, waiting: _full(key, f"{waiting} requests wait"),
    b"conflict": _conflict,
    b"quota": _quota,
    b"rate": _rate,
}
