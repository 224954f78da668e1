"""What VOC's XML may hold, in one place for reading and writing."""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element

import orjson

IMAGE_WORDS = frozenset({"filename", "size", "object", "attributes"})
"""Elements of an annotation that records have a place for; any other is an attribute of the image."""
OBJECT_WORDS = frozenset({"name", "bndbox", "polygon", "attributes"})
"""Elements of an object that regions have a place for; any other is an attribute of the region."""
FLAGS = ("truncated", "difficult", "occluded")
"""Elements of an object that are 0 or 1."""
IMAGE_TEXTS = ("folder", "path", "segmented")
OBJECT_TEXTS = ("pose",)
"""Elements that are text, and are written as they are read."""
USUAL_DEPTH = "3"
"""Channels of an image where nothing else is said."""
JSON = "json"
"""The name of an attribute that holds, as a JSON object, those that are no text: a word of ours."""
_FLAG = re.compile("[01]")


def text_of(element: Element, tag: str) -> str:
    """The text of a child, "" where there is none."""
    return element.findtext(tag) or ""


def attributes_of(element: Element, words: frozenset[str]) -> dict[str, Any]:
    """All that an element holds beside `words`: its other children, and `<attributes>` as CVAT writes them."""
    found: dict[str, Any] = {}
    for child in element:
        if child.tag not in words:
            value = _value_of(child)
            known = found.get(child.tag)
            found[child.tag] = value if child.tag not in found else [*_listed(known), value]
    for attribute in element.iterfind("attributes/attribute"):
        name, text = text_of(attribute, "name"), text_of(attribute, "value")
        nested = _object(text) if name == JSON else None
        found |= {name: text} if nested is None else nested
    return found


def _value_of(element: Element) -> object:
    if len(element):
        return {child.tag: _value_of(child) for child in element}
    text = element.text or ""
    return int(text) if element.tag in FLAGS and _FLAG.fullmatch(text) else text


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
