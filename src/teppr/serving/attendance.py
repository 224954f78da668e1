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
    one task, where asking again and again would cost more the longer it takes.
    """
    working = asyncio.current_task()
    has_left = False

    async def watch() -> None:
        nonlocal has_left
        while (await request.receive())["type"] != "http.disconnect":
            pass
        if working is not None:
            has_left = True
            working.cancel()

    watching = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if has_left and working is not None and not working.uncancel():
            raise ClientDisconnect from None
        raise
    finally:
        watching.cancel()
