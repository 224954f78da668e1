"""What people write without teppr, with the same decoding, network and answers: run as processes of their own.

fastapi    a plain FastAPI application under uvicorn, the model in each of as many workers as cores
polled     a web that puts images as base64 into a list of Valkey and looks every 0.25 s whether there is an answer,
           and a process a core that takes from the list in batches and predicts
"""

from __future__ import annotations

import argparse
import base64
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import orjson
import uvicorn
from fastapi import FastAPI, Response, UploadFile

from serving_parts.limit import bare
from teppr.registry.bundle import Bundle
from teppr.serving import queue
from teppr.serving.server import Address, listen, url_of
from teppr.testing.service import started_queue, url_of_home

NAMES = ("fastapi", "polled")
POLL_S = 0.25
MOST = 8
LIST = "images"
BUNDLE, QUEUE = "PEER_BUNDLE", "PEER_QUEUE"
"""How a worker learns what it serves."""


@contextmanager
def running(name: str, bundle: Bundle, processes: int) -> Iterator[str]:
    """The address to post images to, once it answers."""
    with ExitStack() as things:
        with listen(Address(host="127.0.0.1", port=0)) as bound:
            url = url_of(bound)
        settings = {**os.environ, BUNDLE: str(bundle.path), "PYTHONPATH": os.pathsep.join(sys.path)}
        words = ["--port", url.rpartition(":")[2], "--workers", str(processes)]
        if name == "polled":
            home = Path(things.enter_context(TemporaryDirectory()))
            things.enter_context(started_queue(home))
            settings[QUEUE] = url_of_home(home)
            for _ in range(processes):
                things.enter_context(_process(["server"], settings))
            words[-1] = "1"
        things.enter_context(_process([name, *words], settings))
        _await(url)
        yield f"{url}/predict"


@contextmanager
def _process(words: list[str], settings: dict[str, str]) -> Iterator[None]:
    with subprocess.Popen([sys.executable, __file__, *words], env=settings) as process:
        try:
            yield
        finally:
            process.terminate()


def _await(url: str) -> None:
    for _ in range(3000):
        try:
            urllib.request.urlopen(f"{url}/docs", timeout=1).close()  # noqa: S310 - our own address
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    sys.exit(f"{url} does not answer")


def fastapi() -> FastAPI:
    """The application of a worker."""
    app = FastAPI()
    answer = bare(Bundle.open(Path(os.environ[BUNDLE])))

    @app.post("/predict")
    def predict(image: UploadFile) -> Response:
        return Response(answer(image.file.read()), media_type="application/json")

    return app


def polled() -> FastAPI:
    """The web of the old pattern; each request has a thread, which sleeps."""
    app = FastAPI()
    asking = queue.connect(os.environ[QUEUE])

    @app.post("/predict")
    def predict(image: UploadFile) -> Response:
        name = uuid4().hex
        asking.rpush(LIST, orjson.dumps({"id": name, "image": base64.b64encode(image.file.read()).decode()}))
        while (found := asking.getdel(name)) is None:
            time.sleep(POLL_S)
        return Response(found, media_type="application/json")

    return app


def server() -> None:
    """The process of the old pattern that predicts."""
    answer = bare(Bundle.open(Path(os.environ[BUNDLE])))
    asking = queue.connect(os.environ[QUEUE])
    while True:
        found: Any = asking.lpop(LIST, MOST)  # redis-py's types allow text, which these connections never give
        for task in found or []:
            document = orjson.loads(task)
            asking.set(document["id"], answer(base64.b64decode(document["image"])))
        time.sleep(POLL_S)


def main() -> None:
    """One process of a peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=[*NAMES, "server"])
    parser.add_argument("--port", type=int)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    if options.name == "server":
        server()
    uvicorn.run(
        f"serving_parts.peers:{options.name}",
        factory=True,
        port=options.port,
        workers=options.workers,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
