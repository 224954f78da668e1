"""Conditions on images and regions as a tree: what is asked of which field, joined by and, or, not.

A condition holds or does not; there is no third answer. What is not on record is like the text "unknown", and neither
smaller nor larger than anything. Every tree is written by `str` as it is read by `teppr.datasets.where`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from teppr.types import Shape

Kind: TypeAlias = Literal["text", "shape", "number", "date", "attribute"]
Sign: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]
Operand: TypeAlias = str | float | date
Lookup: TypeAlias = Callable[[str], object]
"""Gives the value of a field, None where it is not on record."""

IMAGE_FIELDS: Mapping[str, Kind] = {
    "annotator": "text",
    "batch": "text",
    "file": "text",
    "filename": "text",
    "released": "date",
    "width": "number",
    "height": "number",
}
REGION_FIELDS: Mapping[str, Kind] = {
    "label": "text",
    "shape": "shape",
    "area": "number",
    "box_width": "number",
    "box_height": "number",
}
OF_IMAGE, OF_REGION = "image.", "region."
"""What stands before the name of an attribute."""
FIELDS = (*IMAGE_FIELDS, *REGION_FIELDS, f"{OF_IMAGE}NAME", f"{OF_REGION}NAME")
SHAPES = tuple(shape.kind for shape in get_args(Shape))
UNKNOWN = "unknown"
"""Stands for what is not on record, as in `annotator=unknown`."""

_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a field must be.

    field: one of `FIELDS`, or an attribute as "image.weather" or "region.occluded"
    operands: for "=" and "!=" alternatives: numbers of a field of numbers, else texts with `*` and `?` as in file
        names; for the other signs one number or day
    """

    field: str
    sign: Sign
    operands: tuple[Operand, ...]

    def holds(self, value_of: Lookup) -> bool:
        """Whether the field's value meets it."""
        value = value_of(self.field)
        if self.sign in _ORDERS:
            return _is_ordered(value, _ORDERS[self.sign], self.operands[0])
        return any(_is_like(value, operand) for operand in self.operands) == (self.sign == "=")

    def fields(self) -> Iterator[str]:
        """The field."""
        yield self.field

    def __str__(self) -> str:
        field = self.field
        for prefix in (OF_IMAGE, OF_REGION):
            if field.startswith(prefix):
                field = f"{prefix}{_quoted(field.removeprefix(prefix))}"
        numbers_only = not any(isinstance(operand, str) for operand in self.operands)
        texts = "|".join(operand if isinstance(operand, str) else str(operand) for operand in self.operands)
        return f"{field}{self.sign}{texts if numbers_only else _quoted(texts)}"


@dataclass(frozen=True, slots=True)
class Not:
    """What must not hold."""

    part: Tree

    def holds(self, value_of: Lookup) -> bool:
        """Whether the part does not."""
        return not self.part.holds(value_of)

    def fields(self) -> Iterator[str]:
        """The fields that are asked about."""
        return self.part.fields()

    def __str__(self) -> str:
        return f"not {_within(self.part)}"


@dataclass(frozen=True, slots=True)
class _Joined:
    """Parts with a word between them."""

    parts: tuple[Tree, ...] = ()
    word: ClassVar[str]

    def fields(self) -> Iterator[str]:
        """The fields that are asked about."""
        return (field for part in self.parts for field in part.fields())

    def __str__(self) -> str:
        return f" {self.word} ".join(map(_within, self.parts))


@dataclass(frozen=True, slots=True)
class All(_Joined):
    """What must hold together; nothing at all always does."""

    word: ClassVar[str] = "and"

    def holds(self, value_of: Lookup) -> bool:
        """Whether every part does."""
        return all(part.holds(value_of) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Either(_Joined):
    """Of what one must hold at least; of nothing at all none does."""

    word: ClassVar[str] = "or"

    def holds(self, value_of: Lookup) -> bool:
        """Whether any part does."""
        return any(part.holds(value_of) for part in self.parts)


Tree: TypeAlias = Condition | Not | All | Either


def about_images_and_regions(tree: Tree) -> tuple[All, All]:
    """Parts that must all hold: those that speak of the image only, and those that speak of its regions as well."""
    parts = list(_conjuncts(tree))
    of_images = [part for part in parts if all(map(is_of_image, part.fields()))]
    return All(tuple(of_images)), All(tuple(part for part in parts if part not in of_images))


def is_of_image(field: str) -> bool:
    """Whether all regions of an entry have the same value of a field."""
    return field in IMAGE_FIELDS or field.startswith(OF_IMAGE)


def _conjuncts(tree: Tree) -> Iterator[Tree]:
    if isinstance(tree, All):
        for part in tree.parts:
            yield from _conjuncts(part)
    else:
        yield tree


def _within(tree: Tree) -> str:
    return f"({tree})" if isinstance(tree, _Joined) else str(tree)


def _quoted(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'


def _is_like(value: object, operand: Operand) -> bool:
    if isinstance(operand, float):
        return value == operand
    return any(fnmatchcase(text, str(operand)) for text in _texts(value))


def _texts(value: object) -> Iterator[str]:
    """A value as people write it; of several that are ticked or listed each."""
    if isinstance(value, Mapping):
        yield from (str(name) for name, ticked in value.items() if ticked)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, bool):
        yield str(value).lower()
    elif isinstance(value, float) and value.is_integer():
        yield str(int(value))
    else:
        yield UNKNOWN if value is None else str(value)


def _is_ordered(value: object, order: Callable[[Any, Any], bool], operand: Operand) -> bool:
    known = value if isinstance(operand, date) and isinstance(value, date) else number_in(value)
    return known is not None and order(known, operand)


def number_in(value: object) -> float | None:
    """The finite number that a value is, or is the text of."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
