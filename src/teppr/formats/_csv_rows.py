"""Rows of CSV with the place of each, so that they can be read again in another order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from teppr.formats._lines import LineFile

MOST_LINES = 100
"""Lines that one row may take: a quote that is never closed would swallow all that follows."""
_CELL = re.compile(r'(?:"((?:[^"]++|"")*+)"|((?!")[^,]*+))(,|\Z)')


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    number: as spreadsheets count them, from 1; the header is one
    start: where it begins, in bytes
    cells: None where they cannot be told apart, or are not UTF-8
    """

    number: int
    start: int
    cells: tuple[str, ...] | None

    @property
    def is_blank(self) -> bool:
        """Whether nothing stands in it."""
        return self.cells is not None and not any(map(str.strip, self.cells))


def rows(file: LineFile, columns: int) -> Iterator[Row]:
    """All rows from here on."""
    number = 0
    while (found := row(file, columns, number := number + 1)) is not None:
        yield found


def row(file: LineFile, columns: int, number: int) -> Row | None:
    """The row here, None at the end. A quoted cell may hold line ends if the row has its columns then."""
    start = file.at
    first = text = file.line()
    if not first:
        return None
    behind_first = file.at
    for _ in range(MOST_LINES):
        if text.count(b'"') % 2 == 0:
            break
        text += file.line()
    cells = cells_of(text)
    if len(text) > len(first) and (cells is None or len(cells) != columns):
        file.move(behind_first)
        cells = cells_of(first)
    return Row(number, start, cells)


def cells_of(line: bytes) -> tuple[str, ...] | None:
    """The cells of a row's text; None where they cannot be told apart, or are not UTF-8."""
    try:
        text = line.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        return None
    cells: list[str] = []
    at = 0
    while found := _CELL.match(text, at):
        cells.append(found[2] if found[1] is None else found[1].replace('""', '"'))
        at = found.end()
        if not found[3]:
            return tuple(cells)
    return None


def quoted(text: str) -> str:
    """A cell in quotes."""
    return '"' + text.replace('"', '""') + '"'
