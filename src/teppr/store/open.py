"""The store that a URL names."""

from __future__ import annotations

from pathlib import Path

from teppr.errors import BadSettings, Missing, MissingExtra
from teppr.store.contract import Store
from teppr.urls import without_password

SQLITE = "sqlite:///"
MONGODB = ("mongodb://", "mongodb+srv://")


def open_store(url: str, *, make: bool = True) -> Store:
    """The annotation database at `sqlite:///<path>` or `mongodb://<host>:<port>/<database>`.

    A relative path is taken from the working folder; an absolute one gives four slashes (`sqlite:////srv/store.db`).

    make: make it if it is not there; otherwise Missing is raised
    Raises BadSettings for another URL, MissingExtra for a back end that is not installed, Corrupt or Missing where
    it is no store or cannot be opened.
    """
    if url.startswith(SQLITE) and url != SQLITE:
        return _sqlite(Path(url.removeprefix(SQLITE)), make=make)
    if url.startswith(MONGODB):
        return _mongo(url, make=make)
    raise BadSettings(
        f"an annotation database is sqlite:///<path> or mongodb://<host>/<database>, got {without_password(url)!r}"
    )


def _sqlite(path: Path, *, make: bool) -> Store:
    from teppr.store.sqlite import SqliteStore

    if not make and not path.exists():
        raise Missing(f"there is no annotation database at {path}")
    return SqliteStore(path)


def _mongo(url: str, *, make: bool) -> Store:
    try:
        from teppr.store.mongo import MongoStore
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in {"pymongo", "bson"}:
            raise
        raise MissingExtra("an annotation database in MongoDB", "mongo") from error
    return MongoStore(url, make=make)
