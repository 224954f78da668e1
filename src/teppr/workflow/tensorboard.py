"""Curves and pictures of a training for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from teppr.datasets.snapshot import SnapshotImage
from teppr.drawing import draw
from teppr.images import Pixels, read, resize_to_fit
from teppr.tasks.contract import Task
from teppr.types import Detections, LabelInfo

PICTURE_SIDE_PX = 480
GAP_PX = 8


class Board:
    """Event files in a run's folder; what an earlier, cut-off process wrote beyond `step` is taken back."""

    def __init__(self, folder: Path, step: int, task: Task) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=step or None)
        self._task = task

    def figures(self, values: Mapping[str, float], step: int) -> None:
        """Curves by name: "loss/box_reg", "val/map_50" ..."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def pictures(
        self, examples: Iterable[tuple[SnapshotImage, Detections]], labels: tuple[LabelInfo, ...], step: int
    ) -> None:
        """Truth on the left, what is found on the right."""
        for image, found in examples:
            self._writer.add_image(
                f"val/{image.filename}", side_by_side(self._task, image, found, labels), step, dataformats="HWC"
            )
        self._writer.flush()

    def close(self) -> None:
        """Write out what is not yet."""
        self._writer.close()


def side_by_side(task: Task, image: SnapshotImage, found: Detections, labels: tuple[LabelInfo, ...]) -> Pixels:
    """One picture: the truth drawn on the left, what was found on the right."""
    pixels, _ = read(image.path)
    halves = [draw(pixels, task.drawn_truth(image, labels)), draw(pixels, task.drawn_found(found, labels))]
    small = [resize_to_fit(half, PICTURE_SIDE_PX) for half in halves]
    gap = np.full((small[0].shape[0], GAP_PX, 3), 255, np.uint8)
    return np.concatenate([small[0], gap, small[1]], axis=1)
