"""What every command says alike: what to do next, and that nothing is there yet."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from teppr.cli.main import run
from teppr.cli.session import Session
from teppr.testing.deliveries import Delivery, rect

READING = (
    ("annotations", "findings"),
    ("annotations", "stats"),
    ("annotations", "files"),
    ("annotations", "verify"),
    ("annotations", "agreement"),
    ("annotations", "duplicates"),
    ("annotations", "history", "a.png"),
    ("annotations", "withdraw", "a.json", "--why", "wrong"),
    ("annotations", "export", "all.json"),
    ("dataset", "create", "street"),
)


@pytest.fixture
def delivered(tmp_path: Path) -> Path:
    delivery = Delivery(tmp_path / "delivery")
    delivery.image("a.png")
    return delivery.via({"a.png": [rect(x=-90)]})


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_command_that_reads_says_that_nothing_is_there_and_makes_nothing(
    words: Sequence[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--home", str(home), *words]) == 2
    said = capsys.readouterr().err
    assert said == f"error: nothing is on record in {home} yet; teppr --home {home} annotations ingest FILE\n"
    assert not home.exists()


def test_what_is_to_be_done_next_can_be_done_where_it_is_said(
    delivered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "my settings.toml"
    config.write_text("workers = 1\n")
    assert run(["--home", "my home", "--config", str(config), "annotations", "ingest", str(delivered)]) == 1
    command = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("next: "))
    assert command.startswith(f"next: teppr --home 'my home' --config {shlex.quote(str(config))} annotations findings")

    assert run(shlex.split(command.removeprefix("next: teppr "))) == 0

    assert (tmp_path / "findings" / "index.html").is_file()
    assert not (tmp_path / "teppr-home").exists()


def test_a_command_is_plain_where_nothing_was_given() -> None:
    assert Session().command("evaluate", "a-run") == "teppr evaluate a-run"


@pytest.mark.parametrize("option", [("--home", "{home}"), ("--home={home}",)], ids=["apart", "joined"])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_the_home_may_be_said_anywhere(
    option: Sequence[str], place: int, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["dataset", "list", "--json"]
    words[place:place] = [word.format(home=home) for word in option]
    assert run(words) == 0, capsys.readouterr().err


def test_a_home_that_is_named_like_a_command_is_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["--home", "demo", "annotations", "stats"]) == 2
    assert "nothing is on record in demo yet" in capsys.readouterr().err


def test_a_home_without_a_folder_is_wrong_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dataset", "list", "--home"]) == 2
    assert "--home" in capsys.readouterr().err
