"""Whether two networks find the same objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from teppr.geometry import iou_xyxy, mask_iou
from teppr.tasks.contract import Parity
from teppr.types import Detections

COMPARED_FROM_SCORE_0_1 = 0.1
"""Weaker detections may come and go at the threshold of 0.05."""
NEEDED_IOU = 0.95
NEEDED_MASK_IOU = 0.9
ALLOWED_SCORE_DIFFERENCE = 0.01
NEEDED_SHARE = 0.99
"""Of all detections, on both sides; suppression of near-equal boxes may turn out otherwise once in a while."""


@dataclass(slots=True, kw_only=True)
class BoxParity(Parity):
    """Detections of both networks, matched by label and overlap.

    compared: of both sides, scoring 0.1 or more; agreed: those with a partner that is the same within the tolerances
    the largest differences are those among partners
    """

    largest_box_difference_px: float = 0.0
    largest_score_difference: float = 0.0
    smallest_mask_iou: float | None = None
    tolerances: ClassVar[Mapping[str, float]] = MappingProxyType(
        {
            "iou": NEEDED_IOU,
            "mask_iou": NEEDED_MASK_IOU,
            "score_difference": ALLOWED_SCORE_DIFFERENCE,
            "share": NEEDED_SHARE,
        }
    )

    def add(self, trained: Detections, exported: Detections) -> None:
        """See `Parity`."""
        self.images += 1
        pairs = matched(trained, exported)
        same = [self._is_same(trained, i, exported, j) for i, j in pairs]
        for side, found in enumerate((trained, exported)):
            strong = set(np.flatnonzero(found.scores_0_1 >= COMPARED_FROM_SCORE_0_1).tolist())
            self.compared += len(strong)
            self.agreed += sum(pair[side] in strong for pair, is_same in zip(pairs, same, strict=True) if is_same)

    def _is_same(self, trained: Detections, i: int, exported: Detections, j: int) -> bool:
        boxes = trained.boxes_xyxy_px[i], exported.boxes_xyxy_px[j]
        score_difference = abs(float(trained.scores_0_1[i] - exported.scores_0_1[j]))
        overlap = 1.0
        if trained.masks is not None and exported.masks is not None:
            overlap = float(mask_iou([trained.masks[i]], [exported.masks[j]])[0, 0])
            self.smallest_mask_iou = overlap if self.smallest_mask_iou is None else min(self.smallest_mask_iou, overlap)
        self.largest_box_difference_px = max(self.largest_box_difference_px, float(np.abs(boxes[0] - boxes[1]).max()))
        self.largest_score_difference = max(self.largest_score_difference, score_difference)
        return score_difference <= ALLOWED_SCORE_DIFFERENCE and overlap >= NEEDED_MASK_IOU


def matched(a: Detections, b: Detections) -> list[tuple[int, int]]:
    """Pairs of the same label that overlap by `NEEDED_IOU` or more, each detection in one pair at most, best first."""
    overlap: npt.NDArray[np.float64] = iou_xyxy(a.boxes_xyxy_px, b.boxes_xyxy_px)
    overlap[a.label_ids[:, None] != b.label_ids[None, :]] = 0
    pairs = []
    for i in range(len(a)):
        j = int(np.argmax(overlap[i])) if len(b) else 0
        if len(b) and overlap[i, j] >= NEEDED_IOU:
            pairs.append((i, j))
            overlap[:, j] = 0
    return pairs
