"""The shapes of one labelme file as regions.

Polygons of one label and one `group_id` are one object to labelme, and so the rings of one region, unless they differ
in what else is said of them. The number of the group is then nothing more to tell, unless other shapes have it too.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import atan2, degrees, hypot
from reprlib import repr as short
from typing import Any

import numpy as np
import orjson

from teppr.errors import BadImage, BadInput
from teppr.formats._bitmaps import BoxedBitmap, mask_of_box
from teppr.formats._labelme_words import FLAGS, SHAPE_WORDS, is_group
from teppr.formats._numbers import all_numbers, plain
from teppr.formats._shape_words import BadShape, opened
from teppr.formats._turned_box import PRECISION_DIGITS, ROTATION
from teppr.geometry import Bitmap
from teppr.images import decode
from teppr.types import Circle, Mask, Polygon, Polyline, Rect, Region, Ring, Shape, Spot, Unread

Fields = Mapping[str, Any]
SizeWh = tuple[int, int] | None

_TURNED = "oriented_rectangle"


def regions_of(shapes: Sequence[object], size_wh: SizeWh, otherwise: str | None) -> Iterator[Region | Unread]:
    """The regions of an image of that size, in the order in which they begin; `otherwise` labels what nothing does."""
    members = Counter(map(_group_id, shapes))
    for index, group in enumerate(_grouped(shapes)):
        first = shapes[group[0]]
        is_told = len(group) > 1 and members[_group_id(first)] == len(group)
        try:
            said = _fields(first) | ({"group_id": None} if is_told else {})
            shape = opened([_points(_fields(shapes[i])) for i in group]) if len(group) > 1 else _shape(said, size_wh)
            yield _region(said, shape, index, group[0], otherwise)
        except BadShape as error:
            yield Unread(
                rule="DR08",
                message=str(error),
                where=f"shapes[{group[0]}]{error.where}",
                values={"value": error.value},
                index=index,
                shape_kind=_kind(first) if isinstance(first, dict) else None,
            )


def _fields(shape: object) -> dict[str, Any]:
    if not isinstance(shape, dict):
        raise BadShape(f"a shape must be an object, got {short(shape)}", value=short(shape))
    return shape


def _group_id(shape: object) -> int | None:
    number = shape.get("group_id") if isinstance(shape, dict) else None
    return number if is_group(number) else None


def _grouped(shapes: Sequence[object]) -> list[list[int]]:
    """Positions of the shapes that are one region each; a polygon that is none is a region of its own."""
    groups: dict[object, list[int]] = {}
    for i, shape in enumerate(shapes):
        if isinstance(shape, dict) and _group_id(shape) is not None and _is_polygon(shape):
            rest = {name: value for name, value in shape.items() if name != "points"}
            groups.setdefault(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS), []).append(i)
        else:
            groups[i] = [i]
    return list(groups.values())


def _is_polygon(shape: Fields) -> bool:
    try:
        return _kind(shape) == Polygon.kind and bool(_points(shape))
    except BadShape:
        return False


def _region(said: Fields, shape: Shape, index: int, position: int, otherwise: str | None) -> Region:
    label, named = said.get("label") or "", said.get("label_attribute")
    if not isinstance(label, str):
        raise BadShape(f"a label must be text, got {short(label)}", where=".label", value=label, kind=shape.kind)
    attributes = _attributes(said)
    if isinstance(shape, Polygon) and _kind(said) == _TURNED:
        attributes.setdefault(ROTATION, _turn(shape.rings[0]))
    return Region(
        shape=shape,
        label=label if label.strip() else otherwise,
        label_attribute=named if isinstance(named, str) else None,
        attributes=attributes,
        index=index,
        where=f"shapes[{position}]",
    )


def _kind(shape: Fields) -> str:
    """What labelme calls the shape; old files, which do not say it, hold polygons."""
    kind = shape.get("shape_type")
    return Polygon.kind if kind is None else kind if isinstance(kind, str) else short(kind)


def _attributes(shape: Fields) -> dict[str, Any]:
    further = {name: value for name, value in shape.items() if name not in SHAPE_WORDS}
    for name in ("group_id", FLAGS, "description"):
        if shape.get(name) not in (None, "", {}):
            further[name] = shape[name]
    nested = shape.get("attributes")
    if isinstance(nested, dict) and further.keys().isdisjoint(nested):
        return further | nested
    return further if nested is None else further | {"attributes": nested}


def _shape(shape: Fields, size_wh: SizeWh) -> Shape:
    kind = _kind(shape)
    if kind == Mask.kind:
        return _mask(shape, size_wh)
    if kind not in _READERS:
        known = ", ".join((*_READERS, Mask.kind))
        raise BadShape(f"a shape_type must be one of {known}, got {short(kind)}", where=".shape_type", value=kind)
    try:
        return _READERS[kind](shape)
    except BadShape:
        raise
    except BadInput as error:  # a number beyond all bounds
        raise BadShape(str(error), where=".points", value=short(shape.get("points"))) from error


def _points(shape: Fields, *counts: int) -> Ring:
    """The points of a shape, of which there must be so many."""
    points, kind = shape.get("points"), _kind(shape)
    if not isinstance(points, list):
        raise BadShape(f"a {kind} needs a list of points, got {short(points)}", where=".points", value=points)
    for i, point in enumerate(points):
        if not isinstance(point, list) or len(point) != 2 or not all_numbers(point):
            message = f"a point must be two numbers, got {short(point)}"
            raise BadShape(message, where=f".points[{i}]", value=point)
    if counts and len(points) not in counts:
        wanted = " or ".join(map(str, counts))
        message = f"a {kind} needs {wanted} point{'s' * (wanted != '1')}, got {len(points)}"
        raise BadShape(message, where=".points", value=len(points))
    return tuple((plain(x), plain(y)) for x, y in points)


def _rectangle(shape: Fields) -> Rect:
    points = _points(shape, 2, 4)
    xs, ys = sorted({x for x, _ in points}), sorted({y for _, y in points})
    if len(points) == 4 and {*points} != {(x, y) for x in xs[:1] + xs[-1:] for y in ys[:1] + ys[-1:]}:
        message = f"a rectangle of four points must have them at the corners of a box, got {short(points)}"
        raise BadShape(message, where=".points", value=short(points))
    return Rect(xs[0], ys[0], _length(xs[-1] - xs[0]), _length(ys[-1] - ys[0]))


def _length(value: float) -> float:
    return plain(round(value, PRECISION_DIGITS))


def _circle(shape: Fields) -> Circle:
    (cx, cy), (x, y) = _points(shape, 2)
    return Circle(cx, cy, _length(hypot(x - cx, y - cy)))


def _turn(ring: Ring) -> float:
    (x0, y0), (x1, y1) = ring[:2]
    return _length(degrees(atan2(y1 - y0, x1 - x0)))


def _mask(shape: Fields, size_wh: SizeWh) -> Mask:
    if size_wh is None:
        raise BadShape("a mask needs imageWidth and imageHeight, which the file does not say")
    (left, top), (right, bottom) = (tuple(map(int, point)) for point in _points(shape, 2))
    text = shape.get("mask")
    try:
        picture = b64decode(text if isinstance(text, str) else "", validate=True)
        pixels, _ = decode(picture, name="a mask")
    except (binascii.Error, BadImage) as error:
        raise BadShape(f"a mask must be a PNG in base64, got {short(text)}: {error}", where=".mask") from error
    height, width = pixels.shape[:2]
    if (right - left + 1, bottom - top + 1) != (width, height):
        message = f"the picture of a mask must fit its points {short(shape['points'])}, got {width} x {height} pixels"
        raise BadShape(message, where=".mask", value=[width, height])
    try:
        bitmap: Bitmap = (pixels != 0).max(axis=2).astype(np.uint8)
        return mask_of_box(BoxedBitmap(bitmap, left, top), size_wh)
    except BadInput as error:
        raise BadShape(str(error), where=".points", value=shape["points"]) from error


def _spot(shape: Fields) -> Spot:
    return Spot(*_points(shape, 1)[0])


_READERS: Mapping[str, Callable[[Fields], Shape]] = {
    "polygon": lambda shape: opened([_points(shape)]),
    _TURNED: lambda shape: Polygon((_points(shape, 4),)),
    "rectangle": _rectangle,
    "circle": _circle,
    "line": lambda shape: Polyline(_points(shape, 2)),
    "linestrip": lambda shape: Polyline(_points(shape)),
    "point": _spot,
    "points": _spot,
}
