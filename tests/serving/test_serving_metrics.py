"""Numbers of the whole service, the same from each web."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from teppr.registry.bundle import Bundle
from teppr.serving.app import make_app
from teppr.serving.dispatch import Dispatcher, DispatchLimits
from teppr.serving.exposition import expose
from teppr.serving.meter import Meter, Reading
from teppr.serving.protocols.contract import Service
from teppr.serving.queue import COUNTED, Priority
from teppr.serving.security import OFF
from teppr.serving.upload import UploadLimits
from teppr.testing.service import model_server, running_queue

Answering = Callable[[FastAPI], AbstractContextManager[httpx.Client]]
Numbers = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
PATIENCE_S = 30
PREDICT = "/api/vision/v2/predict"


def numbers(page: str) -> Numbers:
    """{(name, labels): value} of a page, read by Prometheus' own parser."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def value(page: Numbers, name: str, **labels: str) -> float:
    return page.get((name, frozenset(labels.items())), 0)


def requests(page: Numbers) -> dict[tuple[str, str, str], float]:
    """{(route, model, status): how many}, but for those that ask for the numbers."""
    labelled = ((dict(labels), count) for (name, labels), count in page.items() if name == "teppr_requests_total")
    return {(of["route"], of["model"], of["status"]): n for of, n in labelled if of["route"] != "metrics"}


def web(url: str) -> FastAPI:
    service = Service(
        dispatcher=Dispatcher(url, DispatchLimits()),
        upload_limits=UploadLimits(max_bytes=4_000_000, timeout_s=10),
        max_image_pixels=64_000_000,
    )
    return make_app(service, OFF)


@pytest.fixture(scope="module")
def two_webs(
    tmp_path_factory: pytest.TempPathFactory, bundle: Bundle, answering: Answering
) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    home = tmp_path_factory.mktemp("home")
    with running_queue(home) as url, model_server(home, [bundle.path]):  # noqa: SIM117 - the webs end first
        with answering(web(url)) as one, answering(web(url)) as other:
            yield one, other


def test_each_web_tells_what_all_did(two_webs: tuple[httpx.Client, httpx.Client], picture: bytes) -> None:
    one, other = two_webs
    for client, times in ((one, 3), (other, 2)):
        for _ in range(times):
            assert client.post(PREDICT, content=picture).status_code == 200
    assert one.post(PREDICT, content=b"text").status_code == 400
    assert other.post(f"{PREDICT}?q=acme-ods-9", content=picture).status_code == 404
    for path in ("/nowhere", "/v2/nowhere", "/page/nowhere.js"):
        assert other.get(path).status_code == 404
    for path in ("/api/vision/v2/models/acme", "/page/try.js", "/openapi.json"):
        assert one.get(path).status_code == 200
    labels = {"route": "predict", "model": "acme-ods-1"}
    expected = {
        ("predict", "acme-ods-1", "200"): 5,
        ("predict", "acme-ods-1", "400"): 1,
        ("predict", "", "404"): 1,
        ("unknown", "", "404"): 3,
        ("models_of", "", "200"): 1,
        ("/page/try.js", "", "200"): 1,
        ("openapi", "", "200"): 1,
    }
    until = time.monotonic() + PATIENCE_S
    for client in (one, other):
        while (told := requests(page := numbers(client.get("/metrics").text))) != expected:
            assert time.monotonic() < until, f"a web tells only {told}"
        assert value(page, "teppr_request_seconds_bucket", **labels, le="+Inf") == 6
        assert value(page, "teppr_request_seconds_sum", **labels) > 0
        assert value(page, "teppr_wait_seconds_count", model="acme-ods-1", priority="interactive") == 5
        assert value(page, "teppr_tasks_total", what="answered") == 6
        assert value(page, "teppr_tasks_total", what="batches") == 6


def test_the_models_and_their_servers_are_told(two_webs: tuple[httpx.Client, httpx.Client], picture: bytes) -> None:
    one, _ = two_webs
    assert one.post(PREDICT, content=picture).status_code == 200
    until = time.monotonic() + PATIENCE_S
    while "teppr_model_images_per_second{" not in (text := one.get("/metrics").text):
        assert time.monotonic() < until, "the server does not say how quick it is"
    page = numbers(text)
    names = {name for name, _ in page}
    assert value(page, "teppr_model_servers", model="acme-ods-1") == 1
    assert [value(page, "teppr_queue_length", model="acme-ods-1", priority=str(p)) for p in Priority] == [0, 0]
    odd = set(COUNTED) - {"answered", "batches"}
    assert {value(page, "teppr_tasks_total", what=word) for word in odd} == {0}
    assert {"teppr_model_server_memory_bytes", "teppr_model_server_images_total", "teppr_model_max_batch"} <= names
    (memory,) = (number for (name, _), number in page.items() if name == "teppr_model_server_memory_bytes")
    assert memory > 10_000_000


@settings(deadline=None)
@given(times=st.lists(st.floats(0, 100), max_size=30))
def test_times_are_sorted_into_buckets_that_add_up(times: list[float]) -> None:
    meter = Meter()
    for spent_s in times:
        meter.answered("predict", "m", 200, spent_s)
    reading = Reading(counts=meter.pending, tasks={}, lengths={}, servers=[])
    page = numbers(expose(reading).decode())
    for bound in (0.005, 0.1, 1.0, 30.0):
        below = value(page, "teppr_request_seconds_bucket", route="predict", model="m", le=str(bound))
        assert below == sum(spent_s <= bound for spent_s in times)
    assert value(page, "teppr_request_seconds_count", route="predict", model="m") == len(times)
    total = value(page, "teppr_request_seconds_sum", route="predict", model="m")
    assert total == pytest.approx(sum(times), abs=1e-6 * (len(times) + 1))
