"""Regions drawn on images, for people to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from teppr.colors import color_of, rgb_of
from teppr.geometry import box_xywh, rings_of
from teppr.images import Pixels
from teppr.types import Detections, LabelInfo, Polyline, Rect, Region, Shape, Spot

FILL_OPACITY = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One shape to draw: `caption` may be empty, `color` is "#rrggbb"."""

    shape: Shape
    caption: str
    color: str


def drawn_regions(regions: Iterable[Region]) -> list[Drawn]:
    """Annotated regions in their labels' colours."""
    return [
        Drawn(shape=region.shape, caption=region.label or "?", color=color_of(region.label or "?"))
        for region in regions
    ]


def drawn_detections(detections: Detections, labels: Sequence[LabelInfo]) -> list[Drawn]:
    """Detections with label and score: their masks, or their boxes where there are none."""
    drawn = []
    for i, label_id in enumerate(detections.label_ids.tolist()):
        label = labels[label_id]
        x0, y0, x1, y1 = detections.boxes_xyxy_px[i].tolist()
        shape: Shape = Rect(x0, y0, x1 - x0, y1 - y0) if detections.masks is None else detections.masks[i]
        caption = f"{label.name} {detections.scores_0_1[i]:.2f}"
        drawn.append(Drawn(shape=shape, caption=caption, color=label.color))
    return drawn


def draw(pixels: Pixels, shapes: Iterable[Drawn]) -> Pixels:
    """A copy of the image [height, width, 3] in RGB, shapes outlined and captioned; all but boxes lightly filled."""
    shapes = list(shapes)
    picture = _filled(pixels, shapes)
    height, width = picture.shape[:2]
    line_px = max(1, round(max(height, width) / 400))
    for item in shapes:
        color = rgb_of(item.color)
        for ring in rings_of(item.shape):
            cv2.polylines(
                picture, [_corners(ring)], isClosed=True, color=color, thickness=line_px, lineType=cv2.LINE_AA
            )
        _open_shape(picture, item.shape, color, line_px)
    for item in shapes:
        _caption(picture, item, line_px)
    return picture


def _corners(points: Sequence[tuple[float, float]]) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    return np.round(np.asarray(points, dtype=np.float64)).astype(np.int32).reshape(-1, 1, 2)


def _filled(pixels: Pixels, shapes: Sequence[Drawn]) -> Pixels:
    tinted = pixels.copy()
    for item in shapes:
        if isinstance(item.shape, Rect):
            continue  # most of a box is not the object
        for ring in rings_of(item.shape):
            cv2.fillPoly(tinted, [_corners(ring)], rgb_of(item.color))
    blended = cv2.addWeighted(tinted, FILL_OPACITY, pixels, 1 - FILL_OPACITY, 0)
    return np.ascontiguousarray(blended, dtype=np.uint8)


def _open_shape(picture: Pixels, shape: Shape, color: tuple[int, int, int], line_px: int) -> None:
    match shape:
        case Polyline(points=points) if points:
            cv2.polylines(
                picture,
                [_corners(points)],
                isClosed=False,
                color=color,
                thickness=2 * line_px,
                lineType=cv2.LINE_AA,
            )
        case Spot(cx=cx, cy=cy):
            cv2.circle(picture, (round(cx), round(cy)), 3 * line_px, color, -1, cv2.LINE_AA)


def _caption(picture: Pixels, item: Drawn, line_px: int) -> None:
    if not item.caption:
        return
    scale = max(0.35, max(picture.shape[:2]) / 1600)
    thickness = max(1, line_px // 2)
    text = item.caption.encode("ascii", "replace").decode()  # the built-in font knows no other letters
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    x, y, _, _ = box_xywh(item.shape)
    left = int(min(max(x, 0), max(0, picture.shape[1] - width - 4)))
    bottom = int(min(max(y, height + base + 2), picture.shape[0] - 1))
    color = rgb_of(item.color)
    cv2.rectangle(picture, (left, bottom - height - base - 2), (left + width + 4, bottom), color, -1)
    ink = (0, 0, 0) if sum(color) > 380 else (255, 255, 255)
    cv2.putText(picture, text, (left + 2, bottom - base), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, thickness, cv2.LINE_AA)
