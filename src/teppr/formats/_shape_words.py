"""Shapes in the words of VGG Image Annotator, which our COCO files use for what COCO has no word for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from reprlib import repr as short
from typing import Any

from teppr.errors import BadInput
from teppr.formats._numbers import all_numbers, all_plain, plain
from teppr.types import Circle, Ellipse, Point, Polygon, Polyline, Rect, Ring, Shape, Spot, WholeImage


class BadShape(BadInput):
    """What should be a shape is none; says which value is wrong.

    where: path of the value within the shape's attributes (".cx"), "" for all of it
    value: as read
    kind: what the file calls the shape, if it says so
    """

    def __init__(self, message: str, *, where: str = "", value: object = None, kind: str | None = None) -> None:
        super().__init__(message)
        self.where = where
        self.value = value
        self.kind = kind


def shape_of_words(words: Mapping[str, Any]) -> Shape:
    """The shape that `{"name": "circle", "cx": 5, ...}` describes; raises BadShape."""
    kind = words.get("name")
    make = _READERS.get(kind) if isinstance(kind, str) else None
    if make is None:
        known = ", ".join(_READERS)
        raise BadShape(
            f"a shape's name must be one of {known}, got {short(kind)}",
            where=".name",
            value=kind,
            kind=kind if isinstance(kind, str) else None,
        )
    return make(words)


def words_of_shape(shape: Rect | Circle | Ellipse | Polyline | Spot | WholeImage) -> dict[str, Any]:
    """The attributes that describe a shape, whole numbers without a point."""
    match shape:
        case Rect(x=x, y=y, width=width, height=height):
            sizes = {"x": x, "y": y, "width": width, "height": height}
        case Circle(cx=cx, cy=cy, r=r):
            sizes = {"cx": cx, "cy": cy, "r": r}
        case Ellipse(cx=cx, cy=cy, rx=rx, ry=ry, theta_rad=theta):
            sizes = {"cx": cx, "cy": cy, "rx": rx, "ry": ry} | ({"theta": theta} if theta else {})
        case Polyline(points=points):
            return words_of_points(shape.kind, points)
        case Spot(cx=cx, cy=cy):
            sizes = {"cx": cx, "cy": cy}
        case WholeImage():
            sizes = {}
    return {"name": shape.kind} | {key: plain(value) for key, value in sizes.items()}


def words_of_points(kind: str, points: Sequence[Point]) -> dict[str, Any]:
    """A polygon's ring or a polyline as two lists of coordinates."""
    return {
        "name": kind,
        "all_points_x": all_plain(x for x, _ in points),
        "all_points_y": all_plain(y for _, y in points),
    }


def opened(rings: Sequence[Ring]) -> Polygon:
    """The polygon of rings as a file has them: where each repeats its first corner at the end, that is taken off."""
    if all(len(ring) > 1 and ring[0] == ring[-1] for ring in rings):
        return Polygon(tuple(ring[:-1] for ring in rings), closed_in_file=True)
    return Polygon(tuple(rings))


def as_in_file(polygon: Polygon) -> tuple[Ring, ...]:
    """The rings as the file had them, the first corner repeated where it was."""
    return tuple(ring + ring[:1] for ring in polygon.rings) if polygon.closed_in_file else polygon.rings


def _number(words: Mapping[str, Any], key: str) -> float:
    value = words.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        kind = words["name"]
        raise BadShape(f"a {kind} needs a number as {key}, got {short(value)}", where=f".{key}", value=value, kind=kind)
    return value


def _points(words: Mapping[str, Any]) -> Ring:
    kind = words["name"]
    x, y = (_coordinates(words, key) for key in ("all_points_x", "all_points_y"))
    if len(x) != len(y):
        raise BadShape(
            f"a {kind} needs as many x as y, got {len(x)} x and {len(y)} y", value=[len(x), len(y)], kind=kind
        )
    return tuple(zip(x, y, strict=True))


def _coordinates(words: Mapping[str, Any], key: str) -> list[float]:
    values, kind = words.get(key), words["name"]
    if not isinstance(values, list):
        raise BadShape(f"a {kind} needs a list {key}, got {short(values)}", where=f".{key}", value=values, kind=kind)
    if not all_numbers(values):
        i = next(i for i, value in enumerate(values) if not all_numbers([value]))
        raise BadShape(
            f"a {kind} needs numbers in {key}, got {short(values[i])}",
            where=f".{key}[{i}]",
            value=values[i],
            kind=kind,
        )
    return values


def _ellipse(words: Mapping[str, Any]) -> Ellipse:
    turned = {"theta_rad": _number(words, "theta")} if "theta" in words else {}
    return Ellipse(*(_number(words, key) for key in ("cx", "cy", "rx", "ry")), **turned)


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Shape]] = {
    "rect": lambda words: Rect(*(_number(words, key) for key in ("x", "y", "width", "height"))),
    "circle": lambda words: Circle(*(_number(words, key) for key in ("cx", "cy", "r"))),
    "ellipse": _ellipse,
    "polygon": lambda words: opened([_points(words)]),
    "polyline": lambda words: Polyline(_points(words)),
    "point": lambda words: Spot(*(_number(words, key) for key in ("cx", "cy"))),
    "image": lambda _: WholeImage(),
}
