"""Detections as VIA regions: the form in which predictions leave teppr, in files and in the service's answers.

A region has the label, the score and the label's colour as its attributes, so that annotation tools open a prediction
like any annotation file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from teppr.geometry import ring_area, rings_of
from teppr.types import Detections, LabelInfo, Mask

Wanted: TypeAlias = Literal["any", "box", "polygon"]
"""any: polygons where there are masks and boxes otherwise; box: boxes; polygon: polygons, boxes as ones of four."""
PIXEL_DECIMALS = 2
SCORE_DECIMALS = 4


def via_entry(
    filename: str,
    size_bytes: int,
    detections: Detections,
    labels: Sequence[LabelInfo],
    *,
    as_shapes: Wanted = "any",
    attributes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """An image's entry of a VIA file; `attributes` join the image's width and height."""
    width, height = detections.size_wh
    return {
        "filename": filename,
        "size": size_bytes,
        "file_attributes": {"width": width, "height": height, **(attributes or {})},
        "regions": via_regions(detections, labels, as_shapes),
    }


def via_regions(detections: Detections, labels: Sequence[LabelInfo], as_shapes: Wanted = "any") -> list[dict[str, Any]]:
    """One region a detection, best first. Of a mask in several parts the largest part is given: VIA knows one ring."""
    masks: Sequence[Mask | None] = detections.masks or [None] * len(detections)
    rows = zip(
        detections.boxes_xyxy_px.tolist(),
        detections.scores_0_1.tolist(),
        detections.label_ids.tolist(),
        masks,
        strict=True,
    )
    return [
        {
            "shape_attributes": _shape(box, mask, as_shapes),
            "region_attributes": {
                "label": labels[label_id].name,
                "score": round(score, SCORE_DECIMALS),
                "color": labels[label_id].color,
            },
        }
        for box, score, label_id, mask in rows
    ]


def _shape(box: Sequence[float], mask: Mask | None, as_shapes: Wanted) -> dict[str, Any]:
    x0, y0, x1, y1 = (round(value, PIXEL_DECIMALS) for value in box)
    rings = () if mask is None or as_shapes == "box" else rings_of(mask)
    if rings:
        return _polygon(max(rings, key=ring_area))
    if as_shapes == "polygon":
        return _polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    sides = {"width": round(x1 - x0, PIXEL_DECIMALS), "height": round(y1 - y0, PIXEL_DECIMALS)}
    return {"name": "rect", "x": x0, "y": y0, **sides}


def _polygon(ring: Sequence[tuple[float, float]]) -> dict[str, Any]:
    return {
        "name": "polygon",
        "all_points_x": [round(x, PIXEL_DECIMALS) for x, _ in ring],
        "all_points_y": [round(y, PIXEL_DECIMALS) for _, y in ring],
    }
