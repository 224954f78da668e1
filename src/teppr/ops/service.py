"""The whole service on one machine: what it needs is looked at first, then everything starts, or nothing."""

from __future__ import annotations

import http.client
import os
import shlex
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from teppr.errors import Missing, TepprError
from teppr.files import alone_in
from teppr.ops import valkey
from teppr.ops.plan import ModelPlan, Plan, WebPlan, processes_of
from teppr.ops.supervisor import Job, Running, Supervisor
from teppr.registry.releases import Registry
from teppr.serving import queue
from teppr.serving.directory import read
from teppr.serving.security import guard_of
from teppr.serving.server import listen, url_of
from teppr.settings import Settings

START_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service that answers.

    urls: of its webs, in the plan's order
    keys: of the models, in the plan's order
    queue_url: where the queue is
    """

    urls: Sequence[str]
    keys: Sequence[str]
    queue_url: str
    supervisor: Supervisor


@contextmanager
def started(plan: Plan, settings: Settings, frame: Sequence[str]) -> Iterator[Service]:
    """All of the plan, running and ready to answer; ended, last first, with the block.

    frame: options that every command of ours gets, such as --home
    Raises Missing with a sentence for each thing that is not there; then nothing was started, or it was ended again.
    """
    with ExitStack() as things:
        _alone(settings.home, things)
        bound, keys = _check(plan, settings, frame, things)
        supervisor = Supervisor()
        things.callback(supervisor.close)
        queue_url = queue.url_of(settings)
        if not settings.redis_url:
            _start_queue(supervisor, settings.home, queue_url)
        ours = [sys.executable, "-m", "teppr", *frame]
        asking = things.enter_context(queue.connect(queue_url))

        def gone(pid: int) -> None:
            for server in read(asking).servers:
                if server.pid == pid and server.host == os.uname().nodename:
                    asking.delete(queue.SERVERS + server.name)

        servers = [
            supervisor.start(
                Job(
                    name=f"model server {'+'.join(model.names)}",
                    command=[*ours, *_model_server(model)],
                    on_end=gone,
                )
            )
            for model, processes in zip(plan.models, processes_of(plan), strict=True)
            for _ in range(processes)
        ]
        for web, at in zip(plan.webs, bound, strict=True):
            # An alias stays one, so that the port follows where it points.
            default = web.default if "@" in web.default else keys.get(web.default, web.default)
            supervisor.start(
                Job(
                    name=f"web {url_of(at)}",
                    command=[*ours, *_web(web, at, default, plan.score_threshold_0_1)],
                    keep=[at.fileno()],
                )
            )
        urls = [url_of(at) for at in bound]
        supervisor.until(lambda: _all_ready(asking, servers, urls), START_TIMEOUT_S, "models and webs are not ready")
        yield Service(urls=urls, keys=list(dict.fromkeys(keys.values())), queue_url=queue_url, supervisor=supervisor)


def _alone(home: Path, things: ExitStack) -> None:
    try:
        things.enter_context(alone_in(home / "queue", waits=False))
    except BlockingIOError as error:
        raise Missing(
            f"a service runs already in the home {home}; end it, serve more models by it (teppr serve --model A "
            "--model B), or give this one a home of its own (--home)"
        ) from error


def _check(
    plan: Plan, settings: Settings, frame: Sequence[str], things: ExitStack
) -> tuple[list[socket.socket], dict[str, str]]:
    """The bound ports and {model's name: key}, if all that the service needs is there."""
    problems: list[str] = []
    registry = Registry(settings.home)
    create_key = shlex.join(["teppr", *frame, "keys", "create", "NAME", "--role", "client"])
    keys: dict[str, str] = {}
    for name in dict.fromkeys(name for model in plan.models for name in model.names):
        try:
            keys[name] = registry.find(name).card.key
        except TepprError as error:
            problems.append(str(error))
    try:
        if settings.redis_url:
            queue.check(settings.redis_url)
    except TepprError as error:
        problems.append(str(error))
    bound = []
    for web in plan.webs:
        try:
            guard_of(settings, web.address).check(f"to make a key: {create_key}")
            bound.append(things.enter_context(listen(web.address)))
        except TepprError as error:
            problems.append(str(error))
    if problems:
        raise Missing("\n".join(problems))
    return bound, keys


def _start_queue(supervisor: Supervisor, home: Path, url: str) -> None:
    supervisor.start(Job(name="queue", command=valkey.command(home), quiet=True))
    with queue.connect(url) as asking:
        supervisor.until(lambda: _answers(asking), START_TIMEOUT_S, f"the queue of {home} does not answer")


def _answers(asking: queue.Connection) -> bool:
    try:
        return bool(asking.ping())
    except queue.QUEUE_ERRORS:
        return False


def _model_server(model: ModelPlan) -> list[str]:
    words = ["model-server", *(word for name in model.names for word in ("--model", name))]
    options = {
        "--max-batch": model.max_batch,
        "--max-wait-ms": model.max_wait_ms,
        "--memory-limit": model.memory_limit,
        "--gpu-memory-mib": model.gpu_memory_mib,
    }
    return words + [word for name, value in options.items() if value for word in (name, str(value))]


def _web(web: WebPlan, at: socket.socket, default: str, score_threshold_0_1: float | None) -> list[str]:
    words = ["web", "--fd", str(at.fileno()), "--default", default]
    if web.workers:
        words += ["--workers", str(web.workers)]
    if score_threshold_0_1 is not None:
        words += ["--score-threshold", str(score_threshold_0_1)]
    return words


def _all_ready(asking: queue.Connection, servers: Sequence[Running], urls: Sequence[str]) -> bool:
    present = {server.pid for server in read(asking).servers if server.alive}
    return present.issuperset(server.pid for server in servers) and all(_is_ready(url) for url in urls)


def _is_ready(url: str) -> bool:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
