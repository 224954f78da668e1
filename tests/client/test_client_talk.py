"""What is asked again, when and where: without a network, and with a clock that the test moves."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.client import call as calls
from teppr.client.call import REQUEST_ID, Call
from teppr.client.picture import Picture
from teppr.client.talk import CONNECT_S, Conversation, Doors, Heard, Patience, Result, Send, Talk, Wait
from teppr.client.verdict import Answered, Broken, Reply, Verdict
from teppr.errors import BadInput, ServiceDeclined, ServiceError, ServiceUnavailable

A, B = "http://a:1", "http://b:2"
CALL = calls.predict(Picture(name="p.png", data=b"the bytes"), {"model": "acme-ods-1"})
BROKEN = Broken(why="the connection broke")
JSON = {"content-type": "application/json"}


def reply(status: int, *, after: object = None, document: object = None, **headers: str) -> Reply:
    """An answer of the service's; of a status that is none, in its one shape."""
    if document is None and status >= 300:
        document = {"error": "word", "code": status, "detail": "a sentence", "request_id": "x"}
    more = {} if after is None else {"retry-after": str(after)}
    return Reply(status=status, headers={**JSON, **headers, **more}, body=orjson.dumps(document or {}))


def of_a_proxy(status: int) -> Reply:
    return Reply(status=status, headers={"content-type": "text/html"}, body=b"<h1>Bad gateway</h1>")


OK = reply(200, document={"fine": True})


@dataclass
class World:
    """Time that passes only when the conversation waits or is waiting for an answer."""

    now_s: float = 1000.0
    sent: list[Send] = field(default_factory=list)
    waited: list[Wait] = field(default_factory=list)

    def talk(self, *urls: str, chance_0_1: float = 1.0, **patience: Any) -> Talk:  # noqa: ANN401 - each its own
        return Talk(
            doors=Doors.at(urls or [A]),
            patience=Patience(**patience),
            clock=lambda: self.now_s,
            chance=lambda: chance_0_1,
        )

    def drive(
        self, conversation: Conversation[Result], replies: Sequence[Reply | Broken], takes_s: float = 0
    ) -> Result:
        """Give one reply after the other, the last one again and again; each takes a while."""
        heard: Heard = None
        left = list(replies)
        while True:
            try:
                step = conversation.send(heard)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # what a conversation returns
            if isinstance(step, Wait):
                self.waited.append(step)
                self.now_s += step.seconds
                heard = None
            else:
                heard = left.pop(0) if len(left) > 1 else left[0]
                self.sent.append(step)
                self.now_s += min(takes_s, step.left_s)

    def ask(self, *replies: Reply | Broken, **patience: Any) -> Answered:  # noqa: ANN401 - each its own
        return self.drive(self.talk(**patience).ask(CALL), replies)


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    "failure",
    [BROKEN, reply(429), reply(503), of_a_proxy(503), of_a_proxy(502), of_a_proxy(504)],
    ids=["broken", "quota", "busy", "proxy-503", "proxy-502", "proxy-504"],
)
def test_what_may_pass_is_asked_again(world: World, failure: Reply | Broken) -> None:
    answered = world.ask(failure, failure, OK)
    assert answered.document == {"fine": True}
    assert len(world.sent) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 415, 422])
def test_a_wrong_request_is_not_asked_again(world: World, status: int) -> None:
    with pytest.raises(ServiceDeclined, match="a sentence") as raised:
        world.ask(reply(status), OK)
    assert len(world.sent) == 1
    assert (raised.value.status, raised.value.word, raised.value.detail) == (status, "word", "a sentence")
    assert raised.value.request_id == CALL.request_id


def test_a_deadline_that_the_service_says_has_passed_is_an_answer(world: World) -> None:
    with pytest.raises(ServiceUnavailable, match="longer timeout_s") as raised:
        world.ask(reply(504), OK)
    assert (len(world.sent), raised.value.status) == (1, 504)


@pytest.mark.parametrize("status", [500, 501])
def test_a_fault_of_the_service_is_not_asked_again(world: World, status: int) -> None:
    with pytest.raises(ServiceError, match="request id") as raised:
        world.ask(reply(status), OK)
    assert len(world.sent) == 1
    assert not isinstance(raised.value, ServiceDeclined | ServiceUnavailable)


def test_what_is_broken_for_good_is_not_asked_again(world: World) -> None:
    with pytest.raises(ServiceUnavailable, match="certificate"):
        world.ask(Broken(why="certificate", for_good=True), OK)
    assert len(world.sent) == 1


def test_what_is_asked_again_is_the_same_to_the_byte(world: World) -> None:
    world.ask(BROKEN, reply(503), OK)
    first, *others = world.sent
    assert first.call is CALL
    assert first.headers[REQUEST_ID] == CALL.request_id
    assert [(sent.url, sent.headers, sent.call) for sent in others] == [(first.url, first.headers, first.call)] * 2


