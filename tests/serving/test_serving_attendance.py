"""Clients that hang up while they wait."""

import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from teppr.registry.bundle import Bundle
from teppr.serving import queue
from teppr.serving.app import make_app
from teppr.serving.dispatch import Dispatcher, DispatchLimits
from teppr.serving.protocols.contract import Service
from teppr.serving.security import OFF
from teppr.serving.upload import UploadLimits
from teppr.testing.service import model_server, running_queue

Answering = Callable[[FastAPI], AbstractContextManager[httpx.Client]]
PATIENCE_S = 30


def until(is_so: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end, what


def hang_up_while_waiting(url: httpx.URL, picture: bytes, asking: queue.Connection, header: bytes = b"") -> None:
    """Send a whole request, and close the connection once it lies in the queue."""
    head = b"POST /api/vision/v2/predict HTTP/1.1\r\nhost: x\r\n%scontent-length: %d\r\n\r\n" % (header, len(picture))
    with socket.create_connection((url.host, url.port or 80), timeout=PATIENCE_S) as client:
        client.sendall(head + picture)
        until(lambda: list(asking.scan_iter(queue.TASKS + "*")), "the request is not in the queue")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("header", "is_kept"), [(b"", False), (b"x-request-id: mine-1\r\n", True)], ids=["own id", "given id"]
)
def test_what_nobody_waits_for_is_not_computed_unless_it_may_be_asked_for_again(
    tmp_path: Path, bundle: Bundle, answering: Answering, picture: bytes, header: bytes, is_kept: bool
) -> None:
    with running_queue(tmp_path) as url, queue.connect(url) as asking:
        service = Service(
            dispatcher=Dispatcher(url, DispatchLimits()),
            upload_limits=UploadLimits(max_bytes=4_000_000, timeout_s=10),
            max_image_pixels=64_000_000,
        )
        with model_server(tmp_path, [bundle.path]) as dies, answering(make_app(service, OFF)) as client:
            dies.kill()
            dies.wait()
            hang_up_while_waiting(client.base_url, picture, asking, header)
            if not is_kept:
                until(lambda: not list(asking.scan_iter(queue.TASKS + "*")), "the request is not forgotten")
            with model_server(tmp_path, [bundle.path]):
                counter = "answered" if is_kept else "abandoned"
                until(lambda: asking.get(queue.COUNTS + counter) == b"1", f"it is not {counter}")
            if is_kept:
                again = client.post(
                    "/api/vision/v2/predict", content=picture, headers={"x-request-id": "mine-1", "content-type": ""}
                )
                assert len(again.json()["result"]["image"]["regions"]) == 2
                assert asking.get(queue.COUNTS + "answered") == b"1"
