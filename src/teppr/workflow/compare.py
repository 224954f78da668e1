"""One run against another on the same images: which figures differ by more than the choice of images explains."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from teppr.datasets.snapshot import Snapshot, find_snapshot
from teppr.errors import BadInput, UnknownName
from teppr.files import whole_file, write_json
from teppr.metrics.bootstrap import COVERAGE, Interval, drawn_indices, interval_of
from teppr.pages import write_page
from teppr.progress import QUIET, Progress
from teppr.registry.acceptance import PER_LABEL
from teppr.registry.releases import Registry
from teppr.tasks.contract import TASKS, ImageFaults, Measurement, MeasureOptions, Task
from teppr.types import Detections, Ints
from teppr.workflow.examples import Example, example_of, read_detections
from teppr.workflow.report import EARLIER_TASK
from teppr.workflow.run import Run, find_run

DRAWS, LEAST_DRAWS = 400, 20
SEED = 7
EXAMPLES = 6
COLUMNS = ("run", "kind", "label", "figure", "value", "low", "high", "difference", "from", "to", "verdict")
"""Of the table as CSV; the last four are against the first run."""

Name = tuple[str, str, str]
"""Kind, label ("" = all) and figure."""


class Verdict(StrEnum):
    """What the interval of a difference says; where it has none, nothing can be told."""

    BETTER = "better"
    WORSE = "worse"
    ALIKE = "no difference told"
    UNKNOWN = "not defined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One figure of all runs: its value and interval in each, and what each one has more than the first.

    Figures are those of the task; intervals hold 95 % of the draws, and None where the figure is mostly not defined.
    """

    kind: str
    label: str
    figure: str
    values: tuple[float | None, ...]
    intervals: tuple[Interval | None, ...]
    differences: tuple[float | None, ...]
    difference_intervals: tuple[Interval | None, ...]
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An image that another run does better or worse than the first: faults fewer or more, and both pictures."""

    faults: int
    first: Example
    other: Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Runs held against the first of them.

    images: of the split, on which all figures are; draws: of images, for the intervals
    gained, lost: images of the last run against the first, the largest changes first
    """

    runs: tuple[str, ...]
    dataset: str
    split: str
    images: int
    draws: int
    seed: int
    task: Task
    rows: tuple[Compared, ...]
    gained: tuple[Change, ...] = ()
    lost: tuple[Change, ...] = ()

    @property
    def overall(self) -> tuple[Compared, ...]:
        """The figures of all labels together."""
        return tuple(row for row in self.rows if not row.label)

    @property
    def by_label(self) -> tuple[Compared, ...]:
        """The figures of each label."""
        return tuple(row for row in self.rows if row.label)

    def as_dict(self) -> dict[str, Any]:
        """All but the pictures, as plain values."""
        return {
            "runs": list(self.runs),
            "dataset": self.dataset,
            "split": self.split,
            "images": self.images,
            "draws": self.draws,
            "seed": self.seed,
            "coverage": COVERAGE,
            "figures": [asdict(row) for row in self.rows],
        }


