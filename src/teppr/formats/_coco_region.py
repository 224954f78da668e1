"""One COCO annotation as a region."""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import repr as short
from typing import Any

from teppr.errors import BadInput
from teppr.formats._coco_words import REGION_KEYS
from teppr.formats._numbers import all_numbers, all_whole, whole_number
from teppr.formats._run_lengths import mask_of_runs, mask_of_text
from teppr.formats._shape_words import BadShape, opened, shape_of_words
from teppr.types import Mask, Polygon, Rect, Region, Ring, Shape, Unread

_PLAIN_KEYS = REGION_KEYS - {"attributes"}
Labels = Mapping[int | str, str | None]


def region_of_annotation(
    annotation: Mapping[str, Any], index: int, position: int, labels: Labels, otherwise: str | None
) -> Region | Unread:
    """The region, `index` among its image's, `position` among the file's; `otherwise` labels it where nothing does."""
    where = f"annotations[{position}]"
    try:
        label = _label(annotation.get("category_id"), labels) or otherwise
    except BadInput as error:
        given = {"category_id": annotation.get("category_id")}
        return Unread(rule="DR17", message=str(error), where=f"{where}.category_id", values=given, index=index)
    try:
        return _region(annotation, label, index, where)
    except BadShape as error:
        return Unread(
            rule="DR08",
            message=str(error),
            where=where + error.where,
            values={"value": error.value},
            index=index,
            shape_kind=error.kind,
        )


def _label(number: object, labels: Labels) -> str | None:
    if number is None:
        return None
    known = isinstance(number, int | str) and number in labels
    name = labels[number] if known else None  # type: ignore[index]
    if name is None:
        why = "which several categories have" if known else "which none has"
        raise BadInput(f"an annotation must name the id of one category, got category_id={short(number)}, {why}")
    return name


def _region(annotation: Mapping[str, Any], label: str | None, index: int, where: str) -> Region:
    box = _box(annotation.get("bbox"))
    named = annotation.get("label_attribute")
    return Region(
        shape=_shape(annotation, box),
        label=label,
        label_attribute=named if isinstance(named, str) else None,
        attributes=_attributes(annotation),
        index=index,
        where=where,
        is_crowd=_is_crowd(annotation.get("iscrowd")),
        source_id=whole_number(annotation.get("id")),
        box_xywh_px=box,
        area_px=_area(annotation.get("area")),
    )


def _attributes(annotation: Mapping[str, Any]) -> dict[str, Any]:
    if annotation.keys() <= _PLAIN_KEYS and type(annotation.get("id")) is int:
        return {}  # as nearly all are
    further = {key: value for key, value in annotation.items() if key not in REGION_KEYS}
    if annotation.get("id") is not None and whole_number(annotation["id"]) is None:
        further["id"] = annotation["id"]
    given = annotation.get("attributes")
    if not isinstance(given, dict):
        return further if given is None else further | {"attributes": given}
    return further | given if further.keys().isdisjoint(given) else further | {"attributes": given}


def _shape(annotation: Mapping[str, Any], box: tuple[float, float, float, float] | None) -> Shape:
    words, segmentation = annotation.get("shape"), annotation.get("segmentation")
    if isinstance(words, dict):
        return _ringed(words) if "rings" in words else shape_of_words(words)
    if isinstance(segmentation, dict):
        return _mask(segmentation)
    if isinstance(segmentation, list) and segmentation:
        if (plain := _plain_polygon(segmentation)) is not None:
            return plain
        return opened([_ring(ring, f".segmentation[{i}]") for i, ring in enumerate(segmentation)])
    if segmentation not in (None, [], ""):
        raise BadShape(f"a segmentation must be a list or an object, got {short(segmentation)}", where=".segmentation")
    if box is None:
        raise BadShape("an annotation must have a segmentation or a bbox, got neither")
    return Rect(*box)


def _ringed(words: Mapping[str, Any]) -> Polygon:
    rings = words["rings"]
    if not isinstance(rings, list) or not rings:
        raise BadShape(f"a polygon must have rings, got {short(rings)}", where=".shape.rings", kind=Polygon.kind)
    return opened([_ring(ring, f".shape.rings[{i}]") for i, ring in enumerate(rings)])


def _plain_polygon(segmentation: list[Any]) -> Polygon | None:
    """The polygon of one ring as nearly all are; None for anything else, which is looked at more closely."""
    if len(segmentation) != 1 or not isinstance(segmentation[0], list):
        return None
    numbers = segmentation[0]
    ring = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    if len(numbers) % 2 or len(ring) < 2 or ring[0] == ring[-1]:
        return None
    try:
        return Polygon((ring,))
    except (BadInput, TypeError):
        return None


def _ring(values: object, where: str) -> Ring:
    if not isinstance(values, list) or not all_numbers(values):
        message = f"a polygon must be a list of numbers, got {short(values)}"
        raise BadShape(message, where=where, value=values, kind=Polygon.kind)
    if len(values) % 2:
        message = f"a polygon must have as many x as y, got {len(values)} numbers"
        raise BadShape(message, where=where, value=len(values), kind=Polygon.kind)
    return tuple(zip(values[::2], values[1::2], strict=True))


def _mask(code: Mapping[str, Any]) -> Mask:
    try:
        return _checked_mask(code.get("size"), code.get("counts"))
    except BadInput as error:
        raise BadShape(str(error), where=".segmentation", value=short(dict(code)), kind=Mask.kind) from error


def _checked_mask(size: object, counts: object) -> Mask:
    if not isinstance(size, list) or len(size) != 2 or not all_whole(size) or min(size) < 1:
        raise BadInput(f"a mask must have a size of height and width, got {short(size)}")
    height, width = size
    if isinstance(counts, str):
        return mask_of_text(counts, (width, height))
    if isinstance(counts, list) and all_whole(counts):
        return mask_of_runs(counts, (width, height))
    raise BadInput(f"a mask must have runs as a list of whole numbers or compressed text, got {short(counts)}")


def _box(values: object) -> tuple[float, float, float, float] | None:
    if values is None or values == []:
        return None
    if not isinstance(values, list) or len(values) != 4 or not all_numbers(values):
        raise BadShape(f"a bbox must be four numbers, got {short(values)}", where=".bbox", value=values, kind=Rect.kind)
    x, y, width, height = values
    return x, y, width, height


def _area(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise BadShape(f"an area must be a number, got {short(value)}", where=".area", value=value)
    return value


def _is_crowd(value: object) -> bool:
    if value not in (0, 1, None):
        raise BadShape(f"iscrowd must be 0 or 1, got {short(value)}", where=".iscrowd", value=value)
    return bool(value)
