"""Detections as VIA regions: the form in which predictions leave teppr, in files and in the service's answers.

A region has the label, the score and the label's colour as its attributes, so that annotation tools open a prediction
like any annotation file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from teppr.geometry import ring_area, rings_of
from teppr.regions import PIXEL_DECIMALS, Outline, regions
from teppr.types import Detections, LabelInfo, Ring


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

    outlines: polygons for detections that have masks (of one in several parts the largest: VIA knows a single ring),
    polylines for those that have lines; False gives boxes for all
    """
    return regions(
        detections.boxes_xyxy_px.tolist(),
        outlines_of(detections) if outlines else [None] * len(detections),
        detections.scores_0_1.tolist(),
        [labels[label_id] for label_id in detections.label_ids.tolist()],
        are_lines=detections.lines is not None,
    )


def outlines_of(detections: Detections) -> list[Outline | None]:
    """For each detection its line, or the outline of its mask's largest part; None where it has neither, and for a mask
    without an area.
    """
    if detections.lines is not None:
        return [_outline(line.points) for line in detections.lines]
    if detections.masks is None:
        return [None] * len(detections)
    return [_outline(max(rings_of(mask), key=ring_area, default=())) for mask in detections.masks]


def _outline(ring: Ring) -> Outline | None:
    if not ring:
        return None
    all_x, all_y = np.round(np.asarray(ring).T, PIXEL_DECIMALS).tolist()
    return all_x, all_y
