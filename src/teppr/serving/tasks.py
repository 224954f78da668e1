"""What travels through the queue: what is asked of a model server, and its outcome; JSON beside the image's own bytes.

Nothing here is ever unpickled, and an image is carried as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import orjson

from teppr.errors import Corrupt
from teppr.regions import Outline


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is wanted of an image: the name it is spoken of by, the lowest score that counts, outlines or only boxes."""

    key: str
    name: str
    threshold_0_1: float
    outlines: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a model found in an image, best first, in the image's pixels.

    key: of the model
    outlines: for each detection all x and all y of its ring or line, None where there is but the box
    timings_s: wait (in the queue), decode, predict
    """

    key: str
    size_wh: Sequence[int]
    boxes_xyxy_px: Sequence[Sequence[float]]
    scores_0_1: Sequence[float]
    label_ids: Sequence[int]
    outlines: Sequence[Outline | None]
    timings_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Why there is no answer: the status of HTTP, one word for machines, a sentence."""

    status: int
    error: str
    detail: str


Outcome: TypeAlias = Found | Failed

TOO_LATE = Failed(status=504, error="deadline", detail="the deadline passed before a model server was free")
GIVEN_UP = Failed(
    status=422,
    error="model-cannot",
    detail="each model server that worked on this image ended while it did; it is not tried again",
)


def encode(message: Ask | Outcome) -> bytes:
    """The message as JSON."""
    return orjson.dumps({"is": type(message).__name__, **_fields(message)})


def _fields(message: Ask | Outcome) -> dict[str, Any]:
    # `asdict` copies every point of every outline.
    return {name: getattr(message, name) for name in message.__dataclass_fields__}


def decode_ask(data: bytes) -> Ask:
    """What was asked; raises Corrupt where it is of another version of teppr."""
    message = _decode(data)
    if not isinstance(message, Ask):
        raise Corrupt(f"a task of the queue asks nothing: {data[:80]!r}")
    return message


def decode_outcome(data: bytes) -> Outcome:
    """What became of a task; raises Corrupt where it is of another version of teppr."""
    message = _decode(data)
    if isinstance(message, Ask):
        raise Corrupt(f"an answer of the queue is none: {data[:80]!r}")
    return message


_KINDS: Mapping[str, Callable[..., Ask | Outcome]] = MappingProxyType({"Ask": Ask, "Found": Found, "Failed": Failed})


def _decode(data: bytes) -> Ask | Outcome:
    try:
        document: dict[str, Any] = orjson.loads(data)
        return _KINDS[document.pop("is")](**document)
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise Corrupt(
            f"the queue holds what this version of teppr does not know: {data[:80]!r}; "
            "web and model servers have to be of one version"
        ) from error
