"""Arithmetic of boxes, polygons and masks, on arrays.

Boxes are `xywh` (x, y, width, height) or `xyxy` (corners), polygons are rings of (x, y); all in pixels.
Rasters and run-length codes are pycocotools', so that areas and overlaps are COCO's to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from teppr.types import Circle, Ellipse, Floats, Mask, Point, Polygon, Polyline, Rect, Ring, Shape, Spot, WholeImage

Array = npt.NDArray[np.float64]
Bitmap = npt.NDArray[np.uint8]

CURVE_VERTICES = 64
"""Corners that stand for a circle or an ellipse: the area is within 0.2 % of the curve's."""


def xyxy_of(boxes_xywh: npt.ArrayLike) -> Array:
    """Corners of boxes [n, 4]."""
    boxes = np.asarray(boxes_xywh, dtype=np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def xywh_of(boxes_xyxy: npt.ArrayLike) -> Array:
    """Origin and size of boxes [n, 4] given by corners."""
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def clip_xyxy(boxes_xyxy: npt.ArrayLike, size_wh: tuple[int, int]) -> Array:
    """Boxes cut to the image."""
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    clipped: Array = np.clip(boxes, 0, [*size_wh, *size_wh])
    return clipped


def iou_xyxy(a: npt.ArrayLike, b: npt.ArrayLike) -> Array:
    """Intersection over union [n, m] of every box of `a` [n, 4] with every box of `b` [m, 4]; empty ones give 0."""
    first, second = (np.asarray(boxes, dtype=np.float64).reshape(-1, 4) for boxes in (a, b))
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    overlap: Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def suppress(boxes_xyxy: npt.ArrayLike, label_ids: npt.ArrayLike, iou: float, most: int) -> list[int]:
    """Which of the boxes [n, 4], best first, repeat no better one: of the same label and with a greater overlap.

    At most the first `most` of them. Empty boxes repeat one another.
    """
    boxes, labels = xywh_of(boxes_xyxy).tolist(), np.asarray(label_ids).tolist()
    falling = np.arange(len(boxes), 0.0, -1).tolist()
    kept = cv2.dnn.NMSBoxesBatched(boxes, falling, labels, score_threshold=0, nms_threshold=iou)
    return [int(i) for i in kept[:most]]


def ring_area(ring: Sequence[Point]) -> float:
    """Area inside a simple ring (shoelace formula), never negative; exact for whole numbers."""
    if len(ring) < 3:
        return 0.0
    # A plain loop: rings have tens of corners, for which arrays cost more than they save.
    twice: float = 0.0
    x0, y0 = ring[-1]
    for x1, y1 in ring:
        twice += x0 * y1 - x1 * y0
        x0, y0 = x1, y1
    return abs(twice) / 2


def points_of(shape: Shape) -> Ring:
    """The points that bound a shape: corners, ends, or the box's corners of a curve. A mask gives its box's."""
    match shape:
        case Polygon(rings=rings):
            return tuple(point for ring in rings for point in ring)
        case Polyline(points=points):
            return points
        case Spot(cx=cx, cy=cy):
            return ((cx, cy),)
        case WholeImage():
            return ()
        case _:
            x, y, width, height = box_xywh(shape)
            return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))


def box_xywh(shape: Shape) -> tuple[float, float, float, float]:
    """The smallest axis-parallel box around a shape."""
    match shape:
        case Rect(x=x, y=y, width=width, height=height):
            return x, y, width, height
        case Circle(cx=cx, cy=cy, r=r):
            return cx - r, cy - r, 2 * r, 2 * r
        case Ellipse(cx=cx, cy=cy, rx=rx, ry=ry, theta_rad=theta):
            half_width = math.hypot(rx * math.cos(theta), ry * math.sin(theta))
            half_height = math.hypot(rx * math.sin(theta), ry * math.cos(theta))
            return cx - half_width, cy - half_height, 2 * half_width, 2 * half_height
        case Mask():
            x, y, width, height = coco_mask.toBbox(rle_of_mask(shape))
            return float(x), float(y), float(width), float(height)
        case _:
            points = points_of(shape)
            if not points:
                return 0.0, 0.0, 0.0, 0.0
            xs, ys = [x for x, _ in points], [y for _, y in points]
            x0, y0 = min(xs), min(ys)
            return x0, y0, max(xs) - x0, max(ys) - y0


def area(shape: Shape) -> float:
    """Area of a shape in square pixels; lines, points and whole images have none. Rings of a polygon are added up."""
    match shape:
        case Rect(width=width, height=height):
            return width * height
        case Circle(r=r):
            return math.pi * r * r
        case Ellipse(rx=rx, ry=ry):
            return math.pi * rx * ry
        case Polygon(rings=rings):
            return sum(map(ring_area, rings))
        case Mask():
            return float(coco_mask.area(rle_of_mask(shape)))
        case _:
            return 0.0


def rings_of(shape: Shape) -> tuple[Ring, ...]:
    """The outline of a shape as rings, curves as polygons of `CURVE_VERTICES` corners; lines and points have none."""
    match shape:
        case Polygon(rings=rings):
            return rings
        case Rect():
            return (points_of(shape),)
        case Circle(cx=cx, cy=cy, r=r):
            return (_ellipse_ring(cx, cy, r, r, 0.0),)
        case Ellipse(cx=cx, cy=cy, rx=rx, ry=ry, theta_rad=theta):
            return (_ellipse_ring(cx, cy, rx, ry, theta),)
        case Mask():
            return _rings_of_mask(shape)
        case _:
            return ()


