"""Both clients on real sockets, against a server that breaks connections, cuts answers and stays silent."""

import ssl
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from teppr.client import Answer
from teppr.errors import BadFile, BadInput, ServiceDeclined, ServiceError, ServiceUnavailable
from teppr.testing.scripted_service import (
    ENDING,
    Act,
    ScriptedService,
    drip,
    hang_up,
    refuses,
    replies,
    scripted_service,
    silent,
)

Ask = Callable[..., Any]

IMAGE = b"\x89PNG\r\n\x1a\nnot really"
CERTIFICATE = Path(__file__).with_name("self_signed.pem")
"""With its key; nobody has signed it but itself."""


def own_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


# One request


def test_an_image_is_answered(ask: Ask, service: ScriptedService) -> None:
    answered = ask("predict", IMAGE, urls=service.url, filename="a.png", model="acme-ods-1")
    assert isinstance(answered, Answer)
    assert (answered.model, answered.filename, answered.size_wh) == ("acme-ods-1", "a.png", (4, 3))
    (asked,) = service.asked
    assert (asked.method, asked.body) == ("POST", IMAGE)
    assert answered.request_id == asked.id
    assert "authorization" not in asked.headers


def test_the_key_goes_with_every_request(ask: Ask, service: ScriptedService) -> None:
    service.acts = [hang_up]
    ask("predict", IMAGE, urls=service.url, client={"key": "tpr_secret"})
    assert [asked.headers["authorization"] for asked in service.asked] == ["Bearer tpr_secret"] * 2


@pytest.mark.parametrize("key", ["", "tpr secret", "tpr_secret\r\nx: y", "schlüssel"])
def test_a_key_that_no_header_holds_is_refused(ask: Ask, closed_url: str, key: str) -> None:
    with pytest.raises(BadInput, match="without spaces"):
        ask("predict", IMAGE, urls=closed_url, client={"key": key})


@pytest.mark.parametrize("act", ENDING.values(), ids=ENDING)
def test_a_broken_connection_is_asked_again_with_the_same_id(ask: Ask, service: ScriptedService, act: Act) -> None:
    service.acts = [act, act]
    assert ask("predict", IMAGE, urls=service.url).filename == "image"
    assert len(service.asked) == 3
    assert len({(asked.id, asked.target, asked.body) for asked in service.asked}) == 1


def test_a_busy_service_is_asked_again(ask: Ask, service: ScriptedService) -> None:
    service.acts = [refuses(503, "busy", "Retry-After: 0"), refuses(429, "quota", "Retry-After: 0")]
    ask("predict", IMAGE, urls=service.url)
    assert len(service.ids) == 3
    assert len(set(service.ids)) == 1


def test_a_wait_that_is_too_long_is_an_error_at_once(ask: Ask, service: ScriptedService) -> None:
    service.acts = [refuses(503, "busy", "Retry-After: 3600")]
    with pytest.raises(ServiceUnavailable, match="ask again later") as raised:
        ask("predict", IMAGE, urls=service.url)
    assert (raised.value.status, raised.value.word, raised.value.retry_after_s) == (503, "busy", 3600)


def test_a_silent_service_is_asked_again(ask: Ask, service: ScriptedService) -> None:
    service.acts = [silent]
    ask("predict", IMAGE, urls=service.url, client={"silence_s": 0.2})
    assert len(service.ids) == 2
    assert len(set(service.ids)) == 1


@pytest.mark.parametrize("act", [silent, drip])
def test_the_deadline_ends_whatever_the_service_does(ask: Ask, service: ScriptedService, act: Act) -> None:
    service.then = repeat(act)
    with pytest.raises(ServiceUnavailable, match="did not answer about image") as raised:
        ask("predict", IMAGE, urls=service.url, timeout_s=0.3)
    assert (raised.value.status, raised.value.word) == (None, "no-answer")
    assert raised.value.request_id in service.ids


def test_the_deadline_ends_an_upload_that_goes_on_and_on(ask: Ask, service: ScriptedService) -> None:
    service.reads_slowly = True
    with pytest.raises(ServiceUnavailable, match="did not answer about image"):
        ask("predict", bytes(40_000_000), urls=service.url, timeout_s=0.3)
    # What fits into buffers of the system has left the client, and no more.
    assert service.read_bytes < 20_000_000


