"""The charts of a test: over the load, over time, and how latencies are spread."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

import numpy as np

from teppr.charts import ColumnChart, Series, column_chart, nice_steps
from teppr.line_charts import PALETTE, Chart, Line
from teppr.stress.machine import Usage
from teppr.stress.measure import ALL, Summary, kinds_of
from teppr.stress.samples import Samples, column
from teppr.stress.timeline import Step
from teppr.types import Point

BLUE, ORANGE, GREEN, PURPLE, RED = PALETTE[0], PALETTE[1], PALETTE[2], PALETTE[3], PALETTE[5]
RARE = frozenset({"refused", "declined", "errors"})
"""Lines that are left out where there is nothing to show."""
MOST_BINS = 40
NICE_STEPS_MS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


def charts_of(summary: Summary, steps: Sequence[Step]) -> Iterator[Chart]:
    """Over the load where there are several stages, then over time."""
    if len(summary.stages) > 1:
        yield from _over_load(summary)
    together = [step for step in steps if step.target == ALL]
    yield _chart(
        "Latency over time",
        "ms",
        _lines(together, {"p50": "p50_ms", "p95": "p95_ms", "p99": "p99_ms"}, (BLUE, GREEN, ORANGE)),
    )
    yield _chart(
        "Answers, refusals and errors over time",
        "a second",
        [
            _line("answers", BLUE, together, lambda step: step.answers_per_s),
            _line("refused", ORANGE, together, lambda step: _a_second(step.refused, step)),
            _line("declined", PURPLE, together, lambda step: _a_second(step.declined, step)),
            _line("errors", RED, together, lambda step: _a_second(step.failed, step)),
        ],
    )
    targets = list(dict.fromkeys(step.target for step in steps if step.target != ALL))
    if targets:
        of = {target: [step for step in steps if step.target == target] for target in targets}
        colors = {target: PALETTE[i % len(PALETTE)] for i, target in enumerate(targets)}
        yield _chart("p99 of each URL", "ms", [_line(t, colors[t], of[t], lambda step: step.p99_ms) for t in targets])
        yield _chart(
            "Answers of each URL",
            "a second",
            [_line(t, colors[t], of[t], lambda step: step.answers_per_s) for t in targets],
        )
    yield from _of_the_machine(summary)


def latencies_chart(samples: Samples) -> ColumnChart | None:
    """How many answers took how long; what is beyond the 99.5th percentile is in the last column."""
    counted = samples[column(samples, "stage") >= 0]
    answered = counted[kinds_of(column(counted, "code")) == "answered"]
    if not len(answered):
        return None
    values_ms = 1000 * column(answered, "latency_s").astype(np.float64)
    most_ms = float(np.percentile(values_ms, 99.5, method="higher"))
    width_ms = next((step for step in NICE_STEPS_MS if most_ms / step <= MOST_BINS), NICE_STEPS_MS[-1])
    first, last = math.floor(float(values_ms.min()) / width_ms), math.floor(most_ms / width_ms)
    last = min(last, first + MOST_BINS)
    places = np.clip(np.floor(values_ms / width_ms).astype(int), first, last) - first
    counts = np.bincount(places, minlength=last - first + 1).tolist()
    names = [f"{(first + i) * width_ms:g}" for i in range(len(counts))]
    return column_chart(names, [Series(name="answers", counts=counts)])


def _over_load(summary: Summary) -> Iterator[Chart]:
    plan = summary.outcome.plan
    title = "requests/s at each URL" if plan.is_open_loop else "clients at each URL"
    found = sorted(summary.stages, key=lambda stage: stage.stage.level)
    latencies = [(stage.stage.level, stage.all.latency) for stage in found if stage.all.latency]
    lines = [
        Line(name=name, color=color, points=tuple((level, getattr(one, f"{name}_ms")) for level, one in latencies))
        for name, color in (("p50", BLUE), ("p95", GREEN), ("p99", ORANGE))
    ]
    yield _chart("Latency over load", "ms", lines, x_title=title)
    rates = (
        ("answers", BLUE, [stage.all.answers_per_s for stage in found]),
        ("refused", ORANGE, [stage.all.refused / max(stage.all.seconds, 1e-9) for stage in found]),
        ("declined", PURPLE, [stage.all.declined / max(stage.all.seconds, 1e-9) for stage in found]),
        ("errors", RED, [stage.all.failed / max(stage.all.seconds, 1e-9) for stage in found]),
    )
    levels = [stage.stage.level for stage in found]
    lines = [Line(name=name, color=color, points=tuple(zip(levels, some, strict=True))) for name, color, some in rates]
    yield _chart("Answers over load", "a second", lines, x_title=title)


def _of_the_machine(summary: Summary) -> Iterator[Chart]:
    outcome = summary.outcome
    origin_s = outcome.spans[0].begin_s if outcome.spans else 0.0
    usages = [usage for usage in outcome.usages if usage.at_s >= origin_s]

    def points(value: Callable[[Usage], float]) -> tuple[Point, ...]:
        return tuple((usage.at_s - origin_s, value(usage)) for usage in usages)

    if not usages:
        return
    yield _chart(
        "Processors of this machine",
        "%",
        [
            Line(name="all cores, of all", color=BLUE, points=points(lambda usage: usage.cpu_percent)),
            Line(name="this tool, of one core", color=GREEN, points=points(lambda usage: usage.tool_cpu_percent)),
        ],
    )
    yield _chart(
        "Memory of this machine",
        "GB taken",
        [Line(name="memory", color=PURPLE, points=points(lambda usage: usage.memory_bytes / 1e9))],
    )


def _lines(steps: Sequence[Step], names: dict[str, str], colors: Sequence[str]) -> list[Line]:
    return [
        _line(name, color, steps, attrgetter(attribute))
        for (name, attribute), color in zip(names.items(), colors, strict=True)
    ]


def _line(name: str, color: str, steps: Sequence[Step], value: Callable[[Step], float | None]) -> Line:
    points = [(step.begin_s + step.seconds / 2, found) for step in steps if (found := value(step)) is not None]
    return Line(name=name, color=color, points=tuple(points))


def _chart(title: str, y_title: str, lines: Sequence[Line], *, x_title: str = "seconds") -> Chart:
    shown = tuple(line for line in lines if line.points and (line.name not in RARE or _is_some(line)))
    return Chart(title=title, x_title=x_title, y_title=y_title, lines=shown, y_range=_from_zero(shown))


def _a_second(count: int, step: Step) -> float:
    return count / max(step.seconds, 1e-9)


def _is_some(line: Line) -> bool:
    return any(value for _, value in line.points)


def _from_zero(lines: Sequence[Line]) -> tuple[float, float]:
    """Up to a round number."""
    most = max((value for line in lines for _, value in line.points), default=0.0)
    return 0.0, float(nice_steps(math.ceil(most))[-1])
