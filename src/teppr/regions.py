"""Boxes and outlines as VIA regions; plain Python, so that who only passes predictions on loads no image library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from teppr.types import LabelInfo

PIXEL_DECIMALS = 2
SCORE_DECIMALS = 4
Outline: TypeAlias = tuple[Sequence[float], Sequence[float]]
"""All x and all y of a ring or a line, in pixels, at `PIXEL_DECIMALS`: passed on as it is, whatever its length."""


def regions(
    boxes_xyxy_px: Sequence[Sequence[float]],
    outlines: Sequence[Outline | None],
    scores_0_1: Sequence[float],
    labels: Sequence[LabelInfo],
    *,
    are_lines: bool = False,
) -> list[dict[str, Any]]:
    """One region each: a polygon where there is an outline, a polyline if they `are_lines`, otherwise the box."""
    outlined = "polyline" if are_lines else "polygon"
    rows = zip(boxes_xyxy_px, outlines, scores_0_1, labels, strict=True)
    return [
        {
            "shape_attributes": _shape(box, outline, outlined),
            "region_attributes": {"label": label.name, "score": round(score, SCORE_DECIMALS), "color": label.color},
        }
        for box, outline, score, label in rows
    ]


def _shape(box: Sequence[float], outline: Outline | None, outlined: str) -> dict[str, Any]:
    if outline is None:
        x0, y0, x1, y1 = box
        sides = {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0}
        return {"name": "rect"} | {name: round(value, PIXEL_DECIMALS) for name, value in sides.items()}
    all_x, all_y = outline
    return {"name": outlined, "all_points_x": all_x, "all_points_y": all_y}
