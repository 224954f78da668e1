"""A MongoDB server as the store uses it: transactions where it has them, and reading that survives its pauses."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from pymongo import MongoClient, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.errors import (
    ConfigurationError,
    CursorNotFound,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.read_concern import ReadConcern

from teppr.errors import BadSettings
from teppr.store.mongo_errors import translated
from teppr.store.mongo_schema import Document
from teppr.urls import without_password

Session: TypeAlias = ClientSession | None
"""A transaction that is open; None where the server has none."""

Result = TypeVar("Result")

SERVER_SELECTION_MS = 5000
"""How long a server is looked for; a URL may say otherwise."""

CONFLICTS_S = 120.0
"""How long a transaction is tried again that others come in between of; a server ends those left open in a minute."""
IDLE_S = 2.0
"""A transaction of ours takes milliseconds: one that nobody goes on with for so long was left open."""
LONGEST_PAUSE_S = 0.02
APPLICATION = "teppr"
TRANSIENT = "TransientTransactionError"

_SNAPSHOT = ReadConcern("snapshot")
_MAJORITY = WriteConcern(w="majority")
_JOURNALED = WriteConcern(w="majority", j=True)


class Connection:
    """One database on a server.

    url: `mongodb://<host>/<database>` with whatever options the driver knows
    address: the same for people to read, without password and options
    """

    def __init__(self, url: str) -> None:
        self.address = without_password(url)
        options: dict[str, Any] = {"document_class": Document, "appname": APPLICATION}
        if "serverselectiontimeoutms" not in url.lower():
            options["serverSelectionTimeoutMS"] = SERVER_SELECTION_MS
        try:
            self._client: MongoClient[Document] = MongoClient(url, **options)
        except (ConfigurationError, InvalidURI, ValueError) as error:
            # What the driver says may quote a password that has unusual letters.
            why = "user and password must have unusual letters as %XX" if "@" in url else error
            raise BadSettings(f"the URL of the annotation database {self.address} is wrong: {why}") from error
        try:
            self.database = self._client.get_default_database().with_options(write_concern=_JOURNALED)
            with translated(self.address):
                hello = self._client.admin.command("hello")
        except ConfigurationError as error:
            self.close()
            raise BadSettings(
                f"the URL of an annotation database names it, as in mongodb://host/teppr, got {self.address}"
            ) from error
        except BaseException:
            self.close()
            raise
        self.has_transactions = "setName" in hello or hello.get("msg") == "isdbgrid"

    def close(self) -> None:
        """Let go of the server."""
        self._client.close()

    def server_version(self) -> str:
        """As in "6.0.5"."""
        return str(self._client.server_info()["version"])

    def transaction(self, work: Callable[[Session], Result]) -> Result:
        """Do all of the work or nothing of it, and again where another process came in between.

        On a server without transactions (one that is no replica set) the work's own order must keep what others see
        whole.
        """
        if not self.has_transactions:
            return work(None)
        # Not the driver's own loop: it looks for a server that is away for two minutes.
        began = asked = time.monotonic()
        with self._client.start_session() as session:
            while True:
                try:
                    with session.start_transaction(_SNAPSHOT, _MAJORITY):
                        return work(session)
                except PyMongoError as error:
                    is_away = isinstance(error, ServerSelectionTimeoutError)
                    if is_away or not error.has_error_label(TRANSIENT) or time.monotonic() > began + CONFLICTS_S:
                        raise
                if time.monotonic() > asked + IDLE_S:
                    self._end_what_the_killed_left_open()
                    asked = time.monotonic()
                time.sleep(random.uniform(0, LONGEST_PAUSE_S))  # noqa: S311 - so that two do not keep step

    def _end_what_the_killed_left_open(self) -> None:
        """A process that is killed in a transaction leaves it open, and what it has changed closed to others.

        A process that only paused begins its transaction again.
        """
        idle = {
            "type": "idleSession",
            "appName": APPLICATION,
            "transaction.timeInactiveMicros": {"$gt": int(IDLE_S * 1e6)},
        }
        steps: list[Mapping[str, Any]] = [{"$currentOp": {"allUsers": False, "idleSessions": True}}, {"$match": idle}]
        # A server may keep this to its administrators; it then ends them itself, a little later.
        with suppress(OperationFailure):
            found = [{"id": operation["lsid"]["id"]} for operation in self._client.admin.aggregate(steps)]
            if found:
                self._client.admin.command("killSessions", found)

    def all_at_once(self, collection: str, conditions: Mapping[str, Any], fields: Sequence[str]) -> list[Document]:
        """These fields of all such documents as of one moment, by `order`."""

        def read(session: Session) -> list[Document]:
            return list(self.database[collection].find(conditions, list(fields), session=session).sort("order"))

        return self.transaction(read)

    def stream(
        self, collection: str, conditions: Mapping[str, Any], by: Sequence[str], fields: Sequence[str] | None = None
    ) -> Iterator[Document]:
        """Such documents in the order of the fields `by`, which together are no two documents'.

        The server forgets a cursor that nobody asks for ten minutes: it is then asked for what comes after the last.
        """
        rest = conditions
        while True:
            found = self.database[collection].find(rest, None if fields is None else list(fields))
            try:
                for document in found.sort([(field, 1) for field in by]):
                    last = document
                    yield document
                return
            except CursorNotFound:
                rest = {"$and": [conditions, _after(last, by)]}


def _after(last: Document, by: Sequence[str]) -> Mapping[str, Any]:
    return {
        "$or": [{**{same: last[same] for same in by[:i]}, field: {"$gt": last[field]}} for i, field in enumerate(by)]
    }
