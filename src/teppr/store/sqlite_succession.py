"""What supersedes what, looked up and written down in the embedded store."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from teppr.store.rows import date_of
from teppr.store.succession import Release

_OTHERS = "SELECT * FROM files WHERE problem = ? AND id != ? AND "
_CURRENT = "accepted AND superseded_by IS NULL AND withdrawn IS NULL AND "


class SqliteLedger:
    """The succession of files as one connection sees it, inside its transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def release(self, file_id: int) -> Release:
        """A file on record."""
        return _release_of(self._connection.execute("SELECT * FROM files WHERE id = ?", (file_id,)).fetchone())

    def rivals(self, release: Release) -> Sequence[Release]:
        """Other current files of the same work."""
        work = (release.path, release.batch, release.annotator, release.part)
        return self._found(f"{_CURRENT}(path = ? OR (batch = ? AND annotator = ? AND part IS ?))", release, *work)

    def superseded_by(self, release: Release) -> Sequence[Release]:
        """Files whose place the release has taken."""
        return self._found("superseded_by = ?", release, release.sha256)

    def supersede(self, release: Release, by_sha256: str | None) -> None:
        """Write down what has taken the release's place."""
        self._connection.execute("UPDATE files SET superseded_by = ? WHERE id = ?", (by_sha256, release.key))

    def _found(self, condition: str, release: Release, *values: object) -> Sequence[Release]:
        rows = self._connection.execute(f"{_OTHERS}{condition} ORDER BY id", (release.problem, release.key, *values))
        return [_release_of(row) for row in rows]


def _release_of(row: sqlite3.Row) -> Release:
    return Release(
        key=row["id"],
        order=row["id"],
        sha256=row["sha256"],
        problem=row["problem"],
        path=row["path"],
        annotator=row["annotator"],
        batch=row["batch"],
        part=row["part"],
        released=date_of(row["released"]),
        superseded_by=row["superseded_by"],
        stands=bool(row["accepted"]) and row["withdrawn"] is None,
    )
