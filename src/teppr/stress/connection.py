"""An HTTP client that costs next to nothing, so that what is measured is the service.

A request takes 0.04 ms of processor time here, 0.1 ms with aiohttp and 0.95 ms with httpx: httptools, which reads the
answers, is the parser of Node.js.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from functools import cache
from typing import cast

import httptools

from teppr.stress.outcomes import Failure, failure_of, kind_of
from teppr.stress.requests import Request

MOST_IDLE_S = 1.0
"""A connection that nobody used for longer is not used again: the service may be about to close it."""
MOST_KEPT = 16 * 1024
"""Bytes of what is no answer, kept for the sentence in it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a target is reached: one address of its host.

    tls: the name that its certificate must have; None = no TLS
    """

    address: str
    port: int
    tls: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    code: HTTP status, or a `Failure`
    body: the beginning of what is no answer, for the sentence in it
    """

    code: int
    received_bytes: int = 0
    retry_after_s: float = 0.0
    body: bytes = b""


class Connection(asyncio.Protocol):
    """One connection, with one request at a time under way."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[Answer] | None = None
        self._received_bytes = 0
        self._retry_after_s = 0.0
        self._kept = bytearray()
        self._used_s = self._loop.time()

    @property
    def is_usable(self) -> bool:
        """Whether another request may be sent on it."""
        return self._transport is not None and self._loop.time() - self._used_s <= MOST_IDLE_S

    async def ask(self, request: Request, until_s: float) -> Answer:
        """Send it, and wait until `until_s` of the loop's clock."""
        if self._transport is None:
            return Answer(Failure.CLOSED)
        self._waiting = self._loop.create_future()
        self._received_bytes = 0
        self._begin_message()
        timer = self._loop.call_at(until_s, self._give_up, Failure.LATE)
        try:
            self._transport.writelines((request.head, request.body))
            return await self._waiting
        finally:
            timer.cancel()
            self._used_s = self._loop.time()
            if not self._waiting.done() or self._waiting.cancelled():
                self.abort()
            self._waiting = None

    def abort(self) -> None:
        """Drop it at once."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of asyncio."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Of asyncio."""
        self._transport = None
        if exc is None:
            self._settle(Answer(Failure.CUT_OFF if self._received_bytes else Failure.CLOSED, self._received_bytes))
        else:
            failure = failure_of(exc) if isinstance(exc, OSError) else Failure.RESET
            self._settle(Answer(failure, self._received_bytes))

    def data_received(self, data: bytes) -> None:
        """Of asyncio."""
        if self._waiting is None:
            self.abort()
            return
        self._received_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._give_up(Failure.NOT_HTTP)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of the parser."""
        if name.lower() == b"retry-after" and value.strip().isdigit():
            self._retry_after_s = float(value)

    def on_body(self, body: bytes) -> None:
        """Of the parser."""
        if kind_of(self._parser.get_status_code()) != "answered" and len(self._kept) < MOST_KEPT:
            self._kept += body

    def on_message_complete(self) -> None:
        """Of the parser."""
        status = self._parser.get_status_code()
        if status < 200:  # an interim answer: the real one follows
            self._begin_message()
            return
        self._settle(Answer(status, self._received_bytes, self._retry_after_s, bytes(self._kept)))
        # A service that answers before it has read everything will not read the rest.
        unread = self._transport is not None and self._transport.get_write_buffer_size() > 0
        if unread or not self._parser.should_keep_alive():
            self.abort()

    def _begin_message(self) -> None:
        self._retry_after_s = 0.0
        self._kept.clear()

    def _give_up(self, failure: Failure) -> None:
        self._settle(Answer(failure, self._received_bytes))
        self.abort()

    def _settle(self, answer: Answer) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answer)


@cache
def _trusted() -> ssl.SSLContext:
    # Reading the certificates that are trusted takes as long as many requests.
    return ssl.create_default_context()


class Caller:
    """Asks one place over one connection, which is opened when it is needed and kept while it can be."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._connection: Connection | None = None

    async def ask(self, request: Request, until_s: float) -> Answer:
        """Send it, and wait until `until_s` of the loop's clock; what fails is an `Answer` too."""
        if asyncio.get_running_loop().time() >= until_s:
            return Answer(Failure.LATE)
        if self._connection is None or not self._connection.is_usable:
            self.close()
            try:
                self._connection = await self._open(until_s)
            except OSError as error:
                return Answer(failure_of(error))
        return await self._connection.ask(request, until_s)

    def close(self) -> None:
        """Drop the connection, if there is one."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    async def _open(self, until_s: float) -> Connection:
        loop = asyncio.get_running_loop()
        place = self._place
        context = _trusted() if place.tls else None
        async with asyncio.timeout_at(until_s):
            _, connection = await loop.create_connection(
                Connection, place.address, place.port, ssl=context, server_hostname=place.tls
            )
        return connection
