"""Prediction on a dataset's images, held against the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from teppr.datasets.snapshot import SnapshotImage
from teppr.geometry import mask_of_shape
from teppr.images import DEFAULT_MAX_PIXELS, Pixels, read
from teppr.metrics.detection import DetectionMetrics, IouType, TruthImage, evaluate
from teppr.progress import QUIET, Progress
from teppr.types import Detections

Find: TypeAlias = Callable[[Pixels], Detections]
"""Anything that finds objects in an RGB image."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """What was found in a set of images, and how right it is.

    metrics: by "box" and, where truth and detections have masks, "mask"
    """

    truth: tuple[TruthImage, ...]
    detections: Mapping[int, Detections]
    metrics: Mapping[IouType, DetectionMetrics]

    def figures(self, prefix: str) -> dict[str, float]:
        """The figures by which training is judged: "<prefix>/map_50" is the boxes', "<prefix>/mask/map_50" the masks'.

        Undefined ones (no object in the truth) are left out.
        """
        named = {}
        for kind, metrics in self.metrics.items():
            for name in ("map", "map_50", "map_75", "mar_100"):
                value = metrics.as_dict()[name]
                if value is not None:
                    named[f"{prefix}/{kind}/{name}"] = float(value)
        boxes = f"{prefix}/box/"
        return named | {name.replace(boxes, f"{prefix}/"): value for name, value in named.items() if boxes in name}


def find_all(
    find: Find,
    images: Sequence[SnapshotImage],
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Progress = QUIET,
    stop: Callable[[], bool] = lambda: False,
) -> dict[int, Detections]:
    """Detections by image id; ends early, with what there is, where `stop` says so. Raises BadImage naming the file."""
    found: dict[int, Detections] = {}
    for image in images:
        if stop():
            break
        pixels, _ = read(image.path, max_pixels=max_pixels)
        found[image.image_id] = find(pixels)
        progress.advance()
    return found


def measure(
    images: Sequence[SnapshotImage],
    detections: Mapping[int, Detections],
    labels: Sequence[str],
    *,
    with_masks: bool,
    score_threshold_0_1: float = 0.0,
) -> Measured:
    """Hold detections against the truth; `with_masks` says whether the truth has masks."""
    truth = tuple(truth_of(image, with_masks=with_masks) for image in images)
    counted = {image_id: found.at_least(score_threshold_0_1) for image_id, found in detections.items()}
    kinds: tuple[IouType, ...] = ("box",)
    if with_masks and all(found.masks is not None for found in counted.values()):
        kinds = ("box", "mask")
    metrics = {kind: evaluate(truth, counted, labels, kind) for kind in kinds}
    return Measured(truth=truth, detections=counted, metrics=metrics)


def truth_of(image: SnapshotImage, *, with_masks: bool) -> TruthImage:
    """An image of a dataset as the metrics want it."""
    masks = tuple(mask_of_shape(shape, image.size_wh) for shape in image.shapes) if with_masks else None
    return TruthImage(
        image_id=image.image_id,
        size_wh=image.size_wh,
        boxes_xywh_px=image.boxes_xywh_px,
        areas_px=image.areas_px,
        label_ids=image.label_ids,
        is_crowd=image.is_crowd,
        masks=masks,
    )


def relabelled(found: Detections, to_ids: Mapping[int, int]) -> Detections:
    """With label ids exchanged; detections whose label has no counterpart are left out."""
    kept = found.take(np.flatnonzero(np.isin(found.label_ids, list(to_ids))))
    return replace(kept, label_ids=np.array([to_ids[i] for i in kept.label_ids.tolist()], np.int64))


def spread(images: Sequence[SnapshotImage], count: int) -> list[SnapshotImage]:
    """At most `count` of the images, evenly spread and always the same; 0 gives all."""
    if count == 0 or count >= len(images):
        return list(images)
    return [images[i * len(images) // count] for i in range(count)]
