"""One annotation file on its way into the embedded store: gathered in private tables, then moved over at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace as changed

from teppr.errors import AlreadyThere
from teppr.store.chunks import chunks
from teppr.store.contract import FileSummary, FileWriter, StoredImage
from teppr.store.rollups import Rollups
from teppr.store.rows import (
    FINDING_COLUMNS,
    IMAGE_COLUMNS,
    REGION_COLUMNS,
    Row,
    row_of_finding,
    row_of_image,
    row_of_summary,
    with_regions,
)
from teppr.store.sqlite_schema import INSERT_ROLLUP, STAGING
from teppr.store.sqlite_succession import SqliteLedger
from teppr.store.succession import settle
from teppr.types import AnnotationFile, Finding

IMAGES_AT_ONCE = 256
"""Entries that are inserted together; bounds what is held in memory."""

_IMAGES, _REGIONS, _FINDINGS = map(", ".join, (IMAGE_COLUMNS, REGION_COLUMNS, FINDING_COLUMNS))


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "DEFERRED") -> Iterator[None]:
    """Everything in the block, or nothing of it."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


class SqliteFileWriter(FileWriter):
    """Gathers in temporary tables; `finish` locks the database, moves everything over and settles what supersedes.

    connection: of its own, since the temporary tables go when it is closed
    """

    def __init__(self, connection: sqlite3.Connection, file: AnnotationFile, *, replace: bool, settle: bool) -> None:
        self._connection = connection
        self._file = file
        self._replace = replace
        self._settle = settle
        self._images = 0
        self._rollups = Rollups()
        self.finished = False
        connection.executescript(STAGING)

    def add_images(self, images: Iterable[StoredImage]) -> None:
        """Stage accepted entries and their regions."""
        for some in chunks(with_regions(images), IMAGES_AT_ONCE):
            self._stage(some)

    def _stage(self, entries: Sequence[tuple[StoredImage, Sequence[Row]]]) -> None:
        image_rows: list[Row] = []
        region_rows: list[Row] = []
        for image, rows in entries:
            self._images += 1
            image_rows.append((self._images, *row_of_image(image)))
            region_rows.extend((self._images, *row) for row in rows)
            width, height = image.size_wh
            self._rollups.add(float(width) * height, rows)
        with transaction(self._connection):
            self._insert("staged_images", image_rows)
            self._insert("staged_regions", region_rows)

    def add_findings(self, findings: Iterable[Finding]) -> None:
        """Stage findings."""
        rows = [(None, *row_of_finding(finding)) for finding in findings]
        with transaction(self._connection):
            self._insert("staged_findings", rows)

    def finish(self, summary: FileSummary) -> None:
        """Move all that was staged into the database, in one transaction."""
        if self._settle:
            summary = changed(summary, superseded_by=None, withdrawn=None)
        with transaction(self._connection, "IMMEDIATE"):
            old_id = self._make_room()
            row = row_of_summary(summary)
            if old_id and not self._settle:
                row["id"] = old_id
            names = ", ".join(row)
            marks = ", ".join(f":{name}" for name in row)
            cursor = self._connection.execute(f"INSERT INTO files ({names}) VALUES ({marks})", row)  # noqa: S608
            self._move(cursor.lastrowid or 0, with_images=summary.accepted)
            if self._settle:
                self._say_what_supersedes(cursor.lastrowid or 0)
        self.finished = True

    def _insert(self, table: str, rows: list[Row]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - ours

    def _make_room(self) -> int | None:
        """Remove what is on record of the file, if that may be replaced; its id."""
        identity = (self._file.sha256, self._file.problem)
        found = self._connection.execute("SELECT id FROM files WHERE sha256 = ? AND problem = ?", identity).fetchone()
        if found is None:
            return None
        if not self._replace:
            raise AlreadyThere(f"{self._file.path} is on record already for {self._file.problem}")
        self._connection.execute("DELETE FROM files WHERE id = ?", (found["id"],))
        return int(found["id"])

    def _move(self, file_id: int, *, with_images: bool) -> None:
        run = self._connection.execute
        if with_images:
            first = run("SELECT coalesce(max(id), 0) FROM images").fetchone()[0]
            run(
                f"INSERT INTO images (id, file_id, {_IMAGES}) "  # noqa: S608 - our own column names
                f"SELECT id + ?, ?, {_IMAGES} FROM staged_images ORDER BY id",
                (first, file_id),
            )
            run(
                f"INSERT INTO regions (image_id, {_REGIONS}) "  # noqa: S608 - our own column names
                f"SELECT image_id + ?, {_REGIONS} FROM staged_regions ORDER BY rowid",
                (first,),
            )
            self._connection.executemany(INSERT_ROLLUP, [(file_id, *row) for row in self._rollups.rows()])
        run(
            f"INSERT INTO findings (file_id, {_FINDINGS}) "  # noqa: S608 - our own column names
            f"SELECT ?, {_FINDINGS} FROM staged_findings ORDER BY id",
            (file_id,),
        )

    def _say_what_supersedes(self, file_id: int) -> None:
        ledger = SqliteLedger(self._connection)
        settle(ledger, ledger.release(file_id))