def _rings_of_mask(mask: Mask) -> tuple[Ring, ...]:
    # Only what the mask covers is looked at: a hundred objects in an image of twelve megapixels would take seconds.
    x, y, width, height = (int(side) for side in box_xywh(mask))
    if not width:
        return ()
    return rings_of_bitmap(bitmap_of_mask(mask)[y : y + height, x : x + width], origin_xy=(x, y))


def _ellipse_ring(cx: float, cy: float, rx: float, ry: float, theta: float) -> Ring:
    angle = np.arange(CURVE_VERTICES) * (2 * np.pi / CURVE_VERTICES)
    along, across = rx * np.cos(angle), ry * np.sin(angle)
    x = cx + along * math.cos(theta) - across * math.sin(theta)
    y = cy + along * math.sin(theta) + across * math.cos(theta)
    return tuple(zip(x.tolist(), y.tolist(), strict=True))


def clip_shape(shape: Shape, size_wh: tuple[int, int]) -> Shape:
    """The shape with every point moved inside the image; curves that reach beyond it become polygons."""
    width, height = size_wh

    def inside(ring: Ring) -> Ring:
        return tuple((min(max(x, 0), width), min(max(y, 0), height)) for x, y in ring)

    match shape:
        case Rect():
            x0, y0, x1, y1 = clip_xyxy(xyxy_of([box_xywh(shape)]), size_wh)[0].tolist()
            return Rect(x0, y0, x1 - x0, y1 - y0)
        case Polygon(rings=rings, closed_in_file=closed):
            return Polygon(tuple(map(inside, rings)), closed_in_file=closed)
        case Polyline(points=points):
            return Polyline(inside(points))
        case Spot(cx=cx, cy=cy):
            return Spot(*inside(((cx, cy),))[0])
        case Mask() | WholeImage():
            return shape
        case _:
            return Polygon(tuple(map(inside, rings_of(shape))))


def rle_of_mask(mask: Mask) -> dict[str, object]:
    """The run-length code as pycocotools wants it."""
    width, height = mask.size_wh
    return {"size": [height, width], "counts": mask.counts.encode()}


def mask_of_shape(shape: Shape, size_wh: tuple[int, int]) -> Mask:
    """The shape drawn by COCO's rasteriser; lines and points give an empty mask."""
    if isinstance(shape, Mask):
        return shape
    width, height = size_wh
    flat = [[value for point in ring for value in point] for ring in rings_of(shape) if len(ring) >= 3]
    if not flat:
        return mask_of_bitmap(np.zeros((height, width), np.uint8))
    merged = coco_mask.merge(coco_mask.frPyObjects(flat, height, width))
    return Mask(merged["counts"].decode(), size_wh)


def mask_of_bitmap(bitmap: Bitmap) -> Mask:
    """A bitmap [height, width] of 0 and 1 as a run-length code."""
    height, width = bitmap.shape
    code = coco_mask.encode(np.asfortranarray(bitmap, dtype=np.uint8))
    return Mask(code["counts"].decode(), (width, height))


def bitmap_of_mask(mask: Mask) -> Bitmap:
    """The bitmap [height, width] of 0 and 1."""
    decoded: Bitmap = coco_mask.decode(rle_of_mask(mask))
    return decoded


def rings_of_bitmap(
    bitmap: Bitmap, tolerance_px: float = 0.5, *, origin_xy: tuple[int, int] = (0, 0)
) -> tuple[Ring, ...]:
    """Outer outlines of a bitmap's parts, largest first, straightened by at most `tolerance_px`.

    origin_xy: where the bitmap's first pixel lies
    Outlines run through the outermost pixels' centres, moved to pixel corners so that areas fit within a pixel's
    width; parts of fewer than three corners are left out.
    """
    # A doubled bitmap has its contour within a quarter of a pixel of the true edge.
    doubled = cv2.resize(bitmap, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    found, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rings = []
    for contour in sorted(found, key=cv2.contourArea, reverse=True):
        simple = cv2.approxPolyDP(contour, 2 * tolerance_px, closed=True).reshape(-1, 2)
        if len(simple) >= 3:
            rings.append(tuple((x, y) for x, y in ((simple + 0.5) / 2 + origin_xy).tolist()))
    return tuple(rings)


def mask_iou(a: Sequence[Mask], b: Sequence[Mask], b_is_crowd: Sequence[bool] | None = None) -> Array:
    """Overlap [n, m] of masks by pycocotools; against a crowd it is the share of `a` that lies inside."""
    if not a or not b:
        return np.zeros((len(a), len(b)))
    crowd = [int(flag) for flag in b_is_crowd] if b_is_crowd is not None else [0] * len(b)
    overlap = coco_mask.iou([rle_of_mask(m) for m in a], [rle_of_mask(m) for m in b], crowd)
    return np.asarray(overlap, dtype=np.float64)


def scale_boxes_xyxy(boxes_xyxy: Floats, from_wh: tuple[int, int], to_wh: tuple[int, int]) -> Floats:
    """Boxes of an image of one size in the pixels of the same image at another size."""
    factors = np.array([to / start for to, start in zip(to_wh * 2, from_wh * 2, strict=True)], np.float32)
    return (boxes_xyxy * factors).astype(np.float32)
