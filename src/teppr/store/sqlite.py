"""The embedded annotation database: one SQLite file in WAL mode, for one machine."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from teppr.errors import AlreadyThere, Corrupt, Missing
from teppr.store.contract import (
    FileSummary,
    FileWriter,
    FindingQuery,
    GroupKey,
    ImageQuery,
    Store,
    StoredImage,
)
from teppr.store.sqlite_errors import translated
from teppr.store.sqlite_rows import counts_of, finding_of, image_of, region_of, summary_of
from teppr.store.sqlite_schema import (
    APPLICATION_ID,
    INDEXES,
    SCHEMA_VERSION,
    TABLES,
)
from teppr.store.sqlite_writer import SqliteFileWriter, transaction
from teppr.types import AnnotationFile, Finding

BUSY_SECONDS = 60.0

_GROUP_COLUMNS: Mapping[GroupKey, str] = {
    "label": "regions.label",
    "annotator": "files.annotator",
    "file": "files.sha256",
    "batch": "files.batch",
    "released": "files.released",
    "shape": "regions.kind",
}


class SqliteStore(Store):
    """An annotation database in the file `path`, made if it is not there.

    busy_seconds: how long to wait for another process that is just moving a file over
    """

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self._busy_seconds = busy_seconds
        with translated(path):
            self._connection = self._connect()

    def close(self) -> None:
        """Close the file; the last to close it folds the write-ahead log in."""
        self._connection.close()

    @contextmanager
    def writing(self, file: AnnotationFile, *, replace: bool = False) -> Iterator[FileWriter]:
        """Gather the file in temporary tables; `finish` moves it over in one transaction."""
        if not replace and self.find_file(file.sha256, file.problem):
            raise AlreadyThere(f"{file.path} is on record already for {file.problem}")
        # A connection of its own: nothing that is being read here is disturbed.
        with translated(self.path), closing(self._connect()) as connection:
            writer = SqliteFileWriter(connection, file, replace=replace)
            yield writer
            if not writer.finished:
                raise RuntimeError("a FileWriter's block must end with finish()")

    def find_file(self, sha256: str, problem: str) -> FileSummary | None:
        """The file with these bytes for this problem, if it was ingested."""
        found = self._rows("SELECT * FROM files WHERE sha256 = ? AND problem = ?", (sha256, problem))
        return next(map(summary_of, found), None)

    def files(self, problem: str | None = None, *, with_superseded: bool = True) -> Iterator[FileSummary]:
        """Files on record, in the order of their ingest."""
        conditions = _Conditions()
        conditions.equal("problem", problem)
        if not with_superseded:
            conditions.always("superseded_by IS NULL")
        return map(summary_of, self._rows(f"SELECT * FROM files{conditions} ORDER BY id", conditions.values))  # noqa: S608

    def images(self, query: ImageQuery) -> Iterator[StoredImage]:
        """Accepted entries with their accepted regions, one joined row a region."""
        conditions = _Conditions()
        conditions.always("files.accepted")
        if not query.with_superseded:
            conditions.always("files.superseded_by IS NULL")
        conditions.equal("files.problem", query.problem)
        conditions.among("files.annotator", query.annotators)
        conditions.among("files.sha256", query.files)
        # Files in the order of their ids, and loops in this order: rows come sorted without a sort.
        rows = self._rows(
            "SELECT images.*, regions.*, files.sha256 AS file_sha256, files.annotator, files.batch "  # noqa: S608
            "FROM files NOT INDEXED CROSS JOIN images ON images.file_id = files.id "
            f"LEFT JOIN regions ON regions.image_id = images.id{conditions} "
            "ORDER BY files.id, images.id, regions.position",
            conditions.values,
        )
        for _, group in groupby(rows, key=itemgetter("id")):
            of_image = list(group)
            yield image_of(of_image[0], [region_of(row) for row in of_image if row["position"] is not None])

    def findings(self, query: FindingQuery) -> Iterator[Finding]:
        """Findings in the order in which they were made."""
        conditions = _Conditions()
        conditions.equal("files.problem", query.problem)
        conditions.equal("files.annotator", query.annotator)
        conditions.equal("findings.rule", query.rule)
        conditions.equal("findings.severity", query.severity)
        if query.file is not None:
            conditions.either(("files.sha256", "files.path"), query.file)
        elif not query.with_superseded:
            conditions.always("files.superseded_by IS NULL")
        rows = self._rows(
            "SELECT findings.*, files.path AS file_path, files.annotator "  # noqa: S608 - conditions are ours
            f"FROM files NOT INDEXED CROSS JOIN findings ON findings.file_id = files.id{conditions} "
            "ORDER BY files.id, findings.id",
            conditions.values,
        )
        return map(finding_of, rows)

    def known_image(self, sha256: str) -> tuple[str, ...]:
        """Paths under which an image of these bytes is on record."""
        if not sha256:
            return ()
        rows = self._rows("SELECT DISTINCT path FROM images WHERE sha256 = ? ORDER BY path", (sha256,))
        return tuple(row["path"] for row in rows)

    def annotators_of(self, image_sha256: str, problem: str) -> tuple[str, ...]:
        """Annotators with an accepted entry of this image in a current file of this problem."""
        if not image_sha256:
            return ()
        rows = self._rows(
            "SELECT DISTINCT files.annotator FROM images JOIN files ON files.id = images.file_id "
            "WHERE images.sha256 = ? AND files.problem = ? AND files.accepted AND files.superseded_by IS NULL "
            "AND files.annotator IS NOT NULL ORDER BY files.annotator",
            (image_sha256, problem),
        )
        return tuple(row["annotator"] for row in rows)

    def region_counts(self, by: tuple[GroupKey, ...], problem: str | None = None) -> list[Mapping[str, object]]:
        """Accepted regions of current files grouped, summed by the database."""
        conditions = _Conditions()
        conditions.always("files.accepted")
        conditions.always("files.superseded_by IS NULL")
        conditions.equal("files.problem", problem)
        keys = "".join(f"{_GROUP_COLUMNS[key]} AS {key}, " for key in by)
        names = "".join(f"{key}, " for key in by)
        grouped = f"GROUP BY {names.rstrip(', ')} ORDER BY {names.rstrip(', ')}" if by else ""
        rows = self._rows(
            f"WITH of_image AS (SELECT {keys}images.width * images.height AS size_px, count(*) AS n, "  # noqa: S608
            "sum(regions.box_area_px) AS box_px, sum(regions.mask_area_px) AS mask_px FROM files "
            "JOIN images ON images.file_id = files.id JOIN regions ON regions.image_id = images.id"
            f"{conditions} GROUP BY {names}images.id) "
            f"SELECT {names}count(*) AS images, sum(size_px) AS image_area_px, sum(n) AS regions, "
            "max(n) AS largest_per_image, sum(box_px) AS box_area_px, sum(mask_px) AS mask_area_px "
            f"FROM of_image {grouped}",
            conditions.values,
        )
        return [counts_of(row, by) for row in rows if row["images"]]

    def _connect(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Missing(
                f"the folder of the annotation database {self.path} cannot be made: {error.strerror}"
            ) from error
        connection = sqlite3.connect(self.path, timeout=self._busy_seconds, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys = ON")
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if self._version(connection) == 0:
            with transaction(connection, "EXCLUSIVE"):
                if self._version(connection) == 0:  # another process may have been quicker
                    for statement in f"{TABLES}{INDEXES}".split(";"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        found = self._version(connection)
        if found != SCHEMA_VERSION:
            raise Corrupt(
                f"{self.path} has version {found} of the store's schema, this teppr has {SCHEMA_VERSION}; "
                "use the teppr that wrote it, or another store"
            )
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL")

    def _version(self, connection: sqlite3.Connection) -> int:
        """The schema's version; 0 for an empty database. Raises Corrupt for another program's."""
        # One statement, one moment: another process may be making the tables just now.
        tables, application, version = connection.execute(
            "SELECT (SELECT count(*) FROM sqlite_master), application_id, user_version "
            "FROM pragma_application_id, pragma_user_version"
        ).fetchone()
        if tables and application != APPLICATION_ID:
            raise Corrupt(f"{self.path} is another program's SQLite database, not a store of teppr; give another path")
        return int(version)

    def _rows(self, query: str, values: Sequence[object]) -> Iterator[sqlite3.Row]:
        with translated(self.path):
            # Not `yield from`: it would close the cursor, perhaps after the store.
            for row in self._connection.execute(query, values):  # noqa: UP028
                yield row


class _Conditions:
    """A WHERE clause in the making."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self._clauses: list[str] = []

    def always(self, clause: str) -> None:
        self._clauses.append(clause)

    def equal(self, column: str, value: object) -> None:
        if value is not None:
            self.either((column,), value)

    def either(self, columns: Sequence[str], value: object) -> None:
        self._clauses.append("(" + " OR ".join(f"{column} = ?" for column in columns) + ")")
        self.values.extend([value] * len(columns))

    def among(self, column: str, values: Sequence[str] | None) -> None:
        if values is not None:
            self._clauses.append(f"{column} IN ({', '.join('?' * len(values))})")
            self.values.extend(values)

    def __str__(self) -> str:
        return f" WHERE {' AND '.join(self._clauses)}" if self._clauses else ""
