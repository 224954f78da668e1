"""Who serves what: model servers tell the queue that they live, and webs read it there."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import orjson
import redis

from teppr.registry.card import card_document, read_card
from teppr.serving.queue import QUEUE_ERRORS, ROUTES, SERVER_FACTS, SERVERS, script
from teppr.serving.routes import Route, read_routes
from teppr.types import ModelCard

if TYPE_CHECKING:
    from redis.asyncio import Redis as AsyncRedis

BEAT_S = 0.5
LIVES_S = 4.0
"""How long a server counts as alive after its last beat: longer than a busy machine keeps a thread waiting."""
LOST_S = 60.0
"""How long requests are taken for a model whose servers died."""
UNTRIED = 32
MEMORY = 0.1
"""Weight of the newest batch in the mean time an image, and of the newest beat in the images a second."""
REFUSALS, REFUSAL_KEPT_S = "teppr:refusal:", 60
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
    images_a_second: of late, all models together
    """

    name: str
    alive: bool
    host: str
    pid: int
    told_unix_s: float
    models: tuple[ServedModel, ...]
    image_s: Mapping[str, float]
    images: int
    images_a_second: float
    memory_bytes: int


class Presence:
    """A thread that tells the queue, twice a second, that this server lives; ends with its `with` block."""

    def __init__(self, queue: redis.Redis, name: str, models: Sequence[ServedModel]) -> None:
        self._queue = queue
        self._name = name
        self._models = models
        self._say = queue.register_script(script("tell"))
        self._image_s: dict[str, float] = {}
        self._images = self._told_images = 0
        self._images_a_second = 0.0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="presence", daemon=True)

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
            fresh, self._told_images = self._images - self._told_images, self._images
            self._images_a_second += MEMORY * (fresh / BEAT_S - self._images_a_second)
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
                "told_unix_s": time.time(),
                "models": [
                    {"card": _card_text(model.card), "asked_as": model.asked_as, "max_batch": model.max_batch}
                    for model in self._models
                ],
                "image_s": dict(self._image_s),
                "images": self._images,
                "images_a_second": round(self._images_a_second, 3),
                "memory_bytes": psutil.Process().memory_info().rss,
            }
        )


@dataclass(frozen=True, slots=True)
class Directory:
    """The servers that live, or died a moment ago, and the routes; `read` and `read_async` ask the queue."""

    servers: tuple[ServerFacts, ...] = ()
    routes: Mapping[str, Route] = field(default_factory=dict)

    def models(self, *, alive: bool = False) -> dict[str, ServedModel]:
        """The models that are served, by key; alive: not those whose servers all died a moment ago."""
        return {
            model.card.key: model for server in self.servers if server.alive or not alive for model in server.models
        }

    def aliases(self) -> dict[str, str]:
        """{alias: key} as servers were asked for them."""
        return {
            model.asked_as: model.card.key
            for server in self.servers
            for model in server.models
            if "@" in model.asked_as
        }

    def key_of(self, name: str, request_id: str | None = None) -> str:
        """The model that a name leads to: by its route, as an alias, or as the only one of a problem; else the name.

        request_id: of the request whose share of a route is asked for; None = the model with the largest share
        """
        models = self.models()
        for known in dict.fromkeys((name, self.aliases().get(name, name))):
            route = self.routes.get(known)
            if route is not None:
                routed = route.main(models) if request_id is None else route.key_for(request_id, models)
                if routed is not None:
                    return routed
        key = self.aliases().get(name, name)
        of_problem = [found for found in models if found.startswith(f"{key}-")]
        return of_problem[0] if key not in models and len(of_problem) == 1 else key

    def shares_of(self, name: str) -> dict[str, float]:
        """{key: percent} that a name has now: of its route, or all for the model that it leads to."""
        if name in self.routes:
            return dict(self.routes[name].shares)
        key = self.key_of(name)
        return {key: 100.0} if key in self.models() else {}

    def shadows_of(self, key: str, request_id: str) -> dict[str, str]:
        """{model: name of the route} that a request which `key` answers is put to as well."""
        return {
            shadow: name
            for name, route in self.routes.items()
            if route.shadows and key in route.shares
            for shadow in route.shadows_for(request_id)
            if shadow != key
        }

    def capacity(self, key: str, wait_s: float) -> int:
        """How many tasks of a model may wait so that the last one begins within `wait_s`; at least two a server.

        A server that has not answered yet does not know its rate: it is trusted with `UNTRIED` tasks.
        """
        alive = [server for server in self.servers if server.alive] or self.servers
        serving = [server for server in alive if any(model.card.key == key for model in server.models)]
        rooms = [wait_s / server.image_s[key] if server.image_s.get(key) else UNTRIED for server in serving]
        return max(2 * len(serving), int(sum(rooms)), 1)


def read(queue: redis.Redis) -> Directory:
    """Who serves now, by a connection of a thread."""
    told: Any = queue.hgetall(SERVER_FACTS)  # redis-py's types allow text, which these connections never give
    lives: Any = queue.mget([SERVERS.encode() + name for name in told]) if told else []
    routes: Any = queue.hgetall(ROUTES)
    return _directory(told, lives, routes)


def tell_refusal(queue: redis.Redis, why: str) -> None:
    """Leave word why this process does not come to serve, for whoever started it."""
    queue.set(f"{REFUSALS}{os.uname().nodename}:{os.getpid()}", why, ex=REFUSAL_KEPT_S)


def refusal_of(queue: redis.Redis, pid: int) -> str:
    """Why a process of this machine did not come to serve, "" where it left no word."""
    try:
        told: Any = queue.get(f"{REFUSALS}{os.uname().nodename}:{pid}")
    except QUEUE_ERRORS:
        return ""
    return told.decode() if told else ""


async def read_async(queue: AsyncRedis) -> Directory:
    """Who serves now, by a connection of an event loop; forgets servers that died long ago."""
    told: Any = await queue.hgetall(SERVER_FACTS)
    lives: Any = await queue.mget([SERVERS.encode() + name for name in told]) if told else []
    routes: Any = await queue.hgetall(ROUTES)
    directory = _directory(told, lives, routes)
    known = {server.name.encode() for server in directory.servers}
    if forgotten := told.keys() - known:
        await queue.hdel(SERVER_FACTS, *forgotten)
    return directory


def _directory(told: Mapping[bytes, bytes], lives: Sequence[bytes | None], routes: Mapping[bytes, bytes]) -> Directory:
    servers = [
        _facts(name.decode(), document, alive=sign is not None)
        for (name, document), sign in zip(told.items(), lives, strict=True)
    ]
    now = time.time()
    known = tuple(server for server in servers if server.alive or now - server.told_unix_s < LOST_S)
    return Directory(known, read_routes(routes))


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
