"""Figures against numpy's and against counting by hand."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.stress.machine import Usage
from teppr.stress.measure import ALL, summary_of
from teppr.stress.outcomes import Failure, detail_of, kind_of
from teppr.stress.plan import Plan, Stage, target_of
from teppr.stress.report import remarks_on
from teppr.stress.run import Outcome, Span
from teppr.stress.samples import SAMPLE, WARM_UP, Samples
from teppr.stress.thresholds import Thresholds, verdicts_on
from teppr.stress.timeline import MOST_POINTS, step_for, steps_of

STAGES = (Stage(seconds=3, clients=2), Stage(seconds=2.5, clients=8))
SPANS = (Span(100.0, 103.0), Span(104.0, 106.5))
Row = tuple[int, int, int, float, float]
"""Stage, target, code, when due within the stage (0..1), latency in seconds."""

rows = st.lists(
    st.tuples(
        st.sampled_from([WARM_UP, 0, 1]),
        st.integers(0, 1),
        st.sampled_from([200, 202, 400, 429, 500, 503, 504, -1, Failure.LATE, Failure.UNFINISHED]),
        st.floats(0, 1, exclude_max=True, allow_subnormal=False),
        st.floats(0, 4, width=32, allow_subnormal=False),
    ),
    max_size=60,
)


def samples_for(some: Sequence[Row], spans: Sequence[Span] = SPANS) -> Samples:
    array = np.zeros(len(some), SAMPLE)
    for i, (stage, target, code, share, latency_s) in enumerate(some):
        span = spans[max(stage, 0)]
        array[i] = (span.begin_s + share * span.seconds, latency_s, 0.001, 10, 20, code, target, stage, 0)
    return array


def outcome_of(some: Sequence[Row], *, usages: tuple[Usage, ...] = (), was_ended: bool = False) -> Outcome:
    return Outcome(
        plan=Plan(targets=(target_of("http://a"), target_of("http://b")), stages=STAGES),
        samples=samples_for(some),
        spans=SPANS,
        usages=usages,
        bodies={(0, 503): b'{"detail": "the queue is full"}'},
        was_ended=was_ended,
    )


@given(rows)
def test_percentiles_are_those_of_the_answers_alone(some: list[Row]) -> None:
    summary = summary_of(outcome_of(some))
    for number, stage in enumerate(summary.stages):
        for target, figures in ((None, stage.all), (0, stage.targets["http://a"]), (1, stage.targets["http://b"])):
            mine = [row for row in some if row[0] == number and target in (None, row[1])]
            values_ms = [1000 * row[4] for row in mine if 200 <= row[2] < 300]
            assert figures.requests == len(mine)
            if not values_ms:
                assert figures.latency is None
                continue
            assert figures.latency is not None
            found = figures.latency
            expected = np.percentile(values_ms, [50, 90, 95, 99, 100], method="inverted_cdf")
            assert [found.p50_ms, found.p90_ms, found.p95_ms, found.p99_ms, found.max_ms] == pytest.approx(expected)
            assert found.mean_ms == pytest.approx(np.mean(values_ms))


@given(rows)
def test_nothing_is_counted_twice_or_not_at_all(some: list[Row]) -> None:
    outcome = outcome_of(some)
    summary = summary_of(outcome)
    counted = [row for row in some if row[0] != WARM_UP]
    every = [summary.all, *summary.targets.values()]
    every += [figures for stage in summary.stages for figures in (stage.all, *stage.targets.values())]
    for figures in every:
        assert figures.requests == sum(
            (figures.answered, figures.refused, figures.declined, figures.failed, figures.unfinished)
        )
        assert (figures.sent_bytes, figures.received_bytes) == (10 * figures.requests, 20 * figures.requests)
    assert summary.all.requests == len(counted) == sum(stage.all.requests for stage in summary.stages)
    assert summary.all.requests == sum(figures.requests for figures in summary.targets.values())
    assert sum(row.count for row in summary.statuses) == len(counted)
    kinds = Counter(kind_of(row[2]) for row in counted)
    assert summary.all.answered == kinds["answered"]
    assert summary.all.refused == kinds["refused"]
    assert summary.all.declined == kinds["declined"]
    assert summary.all.failed == kinds["failed"]


@given(rows, st.sampled_from([1, 2]))
def test_the_steps_of_time_add_up_to_the_whole(some: list[Row], step_s: int) -> None:
    outcome = outcome_of(some)
    summary = summary_of(outcome)
    steps = list(steps_of(outcome, step_s))
    for target, figures in {ALL: summary.all, **summary.targets}.items():
        mine = [step for step in steps if step.target == target]
        assert sum(step.requests for step in mine) == figures.requests
        assert sum(step.failed for step in mine) == figures.failed
        assert sum(step.seconds for step in mine) == pytest.approx(5.5)
        came = sum(step.answers_per_s * step.seconds for step in mine)
        assert came == pytest.approx(figures.answers_per_s * figures.seconds)
        assert all(earlier.begin_s < later.begin_s for earlier, later in pairwise(mine))
    assert {step.stage for step in steps} == {"2 clients", "8 clients"}


def test_answers_a_second_are_of_what_came_while_the_load_was_on() -> None:
    in_time: list[Row] = [(0, 0, 200, 0.0, 2.9)] * 6
    after: list[Row] = [(0, 0, 200, 0.9, 0.5)] * 4
    stage = summary_of(outcome_of(in_time + after)).stages[0].all
    assert stage.answered == 10
    assert stage.answers_per_s == pytest.approx(2.0)


def test_long_tests_are_drawn_in_longer_steps() -> None:
    outcome = outcome_of([])
    long = Outcome(
        plan=outcome.plan,
        samples=outcome.samples,
        spans=(Span(0, 86_400),),
        usages=(),
        bodies={},
        was_ended=False,
    )
    assert step_for(outcome) == 1
    assert 86_400 / step_for(long) <= MOST_POINTS


def test_the_first_sentence_of_a_kind_stands_beside_its_count() -> None:
    summary = summary_of(
        outcome_of([(0, 0, 503, 0.1, 0.1), (0, 1, 503, 0.1, 0.1), (1, 0, 503, 0.2, 0.1), (1, 0, 200, 0.2, 1)])
    )
    assert [(row.target, row.words, row.count, row.detail) for row in summary.statuses] == [
        ("http://a", "503 Service Unavailable", 2, "the queue is full"),
        ("http://a", "200 OK", 1, ""),
        ("http://b", "503 Service Unavailable", 1, ""),
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": "x", "detail": "one\\n two"}', "one two"),
        (b"<html> plain\n text", "<html> plain text"),
        (b'{"message": 1}', "{'message': 1}"),
        (b"[1]", "[1]"),
        (b"\xff\xfe", "��"),
        (b"", ""),
        (b"x" * 1000, "x" * 300 + "…"),
    ],
)
def test_what_a_service_says_is_shown_as_a_sentence(body: bytes, said: str) -> None:
    assert detail_of(body) == said


FAIR: list[Row] = [(0, 0, 200, 0.1, 0.1)] * 9 + [(0, 0, 503, 0.1, 0.1)] + [(1, 1, 200, 0.1, 0.2)] * 10


@pytest.mark.parametrize(
    ("wanted", "unmet"),
    [
        (Thresholds(), []),
        (Thresholds(max_p50_ms=201, max_p99_ms=201, min_answers_per_s=4, max_refused_share_0_1=0.05), []),
        (Thresholds(max_p50_ms=199), ["p50 in ms, at most"]),
        (Thresholds(max_p99_ms=199), ["p99 in ms, at most"]),
        (Thresholds(min_answers_per_s=4.1), ["answers/s, at least"]),
        (Thresholds(max_refused_share_0_1=0.04), ["share refused, at most"]),
    ],
)
def test_thresholds_are_met_or_not(wanted: Thresholds, unmet: list[str]) -> None:
    verdicts = verdicts_on(summary_of(outcome_of(FAIR)), wanted)
    assert [verdict.threshold for verdict in verdicts if not verdict.is_met] == unmet


@pytest.mark.parametrize("code", [500, 504, 502, 302, Failure.RESET, Failure.LATE])
def test_no_error_is_borne_unless_it_may_be(code: int) -> None:
    summary = summary_of(outcome_of([*FAIR, (0, 0, code, 0.1, 0.1)]))
    assert [v.is_met for v in verdicts_on(summary, Thresholds())] == [True, False, True]
    assert [v.is_met for v in verdicts_on(summary, Thresholds(max_failed=1))] == [True, True, True]


def test_what_the_service_finds_fault_with_is_no_error_and_is_not_borne_either() -> None:
    summary = summary_of(outcome_of([*FAIR, (0, 0, 404, 0.1, 0.1)]))
    assert [v.is_met for v in verdicts_on(summary, Thresholds())] == [True, True, False]
    assert all(v.is_met for v in verdicts_on(summary, Thresholds(max_declined=1)))


def test_without_answers_nothing_is_met() -> None:
    verdicts = verdicts_on(summary_of(outcome_of([])), Thresholds(max_p50_ms=1, max_p99_ms=1, max_refused_share_0_1=1))
    assert {verdict.threshold: verdict.is_met for verdict in verdicts} == {
        "answers, at least": False,
        "errors, at most": True,
        "declined, at most": True,
        "p50 in ms, at most": False,
        "p99 in ms, at most": False,
        "share refused, at most": False,
    }
    assert "nothing to measure" in verdicts[3].sentence


def usage(at_s: float, busiest: float) -> Usage:
    return Usage(at_s=at_s, cpu_percent=50, memory_bytes=1, tool_cpu_percent=busiest, busiest_cpu_percent=busiest)


def test_a_tool_that_was_the_limit_says_so() -> None:
    quiet = list(remarks_on(summary_of(outcome_of(FAIR, usages=(usage(101, 20), usage(105, 30))))))
    assert not [remark for remark in quiet if remark.startswith("warning")]
    busy = list(remarks_on(summary_of(outcome_of(FAIR, usages=(usage(101, 20), usage(105, 96)), was_ended=True))))
    assert "ended early" in busy[0]
    assert "with 8 clients a process of this tool was busy 96 %" in busy[1]
