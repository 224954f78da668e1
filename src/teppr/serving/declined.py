"""What the service does not do, as values that travel from a model server to whoever asked."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from teppr.errors import TepprError

IMAGE_STATUS: Mapping[str, int] = MappingProxyType({"bomb": 413, "too-large": 413, "unsupported": 415})
"""Status of HTTP for a `BadImage` by its reason; 400 for the others."""


class Declined(TepprError):
    """The service does not do what was asked: the status of HTTP, one word for machines, and a sentence.

    retry_after_s: when it is worth while to ask again
    unread: a body is still coming that nobody will read, so that the connection has to end
    """

    def __init__(
        self, status: int, error: str, detail: str, *, retry_after_s: int | None = None, unread: bool = False
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.error = error
        self.headers: dict[str, str] = {}
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)
        if unread:
            self.headers["Connection"] = "close"


def queue_gone() -> Declined:
    """What is said while the queue does not answer."""
    return Declined(503, "busy", "the queue does not answer; try again in 1 s", retry_after_s=1)
