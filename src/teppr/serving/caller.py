"""Who asks."""

from __future__ import annotations

from starlette.requests import Request

ANONYMOUS = "anonymous"


def caller_of(request: Request) -> str:
    """The name of the client behind a request: what it asked for is its own, and bounds count for it."""
    return str(getattr(request.state, "caller", ANONYMOUS))
