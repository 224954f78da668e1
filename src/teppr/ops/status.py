"""How a service does: its processes, what waits for its models, and where its names lead."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import psutil

from teppr.ops.jobs import MODEL_SERVER, QUEUE, WEB
from teppr.ops.service import is_ready
from teppr.ops.state import ProcessState, ServiceState
from teppr.serving import queue
from teppr.serving.directory import Directory, ServerFacts, read
from teppr.serving.queue import Priority, stream_of
from teppr.serving.routes import Route
from teppr.serving.shadow import ShadowFigures, read_figures
from teppr.urls import without_password

MIB = 1024 * 1024
UP, STARTING, DOWN = "up", "starting", "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """A process; figures are None where they do not apply or cannot be had.

    state: up, starting or down
    image_ms: mean time an image of late, of the model that takes longest
    default, answers_with: of a web, where a request names no model: what it was started with, and where that leads now
    memory_mib: with its child processes; what several share is divided among them
    """

    name: str
    kind: str
    state: str
    pid: int
    uptime_s: float | None
    restarts: int
    models: Sequence[str]
    images: int | None
    images_a_second: float | None
    image_ms: float | None
    memory_mib: float | None
    memory_limit: str
    url: str
    default: str
    answers_with: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Tasks of a model that are not answered yet, those under way included."""

    model: str
    interactive: int
    bulk: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All of it; others: model servers behind the same queue that are not of this service."""

    ready: bool
    pid: int
    queue_url: str
    processes: Sequence[ProcessFacts]
    waiting: Sequence[Waiting]
    routes: Mapping[str, Route]
    shadows: Sequence[ShadowFigures]
    others: Sequence[str]

    @property
    def fine(self) -> bool:
        """Whether all is as planned."""
        return self.ready and all(process.state == UP for process in self.processes)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "fine": self.fine,
            "ready": self.ready,
            "pid": self.pid,
            "queue": without_password(self.queue_url),
            "processes": [asdict(process) for process in self.processes],
            "waiting": [asdict(row) for row in self.waiting],
            "routes": {name: route.as_dict() for name, route in self.routes.items()},
            "shadows": [row.as_dict() for row in self.shadows],
            "others": list(self.others),
        }


def status_of(service: ServiceState) -> Status:
    """How a service does now, as its processes and its queue tell."""
    with queue.connect(service.queue_url) as asking:
        try:
            directory, answers = read(asking), True
            waiting, shadows = _waiting(asking, directory), read_figures(asking, directory.routes)
        except queue.QUEUE_ERRORS:
            directory, answers, waiting, shadows = Directory(), False, [], []
    here = {server.pid: server for server in directory.servers if server.host == os.uname().nodename}
    ours = {process.pid for process in service.processes}
    return Status(
        ready=service.ready,
        pid=service.pid,
        queue_url=service.queue_url,
        processes=[
            replace(
                _facts(process, here.get(process.pid), answers=answers), answers_with=directory.key_of(process.default)
            )
            for process in service.processes
        ],
        waiting=waiting,
        routes=directory.routes,
        shadows=shadows,
        others=[
            f"{server.name}: {', '.join(model.card.key for model in server.models)}"
            for server in directory.servers
            if server.alive and not (server.pid in ours and server.pid in here)
        ],
    )


def _waiting(asking: queue.Connection, directory: Directory) -> list[Waiting]:
    return [
        Waiting(
            model=key,
            interactive=int(asking.xlen(stream_of(key, Priority.INTERACTIVE))),
            bulk=int(asking.xlen(stream_of(key, Priority.BULK))),
        )
        for key in sorted(directory.models())
    ]


def _facts(process: ProcessState, server: ServerFacts | None, *, answers: bool) -> ProcessFacts:
    uptime_s, memory_mib = _measured(process.pid) if process.runs else (None, None)
    slowest_s = max(server.image_s.values(), default=None) if server else None
    return ProcessFacts(
        name=process.name,
        kind=process.kind,
        state=_state(process, server, answers=answers) if uptime_s is not None else DOWN,
        pid=process.pid,
        uptime_s=uptime_s,
        restarts=process.restarts,
        models=process.models,
        images=server.images if server else None,
        images_a_second=server.images_a_second if server else None,
        image_ms=None if slowest_s is None else 1000 * slowest_s,
        memory_mib=memory_mib,
        memory_limit=process.memory_limit,
        url=process.url,
        default=process.default,
        answers_with=process.default,
    )


def _state(process: ProcessState, server: ServerFacts | None, *, answers: bool) -> str:
    is_up = {
        QUEUE: answers,
        MODEL_SERVER: server is not None and server.alive,
        WEB: bool(process.url) and is_ready(process.url),
    }
    return UP if is_up[process.kind] else STARTING


def _measured(pid: int) -> tuple[float | None, float | None]:
    """Seconds since it was started, and MiB with its children; None where it is gone."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None, None
        family = [process, *process.children(recursive=True)]
        return time.time() - process.create_time(), sum(map(_memory_bytes, family)) / MIB
    except psutil.NoSuchProcess:
        return None, None


def _memory_bytes(process: psutil.Process) -> int:
    """What it has, its part of what it shares with others included; without that where this user may not know it."""
    try:
        info = process.memory_full_info()
        return int(getattr(info, "pss", info.rss))
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
