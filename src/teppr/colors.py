"""A colour for each label: drawn from its name, so that it is the same on every machine."""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

GOLDEN = 0.6180339887
"""Steps of this share of the circle meet every gap before long."""
TRIES = 64


def color_of(label: str) -> str:
    """A clear "#rrggbb" for one label by itself; two labels may come near each other."""
    return _hex(_hue(label), label)


def colors_of(labels: Iterable[str], given: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Clear colours for labels that are shown together: each as `color_of` says, or moved until none is near.

    given: {label: "#rrggbb"} of labels that have a colour of their own; the others keep away from them
    """
    names = sorted(set(labels))
    gap = 0.5 / max(1, len(names))
    taken = {name: _hue_of_hex(given[name]) for name in names if name in given}
    for name in names:
        if name not in given:
            hues = [(_hue(name) + k * GOLDEN) % 1 for k in range(TRIES)]
            free = (hue for hue in hues if all(_apart(hue, other) >= gap for other in taken.values()))
            taken[name] = next(free, hues[0])
    return {name: given[name] if name in given else _hex(taken[name], name) for name in names}


def rgb_of(color: str) -> tuple[int, int, int]:
    """The three parts 0..255 of "#rrggbb"."""
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue


def _hue(label: str) -> float:
    return int.from_bytes(_digest(label)[:4], "big") / 2**32


def _hue_of_hex(color: str) -> float:
    return colorsys.rgb_to_hsv(*(part / 255 for part in rgb_of(color)))[0]


def _hex(hue: float, label: str) -> str:
    value = 0.82 + 0.18 * _digest(label)[4] / 255
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, value)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _digest(label: str) -> bytes:
    return hashlib.sha256(label.encode()).digest()


def _apart(a: float, b: float) -> float:
    return min(abs(a - b), 1 - abs(a - b))
