"""The results of one annotation of Label Studio as regions, and as attributes of the image.

Results with one id are one region: one says where, another may say what (`labels`), further ones are answers to
questions about it. A choice about no region labels the whole image, every other such answer is an attribute of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import radians
from reprlib import repr as short
from typing import Any, NamedTuple

from teppr.errors import BadInput
from teppr.formats._labelstudio_brush import mask_of_brush
from teppr.formats._numbers import plain, whole_number
from teppr.formats._shape_words import BadShape, opened
from teppr.formats._turned_box import ROTATION, turned
from teppr.types import Ellipse, Mask, Polygon, Polyline, Rect, Region, Shape, Spot, Unread, WholeImage

PRECISION_DIGITS = 6
"""Digits behind the point that coordinates in pixels have: what percentages have more is noise."""
CHOICES = "choices"
_ANSWERS = {CHOICES: CHOICES, "textarea": "text"} | {
    kind: kind for kind in ("rating", "number", "taxonomy", "datetime")
}
"""Results that say something about a region or an image, and where in their value they say it."""
UNPLACED = frozenset({"relation"})
"""Results that are about two regions; they have no place in a record."""


class Result(NamedTuple):
    """A result, and where it stands in its task."""

    fields: Mapping[str, Any]
    where: str

    @property
    def kind(self) -> str:
        """What it says: "rectangle" for rectanglelabels and for rectangles without a label."""
        return str(self.fields.get("type")).removesuffix("labels")

    @property
    def value(self) -> Mapping[str, Any]:
        """What it says in its own words."""
        value = self.fields.get("value")
        return value if isinstance(value, dict) else {}


@dataclass(slots=True)
class Context:
    """What the results of one task are read with, and what is found beside regions.

    size_wh: of the image, where a result does not say it
    otherwise: the label of regions that nothing labels
    label_attribute: the answer that is the label of regions without one
    image_attributes: answers about the image
    """

    size_wh: tuple[int, int] | None
    otherwise: str | None
    label_attribute: str | None
    image_attributes: dict[str, Any] = field(default_factory=dict)


def put(attributes: dict[str, Any], name: str, value: object) -> None:
    """Add an attribute; one whose name is taken hides none."""
    while name in attributes:
        name = f"@{name}"
    attributes[name] = value


def size_of(fields: Mapping[str, Any]) -> tuple[int, int] | None:
    """The image's size as a result states it."""
    width, height = (whole_number(fields.get(f"original_{side}"), least=1) for side in ("width", "height"))
    return None if width is None or height is None else (width, height)


def regions_of(results: Sequence[object], where: str, context: Context, first_index: int) -> Iterator[Region | Unread]:
    """The regions that an annotation's results make, in the order in which they begin."""
    groups: dict[object, list[Result]] = {}
    for i, fields in enumerate(results):
        known = isinstance(fields, dict)
        result = Result(fields if isinstance(fields, dict) else {"type": short(fields)}, f"{where}.result[{i}]")
        identifier = result.fields.get("id") if known else None
        if result.kind not in UNPLACED:
            groups.setdefault((i,) if not isinstance(identifier, int | str) else identifier, []).append(result)
    index = first_index
    for group in groups.values():
        for region in _regions(group, index, context):
            yield region
            index += 1


def _regions(group: list[Result], index: int, context: Context) -> Iterator[Region | Unread]:
    placed = next((result for result in group if result.kind in _READERS), None)
    if placed is not None:
        yield _placed_region(placed, group, index, context)
        return
    for result in group:
        kind = str(result.fields.get("type"))
        if kind == CHOICES:
            yield from _labels_of_image(result, index, context)
        elif kind in _ANSWERS:
            put(context.image_attributes, str(result.fields.get("from_name")), result.value.get(_ANSWERS[kind]))
        else:
            message = f"a region must be one of {', '.join((*_READERS, *_ANSWERS))}, got {short(kind)}"
            values = {"type": kind}
            yield Unread(
                rule="DR08", message=message, where=f"{result.where}.type", values=values, index=index, shape_kind=kind
            )
            index += 1


def _labels_of_image(result: Result, index: int, context: Context) -> Iterator[Region]:
    """A region for every choice, and one without a label for none."""
    for i, label in enumerate(_texts(result.value.get(CHOICES)) or [context.otherwise]):
        yield Region(
            shape=WholeImage(),
            label=label,
            label_attribute=None if label is None else control_of(result),
            attributes=_attributes([result]),
            index=index + i,
            where=result.where,
            source_id=whole_number(result.fields.get("id")),
        )


def _placed_region(placed: Result, group: list[Result], index: int, context: Context) -> Region | Unread:
    attributes = _attributes(group)
    for result in group:
        if (kind := str(result.fields.get("type"))) in _ANSWERS:
            put(attributes, str(result.fields.get("from_name")), _single(result.value.get(_ANSWERS[kind])))
    try:
        shape = _shape(placed, size_of(placed.fields) or context.size_wh)
    except BadShape as error:
        return Unread(
            rule="DR08",
            message=str(error),
            where=placed.where + error.where,
            values={"value": error.value},
            index=index,
            shape_kind=placed.kind,
        )
    if isinstance(shape, Polygon) and placed.kind == "rectangle":
        put(attributes, ROTATION, placed.value[ROTATION])
    label, control = _label(group, attributes, context)
    if len(label) > 1:
        return Unread(
            rule="DR10",
            message=f"a region must have one label, got {len(label)}: {', '.join(label)}",
            where=f"{placed.where}.value",
            values={"labels": label},
            index=index,
            shape_kind=shape.kind,
        )
    return Region(
        shape=shape,
        label=label[0] if label else context.otherwise,
        label_attribute=control,
        attributes=attributes,
        index=index,
        where=placed.where,
        source_id=whole_number(placed.fields.get("id")),
    )


