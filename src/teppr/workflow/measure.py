"""Prediction on a dataset's images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from teppr.datasets.snapshot import SnapshotImage
from teppr.images import DEFAULT_MAX_PIXELS, Pixels, read
from teppr.progress import QUIET, Progress
from teppr.registry.acceptance import short
from teppr.tasks.contract import Measurement, Task
from teppr.types import Detections

Find: TypeAlias = Callable[[Pixels], Detections]
"""Anything that finds objects in an RGB image."""


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


def followed(task: Task, measurement: Measurement, split: str) -> dict[str, float]:
    """The figures by which training is judged: "val/map_50", "val/box/map_50" (the same, for boxes are the main kind),
    "val/mask/map_50" ...; undefined ones (no object in the truth) are left out.
    """
    measured = {
        f"{split}/{kind}/{name}": float(figures[name])
        for kind, figures in measurement.figures.items()
        for name in task.followed
        if figures[name] is not None
    }
    return measured | {short(name): value for name, value in measured.items()}


def relabelled(found: Detections, to_ids: Mapping[int, int]) -> Detections:
    """With label ids exchanged; detections whose label has no counterpart are left out."""
    kept = found.take(np.flatnonzero(np.isin(found.label_ids, list(to_ids))))
    return replace(kept, label_ids=np.array([to_ids[i] for i in kept.label_ids.tolist()], np.int64))


def spread(images: Sequence[SnapshotImage], count: int) -> list[SnapshotImage]:
    """At most `count` of the images, evenly spread and always the same; 0 gives all."""
    if count == 0 or count >= len(images):
        return list(images)
    return [images[i * len(images) // count] for i in range(count)]
