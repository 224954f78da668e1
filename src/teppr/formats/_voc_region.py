"""One VOC object as a region."""

from __future__ import annotations

import re
from reprlib import repr as short
from xml.etree.ElementTree import Element

from teppr.errors import BadInput
from teppr.formats._numbers import plain
from teppr.formats._shape_words import BadShape, opened
from teppr.formats._turned_box import PRECISION_DIGITS
from teppr.formats._voc_words import OBJECT_WORDS, attributes_of, text_of
from teppr.formats.contract import ReadOptions
from teppr.types import Polygon, Rect, Region, Shape, Unread, WholeImage

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def region_of_object(element: Element, index: int, options: ReadOptions) -> Region | Unread:
    """The region, `index` among its image's."""
    where = f"object[{index}]"
    name = text_of(element, "name")
    try:
        shape = _shape(element, options)
    except BadShape as error:
        return Unread(
            rule="DR08",
            message=str(error),
            where=where + error.where,
            values={"value": error.value},
            index=index,
            shape_kind=error.kind,
        )
    return Region(
        shape=shape,
        label=name if name.strip() else options.label,
        attributes=attributes_of(element, OBJECT_WORDS),
        index=index,
        where=where,
    )


def _shape(element: Element, options: ReadOptions) -> Shape:
    box, polygon = element.find("bndbox"), element.find("polygon")
    if polygon is not None:
        return _polygon(polygon)
    if box is not None:
        return _box(box)
    if options.image_labels:
        return WholeImage()
    raise BadShape("an object must have a bndbox, got none", where=".bndbox", kind=Rect.kind)


def _box(box: Element) -> Rect:
    left, top, right, bottom = (_number(box, corner, Rect.kind) for corner in _CORNERS)
    # What the difference of two numbers with a few digits has more than they is noise.
    return Rect(left, top, plain(round(right - left, PRECISION_DIGITS)), plain(round(bottom - top, PRECISION_DIGITS)))


def _polygon(polygon: Element) -> Polygon:
    """Corners as `<x1>`, `<y1>`, `<x2>` ...; or `<pt><x/><y/></pt>` of LabelMe's XML."""
    points = polygon.findall("pt")
    if points:
        ring = [tuple(_number(point, axis, Polygon.kind) for axis in ("x", "y")) for point in points]
    else:
        count = sum(child.tag.startswith("x") for child in polygon)
        ring = [tuple(_number(polygon, f"{axis}{i}", Polygon.kind) for axis in ("x", "y")) for i in range(1, count + 1)]
    try:
        return opened([tuple((x, y) for x, y in ring)])
    except BadInput as error:
        raise BadShape(str(error), where=".polygon", kind=Polygon.kind) from error


def _number(element: Element, tag: str, kind: str) -> float:
    text = text_of(element, tag).strip()
    if not _NUMBER.fullmatch(text) or abs(float(text)) == float("inf"):
        raise BadShape(
            f"a {kind} needs a number as {tag}, got {short(text)}",
            where=f".{element.tag}.{tag}",
            value=text,
            kind=kind,
        )
    return plain(float(text))
