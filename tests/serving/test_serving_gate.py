"""Refusing unread what there is no place for."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from teppr.serving.declined import Declined
from teppr.serving.envelope import Envelope
from teppr.serving.gate import Gate
from teppr.serving.meter import REQUESTS, Meter

BUSY = Declined(503, "busy", "try again in 1 s", retry_after_s=1)


class Answers:
    """An application that says how much of a body it read, behind a gate."""

    def __init__(self) -> None:
        self.closed: Declined | None = None
        self.read: list[int] = []

        async def answer(request: Request) -> PlainTextResponse:
            self.read.append(len(await request.body()))
            return PlainTextResponse("answered")

        paths = ["/ask", "/ask/box", "/asked", "/other"]
        app = Starlette(routes=[Route(path, answer, methods=["GET", "POST"]) for path in paths])
        app.add_middleware(Gate, is_closed=lambda: self.closed, paths=["/ask"])
        self.meter = Meter()
        app.add_middleware(Envelope, meter=self.meter)
        self.app = app

    def ask(self, path: str, method: str = "POST") -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                return await client.request(method, path, content=b"image")

        return asyncio.run(ask())


@pytest.fixture
def answers() -> Answers:
    return Answers()


def test_an_open_gate_lets_all_through(answers: Answers) -> None:
    assert [answers.ask(path).status_code for path in ("/ask", "/ask/box", "/other")] == [200, 200, 200]


def test_a_closed_gate_refuses_unread_and_says_when_to_come_back(answers: Answers) -> None:
    answers.closed = BUSY
    for path in ("/ask", "/ask/box", "/ask?x=1"):
        refused = answers.ask(path)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["error"] == "busy"
        assert refused.json()["request_id"] == refused.headers["x-request-id"]
        assert "content-security-policy" in refused.headers
    assert answers.read == []
    assert answers.meter.pending[REQUESTS, "unread", "", 503] == 3


def test_a_closed_gate_lets_other_paths_and_bulk_through(answers: Answers) -> None:
    answers.closed = BUSY
    assert answers.ask("/other").status_code == 200
    assert answers.ask("/asked").status_code == 200
    assert answers.ask("/ask?priority=bulk").status_code == 200
    assert answers.ask("/ask", "GET").status_code == 200
