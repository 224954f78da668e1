"""The load of one process against a service that does as it is told."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat

import numpy as np
import pytest

from teppr.stress.load import Load, Share
from teppr.stress.outcomes import Failure, kind_of
from teppr.stress.pictures import Picture
from teppr.stress.plan import Plan, Stage, closed_stages, open_stages, target_of
from teppr.stress.requests import body_of, requests_to
from teppr.stress.run import place_of
from teppr.stress.samples import Samples, column, samples_of
from teppr.testing.scripted_service import (
    Act,
    ScriptedService,
    ends_with,
    gibberish,
    hang_up,
    once_came,
    refuses,
    replies,
    reset,
    scripted_service,
    sends,
    silent,
    wire,
)

ANSWER = replies(200, {})
CHUNKS = sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
INTERIM = sends(b"HTTP/1.1 100 Continue\r\n\r\n" + wire(200, {}))
LAST = ends_with(wire(200, {}, "Connection: close"))
NO_KEY = refuses(401, "unauthorized")
BUSY_FOR_LONG = refuses(503, "busy", "Retry-After: 1000")
CODES: dict[Act, int] = {
    ANSWER: 200,
    replies(202, {"id": "1"}): 202,
    replies(503, {"detail": "the queue is full"}, "Retry-After: 0"): 503,
    refuses(429, "quota"): 429,
    refuses(500, "internal"): 500,
    replies(504, b"no JSON at all"): 504,
    INTERIM: 200,
    CHUNKS: 200,
    LAST: 200,
    ends_with(wire(200, {})[:-1]): Failure.CUT_OFF,
    gibberish: Failure.NOT_HTTP,
    hang_up: Failure.CLOSED,
    reset: Failure.RESET,
    silent: Failure.LATE,
}


WHOLE = Share(0, 1)


def load(plan: Plan, pictures: Sequence[Picture], share: Share = WHOLE) -> tuple[Samples, dict[tuple[int, int], bytes]]:
    """Do the plan's first stage in this process."""
    places = [place_of(target) for target in plan.targets]
    bodies = [body_of(picture) for picture in pictures]

    async def work() -> tuple[bytes, dict[tuple[int, int], bytes]]:
        requests = [requests_to(target, plan, bodies) for target in plan.targets]
        work = Load(plan, share, places, requests)
        await work.run(plan.stages[0], 0, asyncio.get_running_loop().time())
        return work.recorder.take()

    lines, told = asyncio.run(work())
    return samples_of(lines), told


def plan_for(*services: ScriptedService, stages: tuple[Stage, ...], timeout_s: float = 20.0) -> Plan:
    return Plan(targets=tuple(target_of(service.url) for service in services), stages=stages, timeout_s=timeout_s)


def codes_of(samples: Samples) -> Counter[int]:
    return Counter(column(samples, "code").tolist())


def test_whatever_a_service_does_is_counted_as_what_it_is(pictures: Sequence[Picture]) -> None:
    with scripted_service(*CODES) as service:
        samples, told = load(plan_for(service, stages=closed_stages("30", 0.5), timeout_s=1.0), pictures)
        expected = Counter[int]()
        for what, times in service.done.items():
            expected[CODES[what]] += times
    assert set(service.done) == set(CODES)
    assert codes_of(samples) == expected
    assert told[0, 503] == b'{"detail":"the queue is full"}'
    assert told[0, 504] == b"no JSON at all"
    assert (0, 200) not in told


def test_a_service_that_wants_a_key_is_asked_no_more(pictures: Sequence[Picture]) -> None:
    for stages in (closed_stages("2", 20.0), open_stages("20", 20.0, "even")):
        with scripted_service(NO_KEY) as service:
            samples, _ = load(plan_for(service, stages=stages), pictures)
        assert codes_of(samples) == {401: len(service.asked)}
        assert len(service.asked) <= 3


def test_a_key_that_holds_no_longer_is_counted_and_what_was_measured_is_kept(pictures: Sequence[Picture]) -> None:
    with scripted_service(ANSWER, NO_KEY) as service:
        samples, _ = load(plan_for(service, stages=closed_stages("1", 0.2)), pictures)
    assert codes_of(samples)[401] > 1


def test_connections_are_kept_and_one_that_ends_is_opened_again(pictures: Sequence[Picture]) -> None:
    with scripted_service(ANSWER, CHUNKS, INTERIM) as service:
        samples, _ = load(plan_for(service, stages=closed_stages("3", 0.3)), pictures)
        assert len(samples) == len(service.asked) > 3
        assert service.connections == 1 + 3  # a probe, and one for each client
    with scripted_service(LAST) as service:
        samples, _ = load(plan_for(service, stages=closed_stages("3", 0.3)), pictures)
        assert codes_of(samples) == {200: len(service.asked)}
        assert service.connections == 1 + len(service.asked)


