"""The course of a test: a row for each second, of each target and of all together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from teppr.stress.measure import ALL, ended_of, kinds_of, percentiles_of
from teppr.stress.run import Outcome
from teppr.stress.samples import Samples, column

MOST_POINTS = 300
"""Of a line in a chart; longer tests are drawn in longer steps."""
STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What became of the requests that were due in one step of time.

    begin_s: seconds since the first stage began
    seconds: its length; the last of a stage may be shorter
    answers_per_s: that came in the step, whenever their requests were due
    p50_ms ... max_ms: of the answered ones among the requests; None where there is none
    """

    begin_s: float
    seconds: float
    stage: str
    target: str
    requests: int
    answered: int
    refused: int
    declined: int
    failed: int
    answers_per_s: float
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    sent_bytes: int
    received_bytes: int


@dataclass(frozen=True, slots=True)
class _Place:
    """Of a step, in time and among the stages and targets."""

    begin_s: float
    seconds: float
    stage: str
    target: str


def step_for(outcome: Outcome) -> int:
    """The length of a step in seconds with which a chart has room for the whole."""
    seconds = sum(span.seconds for span in outcome.spans)
    return next((step for step in STEPS_S if seconds / step <= MOST_POINTS), STEPS_S[-1])


def steps_of(outcome: Outcome, step_s: int = 1) -> Iterator[Step]:
    """Of all targets together, then of each where there are several; each stage begins a step of its own."""
    yield from _steps(outcome, outcome.samples, ALL, step_s)
    if len(outcome.plan.targets) > 1:
        targets = column(outcome.samples, "target")
        for i, target in enumerate(outcome.plan.targets):
            yield from _steps(outcome, outcome.samples[targets == i], target.url, step_s)


def _steps(outcome: Outcome, samples: Samples, target: str, step_s: int) -> Iterator[Step]:
    stages = column(samples, "stage")
    for number, span in enumerate(outcome.spans):
        mine = samples[stages == number]
        count = max(math.ceil(span.seconds / step_s), 1)
        steps = np.clip((column(mine, "due_s") - span.begin_s) // step_s, 0, count - 1).astype(int)
        answered = mine[kinds_of(column(mine, "code")) == "answered"]
        bounds = np.minimum(span.begin_s + step_s * np.arange(count + 1), span.end_s)
        came = np.diff(np.searchsorted(np.sort(ended_of(answered)), bounds))
        order = np.argsort(steps, kind="stable")
        cuts = np.searchsorted(steps[order], np.arange(count + 1))
        for i in range(count):
            begin_s, end_s = bounds[i] - outcome.spans[0].begin_s, bounds[i + 1] - outcome.spans[0].begin_s
            place = _Place(float(begin_s), float(end_s - begin_s), outcome.plan.stages[number].name, target)
            yield _step(mine[order[cuts[i] : cuts[i + 1]]], place, int(came[i]))


def _step(samples: Samples, place: _Place, came: int) -> Step:
    kinds = kinds_of(column(samples, "code"))
    values_ms = 1000 * column(samples[kinds == "answered"], "latency_s").astype(np.float64)
    p50, p90, p95, p99 = percentiles_of(values_ms) if len(values_ms) else (None, None, None, None)
    return Step(
        begin_s=place.begin_s,
        seconds=place.seconds,
        stage=place.stage,
        target=place.target,
        requests=len(samples),
        answered=len(values_ms),
        refused=int(np.count_nonzero(kinds == "refused")),
        declined=int(np.count_nonzero(kinds == "declined")),
        failed=int(np.count_nonzero(kinds == "failed")),
        answers_per_s=came / place.seconds if place.seconds > 0 else 0.0,
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=float(values_ms.max()) if len(values_ms) else None,
        sent_bytes=int(column(samples, "sent_bytes").sum(dtype=np.uint64)),
        received_bytes=int(column(samples, "received_bytes").sum(dtype=np.uint64)),
    )
