"""The annotation database of a team: MongoDB, for many machines at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from bson import ObjectId
from pymongo.errors import PyMongoError

from teppr.errors import AlreadyThere, Missing
from teppr.store.access import Access
from teppr.store.chunks import chunks
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
from teppr.store.mongo_access import MongoAccess
from teppr.store.mongo_connection import Connection, Session
from teppr.store.mongo_counts import count, region_counts
from teppr.store.mongo_errors import translated
from teppr.store.mongo_loose import Loose
from teppr.store.mongo_schema import FILES, FINDINGS, IMAGES, SCHEMA_VERSION, Document, prepare
from teppr.store.mongo_succession import CURRENT, NOT_PAST, key_of, settle_file, settle_what_was_left, take_turn
from teppr.store.mongo_writer import MongoFileWriter
from teppr.store.refusals import refuse_to_withdraw
from teppr.store.rows import finding_of, image_of, region_of, summary_of
from teppr.types import AnnotationFile, Finding

ASKED_AT_ONCE = 5000
"""Values in one query; it may have 16 MB."""

_SEEN = ("content", "sha256", "path", "annotator", "batch", "released", "images_kept")
"""What reading needs of a file."""


class MongoStore(Store):
    """An annotation database on a MongoDB server, best one with transactions (a replica set, of one member or more).

    url: `mongodb://<host>/<database>` with whatever options the driver knows
    make: make it if it is not there; otherwise that raises Missing
    Raises Missing where the server does not answer, BadSettings where it refuses the user, Corrupt for a database
    that is no store of ours.
    """

    def __init__(self, url: str, *, make: bool = True) -> None:
        self._connection = Connection(url)
        self._database = self._connection.database
        self._loose = Loose(self._database)
        try:
            with self._translated():
                prepare(self._database, self._connection.address, make=make)
                self._loose.sweep()
                settle_what_was_left(self._connection)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the server."""
        self._connection.close()

    @contextmanager
    def writing(self, file: AnnotationFile, *, replace: bool = False, settle: bool = True) -> Iterator[FileWriter]:
        """Write the content where nobody sees it; `finish` puts the file on record, which names it."""
        if not replace and self.find_file(file.sha256, file.problem):
            raise AlreadyThere(f"{file.path} is on record already for {file.problem}")
        writer = MongoFileWriter(self._connection, file, replace=replace, settle=settle)
        try:
            yield writer
        finally:
            if not writer.finished:
                # Where the server is away, what was written is swept by a later start.
                with suppress(PyMongoError):
                    writer.abandon()
        if not writer.finished:
            raise RuntimeError("a FileWriter's block must end with finish()")

    def withdraw(self, sha256: str, problem: str, *, why: str, when: datetime) -> None:
        """Take a release back, in one transaction."""
        key = key_of(sha256, problem)

        def work(session: Session) -> None:
            take_turn(self._database, session)
            found = self._database[FILES].find_one({"_id": key}, session=session)
            refuse_to_withdraw(sha256, problem, None if found is None else summary_of(found))
            changes = {"withdrawn": when.isoformat(), "withdrawn_why": why, "unsettled": True}
            self._database[FILES].update_one({"_id": key}, {"$set": changes}, session=session)
            settle_file(self._database, key, session)

        with self._translated():
            self._connection.transaction(work)

    def find_file(self, sha256: str, problem: str) -> FileSummary | None:
        """The file with these bytes for this problem, if it was ingested."""
        with self._translated():
            found = self._database[FILES].find_one({"_id": key_of(sha256, problem)})
        return None if found is None else summary_of(found)

    def files(self, problem: str | None = None, *, with_past: bool = True) -> Iterator[FileSummary]:
        """Files on record, in the order of their ingest."""
        conditions = {**_given(problem=problem), **({} if with_past else NOT_PAST)}
        with self._translated():
            for found in self._connection.stream(FILES, conditions, ["order"]):
                yield summary_of(found)

    def images(self, query: ImageQuery) -> Iterator[StoredImage]:
        """Accepted entries with their accepted regions, a file after the other."""
        conditions = _given(problem=query.problem, accepted=True) | ({} if query.with_past else dict(NOT_PAST))
        for field, values in (("annotator", query.annotators), ("sha256", query.files)):
            if values is not None:
                conditions[field] = {"$in": list(values)}
        with self._translated():
            asked = self._asked(query)
            for file in self._connection.all_at_once(FILES, conditions, _SEEN):
                if asked is None:
                    yield from self._all_entries(file)
                elif file["content"] in asked:
                    for some in chunks(sorted(asked[file["content"]]), ASKED_AT_ONCE):
                        yield from self._entries(file, {"n": {"$in": some}})

    def findings(self, query: FindingQuery) -> Iterator[Finding]:
        """Findings in the order in which they were made, a file after the other."""
        conditions = _given(problem=query.problem, annotator=query.annotator)
        if query.file is not None:
            conditions["$or"] = [{"sha256": query.file}, {"path": query.file}]
        elif not query.with_past:
            conditions |= NOT_PAST
        severity = None if query.severity is None else query.severity.value
        with self._translated():
            for file in self._connection.all_at_once(FILES, conditions, _SEEN):
                of_file = {"content": file["content"], **_given(rule=query.rule, severity=severity)}
                for found in self._connection.stream(FINDINGS, of_file, ["seq"]):
                    yield finding_of(Document(found, file_path=file["path"], annotator=file["annotator"]))

    def shared_images(self, problem: str) -> Iterator[tuple[StoredImage, ...]]:
        """Images of several annotators, found along the index of their contents."""
        with self._translated():
            files = self._current({"problem": problem, "annotator": {"$ne": None}})
            places = {content: place for place, content in enumerate(files)}
            for sha256, same in self._by_bytes({}, files):
                if len({files[entry["content"]]["annotator"] for entry in same}) > 1:
                    contents = sorted({entry["content"] for entry in same}, key=places.__getitem__)
                    yield tuple(
                        entry for content in contents for entry in self._entries(files[content], {"sha256": sha256})
                    )

    def fingerprints(self, problem: str | None = None) -> Iterator[Fingerprint]:
        """Distinct images, read along the index of their contents."""
        with self._translated():
            files = self._current(_given(problem=problem))
            for sha256, same in self._by_bytes({"perceptual_hash": {"$ne": None}}, files):
                yield Fingerprint(
                    sha256=sha256,
                    perceptual_hash=min(entry["perceptual_hash"] for entry in same),
                    path=min(entry["path"] for entry in same),
                )

    def known_image(self, sha256: str) -> tuple[str, ...]:
        """Paths under which an image of these bytes is on record."""
        if not sha256:
            return ()
        with self._translated():
            found = list(self._database[IMAGES].find({"sha256": sha256, "part": 0}, ["path", "content"]))
            on_record = self._on_record(found, {}, "content")
        return tuple(sorted({entry["path"] for entry in found if entry["content"] in on_record}))

    def annotators_of(self, image_sha256: str, problem: str) -> tuple[str, ...]:
        """Annotators with an accepted entry of this image in a current file of this problem."""
        if not image_sha256:
            return ()
        with self._translated():
            found = list(self._database[IMAGES].find({"sha256": image_sha256}, ["content"]))
            annotators = self._on_record(found, {**CURRENT, "problem": problem}, "annotator")
        return tuple(sorted(annotators - {None}))

    def region_counts(self, by: tuple[GroupKey, ...], problem: str | None = None) -> list[Mapping[str, object]]:
        """Accepted regions of current files grouped: roll-ups summed here, regions summed by the server."""
        with self._translated():
            return region_counts(self._connection, self._current(_given(problem=problem)), by)

    def count(self, sha256: str | None = None, problem: str | None = None) -> Counts:
        """How many records there are."""
        with self._translated():
            files = self._connection.all_at_once(FILES, _given(sha256=sha256, problem=problem), ["content"])
            return count(self._connection, files)

    @property
    def access(self) -> Access:
        """Keys and the audit log, in the same database."""
        return MongoAccess(self._connection)

    def about(self) -> StoreInfo:
        """The database, and the server that has it."""
        with self._translated():
            version = self._connection.server_version()
        return StoreInfo(url=self._connection.address, back_end=f"MongoDB {version}", schema_version=SCHEMA_VERSION)

    def _current(self, conditions: Mapping[str, Any]) -> dict[ObjectId, Document]:
        """Current files by their contents, in the order of their ingest."""
        found = self._connection.all_at_once(FILES, {**CURRENT, **conditions}, _SEEN)
        return {file["content"]: file for file in found}

    def _asked(self, query: ImageQuery) -> Mapping[ObjectId, Sequence[int]] | None:
        """Where the images are that the query names, {content: positions}; None where it names none."""
        if query.images is None and query.filename is None:
            return None
        named = _given(filename=query.filename) | {"part": 0}
        portions: list[Mapping[str, Any]] = [named]
        if query.images is not None:
            portions = [{"sha256": {"$in": some}, **named} for some in chunks(set(query.images), ASKED_AT_ONCE)]
        asked: dict[ObjectId, list[int]] = defaultdict(list)
        for conditions in portions:
            for entry in self._database[IMAGES].find(conditions, ["content", "n"]):
                asked[entry["content"]].append(entry["n"])
        return asked

    def _all_entries(self, file: Document) -> Iterator[StoredImage]:
        read = 0
        for entry in self._entries(file, {}):
            yield entry
            read += 1
        if read != file["images_kept"]:
            raise Missing(f"{file['path']} was replaced a while ago and is cleared away while it is read; repeat")

    def _entries(self, file: Document, conditions: Mapping[str, Any]) -> Iterator[StoredImage]:
        """Entries of a file, put together of their documents."""
        of_file = {"content": file["content"], **conditions}
        for _, parts in groupby(self._connection.stream(IMAGES, of_file, ["seq"]), key=itemgetter("n")):
            documents = list(parts)
            seen = Document(documents[0], file_sha256=file["sha256"], annotator=file["annotator"], batch=file["batch"])
            yield image_of(seen, [region_of(region) for part in documents for region in part["regions"]])

    def _by_bytes(
        self, conditions: Mapping[str, Any], files: Mapping[ObjectId, Document]
    ) -> Iterator[tuple[str, Sequence[Document]]]:
        """Entries in these files by the sha256 of their images, in its order; without what makes entries large."""
        opened = {"sha256": {"$gt": ""}, "part": 0, **conditions}
        fields = ("sha256", "content", "seq", "path", "perceptual_hash")
        found = self._connection.stream(IMAGES, opened, ("sha256", "content", "seq"), fields)
        for sha256, same in groupby(found, key=itemgetter("sha256")):
            entries = [entry for entry in same if entry["content"] in files]
            if entries:
                yield sha256, entries

    def _on_record(self, entries: Sequence[Document], conditions: Mapping[str, Any], field: str) -> set[Any]:
        """Values of a field of the files that have these entries."""
        values: set[Any] = set()
        for some in chunks({entry["content"] for entry in entries}, ASKED_AT_ONCE):
            found = self._database[FILES].find({"content": {"$in": some}, **conditions}, [field])
            values.update(file[field] for file in found)
        return values

    def _translated(self) -> AbstractContextManager[None]:
        return translated(self._connection.address)


def _given(**conditions: object) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in conditions.items() if value is not None}
