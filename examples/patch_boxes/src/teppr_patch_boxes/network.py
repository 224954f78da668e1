"""The network as trained: the perceptrons on every cell, and of boxes that overlap the best."""

from __future__ import annotations

from itertools import count

import cv2
import numpy as np
import numpy.typing as npt

from teppr.architectures.contract import Arrays
from teppr.images import Pixels
from teppr_patch_boxes.cells import cell_map, centres, features

Floats = npt.NDArray[np.float32]

LABELS, BOXES = "labels", "boxes"
"""The two perceptrons; their layers are named "labels/w0", "labels/b0", "labels/w1" ..."""
BOX_UNIT_PX = 32.0
SUPPRESSION_IOU = 0.4
LOWEST_SCORE_0_1 = 0.05
MOST_PER_LABEL = 100


def found_in(weights: Arrays, pixels: Pixels) -> tuple[Floats, npt.NDArray[np.int64], Floats]:
    """Boxes [n, 4] (corners), label ids [n] and scores [n], as the exported graph gives them."""
    cells = cell_map(pixels)
    seen = features(cells)
    scores = np.clip(_outputs(weights, LABELS, seen)[:, :-1], 0, 1)
    reach = np.maximum(_outputs(weights, BOXES, seen), 0) * np.float32(BOX_UNIT_PX)
    at = centres((cells.shape[1], cells.shape[2]))
    boxes = np.concatenate([at - reach[:, :2], at + reach[:, 2:]], axis=1)
    kept = [(label, cell) for label in range(scores.shape[1]) for cell in _suppressed(boxes, scores[:, label])]
    labels = np.array([label for label, _ in kept], np.int64)
    chosen = np.array([cell for _, cell in kept], np.int64)
    return boxes[chosen], labels, scores[chosen, labels]


def _outputs(weights: Arrays, name: str, seen: Floats) -> Floats:
    values = seen
    for i in count():
        values = values @ weights[f"{name}/w{i}"] + weights[f"{name}/b{i}"]
        if f"{name}/w{i + 1}" not in weights:
            return values
        values = np.maximum(values, 0)
    raise AssertionError


def _suppressed(boxes: Floats, scores: Floats) -> list[int]:
    corners_and_size = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    chosen = cv2.dnn.NMSBoxes(
        corners_and_size.tolist(), scores.tolist(), LOWEST_SCORE_0_1, SUPPRESSION_IOU, top_k=len(boxes)
    )
    return [int(i) for i in np.asarray(chosen, np.int64).ravel()][:MOST_PER_LABEL]
