"""Who asks is known before anything is read, and nobody learns a key from the service."""

import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request

from teppr.errors import Missing
from teppr.keys import ApiKey, KeyLimits, NewKey, Role, new_key
from teppr.serving.app import make_app
from teppr.serving.declined import Declined
from teppr.serving.pages import FILES
from teppr.serving.protocols.contract import PROTOCOLS, Service
from teppr.serving.security import ANYONE, FRESH_S, HEADER, OFF, REFRESH_S, Caller, Guard, needs
from teppr.store import open_store
from teppr.store.keyring import issue, revoke
from teppr.testing.mongod import mongod
from teppr.testing.service import Answering, MakeService

MODELS, PREDICT = "/api/vision/v2/models", "/api/vision/v2/predict"
OPEN = {*FILES, "/healthz", "/readyz", "/v2", "/v2/health/live", "/v2/health/ready"}
NOWHERE = "sqlite:///nowhere/store.db"
A_WHILE_AGO = datetime.now(UTC) - timedelta(days=10)
LIMITS = KeyLimits(requests_per_minute=60, max_waiting=3)


def made(role: Role = Role.CLIENT, **changes: Any) -> NewKey:  # noqa: ANN401 - any of its fields
    """A key of ten days ago."""
    new = new_key(f"the {role}", role, created=A_WHILE_AGO, limits=LIMITS)
    return NewKey(replace(new.kept, **changes), new.text)


KEYS: Mapping[str, NewKey] = {
    **{role.value: made(role) for role in Role},
    "expired": made(expires=A_WHILE_AGO + timedelta(days=9)),
    "revoked": made(revoked=A_WHILE_AGO + timedelta(days=1)),
}
UNKNOWN = made().text
WRONG = f"tpr_{KEYS['admin'].kept.id}_{UNKNOWN.rpartition('_')[2]}"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('keys') / 'store.db'}"
    with open_store(url) as store:
        for new in KEYS.values():
            issue(store.access, new, "ann@box")
    return url


@pytest.fixture(scope="module")
def app(make_service: MakeService, store_url: str) -> FastAPI:
    """The application, with a route a role that says who asks."""
    made = make_app(make_service(), Guard(store_url))

    def who(request: Request) -> dict[str, object]:
        caller: Caller = request.state.caller
        return {"name": caller.name, "role": caller.role, "who": caller.who, "limits": caller.limits}

    for role in Role:
        made.add_api_route(f"/only/{role}", who, dependencies=[needs(role)], include_in_schema=False)
    return made


@pytest.fixture(scope="module")
def guarded(app: FastAPI, answering: Answering) -> Iterator[httpx.Client]:
    with answering(app) as client:
        yield client


def refused(response: httpx.Response, status: int, word: str) -> str:
    said = response.json()
    assert (response.status_code, said["error"], said["code"]) == (status, word, status)
    assert set(said) == {"error", "code", "detail", "request_id"}
    assert response.headers["connection"] == "close"
    return str(said["detail"])


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic YTpi"}, {"Authorization": ""}], ids=str)
def test_without_a_key_it_says_how_to_send_one(guarded: httpx.Client, headers: dict[str, str]) -> None:
    response = guarded.get(MODELS, headers=headers)
    assert "Authorization: Bearer tpr_..." in refused(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (UNKNOWN, f"key {UNKNOWN[4:12]}: unknown"),
        (WRONG, f"key {WRONG[4:12]}: wrong"),
        (KEYS["expired"].text, f"key {KEYS['expired'].kept.id} of the client: expired"),
        (KEYS["revoked"].text, f"key {KEYS['revoked'].kept.id} of the client: revoked"),
        ("tpr_", "a key of another form"),
        ("password", "a key of another form"),
        (KEYS["admin"].text[:-1], "a key of another form"),
        (KEYS["admin"].text + "\u00e9", "a key of another form"),
    ],
    ids=["unknown", "wrong", "expired", "revoked", "begun", "a password", "cut off", "with an accent"],
)
def test_a_key_that_does_not_hold_is_refused_alike_and_only_the_log_says_why(
    guarded: httpx.Client, key: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "teppr.serving")
    response = guarded.get(MODELS, headers={b"authorization": f"Bearer {key}".encode()})
    assert refused(response, 401, "unauthorized") == "this key is not accepted; whoever runs the service can say why"
    assert response.headers["www-authenticate"] == "Bearer"
    assert f"refused: {why} {response.headers['x-request-id']}" in caplog.text


@pytest.mark.parametrize(
    "headers",
    [
        bearer(KEYS["client"].text),
        {"authorization": f"bearer   {KEYS['client'].text}"},
        {HEADER: KEYS["client"].text},
        {HEADER.lower(): KEYS["client"].text, "authorization": "Basic YTpi"},
        {HEADER: KEYS["client"].text, **bearer("of-the-proxy")},
    ],
    ids=["bearer", "with blanks", "own header", "beside a password", "beside another's token"],
)
def test_a_key_is_taken_from_either_header(guarded: httpx.Client, headers: dict[str, str]) -> None:
    assert guarded.get(MODELS, headers=headers).status_code == 200


@pytest.mark.parametrize("needed", Role)
@pytest.mark.parametrize("has", Role)
def test_a_role_may_do_what_those_before_it_may(guarded: httpx.Client, has: Role, needed: Role) -> None:
    response = guarded.get(f"/only/{needed}", headers=bearer(KEYS[has].text))
    if has.covers(needed):
        assert response.json() == {
            "name": f"the {has}",
            "role": has,
            "who": f"key {KEYS[has].kept.id} (the {has})",
            "limits": {"requests_per_minute": 60, "max_waiting": 3},
        }
    else:
        assert f"needs a key with the role {needed}" in refused(response, 403, "forbidden")


def test_with_a_key_an_image_is_predicted(guarded: httpx.Client, picture: bytes) -> None:
    answer = guarded.post(PREDICT, files={"image": ("p.png", picture)}, headers=bearer(KEYS["client"].text))
    assert len(answer.json()["result"]["p.png"]["regions"]) == 2


@pytest.mark.parametrize("path", sorted({*OPEN, "/openapi.json"}))
def test_pages_and_signs_of_life_stay_open(guarded: httpx.Client, path: str) -> None:
    assert guarded.get(path).status_code == 200


def test_every_route_of_the_document_needs_a_key_but_those_that_are_open(guarded: httpx.Client) -> None:
    paths = guarded.get("/openapi.json").json()["paths"]
    asked = [(method, path) for path, methods in paths.items() for method in methods if path not in OPEN]
    assert len(asked) >= 6
    for method, path in asked:
        assert guarded.request(method, path.replace("{", "").replace("}", "")).status_code == 401, path


def test_no_route_of_an_api_lets_the_framework_read_the_body_before_the_key(service: Service) -> None:
    found = [route for api in PROTOCOLS.all() for route in api.routes(service).routes if isinstance(route, APIRoute)]
    assert len(found) >= 6
    assert [route.path for route in found if route.body_field is not None] == []


@pytest.mark.parametrize("head", [b"content-length: 50000000", b"transfer-encoding: chunked"])
@pytest.mark.parametrize("expect", [[], [b"expect: 100-continue"]], ids=["", "expecting"])
def test_an_upload_without_a_key_is_answered_before_it_is_sent(
    guarded: httpx.Client, head: bytes, expect: list[bytes]
) -> None:
    url = guarded.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=30) as client:
        line = f"POST {PREDICT} HTTP/1.1".encode()
        client.sendall(b"\r\n".join([line, b"host: x", b"content-type: image/png", head, *expect, b"", b""]))
        said = b""
        while piece := client.recv(65536):  # until the service hangs up
            said += piece
    assert said.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in said.lower()


