"""The processes that a service consists of, as jobs for the supervisor."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from teppr.ops import valkey
from teppr.ops.plan import ModelPlan, WebPlan
from teppr.ops.supervisor import Job
from teppr.serving import queue
from teppr.serving.directory import read, refusal_of
from teppr.serving.server import url_of

QUEUE, MODEL_SERVER, WEB = "queue", "model server", "web"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A model as a process is told of it: what to load, and the name that it is asked for by.

    what: the release that the name means now, so that a process started again serves the same; or a bundle's folder
    """

    name: str
    what: str
    key: str


def queue_job(home: Path) -> Job:
    """The queue's own server; raises Missing where there is none to run."""
    return Job(name=QUEUE, command=valkey.command(home), quiet=True, kind=QUEUE)


def model_server_job(
    ours: Sequence[str],
    plan: ModelPlan,
    models: Sequence[Pinned],
    name: str,
    asking: queue.Connection,
    *,
    gently: bool,
) -> Job:
    """A model server of these models.

    ours: the words that every command of ours begins with
    gently: let it load so that those that answer meanwhile do not feel it
    """
    words = ["model-server", "--process", name]
    for model in models:
        words += ["--model", model.what, "--asked-as", model.name]
    options = {
        "--max-batch": plan.max_batch,
        "--max-wait-ms": plan.max_wait_ms,
        "--memory-limit": plan.memory_limit,
        "--gpu-memory-mib": plan.gpu_memory_mib,
    }
    words += [word for option, value in options.items() if value for word in (option, str(value))]
    return Job(
        name=name,
        command=[*ours, *words],
        at_first=["--gently"] if gently else [],
        on_end=lambda pid: forget_server(asking, pid),
        why=lambda pid: refusal_of(asking, pid),
        kind=MODEL_SERVER,
        about={"models": tuple(model.key for model in models), "memory_limit": plan.memory_limit},
    )


def web_job(ours: Sequence[str], web: WebPlan, at: socket.socket, score_threshold_0_1: float | None) -> Job:
    """A web on a bound socket."""
    name = f"web:{at.getsockname()[1]}"
    words = ["web", "--process", name, "--fd", str(at.fileno()), "--default", web.default]
    if web.workers:
        words += ["--workers", str(web.workers)]
    if score_threshold_0_1 is not None:
        words += ["--score-threshold", str(score_threshold_0_1)]
    about = {"url": url_of(at), "default": web.default}
    return Job(name=name, command=[*ours, *words], keep=[at.fileno()], kind=WEB, about=about)


def forget_server(asking: queue.Connection, pid: int) -> None:
    """Say at once that a server of this machine is gone, so that others take its tasks over."""
    try:
        for server in read(asking).servers:
            if server.pid == pid and server.host == os.uname().nodename:
                asking.delete(queue.SERVERS + server.name)
    except queue.QUEUE_ERRORS:
        pass  # The queue is gone too; it will find out by itself in a few seconds.


def numbered(keys: Sequence[str], taken: Callable[[str], bool]) -> str:
    """A name for a model server that no other process has: "acme-ods-8:1"."""
    base = "+".join(keys)
    number = 1
    while taken(f"{base}:{number}"):
        number += 1
    return f"{base}:{number}"
