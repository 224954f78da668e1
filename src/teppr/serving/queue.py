"""The queue between web and model servers: streams of Valkey or Redis, and what both sides agree on.

A stream a model and priority, one group of consumers. A task is a hash beside them: who waits for it, and in the end
its one answer. Whoever dies in between: the task stays until it is answered (`scripts/`, which run whole or not at
all in the server).
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from teppr.errors import BadSettings, Missing
from teppr.settings import Settings
from teppr.urls import without_password

if TYPE_CHECKING:
    from redis.asyncio import Redis as AsyncRedis

GROUP = "servers"
TASKS, SERVERS, COUNTS = "teppr:task:", "teppr:server:", "teppr:count:"
SERVER_FACTS, ROUTES, CARDS, METRICS = "teppr:servers", "teppr:routes", "teppr:card:", "teppr:metrics"
REPLIES, WAITING, RATES = "teppr:reply:", "teppr:waiting:", "teppr:rate:"
COUNTED = ("answered", "batches", "expired", "abandoned", "claimed", "given_up", "doubles", "unwanted")
"""What the scripts count, each under `COUNTS` and its word."""
CONNECT_TIMEOUT_S = 5
READ_BYTES = 1 << 20
"""An image comes in one piece."""
LONGEST_SOCKET = 100
"""Bytes that the path of a socket may have (the kernel's limit is 108)."""
SCHEMES = ("redis://", "rediss://", "valkey://", "valkeys://", "unix://")
log = logging.getLogger("teppr.serving")
QUEUE_ERRORS = (redis.ConnectionError, redis.TimeoutError)
"""What a queue that is not there raises (redis-py raises its own `BusyLoadingError` among the first while it loads)."""


class Priority(StrEnum):
    """interactive: somebody waits; bulk: when there is time, and never starved."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


def stream_of(key: str, priority: Priority) -> str:
    """The name of the stream of a model's tasks."""
    return f"teppr:todo:{key}:{priority}"


def url_of(settings: Settings) -> str:
    """The queue that is set, or the home's own, which `teppr serve` starts."""
    return settings.redis_url or f"unix://{socket_of(settings.home)}"


def socket_of(home: Path) -> Path:
    """Where the home's own queue answers: in its folder `queue`, or in a private one where that path is too long."""
    path = home.absolute() / "queue" / "queue.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET:
        return path
    name = sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"teppr-{os.getuid()}-{name}" / "queue.sock"


def script(name: str) -> str:
    """The text of `scripts/<name>.lua`."""
    return files("teppr.serving").joinpath("scripts", f"{name}.lua").read_text(encoding="utf-8")


Connection: TypeAlias = redis.Redis
"""A connection to the queue, for one thread at a time."""


def connect(url: str) -> redis.Redis:
    """A connection for a model server or a command, nothing asked yet; raises BadSettings for no URL of a queue.

    Nothing is asked again by itself: what may be repeated is known here and not in the library.
    """
    return redis.Redis.from_url(
        _checked(url),
        socket_read_size=READ_BYTES,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


def connect_async(url: str) -> AsyncRedis:
    """The same for an event loop."""
    from redis.asyncio import Redis as AsyncRedis
    from redis.asyncio.retry import Retry as AsyncRetry

    return AsyncRedis.from_url(
        _checked(url), socket_connect_timeout=CONNECT_TIMEOUT_S, retry=AsyncRetry(NoBackoff(), 0), protocol=2
    )


class Outage:
    """Tells the log when the queue is gone and when it is back, once each; for one thread or event loop."""

    def __init__(self) -> None:
        self._since: float | None = None

    def gone(self, error: Exception) -> None:
        """It does not answer."""
        if self._since is None:
            self._since = time.monotonic()
            log.warning("the queue does not answer, trying again: %s", error)

    def back(self) -> None:
        """It answers."""
        if self._since is not None:
            log.warning("the queue answers again, after %.1f s", time.monotonic() - self._since)
            self._since = None


def answers(queue: Connection) -> bool:
    """Whether the queue is there."""
    try:
        return bool(queue.ping())
    except QUEUE_ERRORS:
        return False


def check(url: str, remedy: str = "start it, or mend the setting redis_url (TEPPR_REDIS_URL)") -> None:
    """Raise Missing, with the remedy, where no queue answers at `url`."""
    try:
        with connect(url) as queue:
            queue.ping()
    except (redis.RedisError, OSError) as error:
        # redis-py says where, which stands here already, and then why: "Error 2 connecting to ... No such file."
        why = str(error).rstrip(".").rpartition(". ")[2]
        raise Missing(f"the queue at {without_password(url)} does not answer ({why}); {remedy}") from error


def make_streams(queue: redis.Redis, streams: Sequence[str]) -> None:
    """Make the streams and their group of consumers, where they are not there yet."""
    for stream in streams:
        try:
            queue.xgroup_create(stream, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise


def _checked(url: str) -> str:
    if not url.startswith(SCHEMES):
        raise BadSettings(
            f"setting redis_url must begin with one of {', '.join(SCHEMES)}, got {without_password(url)!r}"
        )
    return url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
