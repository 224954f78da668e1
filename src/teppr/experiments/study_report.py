"""What a study found: whether anything is better than the default, on a page, as CSV and JSON, and as an experiment."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from teppr.errors import TepprError
from teppr.experiments.outcome import said
from teppr.experiments.study import REASON, RUN, Study
from teppr.files import whole_file, write_json
from teppr.line_charts import PALETTE, Chart, Line
from teppr.pages import write_page
from teppr.registry.acceptance import figures_of
from teppr.workflow.experiment import read_experiment
from teppr.workflow.run import find_run
from teppr.workflow.variation import Settings

STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "cut off or at work",
    TrialState.WAITING: "waiting",
}
GREY = "#8a96a3"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """A trial; value None where it has none, test the same figure of the split test where that was measured."""

    number: int
    state: str
    value: float | None
    test: float | None
    epochs: int
    settings: Settings
    run: str
    reason: str
    curve: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyReport:
    """All that is known of a study.

    best: the winner, None where no trial has a value yet
    importances: share of each value in how trials differ, the largest first
    winner: the experiment file that was written
    """

    name: str
    metric: str
    is_upwards: bool
    asked: int
    rows: tuple[TrialRow, ...]
    best: TrialRow | None
    importances: Mapping[str, float]
    winner: Path | None = None

    @property
    def default(self) -> TrialRow | None:
        """The first trial, if it has a value."""
        return next((row for row in self.rows if row.number == 0 and row.value is not None), None)

    @property
    def gain(self) -> float | None:
        """By how much the best is better than the default; 0 where the default is the best."""
        if self.best is None or self.default is None or self.best.value is None or self.default.value is None:
            return None
        return (self.best.value - self.default.value) * (1 if self.is_upwards else -1)

    @property
    def is_whole(self) -> bool:
        """Whether all trials that were asked for have ended."""
        ended = [row for row in self.rows if row.state in {"complete", "pruned", "failed"}]
        return len(ended) >= self.asked

    @property
    def verdict(self) -> str:
        """The answer in a sentence."""
        best, default, gain = self.best, self.default, self.gain
        if best is None or best.value is None:
            return "no trial has a value yet"
        if default is None or default.value is None or gain is None:
            return f"trial {best.number} is the best so far, {self.metric} {best.value:.4f}; the default has no value"
        if gain <= 0:
            so_far = "" if self.is_whole else " so far"
            return f"no trial is better than the default{so_far}, {self.metric} {default.value:.4f}"
        sentence = (
            f"trial {best.number} is better than the default by {gain:.4f}: {self.metric} {best.value:.4f}, "
            f"the default {default.value:.4f}"
        )
        if best.test is None or default.test is None:
            return sentence
        sign = 1 if self.is_upwards else -1
        holds = "it is better too" if (best.test - default.test) * sign > 0 else "it is not better"
        return f"{sentence}; on test, by which nothing was chosen, {holds}: {best.test:.4f} and {default.test:.4f}"

    @property
    def charts(self) -> list[Chart]:
        """History, importances aside, and the course of each trial."""
        drawn = [_history(self), _curves(self)]
        return [chart for chart in drawn if chart.lines]


def report_on_study(study: Study, home: Path) -> StudyReport:
    """What is known by now; the winner is written as an experiment file that is read back to be sure of it."""
    trials = study.trials()
    rows = tuple(_row(study, home, trial) for trial in trials)
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE and trial.value is not None]
    # Of equal ones the first, so that the default stays where nothing is better.
    order = sorted(
        complete, key=lambda one: (-(one.value or 0.0) if study.is_upwards else (one.value or 0.0), one.number)
    )
    report = StudyReport(
        name=study.experiment.name,
        metric=study.metric,
        is_upwards=study.is_upwards,
        asked=study.tune.trials,
        rows=rows,
        best=rows[order[0].number] if order else None,
        importances=study.importances(),
        winner=study.folder / "best.yml" if order else None,
    )
    if order and report.winner:
        text = f"# {report.verdict}.\n{study.experiment_of(order[0].params).to_yaml()}"
        with whole_file(report.winner) as file:
            file.write(text.encode())
        read_experiment(report.winner)
    return report


def write_study_report(report: StudyReport, folder: Path) -> Path:
    """The page, the table and the document; gives the page."""
    _write_csv(report, folder / "trials.csv")
    write_json(folder / "result.json", document_of(report))
    shares = sorted(report.importances.items(), key=lambda one: -one[1])
    values = {"report": report, "shares": shares, "paths": list(report.importances) or _paths(report)}
    return write_page(
        folder / "report.html", "teppr.experiments", "study.html", values, {"said": said, "figure": _figure}
    )


def document_of(report: StudyReport) -> dict[str, Any]:
    """The report as data."""
    return {
        "study": report.name,
        "metric": report.metric,
        "direction": "maximize" if report.is_upwards else "minimize",
        "asked": report.asked,
        "verdict": report.verdict,
        "gain": report.gain,
        "best": report.best and report.best.number,
        "winner": report.winner and str(report.winner),
        "importances": dict(report.importances),
        "trials": [asdict(row) | {"curve": {str(epoch): v for epoch, v in row.curve.items()}} for row in report.rows],
    }


def _row(study: Study, home: Path, trial: FrozenTrial) -> TrialRow:
    run = str(trial.user_attrs.get(RUN, ""))
    value = trial.value
    if value is None and trial.intermediate_values:
        value = study.best_of(list(trial.intermediate_values.values()))
    return TrialRow(
        number=trial.number,
        state=STATES[trial.state],
        value=value,
        test=_on_test(home, run, study.metric) if trial.state is TrialState.COMPLETE else None,
        epochs=len(trial.intermediate_values),
        settings=study.settings_of(trial.params),
        run=run,
        reason=str(trial.user_attrs.get(REASON, "")),
        curve=dict(trial.intermediate_values),
    )


def _on_test(home: Path, run: str, metric: str) -> float | None:
    """The figure of an evaluated run on the split test."""
    try:
        known = figures_of(find_run(home, run).evaluation["split"])
    except TepprError:
        return None
    return known.get(metric.replace("val/", "test/", 1), {}).get("")


def _history(report: StudyReport) -> Chart:
    better = max if report.is_upwards else min
    complete = [
        (float(row.number), row.value) for row in report.rows if row.state == "complete" and row.value is not None
    ]
    pruned = [(float(row.number), row.value) for row in report.rows if row.state == "pruned" and row.value is not None]
    best = [(x, better(value for at, value in complete if at <= x)) for x, _ in complete]
    lines = [Line(name="best so far", color=PALETTE[0], points=tuple(best), strong=True)]
    lines += [Line(name=f"trial {x:.0f}", color=PALETTE[1], points=((x, y),)) for x, y in complete]
    lines += [Line(name=f"trial {x:.0f}, pruned", color=GREY, points=((x, y),)) for x, y in pruned]
    if report.default is not None and report.default.value is not None:
        ends = ((0.0, report.default.value), (float(max(len(report.rows) - 1, 1)), report.default.value))
        lines.append(Line(name="the default", color=GREY, points=ends))
    kept = tuple(line for line in lines if line.points)
    title = "history: best so far (blue), trials (orange), pruned ones and the default (grey)"
    return Chart(title=title, x_title="trial", y_title=report.metric, lines=kept if best else (), whole_x=True)


def _curves(report: StudyReport) -> Chart:
    lines = []
    for row in report.rows:
        is_best = report.best is not None and row.number == report.best.number
        color = PALETTE[0] if is_best else PALETTE[2] if row.number == 0 else GREY
        points = tuple((float(epoch), value) for epoch, value in sorted(row.curve.items()))
        if points:
            lines.append(Line(name=f"trial {row.number}", color=color, points=points, strong=is_best))
    title = "course of each trial: the winner (blue), the default (green), others (grey)"
    return Chart(title=title, x_title="epoch", y_title=report.metric, lines=tuple(lines), whole_x=True)


def _write_csv(report: StudyReport, path: Path) -> None:
    paths = _paths(report)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["trial", "state", report.metric, "test", "epochs", *paths, "run", "reason"])
    for row in report.rows:
        settings = [json.dumps(row.settings[name]) if name in row.settings else "" for name in paths]
        writer.writerow([row.number, row.state, row.value, row.test, row.epochs, *settings, row.run, row.reason])
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def _paths(report: StudyReport) -> list[str]:
    return list(dict.fromkeys(path for row in report.rows for path in row.settings))


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
