"""One region of VIA, and what the attributes of an image say of the image as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import repr as short
from typing import Any

from teppr.formats._shape_words import BadShape, shape_of_words
from teppr.formats._via_label import LabelChoice
from teppr.types import Region, Unread, WholeImage


def region_of_raw(raw: object, index: int, choice: LabelChoice) -> Region | Unread:
    """The region of an object with `shape_attributes` and `region_attributes`, `index` among its image's."""
    where = f"regions[{index}]"
    words = raw.get("shape_attributes") if isinstance(raw, dict) else None
    attributes = (raw.get("region_attributes") if isinstance(raw, dict) else None) or {}
    if not isinstance(words, dict) or not isinstance(attributes, dict):
        message = f"a region must hold the objects shape_attributes and region_attributes, got {short(raw)}"
        return Unread(rule="DR08", message=message, where=where, index=index)
    try:
        shape = shape_of_words(words)
    except BadShape as error:
        return Unread(
            rule="DR08",
            message=str(error),
            where=f"{where}.shape_attributes{error.where}",
            values={"value": error.value},
            index=index,
            shape_kind=error.kind,
        )
    attribute, texts = choice.values(attributes)
    if len(texts) > 1:
        return Unread(
            rule="DR10",
            message=f"a region must have one label, got {len(texts)} ticked in {attribute!r}: {', '.join(texts)}",
            where=f"{where}.region_attributes.{attribute}",
            values={str(attribute): texts},
            index=index,
            shape_kind=shape.kind,
        )
    return Region(
        shape=shape,
        label=texts[0] if texts else None,
        label_attribute=attribute,
        attributes={name: value for name, value in attributes.items() if name != attribute},
        index=index,
        where=where,
    )


def labels_of_image(
    attributes: Mapping[str, Any], first_index: int, choice: LabelChoice | None
) -> tuple[list[Region], dict[str, Any]]:
    """The labels of the whole image, a region each, and the attributes that are none; no labels without a choice."""
    attribute, texts = (None, []) if choice is None else choice.values(attributes)
    if attribute is None:
        return [], dict(attributes)
    regions = [
        Region(
            shape=WholeImage(),
            label=text,
            label_attribute=attribute,
            index=index,
            where=f"file_attributes.{attribute}",
        )
        for index, text in enumerate(texts, first_index)
    ]
    return regions, {name: value for name, value in attributes.items() if name != attribute}
