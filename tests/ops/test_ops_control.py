"""Orders to a service that runs, through a real queue."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from teppr.errors import BadInput, Missing, Refused, TepprError, UnknownName
from teppr.ops.control import Desk, Errand, order
from teppr.serving import queue
from teppr.serving.logs import JsonLines
from teppr.testing.service import running_queue

Given = dict[str, Any]


@pytest.fixture(scope="module")
def queue_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_queue(tmp_path_factory.mktemp("home")) as url:
        yield url


def add(given: Given) -> Errand:
    total = 0
    for number in given["numbers"]:
        total += number
        yield
    return {"total": total}


def refuse(given: Given) -> Errand:
    yield
    raise Refused(f"not {given['what']}")


def forget(given: Given) -> Errand:
    if "what" not in given:
        raise UnknownName.of("model", "a", ["b"])
    yield
    return {}


def stumble(_given: Given) -> Errand:
    yield
    raise ZeroDivisionError


ERRANDS: dict[str, Callable[[Given], Errand]] = {"add": add, "refuse": refuse, "forget": forget, "stumble": stumble}


@pytest.fixture
def ask(queue_url: str) -> Iterator[Callable[..., Given]]:
    """`ask(do=..., ...)` orders from a desk that a thread looks at, as a service does."""
    ends = threading.Event()

    def serve() -> None:
        with queue.connect(queue_url) as asking:
            desk = Desk(asking, "desk", ERRANDS)
            while not ends.is_set():
                desk.look()

    thread = threading.Thread(target=serve)
    thread.start()
    with queue.connect(queue_url) as asking:
        yield lambda **what: order(asking, "desk", what, lambda: True)
    ends.set()
    thread.join()


def test_what_was_done_comes_back(ask: Callable[..., Given]) -> None:
    assert ask(do="add", numbers=[1, 2, 3]) == {"total": 6}
    assert ask(do="add", numbers=[]) == {"total": 0}


@pytest.mark.parametrize(
    ("what", "kind", "says"),
    [
        ({"do": "refuse", "what": "today"}, Refused, "not today"),
        ({"do": "forget"}, UnknownName, "did you mean|known: b"),
        ({"do": "dance"}, BadInput, "does add, refuse, forget, stumble, not dance"),
        ({"do": "stumble"}, TepprError, "ZeroDivisionError"),
    ],
    ids=["refused", "at once", "unknown", "fault"],
)
def test_what_went_wrong_comes_back_as_what_it_is(
    ask: Callable[..., Given], what: Given, kind: type[TepprError], says: str
) -> None:
    with pytest.raises(kind, match=says) as raised:
        ask(**what)
    assert type(raised.value) is kind
    assert ask(do="add", numbers=[4]) == {"total": 4}


def test_an_order_is_logged_in_words_and_for_machines_as_it_came(
    ask: Callable[..., Given], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "teppr.ops")
    ask(do="add", numbers=[], model={"names": ["a-b-1", "a-b-2"], "processes": 2, "memory_limit": ""})
    (record,) = caplog.records
    assert record.getMessage() == "order: add names=a-b-1,a-b-2 processes=2"
    line = orjson.loads(JsonLines("service").format(record))
    assert line["order"]["model"] == {"names": ["a-b-1", "a-b-2"], "processes": 2, "memory_limit": ""}


def test_a_service_that_ended_is_not_waited_for(queue_url: str) -> None:
    with queue.connect(queue_url) as asking, pytest.raises(Missing, match="ended before"):
        order(asking, "nobody", {"do": "add"}, lambda: False)


def test_a_queue_that_is_gone_leaves_the_desk_in_peace(home: Path) -> None:
    with running_queue(home) as url:
        asking = queue.connect(url)
        asking.ping()
        desk = Desk(asking, "desk", ERRANDS)
    desk.look()
    asking.close()
