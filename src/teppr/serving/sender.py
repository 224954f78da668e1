"""Who sends a request, from what is known of it: its id, its client and the client's limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from teppr.serving.dispatch import ANY_NUMBER, NO_NOTE, Sender
from teppr.serving.queue import Priority
from teppr.serving.refusals import id_is_given, request_id_of
from teppr.serving.security import Caller


def sender_of(
    request: Request,
    asked: str,
    priority: Priority,
    timeout_s: float | None,
    *,
    number: int | None = None,
    note: Mapping[str, Any] = NO_NOTE,
) -> Sender:
    """The sender of an admitted request.

    asked: what is wanted, in the client's own words
    number: of the image in its batch, each being a task of its own
    note: what its answer will need when it is fetched later
    """
    caller: Caller = request.state.caller
    own_id = request_id_of(request)
    return Sender(
        request_id=own_id if number is None else f"{own_id}:{number}",
        asked=asked,
        is_asked_again=id_is_given(request),
        client=caller.name,
        priority=priority,
        timeout_s=timeout_s,
        max_waiting=caller.limits.max_waiting or ANY_NUMBER,
        requests_per_minute=caller.limits.requests_per_minute or 0,
        note=note,
    )
