"""What labelme's files may hold, in one place for reading and writing."""

from __future__ import annotations

from collections.abc import Mapping

FLAGS = "flags"
TOP_WORDS = frozenset(
    {
        *("version", FLAGS, "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"),
        *("size_bytes", "attributes"),
    }
)
"""Keys of a file that records have a place for; any other is one of the image's attributes.

The last two are no words of labelme, which keeps them: `attributes` holds those of the same name as another key.
"""
SHAPE_WORDS = frozenset(
    {
        *("label", "points", "group_id", "shape_type", FLAGS, "description", "mask"),
        *("label_attribute", "attributes"),
    }
)
"""Keys of a shape that regions have a place for; any other is an attribute.

The last two are no words of labelme: `label_attribute` is the name of the attribute that a label was the value of.
"""


def are_flags(value: object) -> bool:
    """Whether a value is what labelme keeps as flags: at least one name, each with true or false."""
    return isinstance(value, Mapping) and bool(value) and all(isinstance(ticked, bool) for ticked in value.values())


def is_group(value: object) -> bool:
    """Whether a value is what labelme keeps as the number of a group."""
    return isinstance(value, int) and not isinstance(value, bool)
