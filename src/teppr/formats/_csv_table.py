"""CSV tables of any length: rows in order, and single rows again by where they begin."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from teppr.errors import BadFile

_DELIMITERS = (",", ";", "\t")
_LONGEST_HEADER = 65536
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvTable:
    """A table whose header is known; bytes that are no UTF-8 stay as escapes, as in names of files."""

    path: Path
    header: tuple[str, ...]
    delimiter: str

    @classmethod
    def of(cls, path: Path, wanted: Sequence[str]) -> CsvTable | None:
        """The table with the columns that are wanted, by whatever its cells are parted; None for another or none.

        Raises BadFile where the file cannot be read.
        """
        try:
            with path.open("rb") as file:
                first = file.readline(_LONGEST_HEADER).decode("utf-8", "surrogateescape").removeprefix(_BOM)
        except OSError as error:
            raise BadFile(f"cannot read {path}: {error.strerror or error}") from error
        for delimiter in _DELIMITERS:
            header = tuple(cell.strip().strip('"') for cell in first.split(delimiter))
            if set(wanted) <= set(header):
                return cls(path=path, header=header, delimiter=delimiter)
        return None

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """All rows below the header that are not empty, each with its place in the file."""
        with self.open() as file:
            reader = self._reader(file)
            self._next(reader)
            at = file.tell()
            while (row := self._next(reader)) is not None:
                if row:
                    yield at, row
                at = file.tell()

    def open(self) -> BinaryIO:
        """The file, for `row`."""
        return self.path.open("rb")

    def row(self, file: BinaryIO, at: int) -> list[str]:
        """The row that begins at a place that `rows` gave."""
        file.seek(at)
        return self._next(self._reader(file)) or []

    def _reader(self, file: BinaryIO) -> Iterator[list[str]]:
        # Line by line, so that the file stands where the next row begins.
        return csv.reader((line.decode("utf-8", "surrogateescape") for line in file), delimiter=self.delimiter)

    def _next(self, reader: Iterator[list[str]]) -> list[str] | None:
        try:
            return next(reader, None)
        except (csv.Error, OSError) as error:
            raise BadFile(f"cannot read {self.path} as a table: {error}") from error
