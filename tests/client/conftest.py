"""What tests of the client share: a service that misbehaves as told, and both clients behind the same calls."""

# ruff: noqa: ANN401 - what is asked, and of what, is each test's own

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from teppr.client import AsyncClient, Client
from teppr.testing.scripted_service import ScriptedService, scripted_service

Ask = Callable[..., Any]


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    with scripted_service() as one:
        yield one


@pytest.fixture
def closed_url() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which of the two clients."""
    return str(request.param)


@pytest.fixture
def ask(kind: str) -> Ask:
    """`ask("predict", image, urls=url)` makes a client, asks it one thing, and closes it."""

    def at_once(method: str, *given: Any, urls: Any, client: dict[str, Any] | None = None, **how: Any) -> Any:
        with Client(urls, **(client or {})) as asking:
            return getattr(asking, method)(*given, **how)

    async def awaited(method: str, *given: Any, urls: Any, client: dict[str, Any] | None = None, **how: Any) -> Any:
        async with AsyncClient(urls, **(client or {})) as asking:
            return await getattr(asking, method)(*given, **how)

    return at_once if kind == "sync" else _run(awaited)


@pytest.fixture
def finish(kind: str) -> Ask:
    """`finish(url, job_id)` is the result of a job that another client submitted."""

    def at_once(url: str, job_id: str, **how: Any) -> Any:
        with Client(url) as client:
            return client.job(job_id).result(**how)

    async def awaited(url: str, job_id: str, **how: Any) -> Any:
        async with AsyncClient(url) as client:
            return await client.job(job_id).result(**how)

    return at_once if kind == "sync" else _run(awaited)


@pytest.fixture
def many(kind: str) -> Ask:
    """`many(url, images)` is all that `predict_many` gives."""

    def at_once(url: str, images: Any, **how: Any) -> Any:
        with Client(url) as client:
            return list(client.predict_many(images, **how))

    async def awaited(url: str, images: Any, **how: Any) -> Any:
        async with AsyncClient(url) as client:
            return [answer async for answer in client.predict_many(images, **how)]

    return at_once if kind == "sync" else _run(awaited)


def _run(awaited: Callable[..., Coroutine[Any, Any, Any]]) -> Ask:
    return lambda *given, **how: asyncio.run(awaited(*given, **how))
