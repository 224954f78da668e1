"""A colour for each label: the same name always has the same one, on every machine."""

from __future__ import annotations

import colorsys
import hashlib


def color_of(label: str) -> str:
    """A clear "#rrggbb", drawn from the name itself."""
    digest = hashlib.sha256(label.encode()).digest()
    hue = int.from_bytes(digest[:4], "big") / 2**32
    value = 0.82 + 0.18 * digest[4] / 255
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, value)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def rgb_of(color: str) -> tuple[int, int, int]:
    """The three parts 0..255 of "#rrggbb"."""
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue
