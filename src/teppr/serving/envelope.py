"""Around every answer: an id to find it by, headers that keep browsers safe, and a line in the log."""

from __future__ import annotations

import logging
import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from teppr.keys import without_secrets
from teppr.serving.logs import FIELDS
from teppr.serving.meter import Meter
from teppr.serving.refusals import REQUEST_ID_HEADER
from teppr.serving.safe_headers import SAFE_HEADERS

GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""Asked again and again by machines: no line in the log."""
UNKNOWN = "unknown"
"""What requests to paths that are not there are counted as, whatever they are."""

log = logging.getLogger("teppr.serving")


class Envelope:
    """ASGI middleware: takes a well-formed X-Request-Id or makes one, and gives it back in the answer; counts."""

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the answer back with the headers added."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = given if GIVEN_ID.fullmatch(given) and given == without_secrets(given) else uuid4().hex
        scope.setdefault("state", {}).update(request_id=request_id, id_is_given=request_id == given)
        begun_at = time.perf_counter()
        status = 500

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID_HEADER] = request_id
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        finally:
            # The raw path is percent-encoded: no client writes lines of its own into the log.
            path = without_secrets(scope.get("raw_path", b"").decode("ascii", "replace"))
            spent_s = time.perf_counter() - begun_at
            self._meter.answered(_route_of(scope), scope["state"].get("model", ""), status, spent_s)
            if path not in QUIET_PATHS:
                _tell(scope, path, status, 1000 * spent_s)


def _route_of(scope: Scope) -> str:
    """The operation of the OpenAPI document, or the path of a page: nothing that a client writes makes a label."""
    if (route := scope.get("route")) is not None:
        return str(route.name)
    if (endpoint := scope.get("endpoint")) is not None:
        return str(endpoint.__name__)  # a route of Starlette's own
    return str(scope["state"].get("route", UNKNOWN))


def _tell(scope: Scope, path: str, status: int, spent_ms: float) -> None:
    method, request_id, caller = scope["method"], scope["state"]["request_id"], scope["state"].get("caller")
    client, key_id = ("-", "-") if caller is None else (caller.name, caller.key_id or "-")
    fields = {
        "method": method,
        "path": path,
        "status": status,
        "ms": round(spent_ms, 1),
        "request_id": request_id,
        "client": client,
        "key": key_id,
    }
    log.info("%s %s %d %.1f ms %s %s", method, path, status, spent_ms, request_id, key_id, extra={FIELDS: fields})
