"""The keys of TensorFlow's Object Detection API, and what its label map holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from teppr.errors import BadFile
from teppr.formats._tfrecord_messages import messages

LABEL_MAP = "label_map.pbtxt"

ENCODED, FORMAT, SHA256 = "image/encoded", "image/format", "image/key/sha256"
FILENAME, SOURCE_ID = "image/filename", "image/source_id"
WIDTH, HEIGHT = "image/width", "image/height"
IMAGE_TEXT, IMAGE_NUMBER = "image/class/text", "image/class/label"
OBJECT = "image/object/"
CORNERS = tuple(f"{OBJECT}bbox/{name}" for name in ("xmin", "ymin", "xmax", "ymax"))
"""Shares of the image's width and height."""
TEXT, NUMBER = f"{OBJECT}class/text", f"{OBJECT}class/label"
CROWD, AREA, MASK = f"{OBJECT}is_crowd", f"{OBJECT}area", f"{OBJECT}mask"
FLAGS = ("difficult", "truncated", "occluded", "group_of")
"""Attributes of an object that are 0 or 1, below `OBJECT`."""

IMAGE_KEYS = frozenset(
    {ENCODED, FORMAT, SHA256, FILENAME, SOURCE_ID, WIDTH, HEIGHT, IMAGE_TEXT, IMAGE_NUMBER, "image/channels"}
)
OBJECT_KEYS = frozenset({*CORNERS, TEXT, NUMBER, CROWD, AREA, MASK})

PRECISION_PX = 0.004
"""Shares have 24 bits, so that a coordinate of 10000 pixels may be off by a thousandth; then it is rounded to that."""
PIXEL_DIGITS = 3
MOST_MASK_PIXELS = 2**24
"""Images beyond are written without masks: each would be drawn whole."""


def read_label_map(path: Path) -> dict[int, str] | None:
    """{number: label}; None where there is no label map. Raises BadFile where it is none."""
    from google.protobuf import text_format

    if not path.is_file():
        return None
    label_map = messages().label_map()
    try:
        text_format.Parse(path.read_bytes(), label_map, allow_unknown_field=True)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise BadFile(f"cannot read the label map {path}: {error}") from error
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror or error}") from error
    return {item.id: item.name or item.display_name for item in label_map.item}


def label_map_text(numbers: Mapping[str, int]) -> bytes:
    """The label map of {label: number}."""
    from google.protobuf import text_format

    label_map = messages().label_map()
    for label, number in numbers.items():
        label_map.item.add(id=number, name=label)
    text: str = text_format.MessageToString(label_map, as_utf8=True)
    return text.encode()
