"""How long a prediction takes."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from teppr.images import Pixels
from teppr.workflow.measure import Find

PREDICTIONS = 40


def latency_ms(find: Find, pictures: Sequence[Pixels], threads: int) -> dict[str, Any]:
    """Percentiles in milliseconds of predictions one after the other, decoding left out, and where that was.

    find: warm, with so many `threads`
    """
    times_ms = []
    for pixels in islice(cycle(pictures), PREDICTIONS):
        begun_at = time.perf_counter()
        find(pixels)
        times_ms.append((time.perf_counter() - begun_at) * 1000)
    p50, p95 = np.percentile(times_ms, [50, 95])
    return {
        "p50": round(float(p50), 2),
        "p95": round(float(p95), 2),
        "predictions": len(times_ms),
        "threads": threads,
        "machine": machine(),
    }


def machine() -> str:
    """The processor by its name, and its cores."""
    return f"{_processor()}, {psutil.cpu_count()} cores"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
