"""Where a label is seen, found by trial: parts of the image are covered, and what the network finds is compared.

After "Visualizing and Understanding Convolutional Networks" (Zeiler & Fergus, ECCV 2014); the measure is the sum of the
scores of all that is found of the label, so that each of several objects counts. It needs no gradients, and so works
for any network that answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from teppr.anatomy.subject import Heat
from teppr.images import LETTERBOX_GREY, Pixels
from teppr.progress import QUIET, Progress
from teppr.types import Detections, Floats

METHOD = (
    "how much less of the label is found (the sum of its scores) when a grey square covers the place "
    "(occlusion, Zeiler & Fergus 2014)"
)
CELLS = 12
"""Places along each side of the image at which it is covered."""
COVERED = 3
"""Cells along each side of what is covered."""
RUNS = (CELLS + COVERED - 1) ** 2 + 1
"""Predictions for an image."""


def occlusion(
    find: Callable[[Pixels], Detections], pixels: Pixels, label_count: int, *, progress: Progress = QUIET
) -> Sequence[Heat]:
    """The heat of every label, in the order of labels; its score is the sum over what is found in the whole image."""
    height, width = pixels.shape[:2]
    xs, ys = (np.linspace(0, side, CELLS + 1).round().astype(int) for side in (width, height))
    whole = _sums(find(pixels), label_count)
    drops, counts = np.zeros((label_count, CELLS, CELLS)), np.zeros((CELLS, CELLS))
    for row in range(1 - COVERED, CELLS):
        for column in range(1 - COVERED, CELLS):
            top, left = max(row, 0), max(column, 0)
            bottom, right = min(row + COVERED, CELLS), min(column + COVERED, CELLS)
            covered = pixels.copy()
            covered[ys[top] : ys[bottom], xs[left] : xs[right]] = LETTERBOX_GREY
            drops[:, top:bottom, left:right] += (whole - _sums(find(covered), label_count))[:, None, None]
            counts[top:bottom, left:right] += 1
            progress.advance()
    heat = np.maximum(drops / counts, 0)
    heat /= np.maximum(heat.max(axis=(1, 2), keepdims=True), 1e-12)
    return [Heat(label_id=i, score=float(whole[i]), heat=np.asarray(heat[i], np.float32)) for i in range(label_count)]


def _sums(found: Detections, label_count: int) -> Floats:
    return np.bincount(found.label_ids, weights=found.scores_0_1, minlength=label_count).astype(np.float32)