@pytest.mark.parametrize("name", ["key", "api_key", "q"])
def test_a_key_in_the_url_is_refused_with_a_hint(guarded: httpx.Client, client: httpx.Client, name: str) -> None:
    key = KEYS["admin"].text
    for asked in (guarded, client):
        response = asked.get(MODELS, params={name: key}, headers=bearer(key))
        assert "send it in the header Authorization" in refused(response, 400, "key-in-url")
        assert key not in response.text


def test_no_answer_and_no_line_of_the_log_holds_a_key(
    guarded: httpx.Client, picture: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = KEYS["admin"].text
    secret = key.rpartition("_")[2]
    headers = bearer(key)
    files = {"image": ("p.png", picture)}
    answers = [
        guarded.get(MODELS, headers={"X-Request-Id": key}),
        guarded.get(MODELS, headers={**headers, "X-Request-Id": key}),
        guarded.get(f"{MODELS}/{key}", headers=headers),
        guarded.get(f"/{key}"),
        guarded.get(f"/{'x' * 180}{key}"),
        guarded.get("/", params={"key": key}),
        guarded.post(PREDICT, headers=headers, files=files, data={"q": key}),
        guarded.post(PREDICT, headers=headers, files=files, data={"score_threshold": key}),
        guarded.post(PREDICT, headers=headers, files=files, data={key: "1"}),
        guarded.post(PREDICT, headers=headers, files={key: ("p.png", picture)}),
        guarded.post(PREDICT, headers=headers, files={"image": (key, b"text")}),
        guarded.post(PREDICT, headers={**headers, "content-type": key}, content=picture),
        guarded.post(PREDICT, headers=headers, json={"image": key}),
        guarded.post(PREDICT, headers=headers, json={"image": "", "score_threshold": {"a": "b" * 60 + key}}),
    ]
    part = secret[:8]
    for answer in answers:
        assert part not in answer.text, answer.text
        assert part not in str(answer.headers)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("teppr")]
    assert len(ours) >= len(answers)
    assert [line for line in ours if part in line] == []


def test_a_line_of_the_log_says_whose_key_it_was(guarded: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "teppr.serving")
    guarded.get(MODELS, headers=bearer(KEYS["client"].text))
    for _ in range(2):
        guarded.get("/docs")  # lines are written after the answers: the last one may still be missing
    lines = [line.split() for line in caplog.messages if line.startswith("GET")]
    assert [line[-1] for line in lines][:2] == [KEYS["client"].kept.id, "-"]


def test_the_document_tells_of_keys_only_where_they_are_asked_for(guarded: httpx.Client, client: httpx.Client) -> None:
    with_keys, without = (asked.get("/openapi.json").json() for asked in (guarded, client))
    schemes = with_keys["components"]["securitySchemes"].values()
    assert {(each["type"], each.get("scheme"), each.get("name")) for each in schemes} == {
        ("http", "bearer", None),
        ("apiKey", None, HEADER),
    }
    names: list[dict[str, list[str]]] = [{name: []} for name in with_keys["components"]["securitySchemes"]]
    assert with_keys["paths"][PREDICT]["post"]["security"] == names
    assert "security" not in with_keys["paths"]["/healthz"]["get"]
    assert "securitySchemes" not in without["components"]
    assert "security" not in without["paths"][PREDICT]["post"]


def test_where_keys_are_off_whoever_asks_may_do_everything() -> None:
    assert not OFF.is_on
    assert OFF.admit(asking(), Role.ADMIN) == ANYONE


def test_a_role_that_there_is_not_is_a_fault_where_the_route_is_declared() -> None:
    with pytest.raises(ValueError, match="boss"):
        needs("boss")


