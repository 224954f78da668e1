"""The keys of the TF Object Detection API, in one place for reading and writing."""

from __future__ import annotations

ENCODED, FORMAT = "image/encoded", "image/format"
FILENAME, SOURCE_ID = "image/filename", "image/source_id"
HEIGHT, WIDTH = "image/height", "image/width"
CLASS_TEXT, CLASS_LABEL = "image/class/text", "image/class/label"
"""Labels of the whole image."""
CORNERS = tuple(f"image/object/bbox/{corner}" for corner in ("xmin", "ymin", "xmax", "ymax"))
TEXT, LABEL = "image/object/class/text", "image/object/class/label"
CROWD, MASK = "image/object/is_crowd", "image/object/mask"
FLAGS = ("difficult", "truncated")
"""Attributes of objects that are 0 or 1, each `image/object/<name>`."""
KIND = "image/object/shape"
"""A word of ours: what a mask was drawn from; a box comes back as a box."""
LABEL_MAP = "label_map.pbtxt"
