"""One annotation file on its way into the embedded store: gathered in private tables, then moved over at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from teppr.errors import AlreadyThere
from teppr.measures import measure
from teppr.store.contract import FileSummary, FileWriter, StoredImage
from teppr.store.sqlite_rows import Row, date_of, row_of_finding, row_of_image, row_of_region, row_of_summary
from teppr.store.sqlite_schema import FINDING_COLUMNS, IMAGE_COLUMNS, REGION_COLUMNS, STAGING
from teppr.types import AnnotationFile, Finding


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

    def __init__(self, connection: sqlite3.Connection, file: AnnotationFile, *, replace: bool) -> None:
        self._connection = connection
        self._file = file
        self._replace = replace
        self._images = 0
        self.finished = False
        connection.executescript(STAGING)

    def add_images(self, images: Iterable[StoredImage]) -> None:
        """Stage accepted entries and their regions."""
        image_rows: list[Row] = []
        region_rows: list[Row] = []
        images = list(images)
        measures = iter(measure([region.shape for image in images for region in image.regions], crossings=False))
        for image in images:
            self._images += 1
            image_rows.append((self._images, *row_of_image(image)))
            region_rows.extend((self._images, *row_of_region(region, next(measures))) for region in image.regions)
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
        with transaction(self._connection, "IMMEDIATE"):
            self._make_room()
            row = row_of_summary(summary)
            names = ", ".join(row)
            marks = ", ".join(f":{name}" for name in row)
            cursor = self._connection.execute(f"INSERT INTO files ({names}) VALUES ({marks})", row)  # noqa: S608
            self._move(cursor.lastrowid or 0, with_images=summary.accepted)
            if summary.accepted:
                self._settle(cursor.lastrowid or 0)
        self.finished = True

    def _insert(self, table: str, rows: list[Row]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - ours

    def _make_room(self) -> None:
        identity = (self._file.sha256, self._file.problem)
        if self._replace:
            self._connection.execute("DELETE FROM files WHERE sha256 = ? AND problem = ?", identity)
        elif self._connection.execute("SELECT 1 FROM files WHERE sha256 = ? AND problem = ?", identity).fetchone():
            raise AlreadyThere(f"{self._file.path} is on record already for {self._file.problem}")

    def _move(self, file_id: int, *, with_images: bool) -> None:
        run = self._connection.execute
        if with_images:
            first = run("SELECT coalesce(max(id), 0) FROM images").fetchone()[0]
            run(
                f"INSERT INTO images (id, file_id, {IMAGE_COLUMNS}) "  # noqa: S608 - our own column names
                f"SELECT id + ?, ?, {IMAGE_COLUMNS} FROM staged_images ORDER BY id",
                (first, file_id),
            )
            run(
                f"INSERT INTO regions (image_id, {REGION_COLUMNS}) "  # noqa: S608 - our own column names
                f"SELECT image_id + ?, {REGION_COLUMNS} FROM staged_regions ORDER BY rowid",
                (first,),
            )
        run(
            f"INSERT INTO findings (file_id, {FINDING_COLUMNS}) "  # noqa: S608 - our own column names
            f"SELECT ?, {FINDING_COLUMNS} FROM staged_findings ORDER BY id",
            (file_id,),
        )

    def _settle(self, new_id: int) -> None:
        """Say which of two releases of the same work is the newer."""
        file = self._file
        rivals = self._connection.execute(
            "SELECT id, sha256, path, released FROM files WHERE problem = ? AND id != ? AND accepted "
            "AND superseded_by IS NULL AND (path = ? OR (batch = ? AND annotator = ? AND part IS ?))",
            (file.problem, new_id, file.path, file.batch, file.annotator, file.part),
        ).fetchall()
        for rival_id, sha256, path, released_text in rivals:
            released = date_of(released_text)
            if is_newer(file, path, released):
                self._supersede(rival_id, file.sha256)
            elif released and file.released and released > file.released:
                self._supersede(new_id, sha256)

    def _supersede(self, file_id: int, by_sha256: str) -> None:
        self._connection.execute("UPDATE files SET superseded_by = ? WHERE id = ?", (by_sha256, file_id))


def is_newer(file: AnnotationFile, other_path: str, other_released: object) -> bool:
    """Whether a file written now takes the place of another of the same batch, part and annotator, or path."""
    if file.path == other_path:
        return True
    if file.released is None or other_released is None:
        return False
    same_name = file.path.rpartition("/")[2] == other_path.rpartition("/")[2]
    return bool(file.released > other_released) or (file.released == other_released and same_name)  # type: ignore[operator]