def compare_runs(
    home: Path,
    references: Sequence[str],
    *,
    split: str = "",
    draws: int = DRAWS,
    seed: int = SEED,
    progress: Progress = QUIET,
    with_examples: bool = True,
) -> Comparison:
    """Hold evaluated runs (or the runs of releases) against the first; a single one gets its intervals alone.

    split: "" = test, or else val, or the first that all of them were evaluated on
    Raises UnknownName, and BadInput where they were not evaluated on the same images, or not by figures that compare.
    """
    if draws < LEAST_DRAWS:
        raise BadInput(f"intervals need at least {LEAST_DRAWS} draws, got {draws}")
    runs = [_run_of(home, reference) for reference in references]
    evaluations = [_evaluated(run) for run in runs]
    dataset = _the_same(runs, [str(evaluation["dataset"]) for evaluation in evaluations], "dataset")
    tasks = [TASKS.load(evaluation["task"]) for evaluation in evaluations]
    _the_same(runs, [", ".join(task.figures) for task in tasks], "figures")
    task = min(tasks, key=lambda one: len(one.kinds))
    split = split or _common_split(runs, evaluations)
    snapshot = find_snapshot(home, dataset)
    seen = [_Seen.of(run, one, snapshot, split) for run, one in zip(runs, tasks, strict=True)]
    images = len(seen[0].faults)
    progress.expect(draws * len(runs))
    drawn = _all_drawn(seen, task, drawn_indices(images, draws, seed), progress)
    values = [_flat(task, one.measurement.figures) for one in seen]
    gained, lost = _changes(seen, snapshot, split) if with_examples and len(seen) > 1 else ((), ())
    return Comparison(
        runs=tuple(run.id for run in runs),
        dataset=dataset,
        split=split,
        images=images,
        draws=draws,
        seed=seed,
        task=task,
        rows=tuple(_compared(task, name, values, drawn) for name in values[0] if all(name in one for one in values)),
        gained=gained,
        lost=lost,
    )


def write_comparison(comparison: Comparison, path: Path) -> Path:
    """Write one form of it, chosen by the file's ending: .html, .csv or .json."""
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise BadInput(f"a comparison ends with {', '.join(WRITERS)}, got {path.name!r}")
    writer(comparison, path)
    return path


@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """What a run found in the images of a split."""

    task: Task
    found: Mapping[int, Detections]
    measurement: Measurement

    @classmethod
    def of(cls, run: Run, task: Task, snapshot: Snapshot, split: str) -> _Seen:
        path = run.path / "detections" / f"{split}.json"
        if not path.is_file():
            raise BadInput(f"run {run.id} was not evaluated on {split}; do it: teppr evaluate {run.id} --split {split}")
        images = snapshot.images(split)
        found = read_detections(task, path, {image.image_id: image for image in images})
        options = MeasureOptions(score_threshold_0_1=run.experiment.evaluate.score_threshold)
        return cls(task=task, found=found, measurement=task.measure(snapshot, images, found, options))

    @cached_property
    def faults(self) -> Mapping[int, ImageFaults]:
        """By image."""
        return {one.image_id: one for one in self.measurement.faults}


def _all_drawn(
    seen: Sequence[_Seen], task: Task, draws: Ints, progress: Progress
) -> list[list[Mapping[Name, float | None]]]:
    """The figures of each run on each draw; all runs on the same draws."""
    drawn: list[list[Mapping[Name, float | None]]] = [[] for _ in seen]
    for indices in draws:
        for one, figures in zip(seen, drawn, strict=True):
            figures.append(_flat(task, one.measurement.drawn(indices).figures))
            progress.advance()
    return drawn


def _run_of(home: Path, reference: str) -> Run:
    registry = Registry(home)
    if "@" in reference or reference in [info.record.key for info in registry.list()]:
        record = registry.release(reference).record
        if record.was_imported:
            raise BadInput(
                f"release {record.key} was made elsewhere: no run of it found anything that could be compared; measure "
                f"it: teppr evaluate {record.key} --dataset NAME"
            )
        return find_run(home, record.run)
    return find_run(home, reference)


def _evaluated(run: Run) -> Mapping[str, Any]:
    if not (run.path / "evaluation.json").is_file():
        raise BadInput(f"run {run.id} was not evaluated; do it: teppr evaluate {run.id}")
    return {"task": EARLIER_TASK, **run.evaluation}


def _the_same(runs: Sequence[Run], values: Sequence[str], what: str) -> str:
    if len(set(values)) > 1:
        said = ", ".join(f"{run.id} {value}" for run, value in zip(runs, values, strict=True))
        raise BadInput(f"runs compare where they have the same {what}; here: {said}")
    return values[0]


def _common_split(runs: Sequence[Run], evaluations: Sequence[Mapping[str, Any]]) -> str:
    common: list[str] = [name for name in evaluations[0]["split"] if all(name in one["split"] for one in evaluations)]
    for name in ("test", "val", *common):
        if name in common:
            return name
    raise UnknownName(f"the runs {', '.join(run.id for run in runs)} were evaluated on no split in common")


