"""What came of a request, and whether to ask again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from time import time
from typing import Any

import orjson

from teppr.client.call import REQUEST_ID, Call
from teppr.errors import ServiceDeclined, ServiceError, ServiceUnavailable

WELL = range(200, 300)
IN_VAIN = range(400, 500)
OVER_QUOTA = HTTPStatus.TOO_MANY_REQUESTS
AGAIN_LATER = frozenset({OVER_QUOTA, HTTPStatus.SERVICE_UNAVAILABLE})
"""What is asked again whoever says it."""
OF_A_PROXY = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})
"""What is asked again unless the service says it: its own 504 is an answer, for the deadline has passed."""
REMEDIES: Mapping[int, str] = {
    400: "send an image that a viewer opens",
    401: "give the client a key: key='tpr_...'",
    403: "use a key that may do this",
    404: "see whether name, id and address are right; models() lists what is served",
    409: "ask as a new request",
    413: "send a smaller image, or have the service's limits raised",
    415: "send JPEG or PNG",
    422: "mend what it names",
    429: "ask less often, or give a longer timeout_s",
    503: "ask again later, or give a longer timeout_s",
    504: "give a longer timeout_s, or ask when there is less to do",
}
REPORT = "show the request id to whoever runs the service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer of HTTP; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """No answer, or half of one; `for_good` where another attempt would end the same."""

    why: str
    for_good: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The service did what was asked; `after_s` is when it wants to be asked again, if it does."""

    status: int
    document: object
    request_id: str
    url: str
    after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Why something is no answer, and whether it is worth asking again: not before `after_s`.

    everywhere: the service's other addresses would say the same
    """

    error: ServiceError
    again: bool = False
    after_s: float | None = None
    everywhere: bool = False


def judge(call: Call, heard: Reply | Broken, url: str) -> Answered | Verdict:
    """Whether what was heard from `url` is an answer."""
    if isinstance(heard, Broken):
        return Verdict(error=no_answer(call, url, heard.why), again=not heard.for_good)
    return _well(call, heard, url) if heard.status in WELL else _refused(call, heard, url)


def no_answer(call: Call, url: str, why: str) -> ServiceUnavailable:
    """The error for what did not reach the service, or did not come back."""
    message = (
        f"{url} did not answer about {call.about}: {why} (request {call.request_id}): see whether the service runs "
        "there, and give a longer timeout_s where it is only slow"
    )
    return ServiceUnavailable(message, status=None, word="no-answer", detail=why, request_id=call.request_id)


def not_a_service(call: Call, url: str, status: int, detail: str) -> ServiceError:
    """The error for an answer that no service of ours gives."""
    message = (
        f"what {url} answered about {call.about} is not a teppr service's: {detail} (request {call.request_id}): "
        "see whether the address is right and the client as new as the service"
    )
    return ServiceError(message, status=status, word="not-a-service", detail=detail, request_id=call.request_id)


def failure(about: str, said: Mapping[str, Any], request_id: str, after_s: float | None = None) -> ServiceError:
    """The error for what is said in the service's one shape: code, error, detail."""
    status, word, detail = int(said["code"]), str(said["error"]), str(said["detail"])
    kind = ServiceError
    if status in AGAIN_LATER | OF_A_PROXY:
        kind = ServiceUnavailable
    elif status in IN_VAIN:
        kind = ServiceDeclined
    message = f"{about}: {detail} ({status} {word}, request {request_id}): {REMEDIES.get(status, REPORT)}"
    return kind(message, status=status, word=word, detail=detail, request_id=request_id, retry_after_s=after_s)


def _well(call: Call, reply: Reply, url: str) -> Answered | Verdict:
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return Verdict(error=not_a_service(call, url, reply.status, f"expected JSON, got {kind or 'no type'!r}"))
    try:
        document: object = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        # An answer without a length looks whole wherever it breaks off; only its document shows that it is not.
        return Verdict(error=no_answer(call, url, f"the answer broke off after {len(reply.body)} bytes"), again=True)
    return Answered(
        status=reply.status,
        document=document,
        request_id=reply.headers.get(REQUEST_ID, call.request_id),
        url=url,
        after_s=_after_s(reply),
    )


def _refused(call: Call, reply: Reply, url: str) -> Verdict:
    said = _said(reply)
    by_service = said is not None
    again = reply.status in AGAIN_LATER or (reply.status in OF_A_PROXY and not by_service)
    error = failure(call.about, said or _of_another(reply, url), call.request_id, after_s := _after_s(reply))
    return Verdict(error=error, again=again, after_s=after_s, everywhere=reply.status == OVER_QUOTA)


def _said(reply: Reply) -> dict[str, Any] | None:
    """What a service of ours says where it does not answer; None where it was another that spoke."""
    try:
        said: object = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return None
    ours = isinstance(said, dict) and {"code", "error", "detail"} <= said.keys() and said["code"] == reply.status
    return said if ours else None  # type: ignore[return-value]  # `ours` says that it is a dict


def _of_another(reply: Reply, url: str) -> dict[str, Any]:
    detail = f"{url} answered with status {reply.status}, and not as a teppr service does"
    if "location" in reply.headers:
        detail += f"; it sends to {reply.headers['location'][:200]!r}: give the client that address"
    return {"code": reply.status, "error": "not-a-service", "detail": detail}


def _after_s(reply: Reply) -> float | None:
    """Retry-After in seconds from now, be it seconds or a date; None for anything else."""
    text = reply.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except (ValueError, OverflowError):
        return None