def test_a_large_image_arrives_as_it_was(ask: Ask, service: ScriptedService) -> None:
    large = bytes(range(256)) * 5000
    ask("predict", large, urls=service.url)
    assert service.asked[0].body == large


def test_a_wrong_request_says_what_the_service_said(ask: Ask, service: ScriptedService) -> None:
    service.acts = [refuses(404, "unknown-model")]
    with pytest.raises(ServiceDeclined, match=r"image: a sentence \(404 unknown-model, request \w+\): see "):
        ask("predict", IMAGE, urls=service.url)
    assert len(service.asked) == 1


def test_an_answer_without_its_fields_is_said_so(ask: Ask, service: ScriptedService) -> None:
    service.acts = [replies(200, {"result": {}})]
    with pytest.raises(ServiceError, match="not a teppr service's: it must be about one image, got 0 - at result"):
        ask("predict", IMAGE, urls=service.url)


def test_nobody_at_the_address_is_said_so(ask: Ask, closed_url: str) -> None:
    with pytest.raises(ServiceUnavailable, match=r"no connection.*see whether the service runs") as raised:
        ask("predict", IMAGE, urls=closed_url, client={"retries": 1})
    assert raised.value.exit_code == 3


def test_the_next_address_is_asked_where_nobody_is_at_the_first(
    ask: Ask, service: ScriptedService, closed_url: str
) -> None:
    assert ask("predict", IMAGE, urls=[closed_url, service.url], client={"retries": 1}).filename == "image"


def test_an_unknown_certificate_is_not_asked_again(ask: Ask) -> None:
    with scripted_service(tls=own_tls()) as service, pytest.raises(ServiceUnavailable, match=r"(?i)certificate"):
        ask("predict", IMAGE, urls=service.url, client={"timeout_s": 1e6})


def test_a_certificate_can_be_trusted(ask: Ask) -> None:
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    with scripted_service(tls=own_tls()) as service:
        assert ask("predict", IMAGE, urls=service.url, client={"tls": trusting}).filename == "image"


def test_a_file_that_is_not_there_is_said_so_before_anything_is_asked(ask: Ask, service: ScriptedService) -> None:
    with pytest.raises(BadFile, match=r"cannot read absent\.jpg"):
        ask("predict", "absent.jpg", urls=service.url)
    assert service.asked == []


@pytest.mark.parametrize("method", ["predict", "predict_batch", "submit"])
def test_an_unknown_word_is_refused(ask: Ask, service: ScriptedService, method: str) -> None:
    with pytest.raises(BadInput, match="unknown: modle; known: model"):
        ask(method, IMAGE, urls=service.url, modle="acme-ods-1")
    assert service.asked == []


# Facts


def test_readiness_is_asked_once(ask: Ask, service: ScriptedService, closed_url: str) -> None:
    service.acts = [replies(200, {"status": "ready"}), refuses(503, "loading", "Retry-After: 1"), hang_up]
    assert [ask("ready", urls=service.url) for _ in range(3)] == [True, False, False]
    assert ask("ready", urls=closed_url) is False
    assert len(service.asked) == 3


def test_one_ready_address_is_enough(ask: Ask, service: ScriptedService, closed_url: str) -> None:
    service.acts = [replies(200, {"status": "ready"})]
    assert ask("ready", urls=[closed_url, service.url]) is True


def test_models_are_listed(ask: Ask, service: ScriptedService) -> None:
    facts = {
        "key": "acme-ods-1",
        "architecture": "color_finder",
        "task": "segment",
        "labels": [{"name": "stop", "color": "#e01818"}],
        "default": True,
        "score_threshold": 0.5,
    }
    service.acts = [hang_up, replies(200, {"models": [facts]})]
    (model,) = ask("models", urls=service.url)
    assert (model.key, model.labels, model.default, model.score_threshold_0_1) == ("acme-ods-1", ("stop",), True, 0.5)
    assert model.raw == facts
