"""Names and numbers that are taken: sets that may be of any length, since they do not lie in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import count
from types import TracebackType
from typing import Self

_BEGINNING = """
PRAGMA journal_mode = OFF;
CREATE TABLE taken (value PRIMARY KEY) WITHOUT ROWID;
BEGIN;
"""
"""One transaction that nobody ends: what is gathered is never wanted again."""


class Taken:
    """Texts, or whole numbers of 64 bits, in a file without a name of which SQLite holds two megabytes in memory."""

    def __init__(self) -> None:
        self._table = sqlite3.connect("", isolation_level=None)
        self._table.executescript(_BEGINNING)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._table.close()

    def __contains__(self, value: int | str) -> bool:
        found = self._table.execute("SELECT 1 FROM taken WHERE value = ?", (_cell(value),))
        return found.fetchone() is not None

    def take(self, value: int | str) -> bool:
        """Take a value; whether it was free."""
        return self._table.execute("INSERT OR IGNORE INTO taken VALUES (?)", (_cell(value),)).rowcount == 1

    def free_numbers(self) -> Iterator[int]:
        """The whole numbers from 1 that are not taken, rising, without end."""
        wanted = 1
        for (taken,) in self._table.execute("SELECT value FROM taken WHERE value > 0 ORDER BY value"):
            yield from range(wanted, taken)
            wanted = taken + 1
        yield from count(wanted)


def _cell(value: int | str) -> int | bytes:
    # Names in files may hold halves of characters, which SQLite refuses in texts.
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
