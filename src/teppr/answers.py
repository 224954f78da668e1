"""Detections as VIA regions: the form in which predictions leave teppr, in files and in the service's answers.

A region has the label, the score and the label's colour as its attributes, so that annotation tools open a prediction
like any annotation file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from teppr.geometry import ring_area, rings_of
from teppr.types import Detections, LabelInfo, Mask

PIXEL_DECIMALS = 2
SCORE_DECIMALS = 4


def via_entry(
    filename: str,
    size_bytes: int,
    detections: Detections,
    labels: Sequence[LabelInfo],
    *,
    attributes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """An image's entry of a VIA file; `attributes` join the image's width and height."""
    width, height = detections.size_wh
    return {
        "filename": filename,
        "size": size_bytes,
        "file_attributes": {"width": width, "height": height, **(attributes or {})},
        "regions": regions_of(detections, labels),
    }


def regions_of(detections: Detections, labels: Sequence[LabelInfo], *, outlines: bool = True) -> list[dict[str, Any]]:
    """One region a detection, best first.

    outlines: polygons for detections that have masks (of one in several parts the largest: VIA knows a single ring);
    False gives boxes for all
    """
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
            "shape_attributes": _shape(box, mask, outlines=outlines),
            "region_attributes": {
                "label": labels[label_id].name,
                "score": round(score, SCORE_DECIMALS),
                "color": labels[label_id].color,
            },
        }
        for box, score, label_id, mask in rows
    ]


def _shape(box: Sequence[float], mask: Mask | None, *, outlines: bool) -> dict[str, Any]:
    rings = rings_of(mask) if mask and outlines else ()
    if not rings:
        x0, y0, x1, y1 = box
        sides = {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0}
        return {"name": "rect"} | {name: round(value, PIXEL_DECIMALS) for name, value in sides.items()}
    ring = max(rings, key=ring_area)
    return {
        "name": "polygon",
        "all_points_x": [round(x, PIXEL_DECIMALS) for x, _ in ring],
        "all_points_y": [round(y, PIXEL_DECIMALS) for _, y in ring],
    }
