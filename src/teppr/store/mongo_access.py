"""Keys and the audit log in MongoDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial

from teppr.errors import AlreadyThere
from teppr.keys import ApiKey
from teppr.store.access import Access, AuditEntry
from teppr.store.access_rows import entry_of, key_of, row_of_entry, row_of_key, text_of
from teppr.store.mongo_connection import Connection, Session
from teppr.store.mongo_errors import translated
from teppr.store.mongo_schema import API_KEYS, AUDIT, Document
from teppr.store.refusals import refuse_to_revoke, refuse_to_rotate


class MongoAccess(Access):
    """On a server without transactions an entry is written before what it tells of: nothing changes untold."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._keys = connection.database[API_KEYS]
        self._audit = connection.database[AUDIT]

    def put(self, key: ApiKey, entry: AuditEntry) -> None:
        """Keep a new key, and the entry, in one transaction."""
        self._change(partial(self._refuse_known, key), partial(self._add, key), entry)

    def all_keys(self) -> Iterator[ApiKey]:
        """All keys that were ever made, oldest first."""
        with self._translated():
            for found in self._connection.stream(API_KEYS, {}, ["created", "_id"]):
                yield _key(found)

    def find(self, sha256: str) -> ApiKey | None:
        """The key with this hash."""
        with self._translated():
            found = self._keys.find_one({"sha256": sha256})
        return None if found is None else _key(found)

    def revoke(self, key_id: str, entry: AuditEntry) -> None:
        """Take a key back, in one transaction."""

        def check(session: Session) -> None:
            refuse_to_revoke(key_id, *self._found(key_id, session))

        def change(session: Session) -> None:
            revoked = {"$set": {"revoked": text_of(entry.when)}}
            self._keys.update_one({"_id": key_id, "revoked": None}, revoked, session=session)

        self._change(check, change, entry)

    def rotate(self, key_id: str, successor: ApiKey, until: datetime, entry: AuditEntry) -> None:
        """Keep the successor and let the key expire, in one transaction."""

        def check(session: Session) -> None:
            refuse_to_rotate(key_id, *self._found(key_id, session), entry.when)
            self._refuse_known(successor, session)

        def change(session: Session) -> None:
            self._add(successor, session)
            self._keys.update_one({"_id": key_id}, {"$set": {"replaced_by": successor.id}}, session=session)
            later = {"_id": key_id, "$or": [{"expires": None}, {"expires": {"$gt": text_of(until)}}]}
            self._keys.update_one(later, {"$set": {"expires": text_of(until)}}, session=session)

        self._change(check, change, entry)

    def note(self, entry: AuditEntry) -> None:
        """Write down a change of something else."""
        with self._translated():
            self._audit.insert_one(Document(row_of_entry(entry)))

    def audit(self, since: datetime | None = None) -> Iterator[AuditEntry]:
        """What was written down, newest first."""
        earliest = "" if since is None else text_of(since)
        with self._translated():
            for found in self._audit.find({"at": {"$gte": earliest}}).sort([("at", -1), ("_id", -1)]):
                yield entry_of(found)

    def _change(self, check: Callable[[Session], None], change: Callable[[Session], None], entry: AuditEntry) -> None:
        def work(session: Session) -> None:
            check(session)
            self._audit.insert_one(Document(row_of_entry(entry)), session=session)
            change(session)

        with self._translated():
            self._connection.transaction(work)

    def _refuse_known(self, key: ApiKey, session: Session) -> None:
        if self._keys.find_one({"$or": [{"_id": key.id}, {"sha256": key.sha256}]}, session=session):
            raise AlreadyThere(f"key {key.id} is on record already")

    def _add(self, key: ApiKey, session: Session) -> None:
        row = row_of_key(key)
        self._keys.insert_one(Document(_id=row.pop("id"), **row), session=session)

    def _found(self, key_id: str, session: Session) -> tuple[ApiKey | None, list[str]]:
        """The key of that id, and the ids of all."""
        found = self._keys.find_one({"_id": key_id}, session=session)
        known = [each["_id"] for each in self._keys.find({}, ["_id"], session=session)]
        return (None if found is None else _key(found)), known

    def _translated(self) -> AbstractContextManager[None]:
        return translated(self._connection.address)


def _key(document: Document) -> ApiKey:
    return key_of(Document(document, id=document["_id"]))
