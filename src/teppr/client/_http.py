"""What both clients know of httpx."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Sequence
from typing import TypedDict

import httpx

from teppr import __version__
from teppr.client.errands import Errands
from teppr.client.talk import Doors, Patience, Send, Talk
from teppr.client.verdict import Broken, Reply
from teppr.errors import BadInput

POOL = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=5.0)
KEY = re.compile(r"[\x21-\x7e]+")


class Limits(TypedDict):
    """Seconds for each phase; the transport looks at them when the phase begins."""

    connect: float
    write: float
    read: float
    pool: float


def limits_of(step: Send) -> Limits:
    """How long each phase of a request may take."""
    return {"connect": step.connect_s, "write": step.silence_s, "read": step.silence_s, "pool": step.left_s}


def request_of(step: Send, limits: Limits, pieces: Iterable[bytes] | None = None) -> httpx.Request:
    """The request as httpx sends it; `limits` may still be changed while it is under way.

    pieces: the body bit by bit, where it is not to be sent in one go
    """
    call, headers, content = step.call, dict(step.headers), None
    if call.method == "POST":
        content = pieces or call.body
        headers["content-length"] = str(len(call.body))
    return httpx.Request(call.method, step.url, headers=headers, content=content, extensions={"timeout": limits})


def reply_of(response: httpx.Response, body: bytes) -> Reply:
    """The answer as the conversation knows it."""
    return Reply(status=response.status_code, headers=dict(response.headers), body=body)


def too_late(step: Send) -> Broken:
    """No answer within all the time that there was."""
    return Broken(why=f"no whole answer within {step.left_s:.3g} s")


def broken_of(error: httpx.RequestError, step: Send) -> Broken:
    """Why there is no answer, in words."""
    match error:
        case httpx.ConnectTimeout():
            return Broken(why=f"no connection within {step.connect_s:.3g} s")
        case httpx.PoolTimeout():
            return Broken(why=f"no connection was free within {step.left_s:.3g} s")
        case httpx.TimeoutException():
            return Broken(why=f"silent for {step.silence_s:.3g} s")
        case httpx.ConnectError():
            return Broken(why=f"no connection: {_say(error)}", for_good=_distrusted(error))
        case httpx.UnsupportedProtocol() | httpx.LocalProtocolError() | httpx.TooManyRedirects():
            return Broken(why=_say(error), for_good=True)
        case _:
            return Broken(why=f"the connection broke: {_say(error)}")


def errands_at(urls: str | Sequence[str], key: str | None, patience: Patience) -> Errands:
    """What can be asked at these addresses with this key; raises BadInput for a key that no header can hold."""
    headers = {"accept": "application/json", "user-agent": f"teppr/{__version__}"}
    if key is not None:
        if not KEY.fullmatch(key):
            raise BadInput("a key is letters, digits and signs without spaces: give it as it was issued")
        headers["authorization"] = f"Bearer {key}"
    return Errands(talk=Talk(doors=Doors.at(urls), headers=headers, patience=patience))


def trust_of(tls: ssl.SSLContext | None) -> ssl.SSLContext | bool:
    """What httpx calls `verify`."""
    return True if tls is None else tls


def _say(error: Exception) -> str:
    return str(error) or type(error).__name__


def _distrusted(error: BaseException | None) -> bool:
    """Whether it is the certificate that is wrong, which no second attempt mends."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
