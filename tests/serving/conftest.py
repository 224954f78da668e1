"""A service with the small model, asked over real HTTP; its model server is a process, its queue a real Valkey."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from teppr.images import encode_png
from teppr.registry.bundle import Bundle
from teppr.serving.app import make_app
from teppr.serving.dispatch import Dispatcher, DispatchLimits
from teppr.serving.protocols.contract import Service
from teppr.serving.security import OFF
from teppr.serving.upload import UploadLimits
from teppr.testing.bundles import colored_picture, small_bundle
from teppr.testing.service import Answering, MakeService, answering, model_server, running_queue

MAX_BYTES = 4 * 1024 * 1024
PATCHES = {"stop": (20, 30, 80, 60), "go": (150, 100, 60, 90)}


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return small_bundle(tmp_path_factory.mktemp("bundles") / "one", "acme-ods-1")


@pytest.fixture(scope="session")
def second_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return small_bundle(tmp_path_factory.mktemp("bundles") / "two", "acme-rld-2", colors={"go": "#18b030"})


@pytest.fixture(scope="session")
def served_queue_url(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle, second_bundle: Bundle) -> Iterator[str]:
    """A queue that all tests share, with a model server of both bundles behind it."""
    home = tmp_path_factory.mktemp("home")
    with running_queue(home) as url, model_server(home, [bundle.path, second_bundle.path]):
        yield url


@pytest.fixture(scope="session")
def make_service(served_queue_url: str) -> MakeService:
    """`make_service(max_requests=1)` is a service with other bounds."""

    def make(*, timeout_s: float = 10, **limits: Any) -> Service:  # noqa: ANN401 - as DispatchLimits has them
        return Service(
            dispatcher=Dispatcher(served_queue_url, DispatchLimits(**limits), default="acme-ods-1"),
            upload_limits=UploadLimits(max_bytes=MAX_BYTES, timeout_s=timeout_s, max_images=4),
            max_image_pixels=64_000_000,
        )

    return make


@contextmanager
def _answering(app: FastAPI) -> Iterator[httpx.Client]:
    with answering(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture(scope="session", name="answering")
def answering_fixture() -> Answering:
    """`with answering(app) as client:` asks an application of the test's own."""
    return _answering


@pytest.fixture(scope="session")
def service(make_service: MakeService) -> Service:
    return make_service()


@pytest.fixture(scope="session")
def client(service: Service) -> Iterator[httpx.Client]:
    with _answering(make_app(service, OFF)) as asking:
        yield asking


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A PNG of 320 x 240 pixels with one "stop" and one "go"."""
    return encode_png(colored_picture(PATCHES))
