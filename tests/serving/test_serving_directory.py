"""Where names lead, by what servers and routes tell."""

import os
from pathlib import Path

import pytest

from teppr.registry.bundle import Bundle
from teppr.serving import queue
from teppr.serving.directory import Directory, ServedModel, ServerFacts, refusal_of, tell_refusal
from teppr.serving.routes import Route
from teppr.testing.bundles import small_bundle
from teppr.testing.service import running_queue


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    return {key: small_bundle(folder / key, key) for key in ("acme-ods-8", "acme-ods-9", "acme-rld-1")}


def server(bundle: Bundle, asked_as: str = "") -> ServerFacts:
    model = ServedModel(card=bundle.card, asked_as=asked_as or bundle.card.key, max_batch=8)
    return ServerFacts(
        name=bundle.card.key,
        alive=True,
        host="here",
        pid=1,
        told_unix_s=0,
        models=(model,),
        image_s={},
        images=0,
        images_a_second=0,
        memory_bytes=0,
    )


def test_without_routes_a_name_is_a_key_an_alias_or_the_only_one_of_a_problem(bundles: dict[str, Bundle]) -> None:
    found = Directory((server(bundles["acme-ods-8"], "acme-ods@production"), server(bundles["acme-rld-1"])))
    names = ("acme-ods-8", "acme-ods@production", "acme-ods", "acme-rld", "acme-ods-9")
    assert [found.key_of(name) for name in names] == [*["acme-ods-8"] * 3, "acme-rld-1", "acme-ods-9"]
    assert found.shares_of("acme-ods") == {"acme-ods-8": 100}
    assert found.shares_of("acme-ods-9") == {}


def test_a_route_goes_over_what_a_name_means_and_is_followed_once(bundles: dict[str, Bundle]) -> None:
    servers = (server(bundles["acme-ods-8"], "acme-ods@production"), server(bundles["acme-ods-9"]))
    routes = {
        "acme-ods-8": Route(shares={"acme-ods-9": 100}),
        "acme-ods-9": Route(shares={"acme-ods-8": 100}),
        "acme-ods": Route(shares={"acme-ods-8": 10, "acme-ods-9": 90}, shadows={"acme-ods-8": 100}),
    }
    found = Directory(servers, routes)
    assert found.key_of("acme-ods-8") == "acme-ods-9"
    assert found.key_of("acme-ods-9") == "acme-ods-8"
    assert found.key_of("acme-ods@production") == "acme-ods-9"
    assert found.key_of("acme-ods") == "acme-ods-9"
    assert {found.key_of("acme-ods", f"request {i}") for i in range(100)} == {"acme-ods-8", "acme-ods-9"}
    assert found.shadows_of("acme-ods-9", "request") == {"acme-ods-8": "acme-ods"}
    assert found.shadows_of("acme-ods-8", "request") == {}


def test_a_route_to_models_that_nobody_serves_is_passed_over(bundles: dict[str, Bundle]) -> None:
    found = Directory((server(bundles["acme-ods-8"]),), {"acme-ods-8": Route(shares={"acme-ods-9": 100})})
    assert found.key_of("acme-ods-8", "request") == "acme-ods-8"


def test_a_process_leaves_word_why_it_does_not_serve(tmp_path: Path) -> None:
    with running_queue(tmp_path) as url, queue.connect(url) as asking:
        assert refusal_of(asking, os.getpid()) == ""
        tell_refusal(asking, "no room")
        assert refusal_of(asking, os.getpid()) == "no room"
