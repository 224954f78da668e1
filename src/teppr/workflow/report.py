"""Reports: all that is known of a run or a release on one page that needs nothing beside it, and as CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from teppr.colors import colors_of
from teppr.datasets.snapshot import find_snapshot
from teppr.errors import BadFile, BadInput, Corrupt, UnknownName
from teppr.files import read_json, whole_file, write_json
from teppr.line_charts import PALETTE, Chart, Line
from teppr.pages import write_page
from teppr.registry.acceptance import PER_LABEL
from teppr.registry.bundle import Bundle
from teppr.registry.releases import Registry, ReleaseInfo
from teppr.tasks.contract import TASKS, Task
from teppr.types import RELEASE_KEY
from teppr.workflow.diary import read_lines
from teppr.workflow.examples import Examples, find_examples
from teppr.workflow.run import Run, find_run

FORMATS = ("html", "csv", "json")
EXAMPLES = 6
EARLIER_TASK = "segment"
"""Of evaluations that did not say yet what they were of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is known; every part may be missing, as a run may not be evaluated and a release's run may be gone.

    task: what was learned, by which all figures are named
    figures: {split: {"box": figures, "mask": figures}}
    details: {split: {"confusion", "curves", ...}} of the evaluation
    training: a row an epoch
    label_colors: as the dataset gives them, {label: "#rrggbb"}
    """

    name: str
    architecture: str
    task: Task
    dataset: str
    creator: str
    created: datetime
    figures: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    training: tuple[Mapping[str, Any], ...] = ()
    trained: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    experiment: str = ""
    run: str = ""
    release: ReleaseInfo | None = None
    examples: Examples | None = None
    label_colors: Mapping[str, str] = field(default_factory=dict)

    @property
    def main_split(self) -> str | None:
        """The split by which the model is judged."""
        return next((split for split in ("test", "val", *self.figures) if split in self.figures), None)


def report_on(home: Path, reference: str, *, with_examples: bool = True) -> Report:
    """The report on a release (key or alias) or a run (id or folder); raises UnknownName."""
    registry = Registry(home)
    if "@" in reference or _is_release(registry, reference):
        release = registry.release(reference)
        try:
            return report_on_run(home, find_run(home, release.record.run), release, with_examples=with_examples)
        except UnknownName:
            return _of_release_alone(release)
    try:
        run = find_run(home, reference)
    except UnknownName as error:
        keys = ", ".join(info.record.key for info in registry.list()) or "none yet"
        raise UnknownName(f"{error}; releases: {keys}") from None
    return report_on_run(home, run, with_examples=with_examples)


def report_on_run(home: Path, run: Run, release: ReleaseInfo | None = None, *, with_examples: bool = True) -> Report:
    """The report on a run, with the newest release that was made of it unless one is given."""
    experiment = run.experiment
    release = release or _newest_release(home, run)
    evaluation: Mapping[str, Any] = run.evaluation if (run.path / "evaluation.json").is_file() else {}
    environment = read_json(run.path / "environment.json")
    figures = evaluation.get("split", {})
    split = next((split for split in ("test", "val", *figures) if split in figures), None)
    task = TASKS.load(evaluation.get("task", EARLIER_TASK))
    return Report(
        name=release.record.key if release else run.id,
        architecture=experiment.architecture,
        task=task,
        dataset=evaluation.get("dataset") or experiment.dataset,
        creator=experiment.creator,
        created=run.created,
        figures=figures,
        details=evaluation.get("details", {}),
        training=tuple(read_lines(run.path / "metrics.jsonl")),
        trained=run.stage_record("train"),
        environment=environment if isinstance(environment, dict) else {},
        experiment=(run.path / "experiment.yml").read_text(encoding="utf-8"),
        run=run.id,
        release=release,
        examples=_examples(home, run, task, split) if split and with_examples else None,
        label_colors=_label_colors(home, run),
    )


def write_report(report: Report, path: Path) -> Path:
    """Write one form of the report, chosen by the file's ending: .html, .csv or .json."""
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise BadInput(f"a report ends with {', '.join(WRITERS)}, got {path.name!r}")
    writer(report, path)
    return path


def document_of(report: Report) -> dict[str, Any]:
    """The report as data, without pictures."""
    release = report.release
    return {
        "name": report.name,
        "run": report.run,
        "architecture": report.architecture,
        "dataset": report.dataset,
        "creator": report.creator,
        "created": report.created.isoformat(),
        "split": report.figures,
        "details": report.details,
        "training": list(report.training),
        "trained": report.trained,
        "environment": report.environment,
        "release": asdict(release.record) | {"aliases": list(release.aliases)} if release else None,
    }


