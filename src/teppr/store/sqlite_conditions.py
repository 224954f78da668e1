"""A WHERE clause in the making."""

from __future__ import annotations

from collections.abc import Sequence

from teppr.store.records import json_of

NOT_PAST = "files.superseded_by IS NULL AND files.withdrawn IS NULL"
CURRENT = f"files.accepted AND {NOT_PAST}"


class Conditions:
    """Clauses that all must hold, and the values of their marks in order; given None, a clause is left out."""

    def __init__(self, *clauses: str) -> None:
        self.values: list[object] = []
        self._clauses = list(clauses)

    def equal(self, column: str, value: object) -> None:
        """The column has this value."""
        if value is not None:
            self._clauses.append(f"{column} = ?")
            self.values.append(value)

    def one_of_files(self, key: str) -> None:
        """The file has this sha256, or this path."""
        # A union, since SQLite would go through all files for an OR.
        same = "SELECT id FROM files WHERE sha256 = ? UNION SELECT id FROM files WHERE path = ?"
        self._clauses.append(f"files.id IN ({same})")
        self.values.extend([key, key])

    def among(self, column: str, values: Sequence[str] | None) -> None:
        """The column has one of these values, of which there may be any number."""
        if values is not None and len(values) == 1:
            self.equal(column, values[0])
        elif values is not None:
            self._clauses.append(f"{column} IN (SELECT value FROM json_each(?))")  # noqa: S608 - ours
            self.values.append(json_of(values))

    def __str__(self) -> str:
        return f" WHERE {' AND '.join(self._clauses)}" if self._clauses else ""
