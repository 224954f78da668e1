"""What a web process does with a request: find the model, see that there is room, ask through the queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import orjson

from teppr.errors import UnknownName
from teppr.registry.card import card_document, read_card
from teppr.serving.declined import Declined, queue_gone
from teppr.serving.directory import Directory, read_async
from teppr.serving.meter import Meter, Reading, read_numbers
from teppr.serving.producer import Order, Producer
from teppr.serving.queue import CARDS, QUEUE_ERRORS, Priority, connect_async
from teppr.serving.shadow import Look, Shadows, Sight
from teppr.serving.tasks import Ask, Failed, Found, Outcome
from teppr.types import ModelCard

REFRESH_S, REFRESH_FIRST_S, COUNT_S = 0.5, 0.05, 1.0
RETRY_AFTER_S = 1
SHADOW = "shadow"
"""The client that the queue knows shadows by."""
ANY_NUMBER = 1_000_000_000
NO_NOTE: Mapping[str, Any] = MappingProxyType({})
KEEP_CARD_S = 7 * 24 * 3600
"""Longer than any answer is kept."""
log = logging.getLogger("teppr.serving")


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchLimits:
    """What bounds the work of a web process.

    max_requests: read and answered at a time, in this process
    queue_wait_s: a request of a person that would wait longer is refused at once
    max_bulk: requests of a model that may wait for the time there is
    timeout_s: the deadline of a request that names none
    keep_results_s: how long the answer to what was submitted is kept; also its deadline where it names none
    """

    max_requests: int = 256
    queue_wait_s: float = 0.7
    max_bulk: int = 10_000
    timeout_s: float = 30.0
    keep_results_s: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who asks, and how: as it goes over into the queue's `Order`.

    request_id: the same id gets the same answer for `keep_s`
    asked: what was asked, in the client's own words; the same id with others is refused
    is_asked_again: the id is known to who asks, so that what nobody waits for now may still be wanted
    note: what the answer is to be made of, beside the model's card and what it found
    """

    request_id: str
    asked: str = ""
    is_asked_again: bool = True
    client: str = "anonymous"
    priority: Priority = Priority.INTERACTIVE
    timeout_s: float | None = None
    keep_s: float = 10.0
    max_waiting: int = ANY_NUMBER
    requests_per_minute: int = 0
    note: Mapping[str, Any] = field(default_factory=lambda: NO_NOTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What was found, and by which model."""

    card: ModelCard
    found: Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What was submitted: the model's card, the sender's note, and what was found, None while there is nothing yet."""

    card: ModelCard
    note: Mapping[str, Any]
    found: Found | None


class Dispatcher:
    """Answers with the models that are served behind a queue; belongs to one event loop, between `start` and `close`.

    default: the model, or alias, that answers where a request names none; "" = the first by name
    score_threshold_0_1: goes over the models' own; None = theirs
    """

    def __init__(
        self, url: str, limits: DispatchLimits, *, default: str = "", score_threshold_0_1: float | None = None
    ) -> None:
        self.limits = limits
        self._url = url
        self._default = default
        self._score_threshold_0_1 = score_threshold_0_1
        self._directory = Directory()
        self._room = limits.max_requests
        self._requests = 0
        self.meter = Meter()

    async def start(self) -> None:
        """Connect, and keep up with who serves; raises redis.ConnectionError where there is no queue."""
        self._queue = connect_async(self._url)
        self._producer = Producer(self._queue)
        await self._producer.start()
        self._shadows = Shadows(self._queue)
        self._learn(await read_async(self._queue))
        self._works = [asyncio.create_task(self._keep_up()), asyncio.create_task(self._count())]

    async def close(self) -> None:
        """Leave the queue."""
        for work in self._works:
            work.cancel()
        await self._shadows.close()
        await self._add_counts()
        await self._producer.close()
        await self._queue.aclose()

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The models that are served, the default first."""
        models = self._directory.models()
        default = self._directory.key_of(self._default)
        return tuple(models[key].card for key in sorted(models, key=lambda key: (key != default, key)))

    def find(self, name: str | None, request_id: str | None = None) -> ModelCard:
        """The model of that key or alias, or the only one of an organisation or problem; the default for None.

        request_id: of a request that is to be answered, whose share of a route decides; None = the largest share

        Raises UnknownName listing the nearest and all, Declined 503 while none is there at all.
        """
        models = self._directory.models()
        if name is None and not self._default and models:
            return self.cards[0]
        asked = name if name is not None else self._default
        key = self._directory.key_of(asked, request_id)
        if key in models:
            return models[key].card
        if not models or name is None:
            raise Declined(
                503, "loading", f"no model server has {asked or 'a model'} ready yet; try again in {RETRY_AFTER_S} s",
                retry_after_s=RETRY_AFTER_S,
            )  # fmt: skip
        raise UnknownName.of("model", name, [*models, *self._directory.aliases()])

    def threshold_0_1(self, card: ModelCard, asked: float | None = None) -> float:
        """The score that counts: the request's, else the service's, else the model's."""
        choices = (asked, self._score_threshold_0_1, card.score_threshold_0_1)
        return next(choice for choice in choices if choice is not None)

    def is_closed(self) -> Declined | None:
        """Why a person's request cannot be taken just now, if so."""
        if self._requests >= self.limits.max_requests:
            return self._all_taken()
        if self._producer.people >= self._room:
            return _busy(f"{self._producer.people} requests wait for the models (queue_wait_s)")
        return None

    def _all_taken(self) -> Declined:
        return _busy(f"{self._requests} requests are under way, as many as this service takes (max_requests)")

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place among the requests under way; raises Declined 503 where all are taken."""
        if self._requests >= self.limits.max_requests:
            raise self._all_taken()
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    async def predict(self, ask: Ask, image: bytes, sender: Sender) -> Answered:
        """Ask through the queue and wait; raises Declined with what the model server says, or the queue."""
        found = _found(await self._producer.ask(ask, image, self._order(ask, sender)))
        self.meter.waited(ask.key, sender.priority, found.timings_s.get("wait", 0.0))
        for shadow, name in self._directory.shadows_of(ask.key, sender.request_id).items():
            self._look_on(name, shadow, found, (ask, image, sender))
        # Asked again after a swap, it is the model of the first time that has answered.
        return Answered(card=await self._card(found.key), found=found)

    async def submit(self, ask: Ask, image: bytes, sender: Sender) -> None:
        """Ask, and leave the answer to be fetched for `keep_results_s`; raises Declined."""
        keep_s = self.limits.keep_results_s
        timeout_s = sender.timeout_s or keep_s
        order = replace(self._order(ask, sender), keep_s=keep_s, timeout_s=timeout_s)
        await self._keep_card(ask.key)
        await self._producer.submit(ask, image, order)

    async def fetch(self, client: str, request_id: str) -> Fetched:
        """What became of what was submitted; raises Declined: 404 nothing is kept of it, or what went wrong."""
        try:
            kept = await self._producer.fetch(client, request_id)
        except KeyError:
            raise Declined(404, "unknown-request", f"nothing is kept of a request {request_id!r}") from None
        found = None if kept.outcome is None else _found(kept.outcome)
        note: dict[str, Any] = orjson.loads(kept.note)
        return Fetched(card=await self._card(note.pop("key")), note=note, found=found)

    async def numbers(self) -> Reading:
        """What all webs and model servers did, and how they do; raises Declined 503 where the queue does not answer."""
        await self._add_counts()
        return await read_numbers(self._queue, self._directory)

    async def _keep_card(self, key: str) -> None:
        """See that answers can be told when the model is served no more: its labels stand in the card."""
        if served := self._directory.models().get(key):
            try:
                await self._queue.set(CARDS + key, orjson.dumps(card_document(served.card)), ex=KEEP_CARD_S)
            except QUEUE_ERRORS as error:
                raise queue_gone() from error

    async def _card(self, key: str) -> ModelCard:
        if served := self._directory.models().get(key):
            return served.card
        try:
            kept: Any = await self._queue.get(CARDS + key)  # bytes, as these connections give them
        except QUEUE_ERRORS as error:
            raise queue_gone() from error
        if kept is None:
            raise Declined(404, "unknown-request", f"model {key} is served no more, and its labels are not kept")
        return read_card(kept, f"the card of {key} in the queue")

    def _look_on(self, name: str, shadow: str, found: Found, asked: tuple[Ask, bytes, Sender]) -> None:
        """Put what was answered to a shadow as well, as bulk."""
        ask, image, sender = asked
        models = self._directory.models()
        if ask.key not in models or shadow not in models:
            return
        card, its_card = models[ask.key].card, models[shadow].card
        own = ask.threshold_0_1 == self.threshold_0_1(card)
        its_ask = replace(
            ask, key=shadow, outlines=False, threshold_0_1=self.threshold_0_1(its_card) if own else ask.threshold_0_1
        )
        its_sender = Sender(request_id=f"{sender.request_id}.{name}", client=SHADOW, priority=Priority.BULK, keep_s=1.0)
        look = Look(
            name=name,
            key=shadow,
            labels=[label.name for label in its_card.labels],
            answered=Sight.of(found, [label.name for label in card.labels]),
            ask=lambda: self._producer.ask(its_ask, image, self._order(its_ask, its_sender)),
        )
        self._shadows.look_on(look)

    def _order(self, ask: Ask, sender: Sender) -> Order:
        interactive = sender.priority is Priority.INTERACTIVE
        room = self._directory.capacity(ask.key, self.limits.queue_wait_s) if interactive else self.limits.max_bulk
        return Order(
            id=sender.request_id,
            asked=sender.asked,
            is_asked_again=sender.is_asked_again,
            client=sender.client,
            priority=sender.priority,
            timeout_s=sender.timeout_s or self.limits.timeout_s,
            keep_s=sender.keep_s,
            most_waiting=room,
            most_of_client=sender.max_waiting,
            requests_per_minute=sender.requests_per_minute,
            note=orjson.dumps({"key": ask.key, **sender.note}),
        )

    def _learn(self, directory: Directory) -> None:
        self._directory = directory
        rooms = [directory.capacity(key, self.limits.queue_wait_s) for key in directory.models()]
        self._room = sum(rooms) or self.limits.max_requests

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S if self._directory.servers else REFRESH_FIRST_S)
            try:
                self._learn(await read_async(self._queue))
            except QUEUE_ERRORS:
                continue  # the producer says so

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(COUNT_S)
            await self._add_counts()

    async def _add_counts(self) -> None:
        try:
            await self.meter.add(self._queue)
        except QUEUE_ERRORS as error:
            log.warning("the queue does not answer: %s", error)


def _busy(why: str) -> Declined:
    return Declined(503, "busy", f"{why}; try again in {RETRY_AFTER_S} s", retry_after_s=RETRY_AFTER_S)


def _found(outcome: Outcome) -> Found:
    if isinstance(outcome, Failed):
        raise Declined(outcome.status, outcome.error, outcome.detail)
    return outcome
