"""The store that a URL names."""

from __future__ import annotations

from pathlib import Path

from teppr.errors import BadSettings, MissingExtra
from teppr.store.contract import Store

SQLITE = "sqlite:///"
MONGODB = ("mongodb://", "mongodb+srv://")


def open_store(url: str) -> Store:
    """The annotation database at `sqlite:///<path>`, made if it is not there.

    A relative path is taken from the working folder; an absolute one gives four slashes (`sqlite:////srv/store.db`).
    Raises BadSettings for another URL, MissingExtra for a back end that is not installed, Corrupt or Missing where
    the file is no store or cannot be opened.
    """
    if url.startswith(SQLITE) and url != SQLITE:
        from teppr.store.sqlite import SqliteStore

        return SqliteStore(Path(url.removeprefix(SQLITE)))
    if url.startswith(MONGODB):
        raise MissingExtra("an annotation database in MongoDB", "mongo")
    raise BadSettings(f"an annotation database is sqlite:///<path> or mongodb://<host>/<database>, got {url!r}")
