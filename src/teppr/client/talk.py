"""How a request is asked until it is answered: what is sent, when, and where to, without doing any of it.

A conversation is a generator: it yields what to do, a `Send` or a `Wait`, and is sent what came of it. Whoever drives
it brings network and time; so both clients share all of it, and its tests need neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from random import random
from time import monotonic
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

from teppr.client.call import REQUEST_ID, Call
from teppr.client.verdict import Answered, Broken, Reply, Verdict, judge
from teppr.errors import BadInput

Result = TypeVar("Result")

CONNECT_S = 5.0
"""An address that takes longer to be reached gives way to the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long, and how often.

    timeout_s: from the first attempt to the answer, waits included
    silence_s: after so long without a byte the same is asked again, on another connection
    retries: attempts after the first; None: as many as the time allows
    first_wait_s, longest_wait_s: the wait before the second attempt is at most the first, doubled each time up to the
        longest; a random share of it is waited, so that many clients do not come back at once
    """

    timeout_s: float = 60.0
    silence_s: float = 20.0
    retries: int | None = None
    first_wait_s: float = 0.2
    longest_wait_s: float = 5.0

    def __post_init__(self) -> None:
        for name in ("timeout_s", "silence_s"):
            seconds(getattr(self, name), name)
        if self.retries is not None and self.retries < 0:
            raise BadInput(f"retries must be 0 or more, or None for as many as the time allows, got {self.retries}")

    def wait_s(self, failures: int, share_0_1: float) -> float:
        """How long to wait after so many failures, 1 or more."""
        return share_0_1 * min(self.longest_wait_s, self.first_wait_s * 2.0 ** min(failures - 1, 30))


def seconds(value: float, name: str = "timeout_s") -> float:
    """A time that can be kept; raises BadInput for any other."""
    if not 0 < value < math.inf:
        raise BadInput(f"{name} must be a number of seconds, more than 0 and finite, got {value!r}")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send this there; to be answered with a `Reply` or a `Broken`.

    connect_s, silence_s: until the connection stands, and between two bytes
    left_s: for all of it
    """

    call: Call
    url: str
    headers: Mapping[str, str]
    connect_s: float
    silence_s: float
    left_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Do nothing for so long; to be answered with None."""

    seconds: float


Step: TypeAlias = Send | Wait
Heard: TypeAlias = Reply | Broken | None
Conversation: TypeAlias = Generator[Step, Heard, Result]


@dataclass(slots=True)
class Doors:
    """The addresses of one service; the one that answered last is asked first."""

    urls: Sequence[str]
    first: int = 0

    @classmethod
    def at(cls, urls: str | Sequence[str]) -> Doors:
        """Raises BadInput for what is no address of HTTP."""
        given = [urls] if isinstance(urls, str) else list(urls)
        if not given:
            raise BadInput("a client needs an address, as in http://127.0.0.1:4040, got none")
        return cls([_checked(url) for url in given])

    def turn_from(self, door: int) -> None:
        """Ask the next one first, unless another request has turned away from `door` already."""
        if self.first == door:
            self.first = (door + 1) % len(self.urls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """Asks, patiently. `clock` gives seconds that only rise, `chance` numbers from 0 to 1."""

    doors: Doors
    headers: Mapping[str, str] = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)
    clock: Callable[[], float] = monotonic
    chance: Callable[[], float] = random

    def ask(self, call: Call, timeout_s: float | None = None) -> Conversation[Answered]:
        """Ask until there is an answer; raises ServiceDeclined, ServiceUnavailable or ServiceError."""
        heard = yield from self.hear(call, timeout_s)
        if isinstance(heard, Verdict):
            raise heard.error
        return heard

    def hear(self, call: Call, timeout_s: float | None = None) -> Conversation[Answered | Verdict]:
        """Ask until there is an answer, or a reason to ask no more."""
        left_s = self.patience.timeout_s if timeout_s is None else seconds(timeout_s)
        until, failures = self.clock() + left_s, 0
        while True:
            door = self.doors.first
            heard = yield self._send(call, door, left_s)
            if heard is None:
                raise AssertionError("a Send is answered with a Reply or a Broken")
            verdict = judge(call, heard, self.doors.urls[door])
            if isinstance(verdict, Answered) or not verdict.again:
                return verdict
            failures += 1
            if not verdict.everywhere:
                self.doors.turn_from(door)
            wait_s = self._wait_s(failures, verdict)
            if failures - 1 == self.patience.retries or self.clock() + wait_s >= until:
                return verdict
            if wait_s:
                yield Wait(seconds=wait_s)
            left_s = until - self.clock()
            if left_s <= 0:
                return verdict

    def _send(self, call: Call, door: int, left_s: float) -> Send:
        return Send(
            call=call,
            url=self.doors.urls[door] + call.path,
            headers={**self.headers, **call.headers, REQUEST_ID: call.request_id},
            connect_s=min(CONNECT_S, left_s),
            silence_s=min(self.patience.silence_s, left_s),
            left_s=left_s,
        )

    def _wait_s(self, failures: int, verdict: Verdict) -> float:
        rounds, asked = divmod(failures, len(self.doors.urls))
        if asked and not verdict.everywhere:
            return 0.0  # another address has not been tried yet
        return (verdict.after_s or 0.0) + self.patience.wait_s(max(rounds, 1), self.chance())


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        more_than_an_address = parts.query or parts.fragment or parts.username or parts.password
        good = parts.scheme in {"http", "https"} and parts.hostname and not more_than_an_address
        _ = parts.port  # raises where it is no number
    except (ValueError, AttributeError, TypeError):
        good = False
    if not good:
        raise BadInput(f"an address is http://host:port or https://host:port, got {url!r}")
    return url.rstrip("/")
