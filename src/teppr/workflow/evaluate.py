"""Evaluation: how right a run or a model is on the splits of a dataset, in figures and in what goes wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from teppr.datasets.snapshot import Snapshot, SnapshotImage, find_snapshot
from teppr.errors import BadInput, TepprError
from teppr.files import write_json
from teppr.images import DEFAULT_MAX_PIXELS, Pixels
from teppr.metrics.confusion import confusion
from teppr.metrics.detection import IouType, evaluate, result_rows
from teppr.progress import QUIET, Progress
from teppr.types import Detections, LabelInfo
from teppr.workflow.experiment import Evaluate
from teppr.workflow.measure import Measured, find_all, measure, relabelled
from teppr.workflow.model import Predictor, open_model
from teppr.workflow.run import Run, StageState

BACKGROUND = "background"
CONFUSION_SCORE_0_1, CONFUSION_IOU = 0.5, 0.5
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
    Returns what `evaluation.json` holds: {"run", "dataset", "split": {"val": {"box": figures, "mask": figures}},
    "details": {"val": {"images", "confusion", "worst", "curves"}}}.
    """
    experiment = run.experiment
    snapshot = find_snapshot(home, experiment.dataset)
    run.mark("evaluate", StageState.RUNNING)
    try:
        model = open_model(home, str(run.path), device=device)
        chosen = _chosen(snapshot, splits or experiment.evaluate.on, must_have_all=bool(splits))
        found = _find(model, snapshot, chosen, progress, max_pixels)
        result = {"run": run.id} | _figures(snapshot, found, experiment.evaluate)
    except TepprError as error:
        run.mark("evaluate", StageState.FAILED, reason=str(error))
        raise
    write_json(run.path / "evaluation.json", result)
    for split, detections in found.items():
        write_json(run.path / "detections" / f"{split}.json", _coco_results(detections))
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
    return {"model": model.name} | _figures(snapshot, _find(model, snapshot, chosen, progress, max_pixels), options)


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


def _figures(snapshot: Snapshot, found: Mapping[str, Mapping[int, Detections]], options: Evaluate) -> dict[str, Any]:
    names = [label.name for label in snapshot.labels]
    result: dict[str, Any] = {"dataset": snapshot.reference, "split": {}, "details": {}}
    for split, detections in found.items():
        images = snapshot.images(split)
        measured = measure(
            images,
            detections,
            names,
            with_masks=snapshot.has_masks,
            score_threshold_0_1=options.score_threshold,
        )
        result["split"][split] = {
            kind: metrics.as_dict() | {"at_iou": _at_iou(measured, kind, names, options.iou)}
            for kind, metrics in measured.metrics.items()
        }
        result["details"][split] = _details(images, measured, names)
    return result


def _at_iou(measured: Measured, kind: IouType, names: Sequence[str], ious: Sequence[float]) -> dict[str, float | None]:
    metrics = evaluate(measured.truth, measured.detections, names, kind, ious)
    curves = {iou: metrics.curve(iou) for iou in ious}
    return {f"{iou:g}": float(np.mean(curve)) if curve else None for iou, curve in curves.items()}


def _details(images: Sequence[SnapshotImage], measured: Measured, names: Sequence[str]) -> dict[str, Any]:
    confused = confusion(
        measured.truth,
        measured.detections,
        len(names),
        score_0_1=CONFUSION_SCORE_0_1,
        iou_threshold=CONFUSION_IOU,
    )
    by_id = {image.image_id: image for image in images}
    return {
        "images": len(images),
        "confusion": {
            "labels": [*names, BACKGROUND],
            "table": confused.table.tolist(),
            "score": CONFUSION_SCORE_0_1,
            "iou": CONFUSION_IOU,
        },
        "worst": [
            asdict(faults) | {"filename": by_id[faults.image_id].filename, "path": str(by_id[faults.image_id].path)}
            for faults in confused.images[:WORST_IMAGES]
            if faults.wrong
        ],
        "curves": {
            kind: {name: metrics.curve(0.5, name) for name in names} for kind, metrics in measured.metrics.items()
        },
    }


def _coco_results(detections: Mapping[int, Detections]) -> list[dict[str, Any]]:
    rows = []
    for image_id, found in detections.items():
        boxes = result_rows(image_id, found, "box")
        masks = result_rows(image_id, found, "mask") if found.masks is not None else [{}] * len(found)
        rows += [box | mask for box, mask in zip(boxes, masks, strict=True)]
    return rows
