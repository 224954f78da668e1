"""What becomes of a request: an HTTP status, or a number below zero where no whole answer came."""

from __future__ import annotations

import errno
import ssl
from enum import IntEnum
from http import HTTPStatus
from typing import Literal

import orjson

Kind = Literal["answered", "refused", "declined", "failed", "unfinished"]
REFUSALS = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""What a service says that has too much to do: no answer, and no error either."""
DENIALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
"""What a service says to whom it does not answer at all."""
FIRST_SERVER_ERROR = 500
LONGEST_SENTENCE = 300


class Failure(IntEnum):
    """Why no whole answer came."""

    REFUSED = -1
    UNREACHABLE = -2
    TLS = -3
    CLOSED = -4
    RESET = -5
    CUT_OFF = -6
    NOT_HTTP = -7
    LATE = -8
    NO_SOCKET = -9
    UNFINISHED = -10

    @property
    def words(self) -> str:
        """As people say it."""
        return _WORDS[self]


_WORDS = {
    Failure.REFUSED: "connection refused",
    Failure.UNREACHABLE: "host unreachable",
    Failure.TLS: "no TLS connection",
    Failure.CLOSED: "connection closed before an answer",
    Failure.RESET: "connection reset",
    Failure.CUT_OFF: "answer cut off",
    Failure.NOT_HTTP: "answer that is no HTTP",
    Failure.LATE: "no answer in time",
    Failure.NO_SOCKET: "no more connections on this machine",
    Failure.UNFINISHED: "under way when the test was ended",
}
_OF_ERRNO = {
    errno.ECONNREFUSED: Failure.REFUSED,
    errno.ECONNRESET: Failure.RESET,
    errno.EPIPE: Failure.RESET,
    errno.EMFILE: Failure.NO_SOCKET,
    errno.ENFILE: Failure.NO_SOCKET,
    errno.EADDRNOTAVAIL: Failure.NO_SOCKET,
}


def failure_of(error: OSError) -> Failure:
    """Which failure a system's error is."""
    if isinstance(error, TimeoutError):
        return Failure.LATE
    if isinstance(error, ssl.SSLError):
        return Failure.TLS
    return _OF_ERRNO.get(error.errno or 0, Failure.UNREACHABLE)


def kind_of(code: int) -> Kind:
    """What a code counts as: 2xx, 429 and 503, other 4xx, whatever else; or nothing, as the test was ended."""
    if HTTPStatus.OK <= code < HTTPStatus.MULTIPLE_CHOICES:
        return "answered"
    if code in REFUSALS:
        return "refused"
    if HTTPStatus.BAD_REQUEST <= code < FIRST_SERVER_ERROR:
        return "declined"
    return "unfinished" if code == Failure.UNFINISHED else "failed"


def words_of(code: int) -> str:
    """A code for people: "503 Service Unavailable", "connection refused"."""
    if code < 0:
        return Failure(code).words
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def detail_of(body: bytes) -> str:
    """The first sentence of what a service says instead of an answer: of its `detail`, or else of the text."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = body.decode("utf-8", "replace")
    said = document.get("detail", document) if isinstance(document, dict) else document
    words = " ".join(str(said).split())
    return words if len(words) <= LONGEST_SENTENCE else f"{words[:LONGEST_SENTENCE]}…"