def _flat(task: Task, figures: Mapping[str, Mapping[str, Any]]) -> dict[Name, float | None]:
    """The headline of each kind, and the main figure of each label."""
    flat: dict[Name, float | None] = {}
    followed = next((name for name in task.followed if name in task.label_figures), task.label_figures[0])
    main = task.label_main or followed
    for kind in task.kinds:
        if kind not in figures:
            continue
        flat |= {(kind, "", name): figures[kind][name] for name in task.headline}
        flat |= {(kind, label, main): values[main] for label, values in figures[kind][PER_LABEL].items()}
    return flat


def _compared(
    task: Task,
    name: Name,
    values: Sequence[Mapping[Name, float | None]],
    drawn: Sequence[Sequence[Mapping[Name, float | None]]],
) -> Compared:
    kind, label, figure = name
    columns = [[figures.get(name) for figures in of_run] for of_run in drawn]
    differences = [
        interval_of([_less(value, first) for value, first in zip(column, columns[0], strict=True)])
        for column in columns[1:]
    ]
    return Compared(
        kind=kind,
        label=label,
        figure=figure,
        values=tuple(one[name] for one in values),
        intervals=tuple(map(interval_of, columns)),
        differences=tuple(_less(one[name], values[0][name]) for one in values[1:]),
        difference_intervals=tuple(differences),
        verdicts=tuple(_verdict(interval, less_is_better=figure in task.less_is_better) for interval in differences),
    )


def _less(value: float | None, first: float | None) -> float | None:
    return None if value is None or first is None else value - first


def _verdict(interval: Interval | None, *, less_is_better: bool) -> Verdict:
    if interval is None:
        return Verdict.UNKNOWN
    low, high = interval
    if low <= 0 <= high:
        return Verdict.ALIKE
    return Verdict.BETTER if (low > 0) is not less_is_better else Verdict.WORSE


def _changes(seen: Sequence[_Seen], snapshot: Snapshot, split: str) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Images that the last run does better than the first, and those that it does worse; the largest changes first."""
    first, last = seen[0], seen[-1]
    images = {image.image_id: image for image in snapshot.images(split)}
    more = {image_id: last.faults[image_id].wrong - one.wrong for image_id, one in first.faults.items()}

    def change(image_id: int) -> Change | None:
        before, after = (
            example_of(one.task, images[image_id], one.found.get(image_id), snapshot.labels, one.faults[image_id])
            for one in (first, last)
        )
        if before is None or after is None:
            return None
        return Change(faults=more[image_id], first=before, other=after)

    def largest(sign: int) -> tuple[Change, ...]:
        chosen = sorted((one for one in more if sign * more[one] > 0), key=lambda one: (-sign * more[one], one))
        return tuple(shown for shown in map(change, chosen[:EXAMPLES]) if shown is not None)

    return largest(-1), largest(1)


def _write_html(comparison: Comparison, path: Path) -> None:
    write_page(
        path,
        "teppr.workflow",
        "compare.html",
        {"comparison": comparison, "coverage": COVERAGE},
        {"figure": _figure, "signed": _signed},
    )


def _write_csv(comparison: Comparison, path: Path) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in comparison.rows:
        for i, run in enumerate(comparison.runs):
            cells = [run, row.kind, row.label, row.figure, row.values[i], *(row.intervals[i] or (None, None))]
            if i:
                gap = row.difference_intervals[i - 1] or (None, None)
                cells += [row.differences[i - 1], *gap, row.verdicts[i - 1]]
            writer.writerow(cells + [None] * (len(COLUMNS) - len(cells)))
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def _write_json(comparison: Comparison, path: Path) -> None:
    write_json(path, comparison.as_dict())


WRITERS: Mapping[str, Callable[[Comparison, Path], None]] = {
    ".html": _write_html,
    ".csv": _write_csv,
    ".json": _write_json,
}


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"
