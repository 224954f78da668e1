"""Batches, jobs and streams by both clients, on real sockets; and what is left when somebody goes away."""

import asyncio
import contextlib
import itertools
import socket
import threading
from collections.abc import AsyncIterator, Callable
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from teppr.client import Answer, AsyncClient, AsyncJob, Client
from teppr.errors import BadFile, BadInput, ServiceDeclined, ServiceError, ServiceUnavailable, TepprError
from teppr.testing.scripted_service import (
    Asked,
    ScriptedService,
    answer,
    cut,
    document,
    hang_up,
    refuses,
    replies,
    reset,
    silent,
    wire,
)

Ask = Callable[..., Any]

IMAGE = b"\x89PNG\r\n\x1a\nnot really"


# Many images in one request


def batch_reply(connection: socket.socket, _: Asked) -> None:
    result = {name: document(name)["result"][name] for name in ("2-a.png", "a.png")}
    failures = {"b.png": {"error": "truncated", "code": 400, "detail": "it does not decode whole"}}
    connection.sendall(wire(200, {**document(), "result": result, "failures": failures, "status_code": 207}))


@pytest.fixture
def three_paths(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "1" / "a.png", tmp_path / "b.png", tmp_path / "2" / "a.png"]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(IMAGE)
    return paths


def test_a_batch_has_each_answer_and_failure_in_its_place(
    ask: Ask, service: ScriptedService, three_paths: list[Path]
) -> None:
    service.acts = [hang_up, batch_reply]
    first, failed, last = ask("predict_batch", three_paths, urls=service.url, on_failure="keep")
    assert [first.filename, last.filename] == ["a.png", "a.png"]
    assert isinstance(failed, ServiceDeclined)
    assert (failed.status, failed.word) == (400, "truncated")
    assert "b.png: it does not decode whole" in str(failed)
    assert len(set(service.ids)) == 1
    assert service.asked[0].body == service.asked[1].body


def test_a_batch_raises_its_first_failure(ask: Ask, service: ScriptedService, three_paths: list[Path]) -> None:
    service.acts = [batch_reply]
    with pytest.raises(ServiceDeclined, match=r"b.png: it does not decode whole"):
        ask("predict_batch", three_paths, urls=service.url)


def test_a_batch_of_nothing_asks_nothing(ask: Ask, service: ScriptedService) -> None:
    assert ask("predict_batch", [], urls=service.url) == ()
    assert service.asked == []


def test_a_batch_that_says_nothing_of_an_image_is_no_answer(
    ask: Ask, service: ScriptedService, three_paths: list[Path]
) -> None:
    service.acts = [replies(200, {**document("other.png"), "failures": {}})]
    with pytest.raises(ServiceError, match=r"'a.png' is missing - at failures"):
        ask("predict_batch", three_paths, urls=service.url)


# Jobs

TAKEN = {"id": "job-1", "status": "queued", "url": "/api/vision/v2/predictq/job-1"}


def test_a_job_is_submitted_once_and_waited_for(ask: Ask, finish: Ask, service: ScriptedService) -> None:
    queued = replies(202, {"id": "job-1", "status": "queued"}, "Retry-After: 0")
    service.acts = [hang_up, replies(202, TAKEN), queued, hang_up, queued, replies(200, document("a.png"))]
    job = ask("submit", IMAGE, urls=service.url, filename="a.png")
    assert (job.id, job.done) == ("job-1", False)
    assert finish(service.url, "job-1").filename == "a.png"
    submitted, polls = service.asked[:2], service.asked[2:]
    assert len({asked.id for asked in submitted}) == 1
    assert {(asked.method, asked.target) for asked in polls} == {("GET", "/api/vision/v2/predictq/job-1")}
    assert [polls[1].id == polls[2].id, polls[0].id == polls[1].id] == [True, False]


def test_the_failure_of_a_job_is_raised_by_its_result(finish: Ask, service: ScriptedService) -> None:
    service.acts = [refuses(504, "deadline")]
    with pytest.raises(ServiceUnavailable, match="504 deadline"):
        finish(service.url, "job-1")
    assert len(service.asked) == 1


def test_a_job_that_takes_longer_is_said_so(finish: Ask, service: ScriptedService) -> None:
    service.then = repeat(replies(202, {"id": "job-1", "status": "queued"}, "Retry-After: 1"))
    with pytest.raises(ServiceUnavailable, match="job job-1: it is still under way: wait again") as raised:
        finish(service.url, "job-1", timeout_s=0.2)
    assert raised.value.word == "not-done"


def test_a_job_can_be_waited_for_in_steps(service: ScriptedService) -> None:
    queued = replies(202, {"id": "job-1", "status": "queued"})
    service.acts = [queued, replies(200, document("a.png"))]
    with Client(service.url) as client:
        job = client.job("job-1")
        assert [job.wait(0.1), job.done] == [False, False]
        assert [job.wait(), job.done] == [True, True]
        assert job.result() is job.result()
    assert len(service.asked) == 2


def test_a_job_of_asyncio_can_be_waited_for_in_steps(service: ScriptedService) -> None:
    async def run() -> None:
        async with AsyncClient(service.url) as client:
            job = client.job("job-1")
            assert isinstance(job, AsyncJob)
            assert [await job.wait(0.1), job.done] == [False, False]
            assert [await job.wait(), job.done] == [True, True]
            assert await job.result() is await job.result()

    service.acts = [replies(202, {"id": "job-1", "status": "queued"}), replies(200, document("a.png"))]
    asyncio.run(run())


