"""Requests whose answers are fetched later."""

import time
from collections.abc import Callable, Iterator
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
from teppr.testing.service import model_server, running_queue, started_queue, url_of_home

API = "/api/vision/v2"
Answering = Callable[[FastAPI], AbstractContextManager[httpx.Client]]
PATIENCE_S = 30


def fetched(client: httpx.Client, url: str) -> httpx.Response:
    """What the address answers once it does."""
    until = time.monotonic() + PATIENCE_S
    while (response := client.get(url)).status_code == 202:
        assert response.json()["status"] == "queued"
        assert response.headers["retry-after"] == "1"
        assert time.monotonic() < until, "no answer came"
    return response


def submit(client: httpx.Client, picture: bytes, name: str = "p.png", **headers: str) -> httpx.Response:
    files = {"image": (name, picture)}
    return client.post(f"{API}/predictq", files=files, headers={n.replace("_", "-"): v for n, v in headers.items()})


def service_of(url: str, **limits: float) -> Service:
    return Service(
        dispatcher=Dispatcher(url, DispatchLimits(**limits)),  # type: ignore[arg-type]  # as DispatchLimits has them
        upload_limits=UploadLimits(max_bytes=4_000_000, timeout_s=10),
        max_image_pixels=64_000_000,
    )


@pytest.fixture
def queue_url(tmp_path: Path) -> Iterator[str]:
    with running_queue(tmp_path) as url:
        yield url


def test_what_was_queued_is_answered_as_it_would_be_at_once(client: httpx.Client, picture: bytes) -> None:
    said = submit(client, picture)
    queued = said.json()
    assert said.status_code == 202
    assert queued == {
        "id": said.headers["x-request-id"],
        "status": "queued",
        "url": f"{API}/predictq/{said.headers['x-request-id']}",
    }
    answer = fetched(client, queued["url"])
    at_once = client.post(f"{API}/predict", files={"image": ("p.png", picture)}).json()
    assert answer.status_code == 200
    assert set(answer.json()) == set(at_once)
    assert answer.json()["result"]["p.png"]["regions"] == at_once["result"]["p.png"]["regions"]
    assert answer.json()["result"]["p.png"]["size"] == len(picture)
    assert client.get(queued["url"]).json()["result"]["p.png"]["regions"]  # and again


def test_the_failure_of_what_was_queued_is_its_answer(client: httpx.Client) -> None:
    response = fetched(client, submit(client, b"no image", "notes.txt").json()["url"])
    assert (response.status_code, response.json()["error"]) == (400, "not-an-image")
    assert "notes.txt" in response.json()["detail"]


def test_queued_twice_with_an_id_it_is_one_request(client: httpx.Client, picture: bytes) -> None:
    first, again = (submit(client, picture, X_Request_Id="mine-1").json() for _ in range(2))
    assert first == again == {"id": "mine-1", "status": "queued", "url": f"{API}/predictq/mine-1"}
    other = submit(client, b"another", X_Request_Id="mine-1")
    assert (other.status_code, other.json()["error"]) == (409, "request-id")


def test_of_an_unknown_request_nothing_is_kept(client: httpx.Client) -> None:
    response = client.get(f"{API}/predictq/never-asked")
    assert (response.status_code, response.json()["error"]) == (404, "unknown-request")
    assert client.get(f"{API}/predictq/{'a' * 65}").status_code == 422


@pytest.mark.slow
def test_the_answer_is_told_when_the_model_is_served_no_more(
    tmp_path: Path, queue_url: str, bundle: Bundle, answering: Answering, picture: bytes
) -> None:
    with model_server(tmp_path, [bundle.path]) as server, answering(make_app(service_of(queue_url), OFF)) as client:
        url = submit(client, picture).json()["url"]
        before = fetched(client, url).json()
        server.terminate()
        server.wait()
    with answering(make_app(service_of(queue_url), OFF)) as client:
        assert client.get("/readyz").status_code == 503
        after = client.get(url).json()
    assert after["result"]["p.png"]["regions"] == before["result"]["p.png"]["regions"]
    assert (after["type"], after["dnnarch"]) == (before["type"], before["dnnarch"])


def test_an_answer_is_kept_as_long_as_is_set(served_queue_url: str, answering: Answering, picture: bytes) -> None:
    with answering(make_app(service_of(served_queue_url, keep_results_s=0.3), OFF)) as client:
        queued = submit(client, picture, X_Request_Id="short-1").json()
        until = time.monotonic() + PATIENCE_S
        while client.get(queued["url"]).status_code != 404:
            assert time.monotonic() < until, "the answer is kept for ever"


@pytest.mark.slow
def test_what_no_server_takes_by_its_deadline_is_said_to_be_late(
    queue_url: str, tmp_path: Path, bundle: Bundle, answering: Answering, picture: bytes
) -> None:
    with model_server(tmp_path, [bundle.path]) as server, answering(make_app(service_of(queue_url), OFF)) as client:
        server.kill()
        server.wait()
        files = {"image": ("p.png", picture)}
        url = client.post(f"{API}/predictq", files=files, data={"timeout_s": "0.1"}).json()["url"]
        late = fetched(client, url)
    assert (late.status_code, late.json()["error"]) == (504, "deadline")


@pytest.mark.slow
def test_while_the_queue_does_not_answer_it_says_when_to_come_back(
    tmp_path: Path, bundle: Bundle, answering: Answering, picture: bytes
) -> None:
    with started_queue(tmp_path) as process:
        service = service_of(url_of_home(tmp_path))
        with model_server(tmp_path, [bundle.path]), answering(make_app(service, OFF)) as client:
            queued = submit(client, picture).json()
            assert fetched(client, queued["url"]).status_code == 200
            process.kill()
            process.wait()
            for path in (queued["url"], "/metrics"):
                response = client.get(path)
                assert (response.status_code, response.json()["error"]) == (503, "busy")
                assert response.headers["retry-after"] == "1"


def test_the_queued_are_bulk_unless_they_say_otherwise(
    queue_url: str, tmp_path: Path, bundle: Bundle, answering: Answering, picture: bytes
) -> None:
    with model_server(tmp_path, [bundle.path]) as server, answering(make_app(service_of(queue_url), OFF)) as client:
        server.kill()
        server.wait()
        submit(client, picture)
        client.post(f"{API}/predictq?priority=interactive", files={"image": ("p.png", picture)})
    with queue.connect(queue_url) as asking:
        lengths = {priority: asking.xlen(queue.stream_of("acme-ods-1", priority)) for priority in queue.Priority}
    assert lengths == {queue.Priority.INTERACTIVE: 1, queue.Priority.BULK: 1}