def test_a_closed_loop_has_as_many_under_way_as_clients(pictures: Sequence[Picture]) -> None:
    # Nobody is answered before seven have come: so the seven were under way at once.
    with scripted_service() as service:
        service.then = repeat(once_came(service, 7, ANSWER))
        samples, _ = load(plan_for(service, stages=closed_stages("7", 0.2)), pictures)
    assert len(samples) == len(service.asked) >= 7


def test_an_open_loop_waits_for_nobody_and_counts_the_time_since_requests_were_due(pictures: Sequence[Picture]) -> None:
    # Nobody is answered before the last has come; a client that waits for its answer would wait for ever.
    with scripted_service() as service:
        service.then = repeat(once_came(service, 25, ANSWER))
        samples, _ = load(plan_for(service, stages=open_stages("50", 0.5, "even")), pictures)
    due_s = column(samples, "due_s")
    ended_s = due_s + column(samples, "latency_s")
    assert codes_of(samples) == {200: 25}
    assert ended_s.min() >= due_s.max() - 1e-4
    assert np.diff(np.sort(due_s)) == pytest.approx(0.02)
    assert (column(samples, "late_s") >= 0).all()


def test_a_request_that_has_no_connection_in_time_is_late_and_not_lost(
    pictures: Sequence[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teppr.stress.load.MOST_CONNECTIONS", 2)
    with scripted_service(silent) as service:
        samples, _ = load(plan_for(service, stages=open_stages("40", 0.5, "even"), timeout_s=0.3), pictures)
    assert codes_of(samples) == {Failure.LATE: 20}
    assert column(samples, "latency_s").min() >= 0.3 - 1e-4
    assert column(samples, "late_s").max() > 0.1


def test_a_refused_client_waits_as_it_is_told_unless_it_should_not(pictures: Sequence[Picture]) -> None:
    with scripted_service(BUSY_FOR_LONG) as service:
        plan = plan_for(service, stages=closed_stages("2", 0.3))
        waited, _ = load(plan, pictures)
        pressed, _ = load(replace(plan, honours_retry_after=False), pictures)
    assert codes_of(waited) == {503: 2}
    assert codes_of(pressed)[503] > 2


def test_processes_share_the_clients_and_the_rate(pictures: Sequence[Picture]) -> None:
    with scripted_service(BUSY_FOR_LONG) as one, scripted_service(BUSY_FOR_LONG) as other:
        shares = [
            load(plan_for(one, other, stages=closed_stages("5", 0.1)), pictures, Share(i, 3))[0] for i in range(3)
        ]
    targets = Counter(target for samples in shares for target in column(samples, "target").tolist())
    assert [len(samples) for samples in shares] == [4, 3, 3]
    assert targets == {0: 5, 1: 5}


def test_images_and_models_are_sent_in_turn_as_a_form(pictures: Sequence[Picture]) -> None:
    with scripted_service(ANSWER) as service:
        plan = replace(
            plan_for(service, stages=open_stages("40", 0.2, "even")),
            models=("acme-ods-1", "acme@production"),
            priority="bulk",
            key="tpr_secret",
        )
        samples, _ = load(plan, pictures)
    lines = [f"{asked.method} {asked.target}" for asked in service.asked]
    path = "/api/vision/v2/predict"
    first, second = f"POST {path}?q=acme-ods-1&priority=bulk", f"POST {path}?q=acme%40production&priority=bulk"
    assert Counter(lines) == {first: 4, second: 4}
    assert {asked.headers["authorization"] for asked in service.asked} == {"Bearer tpr_secret"}
    bodies = [asked.body for asked in service.asked]
    assert sum(b'filename="a.jpg"' in sent and b"\r\n\r\nfirst\r\n" in sent for sent in bodies) == 4
    assert column(samples, "sent_bytes").sum() == sum(asked.size_bytes for asked in service.asked)


@pytest.mark.parametrize("failure", [code for code in CODES.values() if code < 0])
def test_every_failure_has_words(failure: int) -> None:
    assert kind_of(failure) == "failed"
    assert Failure(failure).words


def test_nothing_is_a_failure_that_was_under_way_when_the_test_ended() -> None:
    assert kind_of(Failure.UNFINISHED) == "unfinished"
