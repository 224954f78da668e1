"""What a web process does with a request, with a real queue and a real model server behind it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from teppr.errors import UnknownName
from teppr.images import encode_png
from teppr.serving.declined import Declined
from teppr.serving.dispatch import Dispatcher, DispatchLimits, Sender
from teppr.serving.tasks import Ask, Found
from teppr.testing.service import running_queue

Value = TypeVar("Value")


def ask(
    url: str,
    do: Callable[[Dispatcher], Awaitable[Value]],
    *,
    default: str = "",
    score_threshold_0_1: float | None = None,
    max_requests: int = 8,
) -> Value:
    """What `do` gives with a dispatcher that has started, and is closed after."""

    async def run() -> Value:
        limits = DispatchLimits(max_requests=max_requests)
        dispatcher = Dispatcher(url, limits, default=default, score_threshold_0_1=score_threshold_0_1)
        await dispatcher.start()
        try:
            return await do(dispatcher)
        finally:
            await dispatcher.close()

    return asyncio.run(run())


def test_the_model_that_is_named_as_default_answers(served_queue_url: str) -> None:
    async def keys(dispatcher: Dispatcher) -> list[str]:
        return [dispatcher.find(None).key, *(card.key for card in dispatcher.cards)]

    assert ask(served_queue_url, keys, default="acme-rld-2") == ["acme-rld-2", "acme-rld-2", "acme-ods-1"]
    assert ask(served_queue_url, keys, default="acme-ods") == ["acme-ods-1", "acme-ods-1", "acme-rld-2"]
    assert ask(served_queue_url, keys) == ["acme-ods-1", "acme-ods-1", "acme-rld-2"]


def test_an_unknown_model_is_refused_with_the_nearest(served_queue_url: str) -> None:
    async def find(dispatcher: Dispatcher) -> None:
        dispatcher.find("acme-ods-2")

    with pytest.raises(UnknownName, match="did you mean 'acme-ods-1'"):
        ask(served_queue_url, find)


def test_without_a_model_server_it_says_that_none_is_ready(tmp_path: Path) -> None:
    async def find(dispatcher: Dispatcher) -> None:
        dispatcher.find(None)

    with running_queue(tmp_path) as url, pytest.raises(Declined, match="no model server") as refusal:
        ask(url, find)
    assert (refusal.value.status, refusal.value.headers) == (503, {"Retry-After": "1"})


def test_the_requests_threshold_goes_over_the_services_and_that_over_the_models(served_queue_url: str) -> None:
    async def thresholds(dispatcher: Dispatcher) -> tuple[float, float]:
        card = dispatcher.find("acme-ods-1")
        return dispatcher.threshold_0_1(card), dispatcher.threshold_0_1(card, 0.0)

    assert ask(served_queue_url, thresholds) == (0.5, 0.0)
    assert ask(served_queue_url, thresholds, score_threshold_0_1=0.8) == (0.8, 0.0)


def test_places_are_given_back(served_queue_url: str) -> None:
    async def take(dispatcher: Dispatcher) -> None:
        for _ in range(3):
            with dispatcher.place(), dispatcher.place(), pytest.raises(Declined, match="2 requests"):  # noqa: SIM117 - the third is what is refused
                with dispatcher.place():
                    pass

    ask(served_queue_url, take, max_requests=2)


def predict(url: str, image: bytes, sender: Sender, key: str = "acme-ods-1") -> Found:
    async def do(dispatcher: Dispatcher) -> Found:
        answered = await dispatcher.predict(Ask(key=key, name="x.png", threshold_0_1=0.5), image, sender)
        assert answered.card.key == answered.found.key
        return answered.found

    return ask(url, do)


def test_an_image_beyond_the_limit_is_not_decoded(served_queue_url: str) -> None:
    picture = encode_png(np.zeros((8001, 8001, 3), np.uint8))
    with pytest.raises(Declined, match="megapixels") as refusal:
        predict(served_queue_url, picture, Sender(request_id="large"))
    assert refusal.value.status == 413


def test_the_same_id_gets_the_same_answer_and_no_second_computation(served_queue_url: str, picture: bytes) -> None:
    sender = Sender(request_id="once", client="tests")
    first, again = (predict(served_queue_url, picture, sender) for _ in range(2))
    assert first == again
    assert len(first.scores_0_1) == 2


def test_an_id_that_was_another_requests_is_refused(served_queue_url: str, picture: bytes) -> None:
    predict(served_queue_url, picture, Sender(request_id="mine"))
    with pytest.raises(Declined, match="another request") as refusal:
        predict(served_queue_url, picture, Sender(request_id="mine", asked="acme-rld-2"), key="acme-rld-2")
    assert refusal.value.status == 409
    assert predict(served_queue_url, picture, Sender(request_id="mine", client="somebody else")).scores_0_1


def test_asked_again_after_a_swap_the_model_of_the_first_time_has_answered(
    served_queue_url: str, picture: bytes
) -> None:
    sender = Sender(request_id="swapped", asked="acme")
    first = predict(served_queue_url, picture, sender)
    assert predict(served_queue_url, picture, sender, key="acme-rld-2") == first
    assert first.key == "acme-ods-1"


def test_a_client_that_asks_too_often_is_told_when_to_come_back(served_queue_url: str, picture: bytes) -> None:
    for i in range(3):
        predict(served_queue_url, picture, Sender(request_id=f"r{i}", client="often", requests_per_minute=3))
    with pytest.raises(Declined, match="requests_per_minute") as refusal:
        predict(served_queue_url, picture, Sender(request_id="r3", client="often", requests_per_minute=3))
    assert refusal.value.status == 429
    assert 1 <= int(refusal.value.headers["Retry-After"]) <= 20


def test_a_request_that_nobody_serves_in_time_gets_a_504(served_queue_url: str, picture: bytes) -> None:
    with pytest.raises(Declined, match="deadline") as refusal:
        predict(served_queue_url, picture, Sender(request_id="late", timeout_s=0.05), key="acme-none-1")
    assert refusal.value.status == 504
