"""What SQLite says, as errors of ours that say what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from teppr.errors import BadInput, Corrupt, Missing

_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_BROKEN = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_SENTENCES = {
    sqlite3.SQLITE_READONLY: "may not be written; check who owns it and its folder",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full; make room and repeat",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check that its folder exists and may be written",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error",
    sqlite3.SQLITE_PERM: "may not be accessed; check who owns it",
}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise Corrupt, Missing or BadInput in place of what SQLite raises."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translation(error, path) from error
    except (OverflowError, UnicodeEncodeError) as error:
        # Numbers beyond 64 bits and half characters: JSON can say them, no database keeps them.
        raise BadInput(f"the annotation database cannot keep a value: {error}") from error


def _translation(error: sqlite3.Error, path: Path) -> Corrupt | Missing:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    if code in _BROKEN:
        return Corrupt(f"{path} is not a sound SQLite database ({error}); restore it from a copy, or move it away")
    if code in _LOCKED:
        return Missing(f"the annotation database {path} is locked by another process; wait for it and repeat")
    if code in _SENTENCES:
        return Missing(f"the annotation database {path} {_SENTENCES[code]} ({error})")
    return Corrupt(f"the annotation database {path} does not answer as expected: {error}")
