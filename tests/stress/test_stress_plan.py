"""Addresses and stages as people write them."""

import pytest

from teppr.errors import BadInput
from teppr.stress.plan import Plan, closed_stages, open_stages, target_of


def test_an_address_may_be_short_or_have_a_route_and_a_query_of_its_own() -> None:
    short = target_of("localhost:4040")
    assert (short.url, short.host, short.port, short.tls) == ("http://localhost:4040", "localhost", 4040, False)
    assert short.path == "/api/vision/v2/predict"
    own = target_of("https://[::1]/predict/bbox?q=acme-ods-1", "/other")
    assert (own.host, own.port, own.path, own.query) == ("::1", 443, "/predict/bbox", "q=acme-ods-1")
    assert own.host_header == "[::1]"
    assert target_of("http://a:81/", "v2/predict").path == "/v2/predict"
    assert target_of("http://a:81").host_header == "a:81"


@pytest.mark.parametrize(
    "url", ["ftp://a", "http://", "http://a:b", "http://a:99999", "http://a b", "http://ä", "http://a\r\nX: y"]
)
def test_what_is_no_address_is_said_so(url: str) -> None:
    with pytest.raises(BadInput, match="address"):
        target_of(url)


def test_stages_are_numbers_with_commas() -> None:
    assert [stage.clients for stage in closed_stages("1,8,32", 20)] == [1, 8, 32]
    assert [stage.name for stage in closed_stages("1,8", 20)] == ["1 client", "8 clients"]
    assert [stage.name for stage in open_stages("0.5, 1,50", 20, "even")] == [
        "0.5 requests/s",
        "1 request/s",
        "50 requests/s",
    ]
    assert [stage.level for stage in open_stages("0.5", 20, "even")] == [0.5]


@pytest.mark.parametrize("text", ["", "a", "1,,2", "0", "-1", "nan", "inf", "1;2", "1.5"])
def test_other_stages_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="--clients must be"):
        closed_stages(text, 1)


def test_a_key_is_not_shown_where_a_plan_is() -> None:
    plan = Plan(targets=(target_of("a"),), stages=closed_stages("1", 1), key="tpr_secret")
    assert "tpr_secret" not in repr(plan)
