"""Which label is taken for which, with the background as one more, and the images where most goes wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from teppr.geometry import iou_xyxy, xyxy_of
from teppr.metrics.detection import TruthImage
from teppr.types import Detections, Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFaults:
    """What went wrong in one image.

    right: objects found under their label; confused: found under another; missed: not found; spurious: found, not there
    """

    image_id: int
    right: int
    confused: int
    missed: int
    spurious: int

    @property
    def wrong(self) -> int:
        """Faults of all kinds."""
        return self.confused + self.missed + self.spurious


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Counts over all images.

    table: int64 [labels + 1, labels + 1]; rows are the truth, columns what was found; the last is the background
    images: the faults of every image, most first
    """

    table: Ints
    images: tuple[ImageFaults, ...]


def confusion(
    truth: Sequence[TruthImage],
    detections: Mapping[int, Detections],
    label_count: int,
    *,
    score_0_1: float = 0.5,
    iou_threshold: float = 0.5,
) -> Confusion:
    """Compare boxes: best score first, a detection takes the free object of any label that it overlaps most.

    Only detections with `score_0_1` or more count. A detection that lies on a crowd and on nothing else is passed over.
    """
    table = np.zeros((label_count + 1, label_count + 1), np.int64)
    faults = []
    for image in truth:
        part = _one(image, detections.get(image.image_id), label_count, score_0_1, iou_threshold)
        table += part
        right = int(np.trace(part))
        missed, spurious = int(part[:-1, -1].sum()), int(part[-1, :-1].sum())
        confused = int(part.sum()) - right - missed - spurious
        faults.append(
            ImageFaults(image_id=image.image_id, right=right, confused=confused, missed=missed, spurious=spurious)
        )
    return Confusion(table=table, images=tuple(sorted(faults, key=lambda one: (-one.wrong, one.image_id))))


def _one(image: TruthImage, found: Detections | None, label_count: int, score_0_1: float, iou_threshold: float) -> Ints:
    table = np.zeros((label_count + 1, label_count + 1), np.int64)
    kept = None if found is None else found.at_least(score_0_1)
    boxes = np.zeros((0, 4)) if kept is None else kept.boxes_xyxy_px
    guesses = np.zeros(0, np.int64) if kept is None else kept.label_ids
    overlap = iou_xyxy(boxes, xyxy_of(image.boxes_xywh_px))
    free = ~image.is_crowd
    for i, guess in enumerate(guesses):
        candidates = np.where(free, overlap[i], -1.0) if free.size else np.zeros(0)
        best = int(candidates.argmax()) if candidates.size else -1
        if best >= 0 and candidates[best] >= iou_threshold:
            free[best] = False
            table[image.label_ids[best], guess] += 1
        elif not (overlap[i][image.is_crowd] >= iou_threshold).any():
            table[label_count, guess] += 1
    for label_id in image.label_ids[free]:
        table[label_id, label_count] += 1
    return table