def test_a_job_whose_service_is_away_is_not_taken_for_one_under_way(closed_url: str) -> None:
    with Client(closed_url) as client, pytest.raises(ServiceUnavailable, match="did not answer about job job-1"):
        client.job("job-1").wait(0.3)


# Many images in many requests


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{i}.png" for i in range(40)]
    for path in paths:
        path.write_bytes(IMAGE)
    return paths


def test_answers_come_in_the_order_of_their_images(many: Ask, service: ScriptedService, paths: list[Path]) -> None:
    service.acts = [answer, hang_up, refuses(503, "busy"), cut, answer, reset]
    answers = many(service.url, iter(paths), at_a_time=4)
    assert [found.filename for found in answers] == [path.name for path in paths]
    assert len(set(service.ids)) == len(paths)
    assert service.most_at_once <= 4


def test_the_first_failure_ends_the_stream(many: Ask, service: ScriptedService, paths: list[Path]) -> None:
    paths[3].unlink()
    with pytest.raises(BadFile, match=r"3\.png"):
        many(service.url, paths, at_a_time=2)
    assert len(service.asked) < len(paths)


def test_failures_are_kept_in_their_places(many: Ask, service: ScriptedService, paths: list[Path]) -> None:
    paths[3].unlink()
    service.then = repeat(declines_seven)
    outcomes = many(service.url, paths, at_a_time=4, on_failure="keep")
    assert len(outcomes) == len(paths)
    failed = {i: outcome for i, outcome in enumerate(outcomes) if isinstance(outcome, TepprError)}
    assert failed.keys() == {3, 7}
    assert isinstance(failed[3], BadFile)
    assert isinstance(failed[7], ServiceDeclined)


def declines_seven(connection: socket.socket, asked: Asked) -> None:
    (refuses(400, "truncated") if asked.filename == "7.png" else answer)(connection, asked)


@pytest.mark.parametrize("wrong", [{"at_a_time": 0}, {"on_failure": "skip"}, {"filename": "a"}, {"modle": "a"}])
def test_a_stream_is_checked_before_it_begins(service: ScriptedService, wrong: Any) -> None:  # noqa: ANN401 - any call
    with Client(service.url) as client, pytest.raises(BadInput):
        client.predict_many([IMAGE], **wrong)
    with pytest.raises(BadInput):
        AsyncClient(service.url).predict_many([IMAGE], **wrong)


def test_an_endless_stream_is_taken_as_it_is_used(service: ScriptedService) -> None:
    taken = itertools.count()
    with Client(service.url) as client:
        answers = client.predict_many((IMAGE for _ in taken), at_a_time=2)
        assert [next(answers).filename for _ in range(5)] == ["image"] * 5
        assert next(taken) <= 5 + 2 * 2
        answers.close()


def test_an_endless_stream_of_asyncio_is_taken_as_it_is_used(service: ScriptedService) -> None:
    taken = itertools.count()

    async def images() -> AsyncIterator[bytes]:
        for _ in taken:
            yield IMAGE

    async def run() -> None:
        async with AsyncClient(service.url) as client:
            answers = client.predict_many(images(), at_a_time=2)
            async with contextlib.aclosing(answers):
                assert [(await anext(answers)).filename for _ in range(5)] == ["image"] * 5
            assert next(taken) <= 5 + 2 * 2
            assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


# Going away


@pytest.mark.slow
def test_cancelled_tasks_leave_the_connections_usable(service: ScriptedService) -> None:
    """More are cancelled than there are connections, at whatever they were doing."""

    async def run() -> None:
        async with AsyncClient(service.url) as client:
            for round_ in range(5):
                service.then = repeat(silent if round_ % 2 == 0 else answer)
                tasks = [asyncio.create_task(client.predict(IMAGE, timeout_s=30)) for _ in range(60)]
                for _ in range(3 * round_):
                    await asyncio.sleep(0)
                await reached(service) if round_ == 4 else None
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
                assert all(isinstance(end, asyncio.CancelledError | Answer) for end in ended)
            service.then = repeat(answer)
            answers = await asyncio.gather(*[client.predict(IMAGE, timeout_s=30) for _ in range(120)])
            assert len(answers) == 120

    asyncio.run(run())


async def reached(service: ScriptedService) -> None:
    """Until all that is asked in this round stays without an answer."""
    while service.at_once < 60:
        await asyncio.sleep(0)


def test_a_client_that_is_closed_says_so(service: ScriptedService) -> None:
    client = Client(service.url)
    client.close()
    with pytest.raises(BadInput, match="the client is closed"):
        client.predict(IMAGE)

    async def run() -> None:
        client = AsyncClient(service.url)
        await client.aclose()
        with pytest.raises(BadInput, match="the client is closed"):
            await client.predict(IMAGE)

    asyncio.run(run())


def test_closing_a_client_ends_the_waits_of_other_threads(service: ScriptedService) -> None:
    told = threading.Event()
    raised: list[TepprError] = []

    def tell(connection: socket.socket, asked: Asked) -> None:
        refuses(503, "busy", "Retry-After: 50")(connection, asked)
        told.set()

    def run() -> None:
        try:
            client.predict(IMAGE)
        except TepprError as error:
            raised.append(error)

    service.acts = [tell]
    client = Client(service.url)
    thread = threading.Thread(target=run)
    thread.start()
    assert told.wait(timeout=30)
    client.close()
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert len(raised) == 1
