"""Sockets and addresses."""

import socket

import pytest

from teppr.errors import BadInput, Missing
from teppr.serving.server import Address, listen, url_of

EVERYWHERE = "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_local(host: str) -> None:
    assert Address(host=host, port=0).is_local


@pytest.mark.parametrize("host", [EVERYWHERE, "192.168.0.7", "::", "example.org", ""])
def test_all_else_is_not(host: str) -> None:
    assert not Address(host=host, port=0).is_local


def test_port_0_is_a_free_one_and_its_url_is_told() -> None:
    with listen(Address(host="127.0.0.1", port=0)) as bound:
        port = bound.getsockname()[1]
        assert port > 0
        assert url_of(bound) == f"http://127.0.0.1:{port}"


def test_a_url_that_can_be_opened_is_told_for_all_addresses() -> None:
    with listen(Address(host=EVERYWHERE, port=0)) as bound:
        assert url_of(bound).startswith("http://127.0.0.1:")


def test_a_taken_port_is_missing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Missing, match="another process"):
        listen(Address(host="127.0.0.1", port=taken.getsockname()[1]))


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a b", "\x00", "x" * 300])
def test_a_host_that_is_none_is_wrong_input(host: str) -> None:
    with pytest.raises(BadInput, match="host"):
        listen(Address(host=host, port=0))


def test_an_address_of_another_machine_is_missing() -> None:
    with pytest.raises(Missing, match=r"192\.0\.2\.1"):
        listen(Address(host="192.0.2.1", port=0))
