"""COCO's figures for boxes and masks: average precision and recall, overall, by size of object and by label.

The evaluator is hotcoco, whose numbers are pycocotools' to the last digit (the tests say so), with one difference on
purpose: an annotation whose id is 0 counts as any other, where pycocotools takes it for "no match".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from hotcoco import COCO, COCOeval

from teppr.errors import BadInput
from teppr.geometry import rle_of_mask, xywh_of
from teppr.metrics import coco_files
from teppr.types import Detections, Ints, Mask

IouType: TypeAlias = Literal["box", "mask"]
Array: TypeAlias = npt.NDArray[np.float64]

STATS = (
    "map",
    "map_50",
    "map_75",
    "map_small",
    "map_medium",
    "map_large",
    "mar_1",
    "mar_10",
    "mar_100",
    "mar_small",
    "mar_medium",
    "mar_large",
)
"""Names of COCO's twelve numbers, in COCO's order."""
LABEL_STATS = ("map", "map_50", "map_75", "mar_100")
"""The figures that every label has."""
COCO_IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
UNDEFINED = -1.0
"""COCO's value for a figure that nothing defines: no object of that size, or of that label, in the truth."""

_COCO_IOU_TYPE: Mapping[IouType, Literal["bbox", "segm"]] = {"box": "bbox", "mask": "segm"}
_ALL_SIZES, _MOST_DETECTIONS = 0, -1


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthImage:
    """What is really in an image.

    boxes_xywh_px: float64 [n, 4]; areas_px: float64 [n], which sort objects into small, medium and large
    label_ids: int64 [n], from 0; is_crowd: bool [n], crowds are neither found nor missed
    masks: one for each box, or None where the dataset has boxes only
    """

    image_id: int
    size_wh: tuple[int, int]
    boxes_xywh_px: Array
    areas_px: Array
    label_ids: Ints
    is_crowd: npt.NDArray[np.bool_]
    masks: tuple[Mask, ...] | None = None

    def __post_init__(self) -> None:
        n = len(self.label_ids)
        shapes = (self.boxes_xywh_px.shape, self.areas_px.shape, self.label_ids.shape, self.is_crowd.shape)
        if shapes != ((n, 4), (n,), (n,), (n,)) or (self.masks is not None and len(self.masks) != n):
            raise BadInput(
                f"truth needs boxes [n, 4], areas, labels and crowd flags [n], and n masks or none: {shapes}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionMetrics:
    """What an evaluation found.

    stats: COCO's twelve numbers in COCO's order (`STATS`), -1 where undefined
    per_label: {label: {"map", "map_50", "map_75", "mar_100", "regions"}}, -1 where undefined
    precision: float64 [thresholds, 101, labels], precision at recalls 0, 0.01, ... 1 for objects of all sizes
    """

    iou_type: IouType
    iou_thresholds: tuple[float, ...]
    labels: tuple[str, ...]
    stats: tuple[float, ...]
    per_label: Mapping[str, Mapping[str, float]]
    precision: Array

    def as_dict(self) -> dict[str, Any]:
        """The figures by name for files and machines; None where undefined."""
        per_label = {label: _named(figures) for label, figures in self.per_label.items()}
        return _named(dict(zip(STATS, self.stats, strict=True))) | {"per_label": per_label}

    def curve(self, iou: float = 0.5, label: str | None = None) -> list[float]:
        """Precision at the 101 recalls 0, 0.01 ... 1 for one label, or the mean of all; empty where undefined."""
        at = [i for i, threshold in enumerate(self.iou_thresholds) if math.isclose(threshold, iou)]
        if not at:
            raise BadInput(f"no curve was measured at an IoU of {iou}; there are: {self.iou_thresholds}")
        table = self.precision[at[0]]
        chosen = table if label is None else table[:, [self.labels.index(label)]]
        defined = chosen[:, (chosen > UNDEFINED).all(axis=0)]
        return [float(value) for value in defined.mean(axis=1)] if defined.shape[1] else []


def evaluate(
    truth: Sequence[TruthImage],
    detections: Mapping[int, Detections],
    labels: Sequence[str],
    iou_type: IouType,
    iou_thresholds: Sequence[float] | None = None,
) -> DetectionMetrics:
    """Measure detections {image id: detections} against the truth; an image without an entry has none.

    labels: names of the label ids 0, 1, ...
    iou_thresholds: overlaps at which a detection counts as right, rising; COCO's 0.50, 0.55 ... 0.95 by default
    Raises BadInput for detections of unknown images, and where masks are to be measured and there are none.
    """
    if strangers := sorted(detections.keys() - {image.image_id for image in truth}):
        raise BadInput(f"there are detections for images that are not in the truth: ids {strangers[:5]}")
    document = truth_document(truth, labels, iou_type)
    results = [row for image_id, found in detections.items() for row in result_rows(image_id, found, iou_type)]
    return _measure(document, results, iou_type, iou_thresholds)


def evaluate_files(
    truth: Path, predictions: Path, iou_type: IouType, iou_thresholds: Sequence[float] | None = None
) -> DetectionMetrics:
    """Measure a COCO results file (a list, or a whole COCO file with scores) against a COCO ground truth file.

    Raises BadFile saying where a file is not what it should be.
    """
    document = coco_files.read_truth(truth, needs_masks=iou_type == "mask")
    results = coco_files.read_results(predictions, document, needs_masks=iou_type == "mask")
    return _measure(document, results, iou_type, iou_thresholds)


def truth_document(truth: Sequence[TruthImage], labels: Sequence[str], iou_type: IouType) -> dict[str, Any]:
    """The truth as a COCO document; its categories are the label ids."""
    annotations = [row for image in truth for row in _truth_rows(image, iou_type)]
    for number, row in enumerate(annotations, start=1):
        row["id"] = number
    sizes = [{"id": image.image_id, "width": image.size_wh[0], "height": image.size_wh[1]} for image in truth]
    categories = [{"id": i, "name": name} for i, name in enumerate(labels)]
    return {"images": sizes, "annotations": annotations, "categories": categories}


def result_rows(image_id: int, found: Detections, iou_type: IouType) -> list[dict[str, Any]]:
    """Detections as COCO results; with masks a row has no box, so that its area is the mask's, as COCO has it."""
    if iou_type == "mask" and found.masks is None:
        raise BadInput(f"masks cannot be measured: the detections of image {image_id} are boxes only")
    places: list[dict[str, Any]]
    if iou_type == "mask":
        places = [{"segmentation": _rle(mask)} for mask in found.masks or ()]
    else:
        places = [{"bbox": box} for box in xywh_of(found.boxes_xyxy_px).tolist()]
    facts = zip(found.label_ids.tolist(), found.scores_0_1.tolist(), places, strict=True)
    return [{"image_id": image_id, "category_id": label, "score": score} | place for label, score, place in facts]


def _truth_rows(image: TruthImage, iou_type: IouType) -> list[dict[str, Any]]:
    if iou_type == "mask" and image.masks is None:
        raise BadInput(f"masks cannot be measured: the truth of image {image.image_id} is boxes only")
    rows: list[dict[str, Any]] = [
        {"image_id": image.image_id, "category_id": label, "bbox": box, "area": area, "iscrowd": int(crowd)}
        for label, box, area, crowd in zip(
            image.label_ids.tolist(),
            image.boxes_xywh_px.tolist(),
            image.areas_px.tolist(),
            image.is_crowd.tolist(),
            strict=True,
        )
    ]
    if iou_type == "mask":
        for row, mask in zip(rows, image.masks or (), strict=True):
            row["segmentation"] = _rle(mask)
    return rows


def _rle(mask: Mask) -> dict[str, Any]:
    return rle_of_mask(mask) | {"counts": mask.counts}


def _measure(
    document: dict[str, Any],
    results: list[dict[str, Any]],
    iou_type: IouType,
    iou_thresholds: Sequence[float] | None,
) -> DetectionMetrics:
    truth = COCO(document)
    run = COCOeval(truth, truth.load_res(results), _COCO_IOU_TYPE[iou_type])
    thresholds = COCO_IOU_THRESHOLDS if iou_thresholds is None else tuple(sorted(iou_thresholds))
    if iou_thresholds is not None:
        run.params.iou_thrs = list(thresholds)
    run.evaluate()
    run.accumulate()
    run.summary_lines()  # fills `stats` without printing
    tables: Mapping[str, Array] = run.eval or {}
    precision = tables["precision"][:, :, :, _ALL_SIZES, _MOST_DETECTIONS]
    recall = tables["recall"][:, :, _ALL_SIZES, _MOST_DETECTIONS]
    regions = Counter(row["category_id"] for row in document["annotations"] if not row["iscrowd"])
    categories = sorted(document["categories"], key=lambda category: int(category["id"]))
    per_label = {
        str(category["name"]): _label_figures(precision[:, :, i], recall[:, i], thresholds)
        | {"regions": regions[category["id"]]}
        for i, category in enumerate(categories)
    }
    return DetectionMetrics(
        iou_type=iou_type,
        iou_thresholds=thresholds,
        labels=tuple(per_label),
        stats=tuple(float(value) for value in run.stats),
        per_label=per_label,
        precision=precision,
    )


def _label_figures(precision: Array, recall: Array, thresholds: Sequence[float]) -> dict[str, float]:
    def at(iou: float) -> Array:
        return precision[[math.isclose(threshold, iou) for threshold in thresholds]]

    return dict(
        zip(LABEL_STATS, (_mean(precision), _mean(at(0.5)), _mean(at(0.75)), _mean(recall)), strict=True),
    )


def _mean(values: Array) -> float:
    # As COCO does it: the mean of what is defined.
    defined = values[values > UNDEFINED]
    return float(np.mean(defined)) if defined.size else UNDEFINED


def _named(figures: Mapping[str, float]) -> dict[str, Any]:
    return {name: None if value == UNDEFINED else value for name, value in figures.items()}
