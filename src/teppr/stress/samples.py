"""One line for each request: 32 bytes, so that millions of them fit into memory and percentiles are exact."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from teppr.stress.connection import Answer

Samples: TypeAlias = npt.NDArray[np.void]
"""A structured array of `SAMPLE`."""

SAMPLE = np.dtype(
    [
        ("due_s", "<f8"),
        ("latency_s", "<f4"),
        ("late_s", "<f4"),
        ("sent_bytes", "<u4"),
        ("received_bytes", "<u4"),
        ("code", "<i2"),
        ("target", "<u2"),
        ("stage", "<i2"),
        ("unused", "<u2"),
    ]
)
"""due_s: on the machine's monotonic clock; latency_s: counted from there; late_s: how long after it was sent;
stage: its place in the plan, -1 for the warm-up"""
_PACKED = struct.Struct("<dffIIhHhH")
WARM_UP = -1
_MOST_U32 = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request on its way: to which target, in which stage, when it was due and when it was sent, and its bytes."""

    stage: int
    target: int
    due_s: float
    sent_s: float
    size: int


class Recorder:
    """Takes down what becomes of requests, until it is asked for what it has."""

    def __init__(self) -> None:
        self._lines = bytearray()
        self._told: dict[tuple[int, int], bytes] = {}
        self._known: set[tuple[int, int]] = set()

    def add(self, sent: Sent, answer: Answer, *, ended_s: float) -> None:
        """Take down one."""
        self._lines += _PACKED.pack(
            sent.due_s,
            ended_s - sent.due_s,
            sent.sent_s - sent.due_s,
            sent.size,
            min(answer.received_bytes, _MOST_U32),
            answer.code,
            sent.target,
            sent.stage,
            0,
        )
        if answer.body and (key := (sent.target, answer.code)) not in self._known:
            self._known.add(key)
            self._told[key] = answer.body

    def take(self) -> tuple[bytes, dict[tuple[int, int], bytes]]:
        """What was taken down since the last time: lines as bytes, and {(target, code): the first body of its kind}."""
        taken = bytes(self._lines), self._told
        self._lines.clear()
        self._told = {}
        return taken


def samples_of(lines: bytes) -> Samples:
    """Lines of a recorder as an array."""
    array: Samples = np.frombuffer(lines, SAMPLE)
    return array


def column(samples: Samples, name: str) -> npt.NDArray[Any]:
    """One column."""
    values: npt.NDArray[Any] = samples[name]
    return values
