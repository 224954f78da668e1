"""The whole service on one machine: what it needs is looked at first, then everything starts, or nothing."""

from __future__ import annotations

import http.client
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from teppr.errors import Missing
from teppr.files import alone_in
from teppr.ops import state
from teppr.ops.control import Desk, Errand
from teppr.ops.fleet import Fleet
from teppr.ops.jobs import MODEL_SERVER, queue_job, web_job
from teppr.ops.plan import ModelPlan, Plan, processes_of
from teppr.ops.supervisor import Running, Supervisor
from teppr.ops.whole import look_at
from teppr.serving import queue
from teppr.serving.directory import read
from teppr.serving.server import url_of
from teppr.settings import Settings

START_TIMEOUT_S = 120.0
LOOK_EVERY_S = 0.1
"""How often orders are looked for, and changes of the processes written down."""


class Service:
    """A service that was started and is kept running.

    urls, defaults: of its webs, in the plan's order, and the models that answer there where a request names none
    """

    def __init__(self, plan: Plan, settings: Settings, supervisor: Supervisor, fleet: Fleet) -> None:
        self.queue_url = queue.url_of(settings)
        self.urls: Sequence[str] = ()
        self.defaults: Sequence[str] = ()
        self._plan = plan
        self._home = settings.home
        self._supervisor = supervisor
        self._fleet = fleet
        self._desk_name = f"teppr:desk:{uuid4().hex}"
        self._ready = False
        self._told: state.ServiceState | None = None
        self._looked_at = 0.0

    @property
    def keys(self) -> list[str]:
        """Of the models, in the plan's order."""
        return self._fleet.keys

    def is_ready(self) -> None:
        """It answers, from now on."""
        self._ready = True
        self.tell()

    def watch(self, asking: queue.Connection) -> None:
        """Keep all running, and do what is ordered, until the supervisor is told to end."""
        errands = {"load": self._load, "unload": self._unload, "swap": self._swap}
        desk = Desk(asking, self._desk_name, errands)

        def look() -> None:
            if time.monotonic() - self._looked_at > LOOK_EVERY_S:
                self._looked_at = time.monotonic()
                desk.look()
                self.tell()

        self._supervisor.watch(look)

    def tell(self) -> None:
        """Write down how the processes are, where that changed."""
        processes = tuple(_state_of(running) for running in self._supervisor.running)
        now = state.ServiceState(
            pid=os.getpid(),
            ready=self._ready,
            queue_url=self.queue_url,
            desk=self._desk_name,
            plan=self._plan.as_dict(),
            processes=processes,
        )
        if now != self._told:
            state.write(self._home, now)
            self._told = now

    def _load(self, order: dict[str, Any]) -> Errand:
        return (yield from self._fleet.load(_model_of(order)))

    def _unload(self, order: dict[str, Any]) -> Errand:
        return self._fleet.unload(order["name"])

    def _swap(self, order: dict[str, Any]) -> Errand:
        return (yield from self._fleet.swap(order["old"], _model_of(order)))


@contextmanager
def started(plan: Plan, settings: Settings, frame: Sequence[str]) -> Iterator[tuple[Service, queue.Connection]]:
    """All of the plan, running and ready to answer; ended, last first, with the block.

    frame: options that every command of ours gets, such as --home
    Raises Missing with a sentence for each thing that is not there; then nothing was started, or it was ended again.
    """
    with ExitStack() as things:
        _alone(settings.home, things)
        found = look_at(plan, settings, frame, things)
        supervisor = Supervisor()
        things.callback(state.forget, settings.home)
        things.callback(supervisor.close)
        queue_url = queue.url_of(settings)
        if not settings.redis_url:
            supervisor.start(queue_job(settings.home))
        asking = things.enter_context(queue.connect(queue_url))
        ours = [sys.executable, "-m", "teppr", *frame]
        webs = [replace(web, default=found.default_of(web)) for web in plan.webs]
        fleet = Fleet(supervisor, settings.home, ours, asking, [web.default for web in webs])
        service = Service(plan, settings, supervisor, fleet)
        service.urls = [url_of(at) for at in found.bound]
        service.defaults = [web.default for web in webs]
        service.tell()
        supervisor.until(
            lambda: queue.answers(asking), START_TIMEOUT_S, f"the queue of {settings.home} does not answer"
        )
        for model, processes in zip(plan.models, processes_of(plan), strict=True):
            fleet.start(replace(model, processes=processes))
        for web, at in zip(webs, found.bound, strict=True):
            supervisor.start(web_job(ours, web, at, plan.score_threshold_0_1))
        service.tell()
        servers = [running for running in supervisor.running if running.job.kind == MODEL_SERVER]
        supervisor.until(
            lambda: _all_ready(asking, servers, service.urls), START_TIMEOUT_S, "models and webs are not ready"
        )
        fleet.forget_dead_routes()
        service.is_ready()
        yield service, asking


def _alone(home: Path, things: ExitStack) -> None:
    try:
        things.enter_context(alone_in(home / state.FOLDER, waits=False))
    except BlockingIOError as error:
        raise Missing(
            f"a service runs already in the home {home}; end it (teppr down), let it serve another model as well "
            "(teppr load KEY), or give this one a home of its own (--home)"
        ) from error


def _all_ready(asking: queue.Connection, servers: Sequence[Running], urls: Sequence[str]) -> bool:
    present = {server.pid for server in read(asking).servers if server.alive}
    return present.issuperset(server.pid for server in servers) and all(is_ready(url) for url in urls)


def is_ready(url: str) -> bool:
    """Whether a web says that it can answer."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _state_of(running: Running) -> state.ProcessState:
    return state.ProcessState(
        name=running.job.name,
        kind=running.job.kind,
        pid=running.pid,
        runs=running.runs,
        restarts=running.restarts,
        **running.job.about,
    )


def _model_of(order: dict[str, Any]) -> ModelPlan:
    given = order["model"]
    return ModelPlan(**{**given, "names": tuple(given["names"])})