def _label(group: list[Result], attributes: dict[str, Any], context: Context) -> tuple[list[str], str | None]:
    """The different labels that results give a region, and the control that they come from."""
    found: dict[str, str] = {}
    for result in group:
        kind = str(result.fields.get("type"))
        if kind.endswith("labels"):
            found |= {text: control_of(result) for text in _texts(result.value.get(kind))}
    if not found and context.label_attribute is not None:
        texts = _texts(attributes.get(context.label_attribute))
        if texts:
            del attributes[context.label_attribute]
        found = dict.fromkeys(texts, context.label_attribute)
    return list(found), next(iter(found.values()), None)


def control_of(result: Result) -> str:
    """The name of the control that a result comes from, without the kind that `control_name` may have added."""
    return str(result.fields.get("from_name")).removesuffix(f"_{result.kind}")


def _attributes(group: list[Result]) -> dict[str, Any]:
    """What the results say of a region beside label and place."""
    attributes: dict[str, Any] = {}
    for result in group:
        meta = result.fields.get("meta")
        said = dict(meta) if isinstance(meta, dict) else {"meta": meta} if meta else {}
        if result.fields.get("score") is not None:
            put(said, "score", result.fields["score"])
        # Results of one region repeat what they say of it.
        for name, value in said.items():
            if name not in attributes or attributes[name] != value:
                put(attributes, name, value)
    return attributes


def _texts(value: object) -> list[str]:
    found = value if isinstance(value, list) else [value]
    return [text for text in found if isinstance(text, str) and text.strip()]


def _single(value: object) -> object:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _shape(result: Result, size_wh: tuple[int, int] | None) -> Shape:
    if size_wh is None:
        raise BadShape("a region needs original_width and original_height of its image, of which it has shares")
    if result.fields.get("image_rotation"):
        value = result.fields["image_rotation"]
        message = f"the image of a region must stand as it is stored, got it turned by {short(value)} degrees"
        raise BadShape(message, where=".image_rotation", value=value)
    try:
        return _READERS[result.kind](result.value, size_wh)
    except BadShape:
        raise
    except BadInput as error:  # a number beyond all bounds
        raise BadShape(str(error), where=".value", value=short(dict(result.value))) from error


def _number(value: Mapping[str, Any], key: str, otherwise: float | None = None) -> float:
    number = value.get(key, otherwise)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise BadShape(f"a region needs a number as {key}, got {short(number)}", where=f".value.{key}", value=number)
    return number


def _pixels(value: Mapping[str, Any], key: str, size_px: int) -> float:
    return in_pixels(_number(value, key), size_px)


def in_pixels(share_percent: float, size_px: int) -> float:
    """A share of the image's width or height in pixels."""
    return plain(round(share_percent * size_px / 100, PRECISION_DIGITS))


def _rectangle(value: Mapping[str, Any], size_wh: tuple[int, int]) -> Rect | Polygon:
    x, width = (_pixels(value, key, size_wh[0]) for key in ("x", "width"))
    y, height = (_pixels(value, key, size_wh[1]) for key in ("y", "height"))
    box, degrees = Rect(x, y, width, height), _number(value, ROTATION, 0)
    return Polygon((turned(box, degrees, (x, y)),)) if degrees else box


def _ellipse(value: Mapping[str, Any], size_wh: tuple[int, int]) -> Ellipse:
    cx, rx = (_pixels(value, key, size_wh[0]) for key in ("x", "radiusX"))
    cy, ry = (_pixels(value, key, size_wh[1]) for key in ("y", "radiusY"))
    return Ellipse(cx, cy, rx, ry, radians(_number(value, ROTATION, 0)))


def _polygon(value: Mapping[str, Any], size_wh: tuple[int, int]) -> Polygon | Polyline:
    points = value.get("points")
    if not isinstance(points, list):
        raise BadShape(f"a polygon needs a list of points, got {short(points)}", where=".value.points", value=points)
    ring = []
    for i, point in enumerate(points):
        if not isinstance(point, list) or len(point) != 2 or not set(map(type, point)) <= {int, float}:
            where = f".value.points[{i}]"
            raise BadShape(f"a point must be two numbers, got {short(point)}", where=where, value=point)
        ring.append((in_pixels(point[0], size_wh[0]), in_pixels(point[1], size_wh[1])))
    return Polyline(tuple(ring)) if value.get("closed") is False else opened([tuple(ring)])


def _spot(value: Mapping[str, Any], size_wh: tuple[int, int]) -> Spot:
    return Spot(_pixels(value, "x", size_wh[0]), _pixels(value, "y", size_wh[1]))


def _brush(value: Mapping[str, Any], size_wh: tuple[int, int]) -> Mask:
    code = value.get("rle")
    if not isinstance(code, list):
        raise BadShape(f"a brush needs a list rle, got {short(code)}", where=".value.rle", value=short(code))
    try:
        return mask_of_brush(code, size_wh)
    except BadInput as error:
        raise BadShape(str(error), where=".value.rle", value=short(code)) from error


_READERS: Mapping[str, Callable[[Mapping[str, Any], tuple[int, int]], Shape]] = {
    "rectangle": _rectangle,
    "polygon": _polygon,
    "ellipse": _ellipse,
    "keypoint": _spot,
    "brush": _brush,
}
