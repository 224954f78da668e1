"""The service's parts as real processes and threads, for tests: a queue, model servers, a web in this process."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import httpx
import orjson
import psutil
import uvicorn
from fastapi import FastAPI

from teppr.ops import valkey
from teppr.serving import queue
from teppr.serving.directory import read
from teppr.serving.dispatch import Dispatcher, DispatchLimits, Sender
from teppr.serving.protocols.contract import Service
from teppr.serving.server import Address, listen, url_of
from teppr.serving.tasks import Ask, Found
from teppr.settings import Settings

PATIENCE_S = 60.0
Answering: TypeAlias = Callable[[FastAPI], AbstractContextManager[httpx.Client]]
"""The fixture that asks an application of the test's own over real HTTP."""
MakeService: TypeAlias = Callable[..., Service]
"""The fixture that makes a service with other bounds."""


@contextmanager
def running_queue(home: Path) -> Iterator[str]:
    """The URL of a queue of its own, a real Valkey, ended with the block."""
    with started_queue(home):
        yield url_of_home(home)


def url_of_home(home: Path) -> str:
    """The URL of a home's own queue."""
    return queue.url_of(Settings(home=home))


@contextmanager
def started_queue(home: Path, **options: int) -> Iterator[subprocess.Popen[bytes]]:
    """The same as a process that a test may kill; what it kept is in the home."""
    with subprocess.Popen(valkey.command(home, **options), stdout=subprocess.DEVNULL) as process:  # noqa: S603 - our own command
        try:
            with queue.connect(url_of_home(home)) as asking:
                until = time.monotonic() + PATIENCE_S
                while not queue.answers(asking):
                    assert process.poll() is None, "the queue ended at once"
                    assert time.monotonic() < until, "the queue does not answer"
                    time.sleep(0.01)
            yield process
        finally:
            process.terminate()


@contextmanager
def model_server(home: Path, bundles: Sequence[object], *options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A `teppr model-server` behind the home's own queue, a process of its own, once it is there."""
    words = [word for bundle in bundles for word in ("--model", str(bundle))]
    command = [sys.executable, "-m", "teppr", "--home", str(home), "model-server", *words, *map(str, options)]
    with subprocess.Popen(command) as process:  # noqa: S603 - our own command
        try:
            await_server(url_of_home(home), process)
            yield process
        finally:
            process.terminate()


def await_server(queue_url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the process tells the queue that it serves."""
    until = time.monotonic() + PATIENCE_S
    with queue.connect(queue_url) as asking:
        while not any(server.pid == process.pid and server.alive for server in read(asking).servers):
            assert process.poll() is None, f"the model server ended with {process.returncode}"
            assert time.monotonic() < until, "the model server is not there"
            time.sleep(0.01)


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds that other processes bring about."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.01)


class _Told(uvicorn.Server):
    """Says when it answers, which uvicorn itself only logs."""

    def __init__(self, app: FastAPI) -> None:
        config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, lifespan="on")
        super().__init__(config)
        self.is_ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_ready.set()


@contextmanager
def answering(app: FastAPI) -> Iterator[str]:
    """The URL of the application, answered over real HTTP by a thread of this process."""
    server = _Told(app)
    with listen(Address(host="127.0.0.1", port=0)) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            assert server.is_ready.wait(PATIENCE_S), "the application does not start"
            yield url_of(bound)
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)


def predict_once(queue_url: str, image: bytes, key: str = "acme-ods-1", *, request_id: str = "once") -> Found:
    """What a model server behind the queue finds in an image."""

    async def ask() -> Found:
        dispatcher = Dispatcher(queue_url, DispatchLimits())
        await dispatcher.start()
        try:
            asked = Ask(key=key, name="x.png", threshold_0_1=0.5)
            return (await dispatcher.predict(asked, image, Sender(request_id=request_id))).found
        finally:
            await dispatcher.close()

    return asyncio.run(ask())


@dataclass(frozen=True)
class ServedHome:
    """A `teppr serve` process of its own home, ready to answer."""

    process: subprocess.Popen[bytes]
    url: str
    queue_url: str

    def pids(self, what: str) -> list[int]:
        """The processes of a kind: "model-server", "web master", "web" (its workers, which answer), "queue"."""
        children = psutil.Process(self.process.pid).children()
        if what == "queue":
            return [child.pid for child in children if "valkey" in child.name() or "redis" in child.name()]
        found = [child for child in children if what.removesuffix(" master") in child.cmdline()]
        workers = [worker for web in found for worker in web.children()] if what == "web" else found
        return [child.pid for child in workers]

    def queued(self) -> int:
        """Tasks that wait or are worked on."""
        with queue.connect(self.queue_url) as asking:
            return sum(asking.xlen(stream) for stream in asking.scan_iter("teppr:todo:*"))


@contextmanager
def served_home(home: Path, *words: object, log: Path | None = None) -> Iterator[ServedHome]:
    """`teppr serve` with these words on a free port, until the block ends; log: where its lines go."""
    command = [sys.executable, "-m", "teppr", "--home", str(home), "serve", "--port", "0", "--json", *map(str, words)]
    with ExitStack() as things:
        lines = things.enter_context(log.open("wb")) if log else None
        process = things.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=lines))  # noqa: S603 - our own command
        try:
            assert process.stdout is not None
            ready = orjson.loads(process.stdout.readline())
            yield ServedHome(process=process, url=ready["url"], queue_url=ready["queue"])
        finally:
            process.terminate()
