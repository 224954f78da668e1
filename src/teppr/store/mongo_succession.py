"""What supersedes what, looked up and written down in MongoDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pymongo.database import Database

from teppr.store.mongo_connection import Connection, Session
from teppr.store.mongo_schema import FILES, ORDER, TEPPR, Document
from teppr.store.rows import date_of
from teppr.store.succession import Release, settle

NOT_PAST: Mapping[str, Any] = {"superseded_by": None, "withdrawn": None}
CURRENT: Mapping[str, Any] = {"accepted": True, **NOT_PAST}


def key_of(sha256: str, problem: str) -> str:
    """The `_id` of a file on record."""
    return f"{problem}/{sha256}"


def take_turn(database: Database[Document], session: Session) -> int:
    """The next place in the order of ingest; of two transactions that take a turn, one waits for the other."""
    found = database[TEPPR].find_one_and_update(
        {"_id": ORDER}, {"$inc": {"last": 1}}, upsert=True, return_document=True, session=session
    )
    return int(found["last"]) if found else 0


def settle_file(database: Database[Document], key: str, session: Session) -> None:
    """Say anew what supersedes what, and that it is said."""
    found = database[FILES].find_one({"_id": key}, session=session)
    if found is not None:
        settle(MongoLedger(database, session), _release_of(found))
        database[FILES].update_one({"_id": key}, {"$unset": {"unsettled": True}}, session=session)


def settle_what_was_left(connection: Connection) -> None:
    """Do what a process could not that was killed on a server without transactions."""
    for found in list(connection.database[FILES].find({"unsettled": True}, {"_id": 1}).sort("order")):
        connection.transaction(partial(settle_file, connection.database, found["_id"]))


class MongoLedger:
    """The succession of files as a transaction sees it."""

    def __init__(self, database: Database[Document], session: Session) -> None:
        self._files = database[FILES]
        self._session = session

    def rivals(self, release: Release) -> Sequence[Release]:
        """Other current files of the same work."""
        same: list[Mapping[str, Any]] = [{"path": release.path}]
        if release.batch is not None and release.annotator is not None:
            same.append({"batch": release.batch, "annotator": release.annotator, "part": release.part})
        return self._found(release, {**CURRENT, "$or": same})

    def superseded_by(self, release: Release) -> Sequence[Release]:
        """Files whose place the release has taken."""
        return self._found(release, {"superseded_by": release.sha256})

    def supersede(self, release: Release, by_sha256: str | None) -> None:
        """Write down what has taken the release's place."""
        self._files.update_one({"_id": release.key}, {"$set": {"superseded_by": by_sha256}}, session=self._session)

    def _found(self, release: Release, conditions: Mapping[str, Any]) -> Sequence[Release]:
        others = {"problem": release.problem, "_id": {"$ne": release.key}, **conditions}
        return [_release_of(found) for found in self._files.find(others, session=self._session).sort("order")]


def _release_of(document: Document) -> Release:
    return Release(
        key=document["_id"],
        order=document["order"],
        sha256=document["sha256"],
        problem=document["problem"],
        path=document["path"],
        annotator=document["annotator"],
        batch=document["batch"],
        part=document["part"],
        released=date_of(document["released"]),
        superseded_by=document["superseded_by"],
        stands=document["accepted"] and document["withdrawn"] is None,
    )
