"""Turns requests away before anything is done for them while all places are taken: that has to cost next to nothing.

Under overload there are many more to refuse than to answer, and what refusing takes is taken from answering.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from teppr.serving.declined import Declined
from teppr.serving.refusals import answer_of

BULK = b"priority=bulk"
UNREAD = "unread"
"""What requests that are refused here are counted as: to look for their route would be work."""


class Gate:
    """ASGI middleware: a request for which there is no place is refused unread.

    is_closed: why there is no place for a person's request just now, or None
    paths: that ask for predictions, and all below them
    Who asks for bulk says so in the query, to be let through to where bulk waits.
    """

    def __init__(self, app: ASGIApp, is_closed: Callable[[], Declined | None], paths: Collection[str]) -> None:
        self._app = app
        self._is_closed = is_closed
        self._folders = tuple(f"{path}/" for path in paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and scope["method"] == "POST" and f"{scope['path']}/".startswith(self._folders):
            refusal = self._is_closed() if BULK not in scope["query_string"] else None
            if refusal is not None:
                scope["state"]["route"] = UNREAD
                await answer_of(refusal, scope["state"]["request_id"])(scope, receive, send)
                return
        await self._app(scope, receive, send)
