"""What VIA says of a region or of a whole image, as regions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from teppr.formats._shape_words import BadShape, shape_of_words
from teppr.formats._via_label import LabelChoice
from teppr.types import Region, Unread, WholeImage


class Where(NamedTuple):
    """Paths in the document: of a region, its shape's words and its attributes."""

    region: str
    shape: str
    attributes: str


def region_of_via(
    words: Mapping[str, Any], attributes: Mapping[str, Any], index: int, where: Where, choice: LabelChoice
) -> Region | Unread:
    """The region of that index among its image's."""
    try:
        shape = shape_of_words(words)
    except BadShape as error:
        return Unread(
            rule="DR08",
            message=str(error),
            where=f"{where.shape}{error.where}",
            values={"value": error.value},
            index=index,
            shape_kind=error.kind,
        )
    attribute, texts = choice.values(attributes)
    if len(texts) > 1:
        return Unread(
            rule="DR10",
            message=f"a region must have one label, got {len(texts)} ticked in {attribute!r}: {', '.join(texts)}",
            where=f"{where.attributes}.{attribute}",
            values={str(attribute): texts},
            index=index,
            shape_kind=shape.kind,
        )
    return Region(
        shape=shape,
        label=texts[0] if texts else None,
        label_attribute=attribute,
        attributes=_without(attributes, attribute),
        index=index,
        where=where.region,
    )


def whole_images(
    attributes: Mapping[str, Any], index: int, where: str, choice: LabelChoice
) -> tuple[tuple[Region, ...], Mapping[str, Any]]:
    """A whole image for each label that its attributes give, numbered from `index` on, and the other attributes."""
    attribute, texts = choice.values(attributes)
    regions = tuple(
        Region(
            shape=WholeImage(),
            label=text,
            label_attribute=attribute,
            index=index + i,
            where=where if attribute is None else f"{where}.{attribute}",
        )
        for i, text in enumerate(texts)
    )
    return regions, _without(attributes, attribute)


def _without(attributes: Mapping[str, Any], attribute: str | None) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if name != attribute}