@pytest.mark.slow
def test_a_key_that_is_revoked_or_made_while_the_service_runs_is_known_soon(
    make_service: MakeService, answering: Answering, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    first, second = made(), made()
    with open_store(url) as store:
        issue(store.access, first, "ann@box")
        with answering(make_app(make_service(), Guard(url))) as client:
            assert status(client, first) == 200
            revoke(store.access, first.kept.id, "ann@box", datetime.now(UTC))
            until(lambda: status(client, first) == 401)
            assert status(client, second) == 401
            issue(store.access, second, "ann@box")
            until(lambda: status(client, second) == 200)
    assert REFRESH_S < FRESH_S <= 5


@pytest.mark.slow
def test_while_the_store_is_away_known_keys_hold_on_and_others_are_not_called_wrong(
    make_service: MakeService, answering: Answering, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "teppr.serving")
    known = made()
    with mongod(transactions=False) as server:
        url = server.url("teppr")
        with open_store(url) as store:
            issue(store.access, known, "ann@box")
        with answering(make_app(make_service(), Guard(url))) as client:
            assert status(client, known) == 200
            server.kill()
            until(lambda: status(client, made()) == 503)
            assert status(client, known) == 200
            response = client.get(MODELS, headers=bearer(UNKNOWN))
            refused(response, 503, "keys-unknown")
            assert response.headers["retry-after"] == "5"
            until(lambda: "does not answer" in caplog.text)
    assert caplog.text.count("known keys hold on") == 1


def asking(key: str | None = None) -> Request:
    headers = [] if key is None else [(b"authorization", f"Bearer {key}".encode())]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers})


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def guard_of(*keys: ApiKey, clock: Clock) -> Guard:
    """It never asks: the store that it is told of is not there."""
    guard = Guard(NOWHERE, clock=clock)
    guard.learn(keys)
    return guard


def test_a_key_is_called_wrong_only_as_long_as_the_store_has_answered_lately() -> None:
    clock, known = Clock(), made()
    guard = guard_of(known.kept, clock=clock)
    for spent_s, status in ((FRESH_S, 401), (FRESH_S + 0.1, 503), (9e9, 503)):
        clock.now_s = 100.0 + spent_s
        with pytest.raises(Declined) as refusal:
            guard.admit(asking(UNKNOWN), Role.CLIENT)
        assert refusal.value.status == status
        assert guard.admit(asking(known.text), Role.CLIENT).name == "the client"


def test_before_the_store_has_answered_no_key_is_called_wrong() -> None:
    with pytest.raises(Declined) as refusal:
        Guard(NOWHERE).admit(asking(UNKNOWN), Role.CLIENT)
    assert refusal.value.status == 503


def test_a_key_expires_whatever_the_store_last_said() -> None:
    lasting = made(expires=datetime.now(UTC) + timedelta(seconds=0.2))
    guard = guard_of(lasting.kept, clock=Clock())
    assert guard.admit(asking(lasting.text), Role.CLIENT).key_id == lasting.kept.id
    until(lambda: isinstance(refusal_of(guard, lasting), Declined))


def test_the_start_is_refused_where_no_key_holds(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    remedy = "to make a key: teppr keys create NAME --role client"
    with pytest.raises(Missing, match=f"no annotation database at .*; {remedy}"):
        Guard(url).check(remedy)
    with open_store(url) as store:
        for name in ("expired", "revoked"):
            issue(store.access, KEYS[name], "ann@box")
        with pytest.raises(Missing, match=f"no key in {url} holds; {remedy}"):
            Guard(url).check(remedy)
        issue(store.access, made(), "ann@box")
    Guard(url).check(remedy)
    OFF.check(remedy)


def refusal_of(guard: Guard, new: NewKey) -> Declined | None:
    try:
        guard.admit(asking(new.text), Role.CLIENT)
    except Declined as refusal:
        return refusal
    return None


def status(client: httpx.Client, new: NewKey) -> int:
    return client.get(MODELS, headers=bearer(new.text)).status_code


def until(happens: Callable[[], bool]) -> None:
    """Ask until it happens; a minute is long for what takes seconds."""
    end = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < end
