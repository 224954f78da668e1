"""Which models answer to a name that clients ask for: shares of its requests, and models that only look on.

A route is kept in the queue, so that all webs know it within a second and it outlives a restart, if a model that it
leads to is served then; with it the ones that it replaced, for the way back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson

from teppr.errors import BadInput, Refused, UnknownName
from teppr.serving.queue import ROUTES
from teppr.types import RELEASE_KEY

if TYPE_CHECKING:
    import redis
    from redis.client import Pipeline

WHOLE = 100.0
MOST_REMEMBERED = 10
_NAME = re.compile(r"([A-Za-z0-9_]+-[A-Za-z0-9_]+)(@[A-Za-z][A-Za-z0-9_]*|-[A-Za-z0-9_.]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a name leads to, in percent of its requests.

    shares: {key: share}, 100 in all
    shadows: {key: share of the requests that it is asked as well; its answers are only counted and compared}
    """

    shares: Mapping[str, float]
    shadows: Mapping[str, float] = field(default_factory=dict)

    def key_for(self, request_id: str, served: Container[str]) -> str | None:
        """The model that answers a request: the same for the same id; None where none of the route is served."""
        chosen = _at(self.shares, WHOLE * _hash_0_1(request_id, "share"))
        if chosen in served:
            return chosen
        left = {key: share for key, share in self.shares.items() if share and key in served}
        return _at(left, sum(left.values()) * _hash_0_1(request_id, "rest")) if left else None

    def main(self, served: Container[str]) -> str | None:
        """The model with the largest share of those served."""
        return max((key for key in self.shares if key in served), key=lambda key: self.shares[key], default=None)

    def shadows_for(self, request_id: str) -> list[str]:
        """The models that are asked beside the one that answers."""
        return [key for key, share in self.shadows.items() if WHOLE * _hash_0_1(request_id, key) < share]

    def replacing(self, old: str, new: str) -> Route:
        """The same route with `new` in place of `old`."""
        shares: dict[str, float] = {}
        for key, share in self.shares.items():
            name = new if key == old else key
            shares[name] = shares.get(name, 0.0) + share
        shadows = {key: share for key, share in self.shadows.items() if key not in (old, new)}
        return Route(shares=shares, shadows=shadows)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: dict(value) for name, value in asdict(self).items()}


def read_routes(told: Mapping[bytes, bytes]) -> dict[str, Route]:
    """{name: its route} as the queue keeps them."""
    return {name.decode(): Route(**orjson.loads(kept)[0]) for name, kept in told.items()}


def route_of(name: str, shares: Mapping[str, float], shadows: Mapping[str, float], served: Container[str]) -> Route:
    """A route that may be set; raises BadInput for a wrong name or share, UnknownName for a model nobody serves.

    served: keys of the models that are served, iterable
    """
    found = _NAME.fullmatch(name)
    if not found:
        raise BadInput(f"a route is for <org>-<problem>, an alias of it or a release key, got {name!r}")
    keys = list(served) if isinstance(served, Sequence | set | frozenset | Mapping) else []
    for key in (*shares, *shadows):
        if key not in served:
            raise UnknownName.of("served model", key, keys)
        if not key.startswith(f"{found[1]}-"):
            raise BadInput(f"a route of {name} can only lead to releases of {found[1]}, got {key}")
    if any(not 0 <= share <= WHOLE for share in (*shares.values(), *shadows.values())):
        raise BadInput(f"a share is a percentage from 0 to 100, got {[*shares.values(), *shadows.values()]}")
    if abs(sum(shares.values()) - WHOLE) > 1e-6:
        given = " + ".join(f"{key}={share:g}" for key, share in shares.items())
        raise BadInput(f"the shares of {name} must be 100 in all, got {given or 'none'}")
    return Route(shares=dict(shares), shadows=dict(shadows))


def set_route(queue: redis.Redis, name: str, route: Route) -> None:
    """Let the name lead there from now on; the route that it had is remembered."""
    _change(queue, name, lambda before: [route.as_dict(), *before][:MOST_REMEMBERED])


def back(queue: redis.Redis, name: str, served: Container[str]) -> Route | None:
    """Let the name lead where it led before; None = to itself.

    Raises UnknownName where it has no route, Refused where no model that it led to is served any more.
    """
    if not queue.hexists(ROUTES, name):
        raise UnknownName.of("route", name, [known.decode() for known in queue.hkeys(ROUTES)])  # type: ignore[union-attr]  # never text here

    def step_back(kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
        before = kept[1:]
        keys = list(before[0]["shares"]) if before else [name] if RELEASE_KEY.fullmatch(name) else []
        if keys and not any(key in served for key in keys):
            raise Refused(
                f"{name} led to {', '.join(keys)} before, which is not served any more; serve it first (teppr load), "
                "or let it take the place of the one that answers now (teppr swap)"
            )
        return before

    left = _change(queue, name, step_back)
    return Route(**left[0]) if left else None


def forget(queue: redis.Redis, name: str) -> None:
    """Let the name lead to itself."""
    queue.hdel(ROUTES, name)


def all_routes(queue: redis.Redis) -> dict[str, Route]:
    """{name: its route}, by a connection of a thread."""
    told: Any = queue.hgetall(ROUTES)
    return read_routes(told)


def _change(
    queue: redis.Redis, name: str, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    after: list[dict[str, Any]] = []

    def run(together: Pipeline) -> None:
        kept: Any = together.hget(ROUTES, name)
        after[:] = change(orjson.loads(kept) if kept else [])
        together.multi()
        if after:
            together.hset(ROUTES, name, orjson.dumps(after))
        else:
            together.hdel(ROUTES, name)

    queue.transaction(run, ROUTES)
    return after


def _hash_0_1(request_id: str, salt: str) -> float:
    digest = blake2b(request_id.encode(), digest_size=8, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest) / 2**64


def _at(shares: Mapping[str, float], place: float) -> str:
    """The key on whose stretch of the line of all shares the place lies."""
    end = 0.0
    for key in sorted(shares):
        end += shares[key]
        if place < end:
            return key
    return max(shares)
