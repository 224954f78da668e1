"""Boxes and rings as VIA regions; plain Python, so that who only passes predictions on loads no image library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from teppr.types import LabelInfo, Ring

PIXEL_DECIMALS = 2
SCORE_DECIMALS = 4


def regions(
    boxes_xyxy_px: Sequence[Sequence[float]],
    rings: Sequence[Ring | None],
    scores_0_1: Sequence[float],
    labels: Sequence[LabelInfo],
) -> list[dict[str, Any]]:
    """One region each: a polygon where there is a ring, otherwise the box."""
    rows = zip(boxes_xyxy_px, rings, scores_0_1, labels, strict=True)
    return [
        {
            "shape_attributes": _shape(box, ring),
            "region_attributes": {"label": label.name, "score": round(score, SCORE_DECIMALS), "color": label.color},
        }
        for box, ring, score, label in rows
    ]


def _shape(box: Sequence[float], ring: Ring | None) -> dict[str, Any]:
    if not ring:
        x0, y0, x1, y1 = box
        sides = {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0}
        return {"name": "rect"} | {name: round(value, PIXEL_DECIMALS) for name, value in sides.items()}
    return {
        "name": "polygon",
        "all_points_x": [round(x, PIXEL_DECIMALS) for x, _ in ring],
        "all_points_y": [round(y, PIXEL_DECIMALS) for _, y in ring],
    }
