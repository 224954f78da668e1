"""Keys and the audit log in the embedded store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from teppr.errors import AlreadyThere
from teppr.keys import ApiKey
from teppr.store.access import Access, AuditEntry
from teppr.store.access_rows import AUDIT_COLUMNS, KEY_COLUMNS, entry_of, key_of, row_of_entry, row_of_key, text_of
from teppr.store.refusals import refuse_to_revoke, refuse_to_rotate
from teppr.store.sqlite_errors import translated
from teppr.store.sqlite_writer import transaction


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES (:{', :'.join(columns)})"  # noqa: S608 - ours


_INSERT_KEY, _INSERT_ENTRY = _insert("api_keys", KEY_COLUMNS), _insert("audit", AUDIT_COLUMNS)


class SqliteAccess(Access):
    """Reads by the store's connection, and writes by one of its own that `connect` makes."""

    def __init__(self, path: Path, connection: sqlite3.Connection, connect: Callable[[], sqlite3.Connection]) -> None:
        self._path = path
        self._connection = connection
        self._connect = connect

    def put(self, key: ApiKey, entry: AuditEntry) -> None:
        """Keep a new key, and the entry, in one transaction."""
        with self._changing(entry) as connection:
            _add(connection, key)

    def all_keys(self) -> Iterator[ApiKey]:
        """All keys that were ever made, oldest first."""
        return map(key_of, self._rows("SELECT * FROM api_keys ORDER BY created, id", ()))

    def find(self, sha256: str) -> ApiKey | None:
        """The key with this hash."""
        return next(map(key_of, self._rows("SELECT * FROM api_keys WHERE sha256 = ?", (sha256,))), None)

    def revoke(self, key_id: str, entry: AuditEntry) -> None:
        """Take a key back, in one transaction."""
        with self._changing(entry) as connection:
            refuse_to_revoke(key_id, *_found(connection, key_id))
            values = (text_of(entry.when), key_id)
            connection.execute("UPDATE api_keys SET revoked = ? WHERE id = ?", values)

    def rotate(self, key_id: str, successor: ApiKey, until: datetime, entry: AuditEntry) -> None:
        """Keep the successor and let the key expire, in one transaction."""
        with self._changing(entry) as connection:
            refuse_to_rotate(key_id, *_found(connection, key_id), entry.when)
            connection.execute(
                "UPDATE api_keys SET replaced_by = :new, expires = min(coalesce(expires, :until), :until) "
                "WHERE id = :old",
                {"until": text_of(until), "new": successor.id, "old": key_id},
            )
            _add(connection, successor)

    def note(self, entry: AuditEntry) -> None:
        """Write down a change of something else."""
        with self._changing(entry):
            pass

    def audit(self, since: datetime | None = None) -> Iterator[AuditEntry]:
        """What was written down, newest first, read along the index of times."""
        earliest = "" if since is None else text_of(since)
        return map(entry_of, self._rows("SELECT * FROM audit WHERE at >= ? ORDER BY at DESC, id DESC", (earliest,)))

    @contextmanager
    def _changing(self, entry: AuditEntry) -> Iterator[sqlite3.Connection]:
        """A transaction that ends with the entry."""
        with translated(self._path), closing(self._connect()) as connection, transaction(connection, "IMMEDIATE"):
            yield connection
            connection.execute(_INSERT_ENTRY, row_of_entry(entry))

    def _rows(self, query: str, values: Sequence[str]) -> Iterator[sqlite3.Row]:
        with translated(self._path):
            # Not `yield from`: it would close the cursor, perhaps after the store.
            for row in self._connection.execute(query, values):  # noqa: UP028 - see above
                yield row


def _add(connection: sqlite3.Connection, key: ApiKey) -> None:
    try:
        connection.execute(_INSERT_KEY, row_of_key(key))
    except sqlite3.IntegrityError as error:
        raise AlreadyThere(f"key {key.id} is on record already") from error


def _found(connection: sqlite3.Connection, key_id: str) -> tuple[ApiKey | None, list[str]]:
    """The key of that id, and the ids of all."""
    keys = {row["id"]: row for row in connection.execute("SELECT * FROM api_keys")}
    return (key_of(keys[key_id]) if key_id in keys else None), list(keys)
