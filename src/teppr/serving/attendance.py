"""Whether the client is still there: what nobody waits for any more is not worth computing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

Value = TypeVar("Value")


async def while_attended(request: Request, work: Coroutine[Any, Any, Value]) -> Value:
    """What the work gives; cancelled, and ClientDisconnect raised, when the client hangs up before.

    For after the body was read: then the next that a server tells of a request is its end, and waiting for it costs
    nothing, where asking again and again would.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
