"""Around every answer: an id to find it by, headers that keep browsers safe, and a line in the log."""

from __future__ import annotations

import logging
import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from teppr.keys import without_secrets
from teppr.serving.refusals import REQUEST_ID_HEADER
from teppr.serving.safe_headers import SAFE_HEADERS

GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked again and again by machines: no line in the log."""

log = logging.getLogger("teppr.serving")


class Envelope:
    """ASGI middleware: takes a well-formed X-Request-Id or makes one, and gives it back in the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the answer back with the headers added."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = given if GIVEN_ID.fullmatch(given) and given == without_secrets(given) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
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
            spent_ms = 1000 * (time.perf_counter() - begun_at)
            caller = scope["state"].get("caller")
            key_id = caller.key_id if caller is not None and caller.key_id else "-"
            level = logging.DEBUG if path in QUIET_PATHS else logging.INFO
            log.log(level, "%s %s %d %.1f ms %s %s", scope["method"], path, status, spent_ms, request_id, key_id)
