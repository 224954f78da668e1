"""What CVAT's XML may hold, in one place for reading and writing."""

from __future__ import annotations

import re

from teppr.formats._numbers import whole_number

IMAGE_WORDS = frozenset({"id", "name", "width", "height", "size_bytes", "attributes"})
"""Attributes of an `<image>` that records have a place for; any other is one of the image's.

Two are no words of CVAT, which passes them by: `size_bytes`, and `attributes`, a JSON object of those that are no text.
"""
GEOMETRY = {
    "box": ("xtl", "ytl", "xbr", "ybr"),
    "ellipse": ("cx", "cy", "rx", "ry", "rotation"),
    "polygon": ("points",),
    "polyline": ("points",),
    "points": ("points",),
    "mask": ("rle", "left", "top", "width", "height"),
    "tag": (),
}
"""The elements that are regions, and the attributes that say where."""
LABEL_WORDS = frozenset({"label", "label_attribute"})
"""The second is no word of CVAT: the name of the attribute that a label was the value of."""
REGION_WORDS = ("occluded", "z_order", "source", "group_id")
"""What CVAT says of a region itself; every other attribute is a child `<attribute name="...">`.

Where a child has the same name, the region's own is read as `@source`. A child that is no text is JSON, and says so by
`type="json"`, which CVAT passes by.
"""
_WHOLE = re.compile(r"-?[0-9]{1,18}")


def value_of_word(word: str, text: str) -> object:
    """The value that a region's own attribute has; None for what is the same as saying nothing."""
    if word == "occluded":
        return {"0": None, "1": True}.get(text, text)
    if word in ("z_order", "group_id") and _WHOLE.fullmatch(text):
        return int(text) or None
    return text


def text_of_word(word: str, value: object) -> str | None:
    """How a region's own attribute is written so that it is read again; None where it cannot be."""
    text = "1" if value is True else str(value)
    read = value_of_word(word, text)
    return text if type(read) is type(value) and read == value else None


def size_of_texts(width: str | None, height: str | None) -> tuple[int, int] | None:
    """An image's size; None where it is not said, or not in whole numbers."""
    width_px, height_px = whole_number(width, least=1), whole_number(height, least=1)
    return None if width_px is None or height_px is None else (width_px, height_px)
