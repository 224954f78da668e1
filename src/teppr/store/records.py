"""Our values as JSON text and back: what every back end keeps in its columns or documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import orjson

from teppr.errors import Corrupt
from teppr.types import Circle, Ellipse, Mask, Polygon, Polyline, Rect, Ring, Shape, Spot, WholeImage

SHAPES: Mapping[str, type[Shape]] = {
    kind.kind: kind for kind in (Rect, Circle, Ellipse, Polygon, Polyline, Spot, Mask, WholeImage)
}

_FIELDS = {kind: [field.name for field in fields(shape)] for kind, shape in SHAPES.items()}


def json_of(value: object) -> str:
    """Compact JSON; what annotators' files hold beyond orjson's range (huge integers, Decimal) is kept as well."""
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return json.dumps(value, default=_plain, separators=(",", ":"))


def value_of(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value of JSON text written by `json_of`, integers of any size; raises Corrupt."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise Corrupt(f"the store holds text that is not JSON: {text[:80]!r}") from error


def shape_json(shape: Shape) -> str:
    """The shape's fields in their order as a JSON list; its kind is kept beside it."""
    if isinstance(shape, Polygon):  # as most are
        return orjson.dumps((shape.rings, shape.closed_in_file)).decode()
    return json_of([getattr(shape, name) for name in _FIELDS[shape.kind]])


def shape_of(kind: str, text: str | bytes) -> Shape:
    """The shape of a kind and the JSON list of its fields; raises Corrupt where they do not fit."""
    try:
        values = orjson.loads(text)  # quicker, and shapes hold no integers beyond its range
        if kind == Polygon.kind:
            rings, closed = values
            return Polygon(tuple(map(_ring, rings)), closed)
        if kind == Polyline.kind:
            return Polyline(_ring(values[0]))
        if kind == Mask.kind:
            counts, (width, height), compressed = values
            return Mask(counts, (width, height), compressed)
        return SHAPES[kind](*values)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Corrupt(f"the store holds a shape of kind {kind!r} that cannot be read: {text[:80]!r}") from error


def _ring(points: list[list[float]]) -> Ring:
    return tuple((x, y) for x, y in points)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return str(value)
