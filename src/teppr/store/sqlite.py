"""The embedded annotation database: one SQLite file in WAL mode, for one machine."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from teppr.errors import AlreadyThere, Corrupt, Missing
from teppr.store.access import Access
from teppr.store.contract import (
    Counts,
    FileSummary,
    FileWriter,
    FindingQuery,
    Fingerprint,
    GroupKey,
    ImageQuery,
    Store,
    StoredImage,
    StoreInfo,
)
from teppr.store.refusals import refuse_to_withdraw
from teppr.store.rollups import counts_of
from teppr.store.rows import finding_of, image_of, region_of, summary_of
from teppr.store.sqlite_access import SqliteAccess
from teppr.store.sqlite_conditions import CURRENT, NOT_PAST, Conditions
from teppr.store.sqlite_counts import count_query, region_counts_query
from teppr.store.sqlite_errors import translated
from teppr.store.sqlite_migrations import MIGRATIONS
from teppr.store.sqlite_schema import APPLICATION_ID, INDEXES, SCHEMA_VERSION, TABLES, statements
from teppr.store.sqlite_succession import SqliteLedger
from teppr.store.sqlite_writer import SqliteFileWriter, transaction
from teppr.store.succession import settle as settle_release
from teppr.types import AnnotationFile, Finding

BUSY_SECONDS = 60.0

# Regions first: a column is looked for by its name from the first on, and most rows are asked for a region's only.
_ENTRIES = (
    "SELECT regions.*, images.*, files.sha256 AS file_sha256, files.annotator, files.batch FROM {files} "
    "LEFT JOIN regions ON regions.image_id = images.id{conditions} ORDER BY {order}"
)


_BY_ANOTHER = (
    "EXISTS (SELECT 1 FROM images AS same JOIN files AS others ON others.id = same.file_id "  # noqa: S608 - ours
    "WHERE same.sha256 = images.sha256 AND others.problem = files.problem AND others.annotator != files.annotator "
    f"AND {CURRENT.replace('files.', 'others.')})"
)
"""The image has an accepted entry of another annotator in a current file of the same problem."""


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
    def writing(self, file: AnnotationFile, *, replace: bool = False, settle: bool = True) -> Iterator[FileWriter]:
        """Gather the file in temporary tables; `finish` moves it over in one transaction."""
        if not replace and self.find_file(file.sha256, file.problem):
            raise AlreadyThere(f"{file.path} is on record already for {file.problem}")
        # A connection of its own: nothing that is being read here is disturbed.
        with translated(self.path), closing(self._connect()) as connection:
            writer = SqliteFileWriter(connection, file, replace=replace, settle=settle)
            yield writer
            if not writer.finished:
                raise RuntimeError("a FileWriter's block must end with finish()")

    def withdraw(self, sha256: str, problem: str, *, why: str, when: datetime) -> None:
        """Take a release back, in one transaction."""
        with translated(self.path), closing(self._connect()) as connection, transaction(connection, "IMMEDIATE"):
            rows = connection.execute("SELECT * FROM files WHERE sha256 = ? AND problem = ?", (sha256, problem))
            row = rows.fetchone()
            refuse_to_withdraw(sha256, problem, None if row is None else summary_of(row))
            connection.execute(
                "UPDATE files SET withdrawn = ?, withdrawn_why = ? WHERE id = ?", (when.isoformat(), why, row["id"])
            )
            ledger = SqliteLedger(connection)
            settle_release(ledger, ledger.release(row["id"]))

    def find_file(self, sha256: str, problem: str) -> FileSummary | None:
        """The file with these bytes for this problem, if it was ingested."""
        found = self._rows("SELECT * FROM files WHERE sha256 = ? AND problem = ?", (sha256, problem))
        return next(map(summary_of, found), None)

    def files(self, problem: str | None = None, *, with_past: bool = True) -> Iterator[FileSummary]:
        """Files on record, in the order of their ingest."""
        conditions = Conditions(*([] if with_past else [NOT_PAST]))
        conditions.equal("problem", problem)
        return map(summary_of, self._rows(f"SELECT * FROM files{conditions} ORDER BY id", conditions.values))  # noqa: S608

    def images(self, query: ImageQuery) -> Iterator[StoredImage]:
        """Accepted entries with their accepted regions, one joined row a region."""
        conditions = Conditions("files.accepted" if query.with_past else CURRENT)
        conditions.equal("files.problem", query.problem)
        conditions.among("files.annotator", query.annotators)
        conditions.among("files.sha256", query.files)
        conditions.among("images.sha256", query.images)
        conditions.equal("images.filename", query.filename)
        if query.images is not None or query.filename is not None:
            files = "images JOIN files ON files.id = images.file_id"
        elif query.files is not None and len(query.files) == 1:
            files = "files CROSS JOIN images ON images.file_id = files.id"
        else:
            # Files in the order of their ids, and loops in this order: rows come sorted without a sort.
            files = "files NOT INDEXED CROSS JOIN images ON images.file_id = files.id"
        statement = _ENTRIES.format(files=files, conditions=conditions, order="files.id, images.id, regions.position")
        for _, rows in groupby(self._rows(statement, conditions.values), key=itemgetter("id")):
            yield _entry_of(rows)

    def findings(self, query: FindingQuery) -> Iterator[Finding]:
        """Findings in the order in which they were made."""
        conditions = Conditions(*([] if query.with_past or query.file is not None else [NOT_PAST]))
        conditions.equal("files.problem", query.problem)
        conditions.equal("files.annotator", query.annotator)
        conditions.equal("findings.rule", query.rule)
        conditions.equal("findings.severity", query.severity)
        if query.file is not None:
            conditions.one_of_files(query.file)
        rows = self._rows(
            "SELECT findings.*, files.path AS file_path, files.annotator "  # noqa: S608 - conditions are ours
            f"FROM files NOT INDEXED CROSS JOIN findings ON findings.file_id = files.id{conditions} "
            "ORDER BY files.id, findings.id",
            conditions.values,
        )
        return map(finding_of, rows)

    def shared_images(self, problem: str) -> Iterator[tuple[StoredImage, ...]]:
        """Images of several annotators, read along the index of their contents."""
        conditions = Conditions(CURRENT, "images.sha256 != ''", _BY_ANOTHER)
        conditions.equal("files.problem", problem)
        files = "images INDEXED BY images_by_content CROSS JOIN files ON files.id = images.file_id"
        statement = _ENTRIES.format(
            files=files, conditions=conditions, order="images.sha256, images.id, regions.position"
        )
        for _, rows in groupby(self._rows(statement, conditions.values), key=itemgetter("sha256")):
            entries = [list(of_entry) for _, of_entry in groupby(rows, key=itemgetter("id"))]
            # Images of a file that was replaced at its place come after those of later files.
            yield tuple(map(_entry_of, sorted(entries, key=lambda of_entry: itemgetter("file_id", "id")(of_entry[0]))))

    def fingerprints(self, problem: str | None = None) -> Iterator[Fingerprint]:
        """Distinct images, read along the index of their contents."""
        conditions = Conditions(CURRENT, "images.sha256 != ''", "images.perceptual_hash IS NOT NULL")
        conditions.equal("files.problem", problem)
        rows = self._rows(
            "SELECT images.sha256, min(images.perceptual_hash) AS perceptual_hash, min(images.path) AS path "  # noqa: S608
            f"FROM images INDEXED BY images_by_content CROSS JOIN files ON files.id = images.file_id{conditions} "
            "GROUP BY images.sha256 ORDER BY images.sha256",
            conditions.values,
        )
        return (Fingerprint(**dict(row)) for row in rows)

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
            "SELECT DISTINCT files.annotator FROM images JOIN files ON files.id = images.file_id "  # noqa: S608 - ours
            f"WHERE images.sha256 = ? AND files.problem = ? AND {CURRENT} "
            "AND files.annotator IS NOT NULL ORDER BY files.annotator",
            (image_sha256, problem),
        )
        return tuple(row["annotator"] for row in rows)

    def region_counts(self, by: tuple[GroupKey, ...], problem: str | None = None) -> list[Mapping[str, object]]:
        """Accepted regions of current files grouped, summed by the database."""
        return [counts_of(row, by) for row in self._rows(*region_counts_query(by, problem)) if row["images"]]

    def count(self, sha256: str | None = None, problem: str | None = None) -> Counts:
        """How many records there are."""
        return Counts(**dict(next(self._rows(*count_query(sha256, problem)))))

    @property
    def access(self) -> Access:
        """Keys and the audit log, in the same file."""
        return SqliteAccess(self.path, self._connection, self._connect)

    def about(self) -> StoreInfo:
        """The file, and the library that reads it."""
        return StoreInfo(
            url=f"sqlite:///{self.path}",
            back_end=f"SQLite {sqlite3.sqlite_version}",
            schema_version=self._version(self._connection),
        )

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
        if self._version(connection) < SCHEMA_VERSION:
            with transaction(connection, "EXCLUSIVE"):
                self._bring_up_to_date(connection)
        found = self._version(connection)
        if found != SCHEMA_VERSION:
            raise Corrupt(
                f"{self.path} has version {found} of the store's schema, this teppr has {SCHEMA_VERSION}; "
                "use the teppr that wrote it, or another store"
            )
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL")

    def _bring_up_to_date(self, connection: sqlite3.Connection) -> None:
        found = self._version(connection)  # another process may have been quicker
        if found == 0:
            for statement in statements(f"{TABLES}{INDEXES}"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        else:
            for version in range(found, SCHEMA_VERSION):
                MIGRATIONS[version](connection)
        connection.execute(f"PRAGMA user_version = {max(found, SCHEMA_VERSION)}")

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


def _entry_of(rows: Iterable[sqlite3.Row]) -> StoredImage:
    """An entry from its rows: one a region, or a single one where it has none."""
    of_image = list(rows)
    return image_of(of_image[0], [region_of(row) for row in of_image if row["position"] is not None])
