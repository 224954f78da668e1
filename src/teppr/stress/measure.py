"""Figures of what was seen: by stage, by target, by second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from teppr.stress.outcomes import Kind, detail_of, kind_of, words_of
from teppr.stress.plan import Stage
from teppr.stress.run import Outcome, Span
from teppr.stress.samples import Samples, column

Doubles = npt.NDArray[np.float64]
PERCENTILES = (50, 90, 95, 99)
ALL = "all"
"""What the targets together are called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Of answers, in milliseconds from when their requests were due; `of` counts them."""

    of: int
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    mean_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What became of some requests.

    answers_per_s: that came within `seconds`
    latency: of the answers; None where there is none
    refused_after: how long refusals took
    """

    requests: int
    answered: int
    refused: int
    declined: int
    failed: int
    unfinished: int
    seconds: float
    answers_per_s: float
    latency: Latency | None
    refused_after: Latency | None
    sent_bytes: int
    received_bytes: int

    @property
    def refused_share_0_1(self) -> float:
        """Of all requests."""
        return self.refused / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFigures:
    """One stage: all targets together, and each by its URL.

    cpu_percent, tool_cpu_percent: of all cores together, and of one core, on average; None where nobody looked
    sent_late_p99_ms: how long after they were due requests were sent
    """

    stage: Stage
    all: Figures
    targets: Mapping[str, Figures]
    cpu_percent: float | None
    memory_bytes: int | None
    tool_cpu_percent: float | None
    busiest_cpu_percent: float | None
    sent_late_p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """How often a target gave an answer of one kind, and the first sentence that came with it."""

    target: str
    code: int
    words: str
    kind: Kind
    count: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All figures; the warm-up is in none of them."""

    outcome: Outcome
    all: Figures
    targets: Mapping[str, Figures]
    stages: Sequence[StageFigures]
    statuses: Sequence[StatusRow]

    @property
    def best(self) -> StageFigures | None:
        """The stage with most answers a second."""
        return max(self.stages, key=lambda one: one.all.answers_per_s, default=None)


def summary_of(outcome: Outcome) -> Summary:
    """Work everything out."""
    samples = outcome.samples[column(outcome.samples, "stage") >= 0]
    spans = dict(enumerate(outcome.spans))
    return Summary(
        outcome=outcome,
        all=figures_of(samples, spans),
        targets=_by_target(outcome, samples, spans),
        stages=[
            _stage_figures(outcome, samples[column(samples, "stage") == number], number) for number in range(len(spans))
        ],
        statuses=list(_statuses(outcome, samples)),
    )


def figures_of(samples: Samples, spans: Mapping[int, Span]) -> Figures:
    """Of some samples of these stages, whose numbers are the keys."""
    kinds = kinds_of(column(samples, "code"))
    counts = Counter(kinds.tolist())
    answered = samples[kinds == "answered"]
    in_time = sum(_count_within(span, answered[column(answered, "stage") == number]) for number, span in spans.items())
    seconds = sum(span.seconds for span in spans.values())
    return Figures(
        requests=len(samples),
        answered=counts["answered"],
        refused=counts["refused"],
        declined=counts["declined"],
        failed=counts["failed"],
        unfinished=counts["unfinished"],
        seconds=seconds,
        answers_per_s=in_time / seconds if seconds > 0 else 0.0,
        latency=latency_of(answered),
        refused_after=latency_of(samples[kinds == "refused"]),
        sent_bytes=int(column(samples, "sent_bytes").sum(dtype=np.uint64)),
        received_bytes=int(column(samples, "received_bytes").sum(dtype=np.uint64)),
    )


def _count_within(span: Span, samples: Samples) -> int:
    ended_s = ended_of(samples)
    return int(np.count_nonzero((ended_s >= span.begin_s) & (ended_s < span.end_s)))


def latency_of(samples: Samples) -> Latency | None:
    """Of some samples; None where there are none."""
    if not len(samples):
        return None
    values_ms = 1000 * column(samples, "latency_s").astype(np.float64)
    p50, p90, p95, p99 = percentiles_of(values_ms)
    return Latency(
        of=len(samples),
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=float(values_ms.max()),
        mean_ms=float(values_ms.mean()),
    )


def percentiles_of(values: Doubles) -> list[float]:
    """`PERCENTILES` of values, of which there is at least one: each is a value that was measured."""
    return [float(value) for value in np.percentile(values, PERCENTILES, method="inverted_cdf")]


def kinds_of(codes: npt.NDArray[np.int16]) -> npt.NDArray[np.str_]:
    """What each code counts as."""
    known, places = np.unique(codes, return_inverse=True)
    kinds = np.array([kind_of(int(code)) for code in known], dtype="U10")
    return np.asarray(kinds[places] if len(known) else np.empty(0, "U10"))


def ended_of(samples: Samples) -> Doubles:
    """When each ended, on the machine's monotonic clock."""
    ended: Doubles = column(samples, "due_s") + column(samples, "latency_s")
    return ended


def _by_target(outcome: Outcome, samples: Samples, spans: Mapping[int, Span]) -> dict[str, Figures]:
    targets = column(samples, "target")
    return {target.url: figures_of(samples[targets == i], spans) for i, target in enumerate(outcome.plan.targets)}


def _stage_figures(outcome: Outcome, samples: Samples, number: int) -> StageFigures:
    span = outcome.spans[number]
    usages = [usage for usage in outcome.usages if span.begin_s < usage.at_s <= span.end_s + 0.5]

    def mean(name: str) -> float | None:
        return float(np.mean([getattr(usage, name) for usage in usages])) if usages else None

    late_ms = 1000 * column(samples, "late_s").astype(np.float64)
    return StageFigures(
        stage=outcome.plan.stages[number],
        all=figures_of(samples, {number: span}),
        targets=_by_target(outcome, samples, {number: span}),
        cpu_percent=mean("cpu_percent"),
        memory_bytes=max((usage.memory_bytes for usage in usages), default=None),
        tool_cpu_percent=mean("tool_cpu_percent"),
        busiest_cpu_percent=mean("busiest_cpu_percent"),
        sent_late_p99_ms=percentiles_of(late_ms)[-1] if len(late_ms) else 0.0,
    )


def _statuses(outcome: Outcome, samples: Samples) -> Iterator[StatusRow]:
    targets, codes = column(samples, "target"), column(samples, "code")
    for i, target in enumerate(outcome.plan.targets):
        found, counts = np.unique(codes[targets == i], return_counts=True)
        for code, count in sorted(zip(found.tolist(), counts.tolist(), strict=True), key=lambda row: -row[1]):
            yield StatusRow(
                target=target.url,
                code=code,
                words=words_of(code),
                kind=kind_of(code),
                count=count,
                detail=detail_of(outcome.bodies.get((i, code), b"")),
            )
