"""Small pictures for pages: images with their regions, close-ups of regions, and how pages hold them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from teppr.drawing import Drawn, draw
from teppr.geometry import box_xywh, rings_of
from teppr.images import Pixels, encode_jpeg, resize_to_fit
from teppr.types import Point, Polygon, Polyline, Rect, Ring, Shape, Spot

MARGIN = 0.6
"""What is shown around a region, as a share of its longer side."""
LEAST_MARGIN_PX = 24.0
OUTSIDE_GREY = 70
FARTHEST_PX = 10_000.0
"""Points are drawn no farther out: drawing counts in small integers."""


def thumbnail(pixels: Pixels, shapes: Iterable[Drawn], longer_side_px: int) -> Pixels:
    """The image made small, with these shapes, which are given in its own pixels."""
    small = resize_to_fit(pixels, longer_side_px)
    move = _mover((0, 0), small.shape[1] / pixels.shape[1])
    return draw(small, [replace(drawn, shape=_moved(drawn.shape, move)) for drawn in shapes])


def close_up(pixels: Pixels, drawn: Drawn, longer_side_px: int) -> Pixels:
    """The shape, given in the image's pixels, with some of what lies around it."""
    height, width = pixels.shape[:2]
    x, y, w, h = box_xywh(drawn.shape)
    margin = max(MARGIN * max(w, h), LEAST_MARGIN_PX)
    (left, right), (top, bottom) = _window(x, w, margin, width), _window(y, h, margin, height)
    cut = np.full((bottom - top, right - left, 3), OUTSIDE_GREY, dtype=np.uint8)
    seen = pixels[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    cut[max(-top, 0) :, max(-left, 0) :][: seen.shape[0], : seen.shape[1]] = seen
    picture = resize_to_fit(cut, longer_side_px)
    move = _mover((left, top), picture.shape[1] / cut.shape[1])
    return draw(picture, [replace(drawn, shape=_moved(drawn.shape, move))])


def data_url(pixels: Pixels) -> str:
    """The picture as a page holds it within itself."""
    return url_of_jpeg(encode_jpeg(pixels, quality=80))


def url_of_jpeg(jpeg: bytes) -> str:
    """The same of a picture that is encoded already."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _window(start: float, length: float, margin: float, size: int) -> tuple[int, int]:
    """What is shown along one side of an image of `size`: beyond it only where the shape is there, within reason."""
    end, most = start + length, size // 2
    least_low = min(0, _between(-most, start - LEAST_MARGIN_PX, 0))
    most_high = max(size, _between(size, end + LEAST_MARGIN_PX, size + most))
    low = _between(least_low, start - margin, size - 1)
    return low, _between(max(low, 0) + 1, end + margin, most_high)


def _between(least: int, value: float, most: int) -> int:
    return int(min(max(value, least), most))


def _mover(origin: Point, scale: float) -> Callable[[Ring], Ring]:
    def place(value: float, start: float) -> float:
        return min(max((value - start) * scale, -FARTHEST_PX), FARTHEST_PX)

    def move(points: Ring) -> Ring:
        return tuple((place(x, origin[0]), place(y, origin[1])) for x, y in points)

    return move


def _moved(shape: Shape, move: Callable[[Ring], Ring]) -> Shape:
    match shape:
        case Polyline(points=points):
            return Polyline(move(points))
        case Spot(cx=cx, cy=cy):
            return Spot(*move(((cx, cy),))[0])
        case Rect(x=x, y=y, width=width, height=height):
            (x0, y0), (x1, y1) = move(((x, y), (x + width, y + height)))
            return Rect(x0, y0, x1 - x0, y1 - y0)
        case _:
            rings = tuple(move(ring) for ring in rings_of(shape) if ring)
            return Polygon(rings) if rings else Polyline(())
