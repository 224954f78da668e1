"""Reports on outcomes of all kinds: they are written, and say what was measured."""

import csv
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from teppr.errors import AlreadyThere
from teppr.stress.charts import MOST_BINS, charts_of, latencies_chart
from teppr.stress.machine import Usage
from teppr.stress.measure import summary_of
from teppr.stress.plan import Plan, closed_stages, target_of
from teppr.stress.report import write_report
from teppr.stress.run import Outcome, Span
from teppr.stress.samples import SAMPLE, Samples
from teppr.stress.thresholds import Thresholds, verdicts_on
from teppr.stress.timeline import steps_of

EXACT_MS = 7.8125
"""A binary fraction of a second, so that nothing is rounded."""


def samples_of(latencies_ms: list[float], code: int = 200) -> Samples:
    """One a tenth of a second from second 10 on."""
    array = np.zeros(len(latencies_ms), SAMPLE)
    array["due_s"] = 10 + np.arange(len(latencies_ms)) / 10
    array["latency_s"] = np.array(latencies_ms) / 1000
    array["code"] = code
    return array


def outcome_of(samples: Samples, *urls: str, stages: str = "2", spans: tuple[Span, ...] = (Span(10, 12),)) -> Outcome:
    usage = Usage(at_s=11, cpu_percent=40, memory_bytes=2 * 10**9, tool_cpu_percent=5, busiest_cpu_percent=5)
    return Outcome(
        plan=Plan(targets=tuple(map(target_of, urls or ("a",))), stages=closed_stages(stages, 2), key="tpr_secret"),
        samples=samples,
        spans=spans,
        usages=(usage,),
        bodies={},
        was_ended=not spans,
    )


@pytest.mark.parametrize(
    "outcome",
    [
        outcome_of(samples_of([])),
        outcome_of(samples_of([]), spans=()),
        outcome_of(samples_of([5.0] * 20, code=-8)),
        outcome_of(samples_of([5.0, 8.0, 1e5]), "a", "b", stages="2,4"),
        outcome_of(samples_of([0.05]), "http://a/<script>alert(1)</script>"),
    ],
    ids=[
        "nothing",
        "ended before it began",
        "late only",
        "two stages of which one was begun",
        "an address with markup",
    ],
)
def test_a_report_is_written_whatever_came_of_the_test(outcome: Outcome, tmp_path: Path) -> None:
    summary = summary_of(outcome)
    verdicts = verdicts_on(summary, Thresholds(max_p99_ms=10))
    folder = write_report(summary, verdicts, tmp_path / "load")
    page = (folder / "report.html").read_text()
    assert "<script" not in page
    assert "tpr_secret" not in page
    assert json.loads((folder / "summary.json").read_text())["all"]["requests"] == len(outcome.samples)
    rows = list(csv.DictReader((folder / "seconds.csv").read_text().splitlines()))
    assert len(rows) == 2 * len(outcome.spans) * (1 if len(outcome.plan.targets) == 1 else 3)
    with pytest.raises(AlreadyThere):
        write_report(summary, verdicts, folder)


def test_charts_have_a_line_for_each_thing_that_there_was() -> None:
    outcome = outcome_of(samples_of([EXACT_MS] * 20), "a", "b")
    charts = {chart.title: chart for chart in charts_of(summary_of(outcome), list(steps_of(outcome)))}
    assert [line.name for line in charts["Answers, refusals and errors over time"].lines] == ["answers"]
    assert [line.name for line in charts["Latency over time"].lines] == ["p50", "p95", "p99"]
    assert [line.points for line in charts["p99 of each URL"].lines] == [((0.5, EXACT_MS), (1.5, EXACT_MS))]
    assert charts["Processors of this machine"].lines[0].points == ((1.0, 40.0),)
    for chart in charts.values():
        ET.fromstring(chart.svg)  # noqa: S314 - our own text


@pytest.mark.parametrize("latencies_ms", [[3.0], [0.01, 0.02], [5.0] * 99 + [60_000.0], list(range(1, 5000))])
def test_every_answer_is_in_a_column(latencies_ms: list[float]) -> None:
    chart = latencies_chart(samples_of(latencies_ms))
    assert chart is not None
    assert sum(column.count for column in chart.columns) == len(latencies_ms)
    assert len(chart.x_ticks) <= MOST_BINS + 1


def test_without_answers_there_is_no_chart_of_latencies() -> None:
    assert latencies_chart(samples_of([1.0], code=503)) is None
