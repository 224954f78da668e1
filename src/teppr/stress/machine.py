"""What the machine and the tool itself are busy with while it is measured."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Since the last look, of this machine, whether or not the service runs on it too.

    at_s: on the machine's monotonic clock
    cpu_percent: of all cores together
    memory_bytes: that are taken, by whatever
    tool_cpu_percent: of all processes of the tool together; 100 is one core
    busiest_cpu_percent: of the one process of the tool that did most; 100 is the most it can do
    """

    at_s: float
    cpu_percent: float
    memory_bytes: int
    tool_cpu_percent: float
    busiest_cpu_percent: float


class Meter:
    """Looks at the machine now and then; the load's processes are known by their ids."""

    def __init__(self, load_process_ids: Sequence[int]) -> None:
        self._own = psutil.Process()
        self._load = [psutil.Process(pid) for pid in load_process_ids]
        psutil.cpu_percent()
        self._looked_s = time.monotonic()
        self._spent_s = self._cpu_seconds()

    def look(self) -> Usage:
        """What was used since the last look."""
        now_s, spent_s = time.monotonic(), self._cpu_seconds()
        passed_s = max(now_s - self._looked_s, 1e-6)
        shares = [100 * (new - old) / passed_s for new, old in zip(spent_s, self._spent_s, strict=True)]
        self._looked_s, self._spent_s = now_s, spent_s
        memory = psutil.virtual_memory()
        return Usage(
            at_s=now_s,
            cpu_percent=psutil.cpu_percent(),
            memory_bytes=memory.total - memory.available,
            tool_cpu_percent=sum(shares),
            busiest_cpu_percent=max(shares[1:], default=0.0),
        )

    def _cpu_seconds(self) -> list[float]:
        return [_cpu_seconds(process) for process in (self._own, *self._load)]


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0  # it has ended: whoever waits for its load says so
    return float(times.user + times.system)
