"""The report of a test: a page that needs nothing beside it, the seconds as CSV, and a summary as JSON."""

from __future__ import annotations

import csv
import io
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import Any

import psutil

from teppr.files import whole_file, whole_folder, write_json
from teppr.pages import write_page
from teppr.stress.charts import charts_of, latencies_chart
from teppr.stress.load import MOST_CONNECTIONS
from teppr.stress.machine import Usage
from teppr.stress.measure import ALL, Figures, StageFigures, Summary
from teppr.stress.thresholds import Verdict, number
from teppr.stress.timeline import Step, step_for, steps_of

PAGE = "report.html"
BUSY_PERCENT = 85.0
"""Of a core: a process of the tool that does more may be what is measured."""
LATE_MS = 5.0
"""A request that is sent so long after it was due was held up by the tool."""


def write_report(summary: Summary, verdicts: Sequence[Verdict], folder: Path) -> Path:
    """Write all forms of the report into a new folder; raises AlreadyThere."""
    with whole_folder(folder) as place:
        _write_page(summary, verdicts, place / PAGE)
        _write_csv(place / "seconds.csv", Step, map(astuple, steps_of(summary.outcome)))
        _write_csv(place / "machine.csv", Usage, _usage_rows(summary))
        write_json(place / "summary.json", document_of(summary, verdicts))
    return folder


def document_of(summary: Summary, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The report as data; the API key is not in it."""
    plan = summary.outcome.plan
    return {
        "plan": {
            "urls": [target.url for target in plan.targets],
            "stages": [asdict(stage) for stage in plan.stages],
            "warm_up_s": plan.warm_up_s,
            "timeout_s": plan.timeout_s,
            "models": list(plan.models),
            "priority": plan.priority,
            "honours_retry_after": plan.honours_retry_after,
            "processes": plan.processes,
        },
        "machine": machine(),
        "was_ended_early": summary.outcome.was_ended,
        "all": _figures(summary.all),
        "urls": {target: _figures(figures) for target, figures in summary.targets.items()},
        "stages": [_stage(stage) for stage in summary.stages],
        "statuses": [asdict(row) for row in summary.statuses],
        "verdicts": [asdict(verdict) for verdict in verdicts],
        "met": all(verdict.is_met for verdict in verdicts),
        "remarks": list(remarks_on(summary)),
    }


def remarks_on(summary: Summary) -> Iterator[str]:
    """What has to be known to believe the figures, as sentences."""
    if summary.outcome.was_ended:
        yield "warning: ended early; the figures are of what was measured until then"
    busiest = max(summary.stages, key=lambda stage: stage.busiest_cpu_percent or 0, default=None)
    if busiest and (busiest.busiest_cpu_percent or 0) > BUSY_PERCENT:
        yield (
            f"warning: with {busiest.stage.name} a process of this tool was busy {busiest.busiest_cpu_percent:.0f} % "
            "of the time: the tool may have been the limit, not the service; try more --processes, or another machine"
        )
    latest = max(summary.stages, key=lambda stage: stage.sent_late_p99_ms, default=None)
    if latest and latest.sent_late_p99_ms > LATE_MS:
        yield (
            f"warning: with {latest.stage.name} 1 % of the requests were sent {latest.sent_late_p99_ms:.0f} ms or more "
            f"after they were due, which counts as latency: this machine was too busy, or {MOST_CONNECTIONS} "
            "connections of a process were too few"
        )
    shares = [stage.tool_cpu_percent for stage in summary.stages if stage.tool_cpu_percent is not None]
    if shares:
        yield f"note: this tool itself took up to {max(shares) / 100:.2f} cores of {psutil.cpu_count()}"


def machine() -> dict[str, Any]:
    """Where the load came from."""
    return {
        "processor": platform.processor() or platform.machine(),
        "system": platform.system(),
        "cores": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
    }


def _write_page(summary: Summary, verdicts: Sequence[Verdict], path: Path) -> None:
    outcome = summary.outcome
    step_s = step_for(outcome)
    steps = list(steps_of(outcome, step_s))
    values = {
        "summary": summary,
        "plan": outcome.plan,
        "several": len(outcome.plan.targets) > 1,
        "all": ALL,
        "verdicts": verdicts,
        "remarks": list(remarks_on(summary)),
        "charts": list(charts_of(summary, steps)),
        "step_s": step_s,
        "histogram": latencies_chart(outcome.samples),
        "machine": machine(),
    }
    write_page(path, "teppr.stress", PAGE, values, {"ms": _ms, "size": _size, "count": _count, "number": number})


def _write_csv(path: Path, kind: type[Step | Usage], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([field.name for field in fields(kind)])
    writer.writerows([round(value, 4) if isinstance(value, float) else value for value in row] for row in rows)
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def _usage_rows(summary: Summary) -> Iterator[Sequence[object]]:
    """Of the stages; `at_s` from the begin of the first, as in the other file."""
    origin_s = summary.outcome.spans[0].begin_s if summary.outcome.spans else 0.0
    for usage in summary.outcome.usages:
        if usage.at_s >= origin_s:
            yield (usage.at_s - origin_s, *astuple(usage)[1:])


def _stage(stage: StageFigures) -> dict[str, Any]:
    return {
        "name": stage.stage.name,
        "all": _figures(stage.all),
        "urls": {target: _figures(figures) for target, figures in stage.targets.items()},
        "cpu_percent": stage.cpu_percent,
        "memory_bytes": stage.memory_bytes,
        "tool_cpu_percent": stage.tool_cpu_percent,
        "busiest_cpu_percent": stage.busiest_cpu_percent,
        "sent_late_p99_ms": stage.sent_late_p99_ms,
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return asdict(figures) | {"refused_share_0_1": figures.refused_share_0_1}


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _size(count: float | None) -> str:
    if count is None:
        return "-"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} B"


def _count(number: int) -> str:
    return f"{number:,}".replace(",", " ")
