"""Routes that are asked all the time: documented by FastAPI, and run without it.

To work out declared parameters and dependencies anew for each request costs a web process a fifth of what it spends on
a prediction. A route of this kind asks for the key and reads the query itself, and gives both to its function.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import request_response
from starlette.types import Receive, Scope, Send

from teppr.serving.security import Admission
from teppr.serving.upload import BatchOptions, options_of

Function: TypeAlias = Callable[[Request, Any], Awaitable[Response]]


class DirectRoute(APIRoute):
    """A route whose function takes the request and the options of its query, the second a `BatchOptions`."""

    def __init__(self, path: str, endpoint: Function, **declared: Any) -> None:  # noqa: ANN401 - as FastAPI has them
        super().__init__(path, endpoint, **declared)
        self._function = endpoint
        self._admissions = [asked.dependency for asked in self.dependencies if isinstance(asked.dependency, Admission)]
        (query,) = self.dependant.query_params
        self._nothing_asked: BatchOptions = query.field_info.annotation()  # type: ignore[misc]  # a class of options
        self._run = request_response(self._answer)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that the path matches; of another method FastAPI says that it is not taken."""
        if scope["method"] in (self.methods or ()):
            await self._run(scope, receive, send)
        else:
            await super().handle(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        for admission in self._admissions:
            admission.admit(request)
        asked = self._nothing_asked
        if request.scope["query_string"]:
            asked = options_of(asked, request.query_params)
        return await self._function(request, asked)
