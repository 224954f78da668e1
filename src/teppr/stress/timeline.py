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
    answers_per_s: that came in the step, whenever their requests were due
    p50_ms ... max_ms: of the answered ones among the requests; None where there is none
    """

    begin_s: int
    seconds: int
    stage: str
    target: str
    requests: int
    answered: int
    refused: int
    failed: int
    answers_per_s: float
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    sent_bytes: int
    received_bytes: int


def step_for(outcome: Outcome) -> int:
    """The length of a step in seconds with which a chart has room for the whole."""
    seconds = outcome.spans[-1].end_s - outcome.spans[0].begin_s if outcome.spans else 0
    return next((step for step in STEPS_S if seconds / step <= MOST_POINTS), STEPS_S[-1])


def steps_of(outcome: Outcome, step_s: int = 1) -> Iterator[Step]:
    """Of all targets together, then of each where there are several."""
    samples = outcome.samples[column(outcome.samples, "stage") >= 0]
    if not outcome.spans:
        return
    yield from _steps(outcome, samples, ALL, step_s)
    if len(outcome.plan.targets) > 1:
        targets = column(samples, "target")
        for i, target in enumerate(outcome.plan.targets):
            yield from _steps(outcome, samples[targets == i], target.url, step_s)


def _steps(outcome: Outcome, samples: Samples, target: str, step_s: int) -> Iterator[Step]:
    origin_s = outcome.spans[0].begin_s
    count = math.ceil((outcome.spans[-1].end_s - origin_s) / step_s)
    ordered = samples[np.argsort(column(samples, "due_s"), kind="stable")]
    bounds = origin_s + step_s * np.arange(count + 1)
    cuts = np.searchsorted(column(ordered, "due_s"), bounds)
    came, _ = np.histogram(ended_of(ordered)[kinds_of(column(ordered, "code")) == "answered"], bounds)
    for i in range(count):
        part = ordered[cuts[i] : cuts[i + 1]]
        yield _step(outcome, part, target, (i * step_s, step_s), int(came[i]))


def _step(outcome: Outcome, samples: Samples, target: str, at: tuple[int, int], came: int) -> Step:
    begin_s, seconds = at
    kinds = kinds_of(column(samples, "code"))
    values_ms = 1000 * column(samples[kinds == "answered"], "latency_s").astype(np.float64)
    p50, p90, p95, p99 = percentiles_of(values_ms) if len(values_ms) else (None, None, None, None)
    return Step(
        begin_s=begin_s,
        seconds=seconds,
        stage=_stage_at(outcome, outcome.spans[0].begin_s + begin_s),
        target=target,
        requests=len(samples),
        answered=len(values_ms),
        refused=int(np.count_nonzero(kinds == "refused")),
        failed=int(np.count_nonzero(kinds == "failed")),
        answers_per_s=came / seconds,
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=float(values_ms.max()) if len(values_ms) else None,
        sent_bytes=int(column(samples, "sent_bytes").sum(dtype=np.uint64)),
        received_bytes=int(column(samples, "received_bytes").sum(dtype=np.uint64)),
    )


def _stage_at(outcome: Outcome, at_s: float) -> str:
    """The stage that had begun by then; while one runs out the next has not."""
    begun = [i for i, span in enumerate(outcome.spans) if span.begin_s <= at_s]
    return outcome.plan.stages[begun[-1]].name if begun else ""
