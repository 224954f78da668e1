"""A picture in the making, and what a scene is.

Pictures are drawn twice as large and scaled down, so that edges are as soft as a camera's.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from teppr.images import Pixels
from teppr.types import Ring, Shape

Color = tuple[int, int, int]

OVERSAMPLING = 2


@dataclass(frozen=True, slots=True)
class Placed:
    """An object in a scene: its label, and its outline in pixels of the picture."""

    label: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture [height, width, 3] in RGB and what is in it."""

    pixels: Pixels
    objects: tuple[Placed, ...]


class Canvas:
    """A picture that is drawn in final pixels and kept enlarged."""

    def __init__(self, size_wh: tuple[int, int]) -> None:
        """Black, to be drawn on."""
        self.size_wh = size_wh
        width, height = size_wh
        self.pixels: Pixels = np.zeros((height * OVERSAMPLING, width * OVERSAMPLING, 3), np.uint8)

    def polygon(self, points: Ring, color: Color) -> None:
        """Fill a ring."""
        cv2.fillPoly(self.pixels, [self.corners(points)], color, cv2.LINE_AA)

    def rect(self, x: float, y: float, width: float, height: float, color: Color) -> None:
        """Fill a rectangle."""
        self.polygon(((x, y), (x + width, y), (x + width, y + height), (x, y + height)), color)

    def circle(self, cx: float, cy: float, r: float, color: Color) -> None:
        """Fill a circle."""
        center = round(cx * OVERSAMPLING), round(cy * OVERSAMPLING)
        cv2.circle(self.pixels, center, max(1, round(r * OVERSAMPLING)), color, -1, cv2.LINE_AA)

    def text(self, words: str, cx: float, cy: float, height_px: float, color: Color) -> None:
        """Write around a centre."""
        scale = height_px * OVERSAMPLING / 22
        thickness = max(1, round(scale * 2.4))
        (width, height), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        origin = round(cx * OVERSAMPLING - width / 2), round(cy * OVERSAMPLING + height / 2)
        cv2.putText(self.pixels, words, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, color, thickness, cv2.LINE_AA)

    def finished(self) -> Pixels:
        """The picture in its size."""
        return np.asarray(cv2.resize(self.pixels, self.size_wh, interpolation=cv2.INTER_AREA), dtype=np.uint8)

    @staticmethod
    def corners(points: Ring) -> npt.NDArray[np.int32]:
        """Points of the picture where they lie in `pixels`, as OpenCV wants them."""
        return np.round(np.asarray(points) * OVERSAMPLING).astype(np.int32).reshape(-1, 1, 2)


def pick(random: np.random.Generator, colors: tuple[Color, ...]) -> Color:
    """One of the colours."""
    return colors[random.integers(len(colors))]


def around(random: np.random.Generator, color: Color, spread: int) -> Color:
    """A colour near this one."""
    red, green, blue = (int(np.clip(part + random.integers(-spread, spread + 1), 0, 255)) for part in color)
    return red, green, blue
