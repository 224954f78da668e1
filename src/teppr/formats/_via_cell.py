"""Cells of VIA's CSV: JSON, or `name=rect;x=1;y=2;` as its first versions wrote them."""

from __future__ import annotations

import math
from typing import Any

import orjson

_MOST_DIGITS = 18
_NO_NUMBER = frozenset("_naif ")
"""Characters of what Python takes for numbers and VIA never wrote: nan, inf, 1_000."""


def attributes_of_cell(cell: str) -> dict[str, Any] | None:
    """The attributes in a cell, none where it is blank; None for what is neither JSON nor pairs."""
    text = cell.strip()
    if text in ("", '""'):
        return {}
    if text.startswith("{"):
        return _object(text)
    return _pairs(text)


def shape_words_of_cell(cell: str) -> dict[str, Any] | None:
    """A shape's words in a cell, as `shape_of_words` takes them; None for what is neither JSON nor pairs."""
    words = attributes_of_cell(cell)
    if words is None or cell.lstrip().startswith("{"):
        return words
    return {name: value if name == "name" else _coordinates(value) for name, value in words.items()}


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _pairs(text: str) -> dict[str, Any] | None:
    pairs: dict[str, Any] = {}
    name = None
    for piece in text.removesuffix(";").split(";"):
        before, equals, value = piece.partition("=")
        if equals:
            name = before
            pairs[name] = value
        elif name is None:
            return None
        else:
            # A value may hold the sign that parts the pairs.
            pairs[name] += f";{piece}"
    return pairs


def _coordinates(text: str) -> object:
    """A number, or a list of them in brackets; what is none stays text, for the shape to find."""
    if not (text.startswith("[") and text.endswith("]")):
        return _number(text)
    inner = text[1:-1]
    return [_number(part) for part in inner.split(":")] if inner else []


def _number(text: str) -> float | str:
    if not _NO_NUMBER.isdisjoint(text.lower()):
        return text
    try:
        value = int(text) if len(text) <= _MOST_DIGITS and text.lstrip("-").isdigit() else float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text
