"""How much two annotators' regions are the same object: 0 nothing in common, 1 the same outline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from teppr.geometry import Array, box_xywh, iou_xyxy, mask_iou, mask_of_shape, points_of, xyxy_of
from teppr.types import Mask, Polyline, Rect, Ring, Shape, Spot, WholeImage

LINE_SAMPLES = 64
"""Points, evenly along a line, whose distance to the other line counts."""
HALF_AT = 0.01
"""Lines and points so far apart, as a share of the image's diagonal, have a similarity of one half."""


def similarities(first: Sequence[Shape], second: Sequence[Shape], size_wh: tuple[int, int]) -> Array:
    """Similarity 0..1 [n, m] of every shape of `first` with every shape of `second`, in one image.

    Rectangles: intersection over union of the boxes. Other shapes with an area, and a rectangle with one of those:
    of their masks. Lines and points: 1 / (1 + d / h), where d is the mean distance of each line's points to the other
    (of the two points) and h `HALF_AT` of the diagonal. Whole images are the same. A shape that has an area, a line, a
    point and a whole image have nothing in common with each other.
    """
    table = np.zeros((len(first), len(second)))
    _put_areas(table, first, second, size_wh)
    half_px = HALF_AT * math.hypot(*size_wh)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            match a, b:
                case WholeImage(), WholeImage():
                    table[i, j] = 1
                case (Polyline(), Polyline()) | (Spot(), Spot()):
                    table[i, j] = 1 / (1 + _distance_px(points_of(a), points_of(b)) / half_px)
    return table


def _put_areas(table: Array, first: Sequence[Shape], second: Sequence[Shape], size_wh: tuple[int, int]) -> None:
    rows = [i for i, shape in enumerate(first) if _has_area(shape)]
    columns = [j for j, shape in enumerate(second) if _has_area(shape)]
    if not rows or not columns:
        return
    boxes = [xyxy_of([box_xywh(shapes[k]) for k in kept]) for shapes, kept in ((first, rows), (second, columns))]
    overlap = iou_xyxy(*boxes)

    @cache
    def mask(side: int, k: int) -> Mask:
        # Drawn once, and only where boxes meet: most shapes of a picture have nothing to do with each other.
        return mask_of_shape((first, second)[side][k], size_wh)

    for row, column in np.argwhere(overlap > 0).tolist():
        i, j = rows[row], columns[column]
        both_boxes = isinstance(first[i], Rect) and isinstance(second[j], Rect)
        table[i, j] = overlap[row, column] if both_boxes else mask_iou([mask(0, i)], [mask(1, j)])[0, 0]


def _has_area(shape: Shape) -> bool:
    return not isinstance(shape, Polyline | Spot | WholeImage)


def _distance_px(first: Ring, second: Ring) -> float:
    """Mean of both ways, so that a part of a line is not the whole of it."""
    if not first or not second:
        return math.inf
    return (_mean_distance_px(first, second) + _mean_distance_px(second, first)) / 2


def _mean_distance_px(points: Ring, line: Ring) -> float:
    p = _along(points)[:, None]
    corners = np.asarray([*line, line[-1]], dtype=np.float64)  # so that a single point is a line as well
    start, step = corners[:-1], np.diff(corners, axis=0)
    length2 = np.sum(np.square(step), axis=1)
    share = np.clip(np.sum((p - start) * step, axis=2) / np.where(length2 > 0, length2, 1), 0, 1)
    nearest = start + share[..., None] * step
    return float(np.linalg.norm(p - nearest, axis=2).min(axis=1).mean())


def _along(points: Ring) -> Array:
    """Points evenly along a line; a single point as it is."""
    corners = np.asarray(points, dtype=np.float64)
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    if at[-1] == 0:
        return corners[:1]
    where = np.linspace(0, at[-1], LINE_SAMPLES)
    return np.stack([np.interp(where, at, corners[:, k]) for k in (0, 1)], axis=1)
