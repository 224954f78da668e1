"""Collections and indexes of the store in MongoDB, all in one place.

A file on record is one document of `files` that names its content; the documents of the other collections belong to a
content and never change. A content that no file names is not on record: it is being written, was replaced, or was
left by a process that ended; `loose` says since when.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pymongo import IndexModel
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from teppr.errors import Corrupt, Missing

SCHEMA_VERSION = 2
"""Kept in `teppr`; an older one is brought up to it, a newer one refused, never guessed at."""

FILES, IMAGES, FINDINGS, ROLLUPS, LOOSE, TEPPR = "files", "images", "findings", "rollups", "loose", "teppr"
API_KEYS, AUDIT = "api_keys", "audit"
OF_CONTENT = (IMAGES, FINDINGS, ROLLUPS)
SCHEMA, ORDER = "schema", "order"
"""Documents of `teppr`: the version, and the place of the last file in the order of ingest."""

Keys = Sequence[tuple[str, int]]

UNSETTLED: Keys = [("unsettled", 1)]
"""Of files whose process could not say what they supersede: there are hardly ever any."""

INDEXES: Mapping[str, Sequence[Keys]] = {
    FILES: (
        [("order", 1)],
        [("content", 1)],
        [("problem", 1), ("batch", 1), ("annotator", 1)],
        [("path", 1)],
        [("superseded_by", 1)],
        UNSETTLED,
    ),
    IMAGES: ([("content", 1), ("seq", 1)], [("sha256", 1), ("content", 1), ("seq", 1)], [("filename", 1)]),
    FINDINGS: ([("content", 1), ("seq", 1)],),
    ROLLUPS: ([("content", 1)],),
}


class Document(dict[str, Any]):
    """A document in which a field that was left out is None."""

    def __missing__(self, name: str) -> None:
        return None


def _to_version_1(database: Database[Document]) -> None:
    for name, indexes in INDEXES.items():
        database[name].create_indexes([IndexModel(list(keys), sparse=keys == UNSETTLED) for keys in indexes])


def _to_version_2(database: Database[Document]) -> None:
    """Keys and the audit log."""
    database[API_KEYS].create_indexes([IndexModel([("sha256", 1)], unique=True)])
    database[AUDIT].create_indexes([IndexModel([("at", 1)])])


MIGRATIONS: Sequence[Callable[[Database[Document]], None]] = (_to_version_1, _to_version_2)
"""What brings a database of version 0, 1 ... to the next one; it may run again after it was cut short."""


def prepare(database: Database[Document], address: str, *, make: bool) -> None:
    """Bring the database to today's schema, an empty one only if it may be made.

    Raises Missing for an empty one otherwise, Corrupt for another program's database and for a schema newer than ours.
    """
    found = version_of(database)
    if found is None:
        if database.list_collection_names() and version_of(database) is None:
            raise Corrupt(f"{address} is another program's database, not a store of teppr; give another name")
        if not make:
            raise Missing(f"there is no annotation database at {address}")
        _begin(database)
    found = found or 0
    if found > SCHEMA_VERSION:
        raise Corrupt(
            f"{address} has version {found} of the store's schema, this teppr has {SCHEMA_VERSION}; "
            "use the teppr that wrote it, or another store"
        )
    for version in range(found, SCHEMA_VERSION):
        MIGRATIONS[version](database)
        database[TEPPR].update_one({"_id": SCHEMA, "version": version}, {"$set": {"version": version + 1}})


def version_of(database: Database[Document]) -> int | None:
    """The schema's version; None where there is none."""
    found = database[TEPPR].find_one({"_id": SCHEMA})
    return None if found is None else int(found["version"])


def _begin(database: Database[Document]) -> None:
    # The first document of all: a database that holds anything of ours holds this.
    try:
        database[TEPPR].insert_one(Document(_id=SCHEMA, version=0))
    except DuplicateKeyError:
        return  # another process was quicker
    database[TEPPR].update_one({"_id": ORDER}, {"$setOnInsert": {"last": 0}}, upsert=True)
