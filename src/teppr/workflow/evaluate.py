"""Evaluation: how right a run or a model is on the splits of a dataset, in figures and in what goes wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from teppr.datasets.snapshot import Snapshot, SnapshotImage, find_snapshot
from teppr.errors import BadInput, TepprError
from teppr.files import write_json
from teppr.images import DEFAULT_MAX_PIXELS, Pixels
from teppr.progress import QUIET, Progress
from teppr.tasks.contract import TASKS, Measurement, MeasureOptions, Task
from teppr.types import Detections, LabelInfo
from teppr.workflow.begin import contents_of
from teppr.workflow.experiment import Evaluate
from teppr.workflow.measure import find_all, relabelled
from teppr.workflow.model import Predictor, open_model
from teppr.workflow.run import Run, StageState

WORST_IMAGES = 24


def evaluate_run(
    run: Run,
    home: Path,
    *,
    splits: Sequence[str] = (),
    device: str = "auto",
    progress: Progress = QUIET,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> dict[str, Any]:
    """Evaluate a run's best weights on its dataset; writes `evaluation.json` and `detections/<split>.json` (COCO).

    splits: empty = those of the experiment that the dataset has
    Returns what `evaluation.json` holds: {"run", "dataset", "task", "split": {"val": {"box": figures, "mask": ...}},
    "details": {"val": {"images", "worst", and what the task tells: "confusion", "curves" ...}}}.
    """
    experiment = run.experiment
    snapshot = find_snapshot(home, experiment.dataset)
    run.mark("evaluate", StageState.RUNNING)
    try:
        model = open_model(home, str(run.path), device=device)
        chosen = _chosen(snapshot, splits or experiment.evaluate.on, must_have_all=bool(splits))
        found = _find(model, snapshot, chosen, progress, max_pixels)
        task = TASKS.load(model.task)
        result = {"run": run.id} | _figures(task, snapshot, found, experiment.evaluate)
    except TepprError as error:
        run.mark("evaluate", StageState.FAILED, reason=str(error))
        raise
    write_json(run.path / "evaluation.json", result)
    for split, detections in found.items():
        write_json(run.path / "detections" / f"{split}.json", _rows(task, detections))
    asked = None if splits else experiment.evaluate.model_dump(mode="json")
    run.mark("evaluate", StageState.FINISHED, splits=chosen, asked=asked)
    return result


def evaluate_model(
    home: Path,
    reference: str,
    dataset: str,
    *,
    splits: Sequence[str] = (),
    device: str = "auto",
    threads: int = 1,
    progress: Progress = QUIET,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> dict[str, Any]:
    """Evaluate any model on any dataset: as `evaluate_run`, with "model" instead of "run", and nothing is written.

    Labels are matched by their names; detections of labels that the dataset lacks are not counted.
    """
    snapshot, options = find_snapshot(home, dataset), Evaluate()
    model = open_model(home, reference, device=device, threads=threads)
    chosen = _chosen(snapshot, splits or options.on, must_have_all=bool(splits))
    task = _task_on(model, snapshot, home)
    found = _find(model, snapshot, chosen, progress, max_pixels)
    return {"model": model.name} | _figures(task, snapshot, found, options)


def _task_on(model: Predictor, snapshot: Snapshot, home: Path) -> Task:
    """By what the model is measured there: its own task, or one with the same answers, where that one fits."""
    contents, own = contents_of(snapshot, home), TASKS.load(model.task)
    if contents.shapes and not contents.shapes & own.shapes:
        raise BadInput(
            f"model {model.name} is for {own.title}; dataset {snapshot.reference} has regions of shape "
            f"{', '.join(sorted(contents.shapes))}: it cannot be measured there"
        )
    alike = (task for task in (own, *TASKS.all()) if task.answers == own.answers and task.fits(contents))
    return next(alike, own)


def _chosen(snapshot: Snapshot, asked: Sequence[str], *, must_have_all: bool) -> list[str]:
    chosen = [split for split in asked if split in snapshot.splits]
    if not chosen or (must_have_all and len(chosen) < len(asked)):
        lacking = ", ".join(split for split in asked if split not in snapshot.splits)
        raise BadInput(f"dataset {snapshot.reference} has no split {lacking}, only: {', '.join(snapshot.splits)}")
    return chosen


def _find(
    model: Predictor, snapshot: Snapshot, splits: Sequence[str], progress: Progress, max_pixels: int
) -> dict[str, dict[int, Detections]]:
    to_ids = _same_names(model.labels, snapshot.labels)
    if not to_ids:
        theirs, ours = (", ".join(label.name for label in labels) for labels in (model.labels, snapshot.labels))
        raise BadInput(f"model {model.name} knows {theirs}; dataset {snapshot.reference} has {ours}: nothing in common")

    def find(pixels: Pixels) -> Detections:
        return relabelled(model.predict(pixels), to_ids)

    images = {split: snapshot.images(split) for split in splits}
    progress.expect(sum(map(len, images.values())))
    return {split: find_all(find, images[split], max_pixels=max_pixels, progress=progress) for split in splits}


def _same_names(of_model: Sequence[LabelInfo], of_dataset: Sequence[LabelInfo]) -> dict[int, int]:
    ids = {label.name: i for i, label in enumerate(of_dataset)}
    return {i: ids[label.name] for i, label in enumerate(of_model) if label.name in ids}


def _figures(
    task: Task, snapshot: Snapshot, found: Mapping[str, Mapping[int, Detections]], options: Evaluate
) -> dict[str, Any]:
    asked = MeasureOptions(score_threshold_0_1=options.score_threshold, ious=options.iou)
    result: dict[str, Any] = {"dataset": snapshot.reference, "task": task.name, "split": {}, "details": {}}
    for split, detections in found.items():
        images = snapshot.images(split)
        measurement = task.measure(snapshot, images, detections, asked)
        result["split"][split] = {kind: dict(figures) for kind, figures in measurement.figures.items()}
        result["details"][split] = {"images": len(images), "worst": _worst(images, measurement)} | dict(
            measurement.details()
        )
    return result


def _worst(images: Sequence[SnapshotImage], measurement: Measurement) -> list[dict[str, Any]]:
    by_id = {image.image_id: image for image in images}
    return [
        asdict(faults) | {"filename": by_id[faults.image_id].filename, "path": str(by_id[faults.image_id].path)}
        for faults in measurement.faults[:WORST_IMAGES]
        if faults.wrong
    ]


def _rows(task: Task, found: Mapping[int, Detections]) -> list[dict[str, Any]]:
    return [row for image_id, detections in found.items() for row in task.rows(image_id, detections)]
