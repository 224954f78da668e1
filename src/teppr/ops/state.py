"""What a service tells of itself: `<home>/queue/service.json`, written by the one that holds the lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import psutil

from teppr.errors import BadFile
from teppr.files import alone_in, read_json, write_json

FOLDER, FILE = "queue", "service.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessState:
    """A process of the service; kind: queue, model server or web; url and default: of a web."""

    name: str
    kind: str
    pid: int
    runs: bool
    restarts: int
    models: tuple[str, ...] = ()
    memory_limit: str = ""
    url: str = ""
    default: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """A service of this machine.

    ready: it answers, or has answered and is kept running
    desk: where it takes orders
    plan: as `Plan.as_dict` gives it
    """

    pid: int
    ready: bool
    queue_url: str
    desk: str
    plan: Mapping[str, Any]
    processes: tuple[ProcessState, ...]

    @property
    def urls(self) -> list[str]:
        """Of its webs."""
        return [process.url for process in self.processes if process.url]


def write(home: Path, state: ServiceState) -> None:
    """Keep the state; for the holder of the lock."""
    write_json(home / FOLDER / FILE, asdict(state))


def forget(home: Path) -> None:
    """Nothing runs any more."""
    (home / FOLDER / FILE).unlink(missing_ok=True)


def read(home: Path) -> ServiceState | None:
    """The state of the service that runs in a home; None where none does, whatever one that was killed left behind."""
    state = told(home)
    return state if state is not None and psutil.pid_exists(state.pid) and is_held(home) else None


def told(home: Path) -> ServiceState | None:
    """What the last service that ran in a home told, whether it lives or not."""
    try:
        document = read_json(home / FOLDER / FILE)
    except BadFile:
        return None
    known = {field.name for field in fields(ServiceState)}
    if not isinstance(document, dict) or set(document) != known:
        return None  # of another version of teppr
    processes = tuple(
        ProcessState(**{**process, "models": tuple(process["models"])}) for process in document["processes"]
    )
    return ServiceState(**{**document, "processes": processes})


def is_held(home: Path) -> bool:
    """Whether a process holds the lock of a home's service."""
    try:
        with alone_in(home / FOLDER, waits=False):
            return False
    except BlockingIOError:
        return True
