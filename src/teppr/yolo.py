"""The raw answers of detectors of the YOLO family, made into boxes that do not repeat each other."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from teppr.errors import UnknownName
from teppr.geometry import suppress
from teppr.types import Floats, Ints

STYLES = MappingProxyType(
    {
        "v8": "[4 + labels, n]: centre, size, and the score of each label",
        "v5": "[n, 5 + labels]: centre, size, the chance of an object, and that of each label",
        "end2end": "[n, 6]: corners, score and label, repetitions left out by the network itself",
    }
)
"""The layouts by name, without the axis of images."""


class Candidates(NamedTuple):
    """Boxes [n, 4] by their corners in the network's pixels, labels [n] and scores [n]."""

    boxes_xyxy_px: Floats
    label_ids: Ints
    scores_0_1: Floats


def candidates(
    output: npt.NDArray[Any], style: str, *, lowest_score_0_1: float, overlap_0_1: float, most: int
) -> Candidates:
    """What a network says of one image, in one of `STYLES`: the best `most` that score so much at least.

    overlap_0_1: of two boxes of one label with a greater IoU the better one stays
    Raises UnknownName for another style.
    """
    rows = np.asarray(output, np.float32)
    rows = rows[0] if rows.ndim == 3 else rows
    match style:
        case "v8":
            boxes, scores = rows[:4].T, rows[4:]
        case "v5":
            boxes, scores = rows[:, :4], (rows[:, 4:5] * rows[:, 5:]).T
        case "end2end":
            kept = rows[rows[:, 4] >= lowest_score_0_1]
            return Candidates(kept[:, :4], kept[:, 5].round().astype(np.int64), kept[:, 4])
        case _:
            raise UnknownName.of("style of YOLO", style, STYLES)
    best_scores = scores.max(axis=0)
    likely = np.flatnonzero(best_scores >= lowest_score_0_1)
    likely = likely[np.argsort(-best_scores[likely], kind="stable")]
    label_ids = scores[:, likely].argmax(axis=0)
    centres, halves = boxes[likely, :2], boxes[likely, 2:] / 2
    corners = np.concatenate([centres - halves, centres + halves], axis=1)
    kept = suppress(corners, label_ids, overlap_0_1, most)
    return Candidates(corners[kept], label_ids[kept].astype(np.int64), best_scores[likely[kept]])
