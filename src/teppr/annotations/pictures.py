"""Small pictures of regions and images for pages, as data URLs."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from teppr.drawing import Drawn, draw, drawn_regions
from teppr.errors import BadImage
from teppr.geometry import box_xywh, rings_of
from teppr.images import DEFAULT_MAX_PIXELS, Pixels, encode_jpeg, read, resize_to_fit
from teppr.store.contract import StoredImage
from teppr.types import Finding, Point, Polygon, Polyline, Rect, Ring, Shape, Spot, WholeImage

PICTURE_PX = 320
"""Longer side of a picture."""
MARGIN = 0.6
"""What is shown around a region, as a share of its longer side."""
LEAST_MARGIN_PX = 24.0
FAULTY = "#ff2d55"
OUTSIDE_GREY = 70
FARTHEST_PX = 10_000.0
"""Points are drawn no farther out: drawing counts in small integers."""


class Pictures:
    """Makes pictures; remembers the image that was opened last, since findings come image by image."""

    def __init__(self, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
        self._max_pixels = max_pixels
        self._path: str | None = None
        self._pixels: Pixels | None = None

    def of_finding(self, finding: Finding) -> str | None:
        """The region in its surroundings, or the whole image; None where there is nothing to show."""
        pixels = self._open(finding.image_path)
        if pixels is None:
            return None
        if finding.shape is None or isinstance(finding.shape, WholeImage):
            return _data_url(resize_to_fit(pixels, PICTURE_PX))
        return _data_url(_close_up(pixels, finding.shape))

    def of_image(self, image: StoredImage) -> str | None:
        """The image with its regions."""
        return self.of_shapes(image.path, drawn_regions(image.regions))

    def of_shapes(self, path: str, shapes: Iterable[Drawn], longer_side_px: int = PICTURE_PX) -> str | None:
        """The image with these shapes, given in its pixels."""
        pixels = self._open(path)
        if pixels is None:
            return None
        small = resize_to_fit(pixels, longer_side_px)
        move = _mover((0, 0), small.shape[1] / pixels.shape[1])
        return _data_url(draw(small, [replace(drawn, shape=_moved(drawn.shape, move)) for drawn in shapes]))

    def _open(self, path: str | None) -> Pixels | None:
        if path != self._path:
            self._path = path
            try:
                self._pixels = None if path is None else read(Path(path), max_pixels=self._max_pixels)[0]
            except BadImage:
                self._pixels = None
        return self._pixels


def _close_up(pixels: Pixels, shape: Shape) -> Pixels:
    height, width = pixels.shape[:2]
    x, y, w, h = box_xywh(shape)
    margin = max(MARGIN * max(w, h), LEAST_MARGIN_PX)
    (left, right), (top, bottom) = _window(x, w, margin, width), _window(y, h, margin, height)
    cut = np.full((bottom - top, right - left, 3), OUTSIDE_GREY, dtype=np.uint8)
    seen = pixels[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    cut[max(-top, 0) :, max(-left, 0) :][: seen.shape[0], : seen.shape[1]] = seen
    picture = resize_to_fit(cut, PICTURE_PX)
    move = _mover((left, top), picture.shape[1] / cut.shape[1])
    return draw(picture, [Drawn(shape=_moved(shape, move), caption="", color=FAULTY)])


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


def _data_url(pixels: Pixels) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(encode_jpeg(pixels, quality=80)).decode()}"