def rows_of(report: Report) -> Iterator[tuple[str, str, str, str, float | None]]:
    """Every figure as a row: split, kind, label (empty for all), figure, value."""
    for split, kinds in report.figures.items():
        for kind, figures in kinds.items():
            for name in report.task.figures:
                yield split, kind, "", name, figures.get(name)
            for iou, value in figures.get("at_iou", {}).items():
                yield split, kind, "", f"at_iou/{iou}", value
            for label, values in figures.get(PER_LABEL, {}).items():
                for name, value in values.items():
                    yield split, kind, label, name, value


def charts_of(report: Report) -> list[Chart]:
    """Precision over recall for each split and kind, then the course of the training."""
    charts = [
        chart
        for split, details in report.details.items()
        for chart in report.task.charts(split, details, report.label_colors)
    ]
    training = _training_charts(report.training, report.task) if report.training else []
    return [chart for chart in charts if chart.lines] + training


def _write_html(report: Report, path: Path) -> None:
    values = {
        "report": report,
        "charts": charts_of(report),
        "colors": colors_of((label for _, _, label, _, _ in rows_of(report) if label), report.label_colors),
        "made": datetime.now(UTC),
    }
    write_page(path, "teppr.workflow", "report.html", values, {"figure": _figure})


def _write_csv(report: Report, path: Path) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("split", "kind", "label", "figure", "value"))
    writer.writerows(rows_of(report))
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def _write_json(report: Report, path: Path) -> None:
    write_json(path, document_of(report))


WRITERS: Mapping[str, Callable[[Report, Path], None]] = {
    ".html": _write_html,
    ".csv": _write_csv,
    ".json": _write_json,
}


def _is_release(registry: Registry, reference: str) -> bool:
    return bool(RELEASE_KEY.fullmatch(reference)) and reference in [info.record.key for info in registry.list()]


def _newest_release(home: Path, run: Run) -> ReleaseInfo | None:
    mine = [info for info in Registry(home).list() if info.record.run == run.id]
    return max(mine, key=lambda info: info.record.created, default=None)


def _of_release_alone(release: ReleaseInfo) -> Report:
    record = release.record
    return Report(
        name=record.key,
        architecture=record.architecture,
        task=TASKS.load(Bundle.open(release.bundle_path).card.learned),
        dataset=record.dataset,
        creator=record.creator,
        created=record.created,
        figures=record.metrics,
        run=record.run,
        release=release,
    )


def _examples(home: Path, run: Run, task: Task, split: str) -> Examples | None:
    detections = run.path / "detections" / f"{split}.json"
    if not detections.is_file():
        return None
    try:
        return find_examples(task, find_snapshot(home, run.experiment.dataset), split, detections, EXAMPLES)
    except (UnknownName, BadFile):
        return None  # the dataset is elsewhere by now: the figures stand without pictures


def _label_colors(home: Path, run: Run) -> dict[str, str]:
    try:
        return {label.name: label.color for label in find_snapshot(home, run.experiment.dataset).labels}
    except (UnknownName, BadFile, Corrupt):
        return {}  # the dataset is elsewhere by now: colours come from the names


def _training_charts(rows: tuple[Mapping[str, Any], ...], task: Task) -> list[Chart]:
    def lines(names: Mapping[str, str]) -> tuple[Line, ...]:
        drawn = []
        for i, (name, title) in enumerate(names.items()):
            points = tuple((float(row["epoch"]), float(row[name])) for row in rows if row.get(name) is not None)
            if points:
                drawn.append(Line(name=title, color=PALETTE[i % len(PALETTE)], points=points, strong=i == 0))
        return tuple(drawn)

    parts = sorted({name for row in rows for name in row if name.startswith("loss/")})
    losses = lines({"loss": "all", **{name: name.removeprefix("loss/") for name in parts}})
    figures = {f"val/{kind}/{name}": f"{kind} {name}" for name in task.followed[:2] for kind in task.kinds}
    measured = lines(figures)
    charts = [
        Chart(title="training, loss", x_title="epoch", y_title="loss", lines=losses, whole_x=True),
        Chart(title="training, val", x_title="epoch", y_title="figure", lines=measured, y_range=(0, 1), whole_x=True),
    ]
    return [chart for chart in charts if chart.lines]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