def test_each_request_has_an_id_of_its_own() -> None:
    picture = Picture(name="p.png", data=b"the bytes")
    assert calls.predict(picture, {}).request_id != calls.predict(picture, {}).request_id


def test_waits_double_up_to_the_longest(world: World) -> None:
    world.drive(world.talk(first_wait_s=1, longest_wait_s=5).ask(CALL), [BROKEN] * 5 + [OK])
    assert [wait.seconds for wait in world.waited] == [1, 2, 4, 5, 5]


def test_a_random_share_of_a_wait_is_waited(world: World) -> None:
    world.drive(world.talk(chance_0_1=0.25, first_wait_s=1).ask(CALL), [BROKEN, BROKEN, OK])
    assert [wait.seconds for wait in world.waited] == [0.25, 0.5]


def test_a_wait_is_no_shorter_than_the_service_asks_for(world: World) -> None:
    world.drive(world.talk(chance_0_1=0.5, first_wait_s=1).ask(CALL), [reply(503, after=7), OK])
    assert [wait.seconds for wait in world.waited] == [7.5]


def test_the_service_may_say_a_date(world: World) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True)
    with pytest.raises(ServiceUnavailable) as raised:
        world.ask(reply(503, after=later), OK)
    assert raised.value.retry_after_s == pytest.approx(3600, abs=60)


def test_a_date_that_has_passed_is_no_wait(world: World) -> None:
    world.ask(reply(503, after="Sun, 06 Nov 1994 08:49:37 GMT"), OK, first_wait_s=1)
    assert [wait.seconds for wait in world.waited] == [1]


@pytest.mark.parametrize("nonsense", ["", "soon", "-5", "1e9", "²"])
def test_a_retry_after_that_is_neither_is_left_alone(world: World, nonsense: str) -> None:
    world.ask(reply(503, after=nonsense), OK, first_wait_s=1)
    assert [wait.seconds for wait in world.waited] == [1]


def test_nobody_waits_for_what_comes_after_the_deadline(world: World) -> None:
    with pytest.raises(ServiceUnavailable) as raised:
        world.ask(reply(503, after=61), OK, timeout_s=60)
    assert world.waited == []
    assert raised.value.retry_after_s == 61


def test_the_deadline_holds_over_all_attempts(world: World) -> None:
    begun_s = world.now_s
    with pytest.raises(ServiceUnavailable):
        world.drive(world.talk(timeout_s=30, silence_s=20).ask(CALL), [BROKEN], takes_s=8)
    assert world.now_s <= begun_s + 30
    assert len(world.sent) == 4
    assert world.sent[-1].left_s < 8
    assert all(sent.silence_s <= sent.left_s and sent.connect_s <= CONNECT_S for sent in world.sent)


def test_a_deadline_of_one_call_goes_over_the_clients(world: World) -> None:
    world.drive(world.talk(timeout_s=60).ask(CALL, 3), [OK])
    assert (world.sent[0].left_s, world.sent[0].silence_s, world.sent[0].connect_s) == (3, 3, 3)


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_there_are_no_more_attempts_than_allowed(world: World, retries: int) -> None:
    with pytest.raises(ServiceUnavailable):
        world.ask(BROKEN, retries=retries, timeout_s=1e6)
    assert len(world.sent) == retries + 1


def test_another_address_is_asked_at_once_where_one_fails(world: World) -> None:
    world.drive(world.talk(A, B).ask(CALL), [BROKEN, OK])
    assert [sent.url.removesuffix(CALL.path) for sent in world.sent] == [A, B]
    assert world.waited == []


def test_a_wait_comes_once_all_addresses_have_failed(world: World) -> None:
    world.drive(world.talk(A, B, first_wait_s=1).ask(CALL), [BROKEN] * 4 + [OK])
    assert [sent.url.removesuffix(CALL.path) for sent in world.sent] == [A, B, A, B, A]
    assert [wait.seconds for wait in world.waited] == [1, 2]


def test_the_address_that_answered_is_asked_first_from_then_on(world: World) -> None:
    talk = world.talk(A, B)
    world.drive(talk.ask(CALL), [BROKEN, OK])
    world.drive(talk.ask(CALL), [OK])
    assert world.sent[-1].url.startswith(B)


def test_a_late_failure_does_not_turn_away_from_another_address(world: World) -> None:
    talk = world.talk(A, B, "http://c:3")
    late = talk.ask(CALL)
    next(late)
    world.drive(talk.ask(CALL), [BROKEN, BROKEN, OK])
    step = late.send(BROKEN)
    assert isinstance(step, Send)
    assert step.url == "http://c:3" + CALL.path


def test_without_retries_the_next_request_goes_to_another_address(world: World) -> None:
    talk = world.talk(A, B, retries=0)
    with pytest.raises(ServiceUnavailable):
        world.drive(talk.ask(CALL), [BROKEN])
    world.drive(talk.ask(CALL), [OK])
    assert [sent.url.removesuffix(CALL.path) for sent in world.sent] == [A, B]


