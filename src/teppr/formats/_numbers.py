"""Numbers as files have them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

_EXACT = 2**53
"""Beyond it not every whole number is a float's value."""
_MOST = 2**63 - 1
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")


def whole_number(value: object, least: int = -_MOST) -> int | None:
    """A whole number from `least` to what 64 bits hold, given as a number or as text of digits; None for all else."""
    if type(value) is int and least <= value <= _MOST:
        return value  # nearly all are
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value.strip()) < 20:
        value = int(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= _MOST:
        return None
    return int(value) if value == int(value) else None


def number_of_text(text: str | None) -> float | None:
    """The finite number that a text says, whole ones without a decimal point as int; None for all else."""
    if text is None or not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    if not math.isfinite(value):
        return None
    return int(value) if abs(value) < _EXACT and text.strip().lstrip("+-").isdigit() else value


def plain(value: float) -> float:
    """A whole number without its decimal point, any other as it is."""
    return value if value % 1 or not -_EXACT < value < _EXACT else int(value)


def all_plain(values: Iterable[float]) -> list[float]:
    """Each as `plain` gives it; documents hold millions of coordinates, and a call for each takes long."""
    return [value if value % 1 or not -_EXACT < value < _EXACT else int(value) for value in values]


def all_numbers(values: Sequence[object]) -> bool:
    """Whether all are numbers; true and false are none."""
    return set(map(type, values)) <= {int, float}


def all_whole(values: Sequence[object]) -> bool:
    """Whether all are numbers without a decimal point."""
    return set(map(type, values)) <= {int}
