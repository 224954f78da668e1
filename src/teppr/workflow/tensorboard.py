"""Curves and pictures of a training for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from teppr.datasets.snapshot import SnapshotImage
from teppr.drawing import Drawn, draw, drawn_detections
from teppr.images import Pixels, read, resize_to_fit
from teppr.types import Detections, LabelInfo

PICTURE_SIDE_PX = 480
GAP_PX = 8


class Board:
    """Event files in a run's folder; what an earlier, cut-off process wrote beyond `step` is taken back."""

    def __init__(self, folder: Path, step: int) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=step or None)

    def figures(self, values: Mapping[str, float], step: int) -> None:
        """Curves by name: "loss/box_reg", "val/map_50" ..."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def pictures(
        self, examples: Iterable[tuple[SnapshotImage, Detections]], labels: tuple[LabelInfo, ...], step: int
    ) -> None:
        """Truth on the left, what is found on the right."""
        for image, found in examples:
            self._writer.add_image(f"val/{image.filename}", side_by_side(image, found, labels), step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Write out what is not yet."""
        self._writer.close()


def side_by_side(image: SnapshotImage, found: Detections, labels: tuple[LabelInfo, ...]) -> Pixels:
    """One picture: the truth drawn on the left, the detections of at least 0.5 on the right."""
    pixels, _ = read(image.path)
    truth = [
        Drawn(shape=shape, caption=labels[label_id].name, color=labels[label_id].color)
        for shape, label_id in zip(image.shapes, image.label_ids.tolist(), strict=True)
    ]
    halves = [draw(pixels, truth), draw(pixels, drawn_detections(found.at_least(0.5), labels))]
    small = [resize_to_fit(half, PICTURE_SIDE_PX) for half in halves]
    gap = np.full((small[0].shape[0], GAP_PX, 3), 255, np.uint8)
    return np.concatenate([small[0], gap, small[1]], axis=1)
