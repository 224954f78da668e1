"""One element of CVAT's XML as a region."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import radians
from reprlib import repr as short
from typing import Any
from xml.etree.ElementTree import Element

import orjson

from teppr.errors import BadInput
from teppr.formats._bitmaps import BoxedBitmap, bitmap_of_rows, mask_of_box
from teppr.formats._cvat_words import GEOMETRY, LABEL_WORDS, value_of_word
from teppr.formats._numbers import plain
from teppr.formats._shape_words import BadShape, opened
from teppr.formats._turned_box import PRECISION_DIGITS, ROTATION, centre, turned
from teppr.types import Ellipse, Mask, Point, Polygon, Polyline, Rect, Region, Ring, Shape, Spot, Unread, WholeImage

_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_RUN = re.compile(r"[0-9]{1,18}")

SizeWh = tuple[int, int] | None


def region_of_element(
    element: Element, index: int, where: str, size_wh: SizeWh, otherwise: str | None
) -> Region | Unread:
    """The region, `index` among those of an image of that size; `otherwise` labels it where nothing does."""
    try:
        attributes = _attributes(element)
        shape = _shape(element, size_wh)
    except BadShape as error:
        return Unread(
            rule="DR08",
            message=str(error),
            where=where + error.where,
            values={"value": error.value},
            index=index,
            shape_kind=element.tag,
        )
    if isinstance(shape, Polygon) and element.tag == "box":
        attributes[f"@{ROTATION}" if ROTATION in attributes else ROTATION] = _number(element, ROTATION)
    label = element.get("label", "")
    return Region(
        shape=shape,
        label=label if label.strip() else otherwise,
        label_attribute=element.get("label_attribute"),
        attributes=attributes,
        index=index,
        where=where,
    )


def _attributes(element: Element) -> dict[str, Any]:
    children: dict[str, Any] = {}
    for i, child in enumerate(element):
        name = child.get("name")
        if child.tag != "attribute" or name is None:
            message = f"a {element.tag} must hold attributes with a name only, got <{short(child.tag)}>"
            raise BadShape(message, where=f".{child.tag}[{i}]", value=child.tag)
        if name in children:
            message = f"an attribute must stand once, or one would hide the other, got {short(name)} twice"
            raise BadShape(message, where=f".attribute[{i}]", value=name)
        children[name] = _value(child)
    return {**_own_attributes(element, children), **children}


def _value(child: Element) -> object:
    text = child.text or ""
    if child.get("type") != "json":
        return text
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return value


def _own_attributes(element: Element, children: Mapping[str, Any]) -> dict[str, Any]:
    said = GEOMETRY[element.tag]
    found = {}
    for name, text in element.attrib.items():
        if name in said or name in LABEL_WORDS or (name == ROTATION and element.tag == "box"):
            continue
        value = value_of_word(name, text)
        if value is not None:
            found[f"@{name}" if name in children else name] = value
    return found


def _shape(element: Element, size_wh: SizeWh) -> Shape:
    if element.tag == Mask.kind:
        return _mask(element, size_wh)
    try:
        return _READERS[element.tag](element)
    except BadShape:
        raise
    except BadInput as error:  # a number beyond all bounds
        raise BadShape(str(error), value=dict(element.attrib)) from error


def _number(element: Element, name: str, otherwise: str | None = None) -> float:
    text = element.get(name, otherwise)
    if text is None or not _NUMBER.fullmatch(text.strip()):
        raise BadShape(f"a {element.tag} needs a number as {name}, got {short(text)}", where=f"@{name}", value=text)
    return plain(float(text))


def _box(element: Element) -> Rect | Polygon:
    left, top, right, bottom = (_number(element, name) for name in GEOMETRY["box"])
    # CVAT has two digits behind the point; what the difference of two such numbers has more is noise.
    width, height = round(right - left, PRECISION_DIGITS), round(bottom - top, PRECISION_DIGITS)
    box = Rect(left, top, plain(width), plain(height))
    degrees = _number(element, ROTATION, "0")
    return Polygon((turned(box, degrees, centre(box)),)) if degrees else box


def _ellipse(element: Element) -> Ellipse:
    cx, cy, rx, ry = (_number(element, name) for name in ("cx", "cy", "rx", "ry"))
    return Ellipse(cx, cy, rx, ry, radians(_number(element, ROTATION, "0")))


def _points(element: Element) -> Ring:
    text = element.get("points")
    if text is None:
        raise BadShape(f"a {element.tag} needs points, got none", where="@points")
    return tuple(_point(element, pair, i) for i, pair in enumerate(text.split(";"))) if text.strip() else ()


def _point(element: Element, pair: str, i: int) -> Point:
    x, comma, y = pair.partition(",")
    if not comma or not _NUMBER.fullmatch(x.strip()) or not _NUMBER.fullmatch(y.strip()):
        message = f"a {element.tag} needs points as x,y;x,y, got {short(pair)} as point {i}"
        raise BadShape(message, where="@points", value=pair)
    return plain(float(x)), plain(float(y))


def _spot(element: Element) -> Spot:
    points = _points(element)
    if len(points) != 1:
        message = f"points must be one point to be read, got {len(points)}: points of one object are not kept"
        raise BadShape(message, where="@points", value=len(points))
    return Spot(*points[0])


def _mask(element: Element, size_wh: SizeWh) -> Mask:
    if size_wh is None:
        raise BadShape("a mask needs width and height of its image, which the image does not say")
    left, top, width, height = (_whole(element, name) for name in ("left", "top", "width", "height"))
    runs = [run.strip() for run in element.get("rle", "").split(",")]
    wrong = next((run for run in runs if not _RUN.fullmatch(run)), None)
    if wrong is not None:
        message = f"a mask needs whole numbers in rle, got {short(wrong)}"
        raise BadShape(message, where="@rle", value=wrong)
    try:
        bitmap = bitmap_of_rows([int(run) for run in runs], (width, height))
        return mask_of_box(BoxedBitmap(bitmap, left, top), size_wh)
    except BadInput as error:
        raise BadShape(str(error), where="@rle", value=short(element.get("rle"))) from error


def _whole(element: Element, name: str) -> int:
    value = _number(element, name)
    if not isinstance(value, int):
        message = f"a {element.tag} needs a whole number as {name}, got {value!r}"
        raise BadShape(message, where=f"@{name}", value=value)
    return value


_READERS: Mapping[str, Callable[[Element], Shape]] = {
    "box": _box,
    "ellipse": _ellipse,
    "polygon": lambda element: opened([_points(element)]),
    "polyline": lambda element: Polyline(_points(element)),
    "points": _spot,
    "tag": lambda _: WholeImage(),
}
