"""Who serves what: model servers tell the queue that they live, and webs read it there."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import orjson
import redis

from teppr.registry.card import card_document, read_card
from teppr.serving.queue import QUEUE_ERRORS, SERVER_FACTS, SERVERS, script
from teppr.types import ModelCard

if TYPE_CHECKING:
    from redis.asyncio import Redis as AsyncRedis

BEAT_S = 0.5
LIVES_S = 4.0
"""How long a server counts as alive after its last beat: longer than a busy machine keeps a thread waiting."""
LOST_S = 60.0
"""How long requests are taken for a model whose servers died."""
MEMORY = 0.1
"""Weight of the newest batch in the mean time an image."""
log = logging.getLogger("teppr.serving")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model of a server; asked_as: the release, alias or folder that the server was started with."""

    card: ModelCard
    asked_as: str
    max_batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """A model server as it tells of itself.

    alive: it told so a moment ago; a server that died is known for `LOST_S`, as it will be started again
    image_s: {model key: mean time of late an image}
    """

    name: str
    alive: bool
    host: str
    pid: int
    started_unix_s: float
    told_unix_s: float
    models: tuple[ServedModel, ...]
    image_s: Mapping[str, float]
    images: int
    memory_bytes: int


class Presence:
    """A thread that tells the queue, twice a second, that this server lives; ends with its `with` block."""

    def __init__(self, queue: redis.Redis, name: str, models: Sequence[ServedModel]) -> None:
        self._queue = queue
        self._name = name
        self._models = models
        self._say = queue.register_script(script("tell"))
        self._image_s: dict[str, float] = {}
        self._images = 0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="presence", daemon=True)
        self._started_unix_s = time.time()

    def __enter__(self) -> Self:
        self._tell()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        try:
            self._queue.hdel(SERVER_FACTS, self._name)
            self._queue.delete(SERVERS + self._name)
        except QUEUE_ERRORS as error:
            log.warning("leaving a queue that does not answer: %s", error)

    def worked(self, key: str, spent_s: float, images: int) -> None:
        """A batch of a model took so long."""
        each_s = spent_s / images
        before_s = self._image_s.get(key, each_s)
        self._image_s[key] = before_s + MEMORY * (each_s - before_s)
        self._images += images

    def _beat(self) -> None:
        while not self._ends.wait(BEAT_S):
            try:
                self._tell()
            except QUEUE_ERRORS:
                continue  # the server's own thread says so

    def _tell(self) -> None:
        keys = [SERVERS + self._name, SERVER_FACTS]
        self._say(keys=keys, args=[self._name, self._document(), int(1000 * LIVES_S)])

    def _document(self) -> bytes:
        import psutil

        return orjson.dumps(
            {
                "host": os.uname().nodename,
                "pid": os.getpid(),
                "started_unix_s": self._started_unix_s,
                "told_unix_s": time.time(),
                "models": [
                    {"card": _card_text(model.card), "asked_as": model.asked_as, "max_batch": model.max_batch}
                    for model in self._models
                ],
                "image_s": dict(self._image_s),
                "images": self._images,
                "memory_bytes": psutil.Process().memory_info().rss,
            }
        )


@dataclass(frozen=True, slots=True)
class Directory:
    """The servers that live, or died a moment ago; `read` and `read_async` ask the queue."""

    servers: tuple[ServerFacts, ...] = ()

    def models(self) -> dict[str, ServedModel]:
        """The models that are served, by key."""
        return {model.card.key: model for server in self.servers for model in server.models}

    def aliases(self) -> dict[str, str]:
        """{alias: key} as servers were asked for them."""
        return {
            model.asked_as: model.card.key
            for server in self.servers
            for model in server.models
            if "@" in model.asked_as
        }

    def capacity(self, key: str, wait_s: float) -> int:
        """How many tasks of a model may wait so that the last one begins within `wait_s`; at least two a server."""
        alive = [server for server in self.servers if server.alive] or self.servers
        serving = [server for server in alive if any(model.card.key == key for model in server.models)]
        rates = [1 / server.image_s[key] for server in serving if server.image_s.get(key)]
        return max(2 * len(serving), int(wait_s * sum(rates)), 1)


def read(queue: redis.Redis) -> Directory:
    """Who serves now, by a connection of a thread."""
    told: Any = queue.hgetall(SERVER_FACTS)  # redis-py's types allow text, which these connections never give
    lives: Any = queue.mget([SERVERS.encode() + name for name in told]) if told else []
    return _directory(told, lives)


async def read_async(queue: AsyncRedis) -> Directory:
    """Who serves now, by a connection of an event loop; forgets servers that died long ago."""
    told: Any = await queue.hgetall(SERVER_FACTS)
    lives: Any = await queue.mget([SERVERS.encode() + name for name in told]) if told else []
    directory = _directory(told, lives)
    known = {server.name.encode() for server in directory.servers}
    if forgotten := told.keys() - known:
        await queue.hdel(SERVER_FACTS, *forgotten)
    return directory


def _directory(told: Mapping[bytes, bytes], lives: Sequence[bytes | None]) -> Directory:
    servers = [
        _facts(name.decode(), document, alive=sign is not None)
        for (name, document), sign in zip(told.items(), lives, strict=True)
    ]
    now = time.time()
    return Directory(tuple(server for server in servers if server.alive or now - server.told_unix_s < LOST_S))


def _facts(name: str, document: bytes, *, alive: bool) -> ServerFacts:
    values: dict[str, Any] = orjson.loads(document)
    models = tuple(
        ServedModel(card=_card(model["card"]), asked_as=model["asked_as"], max_batch=model["max_batch"])
        for model in values.pop("models")
    )
    return ServerFacts(name=name, alive=alive, models=models, **values)


def _card_text(card: ModelCard) -> str:
    return orjson.dumps(card_document(card)).decode()


@lru_cache(maxsize=256)
def _card(text: str) -> ModelCard:
    # Servers tell their cards twice a second, and they never change.
    return read_card(text.encode(), "a model server's card")
