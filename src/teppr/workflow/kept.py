"""Rows of JSON in a file that only grows: what a killed process has found is not looked for again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import orjson

Row: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[Any, ...]


class Kept:
    """A file with a JSON object a line, each found again by what `names` of its keys say; a context manager.

    Whoever dies while writing leaves at most one torn line, which the next to open the file drops.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._names = tuple(names)
        self._places: dict[Key, int] = {}
        self._file = path.open("a+b")
        self._mend()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: Key) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[Row]:
        for place in self._places.values():
            yield self._at(place)

    def get(self, key: Key) -> Row | None:
        """The row of these values of `names`."""
        place = self._places.get(key)
        return None if place is None else self._at(place)

    def add(self, row: Row) -> None:
        """Keep a row, from now on also if this process is killed."""
        place = self._file.seek(0, 2)
        self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        self._file.flush()
        self._places[self._key(row)] = place

    def _at(self, place: int) -> Row:
        self._file.seek(place)
        row: Row = orjson.loads(self._file.readline())
        return row

    def _key(self, row: Row) -> Key:
        return tuple(row.get(name) for name in self._names)

    def _mend(self) -> None:
        end = 0
        self._file.seek(0)
        for line in self._file:
            try:
                row = orjson.loads(line) if line.endswith(b"\n") else None
            except orjson.JSONDecodeError:
                row = None
            if not isinstance(row, dict):
                break
            self._places[self._key(row)] = end
            end += len(line)
        self._file.truncate(end)
