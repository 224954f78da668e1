"""One annotation file on its way into MongoDB: its content is written first, and is seen once the file names it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace as changed
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from teppr.errors import AlreadyThere
from teppr.store.chunks import chunks
from teppr.store.contract import FileSummary, FileWriter, StoredImage
from teppr.store.mongo_connection import Connection, Session
from teppr.store.mongo_errors import translated
from teppr.store.mongo_loose import Loose
from teppr.store.mongo_schema import FILES, FINDINGS, IMAGES, ROLLUPS, Document
from teppr.store.mongo_succession import key_of, settle_file, take_turn
from teppr.store.rollups import ROLLUP_COLUMNS, Rollups
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
from teppr.types import AnnotationFile, Finding

DOCUMENTS_AT_ONCE = 500
CHARACTERS_A_DOCUMENT = 2_000_000
"""A document may have 16 MB, and a character up to four bytes; what an entry has more goes into further documents."""
BESIDE_TEXT = 400
"""Characters that a region counts for beside those of its texts."""


class MongoFileWriter(FileWriter):
    """Writes a content that no file names yet; `finish` names it, in one transaction that settles what supersedes."""

    def __init__(self, connection: Connection, file: AnnotationFile, *, replace: bool, settle: bool) -> None:
        self._connection = connection
        self._database = connection.database
        self._loose = Loose(connection.database)
        self._file = file
        self._replace = replace
        self._settle = settle
        self._content = ObjectId()
        self._images = 0
        self._written = {IMAGES: 0, FINDINGS: 0}
        self._rollups = Rollups()
        self.finished = False
        with translated(connection.address):
            self._loose.add(self._content)

    def add_images(self, images: Iterable[StoredImage]) -> None:
        """Write accepted entries and their regions."""
        self._insert(IMAGES, self._documents(images))

    def add_findings(self, findings: Iterable[Finding]) -> None:
        """Write findings."""
        rows = (row_of_finding(finding) for finding in findings)
        self._insert(FINDINGS, (_document(FINDING_COLUMNS, row) for row in rows))

    def finish(self, summary: FileSummary) -> None:
        """Put the file on record, which makes its content seen."""
        if self._settle:
            summary = changed(summary, superseded_by=None, withdrawn=None)
        with translated(self._connection.address):
            if summary.accepted:
                rows = [_document(ROLLUP_COLUMNS, row, content=self._content) for row in self._rollups.rows()]
                if rows:
                    self._database[ROLLUPS].insert_many(rows)
            else:
                self._database[IMAGES].delete_many({"content": self._content})
            self._connection.transaction(lambda session: self._put(summary, session))
        self.finished = True

    def abandon(self) -> None:
        """Clear away what was written."""
        self._loose.clear(self._content)

    def _put(self, summary: FileSummary, session: Session) -> None:
        """Every statement leaves what others see whole, also where there are no transactions."""
        files = self._database[FILES]
        key = key_of(self._file.sha256, self._file.problem)
        self._loose.touch(self._content, session)
        order = take_turn(self._database, session)
        document = Document(
            row_of_summary(summary),
            _id=key,
            order=order,
            content=self._content,
            images_kept=self._images if summary.accepted else 0,
        )
        if self._settle:
            document["unsettled"] = True
        old = files.find_one({"_id": key}, session=session) if self._replace else None
        if old is None:
            try:
                files.insert_one(document, session=session)
            except DuplicateKeyError as error:
                raise AlreadyThere(f"{self._file.path} is on record already for {self._file.problem}") from error
        else:
            if not self._settle:
                document["order"] = old["order"]
            self._loose.add(old["content"], session)
            files.replace_one({"_id": key}, document, session=session)
        self._loose.remove(self._content, session)
        if self._settle:
            settle_file(self._database, key, session)

    def _insert(self, collection: str, documents: Iterable[Document]) -> None:
        with translated(self._connection.address):
            for some in chunks(documents, DOCUMENTS_AT_ONCE):
                for document in some:
                    document |= {"content": self._content, "seq": self._written[collection]}
                    self._written[collection] += 1
                self._database[collection].insert_many(some)
                self._loose.touch(self._content)

    def _documents(self, images: Iterable[StoredImage]) -> Iterator[Document]:
        """Each entry with as many regions as a document may hold, and further documents for the others."""
        for image, rows in with_regions(images):
            width, height = image.size_wh
            self._rollups.add(float(width) * height, rows)
            entry = row_of_image(image)
            for part, regions in enumerate(_parts(rows)):
                documents = [_document(REGION_COLUMNS, row) for row in regions]
                yield _document(IMAGE_COLUMNS, entry, n=self._images, part=part, regions=documents)
            self._images += 1


def _document(columns: Sequence[str], row: Row, **more: Any) -> Document:  # noqa: ANN401 - fields are of any type
    named = {name: value for name, value in zip(columns, row, strict=True) if value is not None}
    return Document(named, **more)


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Regions in portions that a document can hold; one portion at least."""
    first = size = 0
    for i, row in enumerate(rows):
        length = BESIDE_TEXT + sum(len(value) for value in row if isinstance(value, str))
        if size and size + length > CHARACTERS_A_DOCUMENT:
            yield rows[first:i]
            first, size = i, 0
        size += length
    yield rows[first:]
