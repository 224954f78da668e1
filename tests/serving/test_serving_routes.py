"""Which models answer to a name."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from teppr.errors import BadInput, Refused, UnknownName
from teppr.serving import queue, routes
from teppr.serving.routes import Route, route_of
from teppr.testing.service import running_queue

SERVED = ["acme-ods-8", "acme-ods-9", "acme-rld-1"]
CANARY = Route(shares={"acme-ods-8": 95, "acme-ods-9": 5})


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    with running_queue(tmp_path_factory.mktemp("home")) as url, queue.connect(url) as connection:
        yield connection


@given(st.text(max_size=64))
def test_the_same_request_gets_the_same_model(request_id: str) -> None:
    assert CANARY.key_for(request_id, SERVED) == CANARY.key_for(request_id, SERVED)


def test_models_get_their_shares() -> None:
    got = Counter(CANARY.key_for(f"request {i}", SERVED) for i in range(20_000))
    assert got["acme-ods-9"] / 20_000 == pytest.approx(0.05, abs=0.005)
    assert sum(got.values()) == got["acme-ods-8"] + got["acme-ods-9"]


def test_a_larger_canary_takes_more_and_gives_none_back() -> None:
    larger = Route(shares={"acme-ods-8": 80, "acme-ods-9": 20})
    ids = [f"request {i}" for i in range(2000)]
    before = {each for each in ids if CANARY.key_for(each, SERVED) == "acme-ods-9"}
    assert before < {each for each in ids if larger.key_for(each, SERVED) == "acme-ods-9"}


def test_the_share_of_a_model_that_is_not_served_goes_to_the_others() -> None:
    route = Route(shares={"acme-ods-7": 50, "acme-ods-8": 30, "acme-ods-9": 20})
    ids = [f"request {i}" for i in range(2000)]
    got = Counter(route.key_for(each, SERVED) for each in ids)
    assert got.keys() == {"acme-ods-8", "acme-ods-9"}
    assert got["acme-ods-9"] / 2000 == pytest.approx(0.4, abs=0.05)
    assert Route(shares={"acme-ods-7": 100}).key_for("x", SERVED) is None
    assert Route(shares={"acme-ods-7": 90, "acme-ods-8": 10}).main(SERVED) == "acme-ods-8"


def test_a_model_with_no_share_answers_nothing() -> None:
    route = Route(shares={"acme-ods-8": 0, "acme-ods-9": 100})
    assert {route.key_for(f"{i}", SERVED) for i in range(100)} == {"acme-ods-9"}
    assert route.key_for("x", ["acme-ods-8"]) is None


def test_shadows_get_their_share_whatever_model_answers() -> None:
    route = Route(shares={"acme-ods-8": 100}, shadows={"acme-ods-9": 10})
    looked = [each for each in (f"request {i}" for i in range(20_000)) if route.shadows_for(each)]
    assert len(looked) / 20_000 == pytest.approx(0.1, abs=0.01)
    answered = Counter(CANARY.key_for(each, SERVED) for each in looked)
    assert answered["acme-ods-9"] / len(looked) == pytest.approx(0.05, abs=0.02)


def test_a_model_takes_the_place_of_another_and_its_share() -> None:
    route = Route(shares={"a-b-1": 60, "a-b-2": 40}, shadows={"a-b-2": 5, "a-b-3": 7})
    assert route.replacing("a-b-1", "a-b-2") == Route(shares={"a-b-2": 100}, shadows={"a-b-3": 7})


@pytest.mark.parametrize(
    ("name", "shares", "says"),
    [
        ("acme", {"acme-ods-8": 100}, "a route is for"),
        ("acme-ods", {"acme-ods-8": 90}, r"must be 100 in all, got acme-ods-8=90"),
        ("acme-ods", {}, "must be 100 in all, got none"),
        ("acme-ods", {"acme-ods-8": 150, "acme-ods-9": -50}, "from 0 to 100"),
        ("acme-ods@production", {"acme-rld-1": 100}, "only lead to releases of acme-ods, got acme-rld-1"),
    ],
    ids=["name", "sum", "none", "range", "another problem"],
)
def test_a_wrong_route_is_refused(name: str, shares: dict[str, float], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        route_of(name, shares, {}, SERVED)


@pytest.mark.parametrize("name", ["acme-ods", "acme-ods@production", "acme-ods-7"])
def test_a_model_that_nobody_serves_is_refused_with_the_nearest(name: str) -> None:
    assert route_of(name, CANARY.shares, {}, SERVED) == CANARY
    for shares, shadows in (({"acme-ods-88": 100}, {}), ({"acme-ods-8": 100}, {"acme-ods-88": 5})):
        with pytest.raises(UnknownName, match="did you mean 'acme-ods-8'"):
            route_of(name, shares, shadows, SERVED)


def test_a_route_is_kept_and_the_way_back_leads_through_all_before(asking: redis.Redis) -> None:
    ways = [Route(shares={f"acme-ods-{i}": 100}, shadows={"acme-ods-9": i}) for i in range(3)]
    for way in ways:
        routes.set_route(asking, "acme-ods", way)
    assert routes.all_routes(asking) == {"acme-ods": ways[2]}
    served = [f"acme-ods-{i}" for i in range(3)]
    assert [routes.back(asking, "acme-ods", served) for _ in range(3)] == [ways[1], ways[0], None]
    assert routes.all_routes(asking) == {}
    with pytest.raises(UnknownName, match="there is no route 'acme-ods'"):
        routes.back(asking, "acme-ods", served)


@pytest.mark.parametrize("name", ["acme-ods", "acme-ods-1"])
def test_the_way_back_to_what_is_not_served_is_refused_and_changes_nothing(asking: redis.Redis, name: str) -> None:
    if name == "acme-ods":
        routes.set_route(asking, name, Route(shares={"acme-ods-1": 100}))
    routes.set_route(asking, name, Route(shares={"acme-ods-2": 100}))
    with pytest.raises(Refused, match=r"acme-ods-1 before, which is not served any more.*teppr swap"):
        routes.back(asking, name, ["acme-ods-2"])
    assert routes.all_routes(asking)[name].shares == {"acme-ods-2": 100}
    routes.forget(asking, name)


def test_only_so_many_are_remembered(asking: redis.Redis) -> None:
    for i in range(30):
        routes.set_route(asking, "acme-rld", Route(shares={f"acme-rld-{i}": 100}))
    steps = 0
    while routes.back(asking, "acme-rld", [f"acme-rld-{i}" for i in range(30)]) is not None:
        steps += 1
    assert steps == routes.MOST_REMEMBERED - 1


def test_a_route_outlives_its_queue(tmp_path: Path) -> None:
    with running_queue(tmp_path) as url, queue.connect(url) as connection:
        routes.set_route(connection, "acme-ods", CANARY)
    with running_queue(tmp_path) as url, queue.connect(url) as connection:
        assert routes.all_routes(connection) == {"acme-ods": CANARY}
