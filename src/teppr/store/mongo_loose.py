"""Contents that no file names (yet, or any more), and how they are cleared away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from pymongo.collection import Collection
from pymongo.database import Database

from teppr.errors import Missing
from teppr.store.mongo_connection import Session
from teppr.store.mongo_schema import FILES, LOOSE, OF_CONTENT, Document

KEPT_MS = 3_600_000
"""How long after the last sign of its writer, or after it was replaced, a content is kept: readers may be in it."""

_NOW = [{"$set": {"touched": "$$NOW"}}]
"""The server's clock, which all processes share."""


class Loose:
    """The list of contents that no file names."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._list: Collection[Document] = database[LOOSE]

    def add(self, content: ObjectId, session: Session = None) -> None:
        """From now on no file names this content."""
        self._list.update_one({"_id": content}, _NOW, upsert=True, session=session)

    def touch(self, content: ObjectId, session: Session = None) -> None:
        """Its writer is alive. Raises Missing where the content has been cleared away in the meantime."""
        if not self._list.update_one({"_id": content, "doomed": None}, _NOW, session=session).matched_count:
            raise Missing("writing paused for so long that what was written has been cleared away; repeat it")

    def remove(self, content: ObjectId, session: Session = None) -> None:
        """A file names this content now."""
        self._list.delete_one({"_id": content}, session=session)

    def clear(self, content: ObjectId) -> None:
        """Delete all of a content, unless a file names it after all."""
        self._clear_first({"_id": content})

    def sweep(self) -> None:
        """Clear away what nobody has touched for long, and what another process has begun to clear."""
        too_old = {"$expr": {"$lt": ["$touched", {"$subtract": ["$$NOW", KEPT_MS]}]}}
        while self._list.find_one(too_old):  # asked first: a user who may only read has nothing to sweep
            self._clear_first(too_old)

    def _clear_first(self, conditions: Mapping[str, Any]) -> None:
        """Doom a content, so that no file can name it any more, and delete it."""
        found = self._list.find_one_and_update(conditions, [{"$set": {"doomed": True, "touched": "$$NOW"}}])
        if found is None:
            return
        content = found["_id"]
        # On a server without transactions a writer may have ended after the file was put, before this list was told.
        if not self._database[FILES].find_one({"content": content}, {"_id": 1}):
            for name in OF_CONTENT:
                self._database[name].delete_many({"content": content})
        self._list.delete_one({"_id": content})
