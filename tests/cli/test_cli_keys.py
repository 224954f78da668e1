"""`teppr keys` and `teppr audit` as people and scripts call them."""

import getpass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from teppr.cli.keys import ACCEPTED_WITHIN_S
from teppr.cli.main import run
from teppr.keys import KEY, hash_of
from teppr.serving.security import REFRESH_S
from teppr.testing.commands import Cli


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(run, home, capsys)


def create(cli: Cli, *words: object) -> dict[str, object]:
    assert cli("keys", "create", "acme", "--role", "client", "--json", *words) == 0
    made = cli.json
    assert isinstance(made, dict)
    return made


def listed(cli: Cli) -> list[dict[str, object]]:
    assert cli("keys", "list", "--json") == 0
    keys = cli.json
    assert isinstance(keys, list)
    return keys


def test_a_key_is_shown_once_and_never_kept(cli: Cli, home: Path) -> None:
    key = str(create(cli, "--expires", "90d", "--requests-per-minute", 60, "--max-waiting", 2)["key"])
    assert KEY.fullmatch(key)
    (kept,) = listed(cli)
    assert {"role": "client", "requests_per_minute": 60, "max_waiting": 2, "state": "holds"}.items() <= kept.items()
    lifetime = datetime.fromisoformat(str(kept["expires"])) - datetime.fromisoformat(str(kept["created"]))
    assert lifetime == timedelta(days=90)
    assert cli("audit", "--json") == 0
    assert cli("keys", "list") == 0
    secret = key.rpartition("_")[2]
    assert secret not in cli.out
    everything = b"".join(path.read_bytes() for path in home.iterdir())
    assert hash_of(key).encode() in everything
    assert secret.encode() not in everything


def test_for_people_the_key_stands_alone_on_the_first_line(cli: Cli, home: Path) -> None:
    assert cli("keys", "create", "acme", "--role", "client") == 0
    assert KEY.fullmatch(cli.out.splitlines()[0])
    assert f"next: teppr --home {home} keys list" in cli.out


def test_a_new_key_comes_with_the_time_until_services_accept_it(cli: Cli) -> None:
    assert ACCEPTED_WITHIN_S == REFRESH_S
    says = f"accept it within {REFRESH_S:g} s"
    key_id = create(cli)["id"]
    assert cli("keys", "create", "acme", "--role", "client") == 0
    assert says in cli.out
    assert cli("keys", "rotate", key_id) == 0
    assert says in cli.out


def test_a_revoked_key_stays_on_the_list(cli: Cli) -> None:
    key_id = create(cli)["id"]
    assert cli("keys", "revoke", key_id, "--json") == 0
    assert [key["state"] for key in listed(cli)] == ["revoked"]
    assert cli("keys", "revoke", key_id) == 1
    assert "was revoked already" in cli.err


def test_an_unknown_id_is_refused_with_those_there_are(cli: Cli) -> None:
    key_id = create(cli)["id"]
    assert cli("keys", "revoke", "ffffffff") == 2
    assert f"known: {key_id}" in cli.err


def test_a_rotated_key_has_a_successor_for_the_same_client(cli: Cli) -> None:
    old = create(cli, "--expires", "90d", "--requests-per-minute", 60)
    assert cli("keys", "rotate", old["id"], "--overlap", "7d", "--json") == 0
    new = cli.json
    assert new["key"] != old["key"]
    before, after = listed(cli)
    same = ("name", "role", "requests_per_minute", "max_waiting")
    assert [before[field] for field in same] == [after[field] for field in same]
    assert (before["replaced_by"], before["state"], after["id"]) == (new["id"], "holds", new["id"])
    left = datetime.fromisoformat(str(before["expires"])) - datetime.fromisoformat(str(after["created"]))
    assert left == timedelta(days=7)
    assert datetime.fromisoformat(str(after["expires"])) - datetime.now(UTC) > timedelta(days=89)


def test_without_an_overlap_the_old_key_ends_at_once(cli: Cli) -> None:
    assert cli("keys", "rotate", create(cli)["id"], "--overlap", "0s") == 0
    assert [key["state"] for key in listed(cli)] == ["expired", "holds"]


def test_every_change_is_in_the_log_with_the_user(cli: Cli) -> None:
    key_id = create(cli)["id"]
    assert cli("keys", "rotate", key_id) == 0
    assert cli("keys", "revoke", key_id) == 0
    assert cli("audit", "--json") == 0
    entries = cli.json
    assert [entry["what"] for entry in entries] == ["key revoked", "key rotated", "key created"]
    assert {entry["subject"] for entry in entries} == {f"key {key_id}"}
    assert {entry["who"].partition("@")[0] for entry in entries} == {getpass.getuser()}
    assert {entry["details"]["name"] for entry in entries} == {"acme"}
    assert cli("audit", "--since", "1h") == 0
    assert "key rotated" in cli.out
    assert cli("audit", "--since", "2999-01-01", "--json") == 0
    assert cli.json == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("keys", "create", "acme", "--role", "client", "--expires", "soon"), "as in 90d or 24h, got 'soon'"),
        (("keys", "create", "acme", "--role", "client", "--expires", "-1d"), "got '-1d'"),
        (("keys", "create", "ac\nme", "--role", "client"), "printable characters"),
        (("keys", "create", "acme", "--role", "boss"), "'client', 'annotator', 'engineer', 'admin'"),
        (("keys", "create", "acme", "--role", "client", "--max-waiting", "0"), "--max-waiting"),
        (("keys", "create", "acme"), "--role"),
        (("audit", "--since", "yesterday"), "as in 2026-03-01"),
    ],
    ids=["lifetime", "lifetime below nothing", "name of two lines", "another role", "no room", "no role", "since"],
)
def test_what_is_wrong_is_said_and_makes_nothing(cli: Cli, home: Path, words: tuple[str, ...], said: str) -> None:
    assert cli(*words) == 2
    assert said in cli.err
    assert not home.exists()


@pytest.mark.parametrize("words", [("keys", "list"), ("keys", "revoke", "1a2b3c4d"), ("audit",)], ids=" ".join)
def test_where_there_is_no_store_none_is_made(cli: Cli, home: Path, words: tuple[str, ...]) -> None:
    assert cli(*words) == 3
    assert "no annotation database" in cli.err
    assert not home.exists()
