"""One YOLO label file as regions: a line a region, its class and shares of the image's size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from reprlib import repr as short

from teppr.errors import BadInput
from teppr.formats._shape_words import opened
from teppr.formats._shares import box_in_pixels, in_pixels
from teppr.types import Polygon, Rect, Region, Shape, Unread

_BOX_NUMBERS = 4
_LEAST_POLYGON_NUMBERS = 6


def regions_of_lines(
    text: str, where: str, size_wh: tuple[int, int], names: Mapping[int, str]
) -> Iterator[Region | Unread]:
    """The regions of a file's lines, blank ones passed by; a class without a name has its number for a label.

    names: the classes' names; where there are any, a class must be among them
    """
    for index, (number, line) in enumerate(lines_of(text)):
        place = f"{where}:{number}"
        try:
            yield _region(line, index, place, size_wh, names)
        except _UnknownClass as error:
            yield Unread(rule="DR17", message=str(error), where=place, values={"line": short(line)}, index=index)
        except BadInput as error:
            yield Unread(rule="DR08", message=str(error), where=place, values={"line": short(line)}, index=index)


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers from 1."""
    return ((i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip())


def looks_like_labels(text: str) -> bool:
    """Whether the first line that says something is a class with a box or a polygon."""
    line = next((line for _, line in lines_of(text)), None)
    if line is None:
        return False
    try:
        number, *shares = _numbers(line)
    except BadInput:
        return False
    return number >= 0 and number == int(number) and _is_shape(shares)


class _UnknownClass(BadInput):
    pass


def _is_shape(shares: list[float]) -> bool:
    return len(shares) in (_BOX_NUMBERS, _BOX_NUMBERS + 1) or (
        len(shares) >= _LEAST_POLYGON_NUMBERS and len(shares) % 2 == 0
    )


def _region(line: str, index: int, where: str, size_wh: tuple[int, int], names: Mapping[int, str]) -> Region:
    number, *shares = _numbers(line)
    if number < 0 or number != int(number):
        raise BadInput(f"a line must begin with the number of a class, got {short(line.split(maxsplit=1)[0])}")
    if not _is_shape(shares):
        raise BadInput(
            f"a line must hold a class, then 4 numbers of a box or at least 6 of a polygon, x and y by turns; "
            f"got {len(shares)} numbers"
        )
    label = names.get(int(number)) if names else str(int(number))
    if label is None:
        raise _UnknownClass(f"a class must have a name, got {int(number)}; there are {len(names)} names")
    is_scored = len(shares) == _BOX_NUMBERS + 1
    return Region(
        shape=_shape(shares, size_wh),
        label=label,
        attributes={"score": shares[-1]} if is_scored else {},
        index=index,
        where=where,
    )


def _shape(shares: list[float], size_wh: tuple[int, int]) -> Shape:
    if len(shares) >= _LEAST_POLYGON_NUMBERS:
        xs = (in_pixels(share, size_wh[0]) for share in shares[::2])
        ys = (in_pixels(share, size_wh[1]) for share in shares[1::2])
        return _opened(tuple(zip(xs, ys, strict=True)))
    return _box(shares, size_wh)


def _opened(ring: tuple[tuple[float, float], ...]) -> Polygon:
    return opened([ring])


def _box(shares: list[float], size_wh: tuple[int, int]) -> Rect:
    cx, cy, width, height = shares[:_BOX_NUMBERS]
    return box_in_pixels(cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2, size_wh)


def _numbers(line: str) -> list[float]:
    numbers = []
    for word in line.split():
        try:
            number = float(word)
        except ValueError:
            raise BadInput(f"a line must hold numbers, got {short(word)}") from None
        if not math.isfinite(number):
            raise BadInput(f"a line must hold finite numbers, got {short(word)}")
        numbers.append(number)
    return numbers
