"""CSV files of any size whose rows belong to images: found in a first pass, read image by image in a second.

The first pass keeps some 20 bytes a row, so that the rows of an image may stand anywhere.
"""

from __future__ import annotations

import csv
import mmap
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from teppr.errors import BadFile
from teppr.types import Ints

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_RESIDENT_BYTES = 8 << 20
_MOST_ROW_BYTES = 16 << 20
"""A row beyond this is a quote that is never closed."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its number in the file, from 1 with the header, and its cells."""

    number: int
    cells: Sequence[str]


class CsvFile:
    """A CSV file with a header; raises BadFile naming the row where it is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._bytes = _mapped(path)
        self._loaded_bytes = 0
        start = len(_BYTE_ORDER_MARK) if self._bytes[:3] == _BYTE_ORDER_MARK else 0
        self._first, self.header = 0, list[str]()
        if (end := self._end_of_row(start, 1)) > start:
            self.header = self._cells(start, end, 1)
            self._first = end

    def column(self, name: str) -> int:
        """The position of a column; raises BadFile where there is none of that name."""
        try:
            return self.header.index(name)
        except ValueError:
            raise BadFile(f"{self.path} must have a column {name!r}, got {', '.join(self.header)[:200]}") from None

    def by(self, column: int) -> Iterator[tuple[str, list[Row]]]:
        """The rows that have a value of the column in common, in the order in which the values first occur."""
        starts, ends, keys = array("q"), array("q"), array("q")
        values: dict[str, int] = {}
        for number, (start, end) in enumerate(self._rows(), 2):
            cells = self._cells(start, end, number)
            if column >= len(cells):
                raise BadFile(f"row {number} of {self.path} has {len(cells)} cells, its header {len(self.header)}")
            starts.append(start)
            ends.append(end)
            keys.append(values.setdefault(cells[column], len(values)))
        order: Ints = np.argsort(np.array(keys, np.int64), kind="stable")
        bounds = np.searchsorted(np.array(keys, np.int64)[order], np.arange(len(values) + 1))
        for i, value in enumerate(values):
            rows = order[bounds[i] : bounds[i + 1]].tolist()
            yield value, [Row(n + 2, self._cells(starts[n], ends[n], n + 2)) for n in rows]

    def _rows(self) -> Iterator[tuple[int, int]]:
        start, number = self._first, 2
        while start < len(self._bytes):
            end = self._end_of_row(start, number)
            if self._bytes[start:end].strip():
                yield start, end
                number += 1
            start = end

    def _end_of_row(self, start: int, number: int) -> int:
        """Where the row ends that begins at `start`: at a line's end outside of quotes."""
        end, quotes = start, 0
        while True:
            before = end
            end = self._bytes.find(b"\n", end) + 1 or len(self._bytes)
            quotes += self._bytes[before:end].count(b'"')
            if quotes % 2 == 0 or end >= len(self._bytes):
                return end
            if end - start > _MOST_ROW_BYTES:
                raise BadFile(f"cannot read {self.path} as CSV: a quote in row {number} is never closed")

    def _cells(self, start: int, end: int, number: int) -> list[str]:
        self._loaded_bytes += end - start
        if self._loaded_bytes > _RESIDENT_BYTES:
            # What was read stays in the system's page cache, but no longer counts as this process's memory.
            self._bytes.madvise(mmap.MADV_DONTNEED)
            self._loaded_bytes = 0
        try:
            text = self._bytes[start:end].decode("utf-8")
            rows = list(csv.reader([text.rstrip("\r\n")], strict=True))
        except UnicodeDecodeError as error:
            raise BadFile(f"cannot read {self.path} as text: row {number} is no UTF-8") from error
        except csv.Error as error:
            raise BadFile(f"cannot read {self.path} as CSV: {error} in row {number}") from error
        return rows[0] if rows else []


def _mapped(path: Path) -> mmap.mmap:
    try:
        # A pipe would never end.
        if not path.is_file():
            raise BadFile(f"{path} is not a file")
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise BadFile(f"cannot read {path} as CSV: it is empty") from error