def test_a_quota_is_the_same_at_every_address(world: World) -> None:
    world.drive(world.talk(A, B, first_wait_s=1).ask(CALL), [reply(429, after=2), OK])
    assert [sent.url.removesuffix(CALL.path) for sent in world.sent] == [A, A]
    assert [wait.seconds for wait in world.waited] == [3]


def test_an_answer_whose_document_breaks_off_is_asked_again(world: World) -> None:
    half = Reply(status=200, headers=JSON, body=OK.body[:-3])
    assert world.ask(half, OK).document == {"fine": True}


def test_another_kind_of_server_is_said_so_at_once(world: World) -> None:
    with pytest.raises(ServiceError, match="not a teppr service's: expected JSON, got 'text/html'") as raised:
        world.ask(of_a_proxy(200), OK)
    assert (len(world.sent), raised.value.word) == (1, "not-a-service")


def test_a_redirect_says_where_to(world: World) -> None:
    moved = Reply(status=308, headers={"location": "https://elsewhere/"}, body=b"")
    with pytest.raises(ServiceError, match="sends to 'https://elsewhere/': give the client that address"):
        world.ask(moved, OK)


def test_the_answer_has_the_id_that_the_service_gave_it(world: World) -> None:
    assert world.ask(OK).request_id == CALL.request_id
    given = reply(200, document={}, **{REQUEST_ID: "proxy-7"})
    assert world.ask(given).request_id == "proxy-7"


REPLIES = st.sampled_from(
    [OK, BROKEN, reply(429, after=1), reply(503), reply(503, after=9), of_a_proxy(502), of_a_proxy(504), reply(504)]
    + [reply(status) for status in (400, 404, 409, 500)]
    + [Broken(why="certificate", for_good=True)]
)


@given(
    replies=st.lists(REPLIES, min_size=1, max_size=12),
    doors=st.integers(1, 3),
    timeout_s=st.floats(0.01, 100),
    takes_s=st.floats(0, 30),
    chance_0_1=st.floats(0, 1),
    retries=st.none() | st.integers(0, 5),
)
def test_every_conversation_ends_in_time_and_says_the_same_each_time(
    replies: list[Reply | Broken],
    doors: int,
    timeout_s: float,
    takes_s: float,
    chance_0_1: float,
    retries: int | None,
) -> None:
    world = World()
    # Something must pass, or nothing ends a conversation with failures that take no time and have no waits.
    takes_s = max(takes_s, 0.05)
    urls = [A, B, "http://c:3"][:doors]
    talk = world.talk(*urls, chance_0_1=chance_0_1, retries=retries, timeout_s=timeout_s)
    begun_s = world.now_s
    end = world.drive(talk.hear(CALL), replies, takes_s=takes_s)
    assert world.now_s <= begun_s + timeout_s + 1e-6
    assert retries is None or len(world.sent) <= retries + 1
    assert {(sent.call.body, sent.headers[REQUEST_ID]) for sent in world.sent} == {(CALL.body, CALL.request_id)}
    if isinstance(end, Verdict) and not end.again:
        assert replies[min(len(world.sent), len(replies)) - 1] not in (OK, BROKEN)
    if isinstance(end, Answered):
        assert replies[min(len(world.sent), len(replies)) - 1] == OK


@pytest.mark.parametrize(
    "url",
    [
        "localhost:4040",
        "ftp://a",
        "http://",
        "http://a/?q=1",
        "http://a:port",
        "http://user:word@a",
        "http://[::1",
        "",
        4040,
    ],
)
def test_an_address_that_is_none_is_said_so(url: str) -> None:
    with pytest.raises(BadInput, match="http://host:port"):
        Doors.at([url])


def test_a_client_needs_an_address() -> None:
    with pytest.raises(BadInput, match="needs an address"):
        Doors.at([])


def test_an_address_may_have_a_path_before_the_apis() -> None:
    assert Doors.at("https://host/teppr/").urls == ["https://host/teppr"]


@pytest.mark.parametrize("timeout_s", [0, -1, float("inf"), float("nan")])
def test_a_deadline_that_cannot_be_kept_is_refused(world: World, timeout_s: float) -> None:
    with pytest.raises(BadInput, match="timeout_s must be a number of seconds"):
        Patience(timeout_s=timeout_s)
    with pytest.raises(BadInput, match="timeout_s must be a number of seconds"):
        world.drive(world.talk().ask(CALL, timeout_s), [OK])


def test_less_than_no_retries_are_refused() -> None:
    with pytest.raises(BadInput, match="retries must be 0 or more"):
        Patience(retries=-1)


def test_a_call_cannot_be_changed_between_attempts() -> None:
    with pytest.raises(AttributeError):
        CALL.body = b"other"  # type: ignore[misc]  # it is frozen
    assert isinstance(CALL, Call)
