"""Coordinates as shares of an image's size, as YOLO, OpenImages and TFRecord have them, and back."""

from __future__ import annotations

from teppr.formats._numbers import plain
from teppr.types import Rect

PRECISION_PX = 1e-6
"""How far a coordinate may come back from where it was."""
_DIGITS = 6
_SHARE_DIGITS = 13


def in_pixels(share: float, size_px: int) -> float:
    """The coordinate; what a share has beyond `PRECISION_PX` is noise of the division."""
    return plain(round(share * size_px, _DIGITS))


def box_in_pixels(left: float, top: float, right: float, bottom: float, size_wh: tuple[int, int]) -> Rect:
    """The box whose corners are these shares."""
    width, height = size_wh
    x, y = in_pixels(left, width), in_pixels(top, height)
    return Rect(
        x,
        y,
        plain(round(right * width - left * width, _DIGITS)),
        plain(round(bottom * height - top * height, _DIGITS)),
    )


def share_text(value_px: float, size_px: int) -> str:
    """The share with as many digits as it takes to find the coordinate again."""
    return f"{value_px / size_px:.{_SHARE_DIGITS}g}"
