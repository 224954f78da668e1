"""A service with the small model in this process, asked over real HTTP."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx
import pytest
from fastapi import FastAPI

from teppr.images import encode_png
from teppr.registry.bundle import Bundle
from teppr.registry.runtime import Runtime
from teppr.serving.app import make_app
from teppr.serving.engine import Engine, EngineLimits
from teppr.serving.protocols.contract import Service
from teppr.serving.security import OFF
from teppr.serving.server import Address, Server, listen, url_of
from teppr.serving.upload import UploadLimits
from teppr.testing.bundles import colored_picture, small_bundle

MAX_BYTES = 4 * 1024 * 1024
PATCHES = {"stop": (20, 30, 80, 60), "go": (150, 100, 60, 90)}


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return small_bundle(tmp_path_factory.mktemp("bundles") / "one", "acme-ods-1")


@pytest.fixture(scope="session")
def second_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return small_bundle(tmp_path_factory.mktemp("bundles") / "two", "acme-rld-2", colors={"go": "#18b030"})


@pytest.fixture(scope="session")
def service(bundle: Bundle, second_bundle: Bundle) -> Service:
    limits = EngineLimits(threads=2, max_requests=8, max_image_pixels=64_000_000)
    engine = Engine([Runtime(bundle), Runtime(second_bundle)], limits, aliases={"acme-ods@production": "acme-ods-1"})
    return Service(engine=engine, upload_limits=UploadLimits(max_bytes=MAX_BYTES, timeout_s=10))


@contextmanager
def _answering(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of the application, over real HTTP, from a thread of this process."""
    ready = threading.Event()
    server = Server(app, on_ready=ready.set)
    with listen(Address(host="127.0.0.1", port=0)) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            assert ready.wait(timeout=30)
            with httpx.Client(base_url=url_of(bound), timeout=60) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(timeout=60)


Answering = Callable[[FastAPI], AbstractContextManager[httpx.Client]]


@pytest.fixture(scope="session")
def answering() -> Answering:
    """`with answering(app) as client:` asks an application of the test's own."""
    return _answering


@pytest.fixture(scope="session")
def client(service: Service) -> Iterator[httpx.Client]:
    with _answering(make_app(service, OFF)) as asking:
        yield asking


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A PNG of 320 x 240 pixels with one "stop" and one "go"."""
    return encode_png(colored_picture(PATCHES))
