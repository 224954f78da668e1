"""What `teppr doctor` says."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from teppr.cli.main import run
from teppr.registry.releases import RECORD
from teppr.settings import Settings
from teppr.testing.service import running_queue

Capture = pytest.CaptureFixture[str]


def ask(capsys: Capture, *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run([*arguments, "doctor", "--json"]) == code
    said = json.loads(capsys.readouterr().out)
    assert isinstance(said, dict)
    return said


def statuses(said: dict[str, Any], area: str) -> dict[str, str]:
    return {check["name"]: check["status"] for check in said["checks"] if check["area"] == area}


def test_all_is_fine_where_all_is_installed(capsys: Capture, home: Path) -> None:
    said = ask(capsys, "--home", str(home))
    assert said["fine"]
    assert set(statuses(said, "core").values()) == {"fine"}
    assert statuses(said, "core")["onnxruntime"] == "fine"
    assert "torch" in statuses(said, "extra train")
    assert statuses(said, "home") == {str(home): "fine", "disk": statuses(said, "home")["disk"]}
    assert not home.exists()


def test_every_setting_is_told_with_where_it_comes_from(
    capsys: Capture, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "teppr.toml"
    config.write_text("port = 4141\nthreads = 3\n")
    monkeypatch.setenv("TEPPR_THREADS", "5")
    settings = ask(capsys, "--home", str(home), "--config", str(config))["settings"]
    assert set(settings) == set(Settings.model_fields)
    assert settings["port"] == {"value": 4141, "from": str(config)}
    assert settings["threads"] == {"value": 5, "from": "environment variable TEPPR_THREADS"}
    assert settings["home"] == {"value": str(home), "from": "command line"}
    assert settings["host"]["from"] == "default"


def test_a_home_that_cannot_be_written_is_missing(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    said = ask(capsys, "--home", str(tmp_path / "file" / "home"), code=3)
    assert not said["fine"]
    assert "missing" in statuses(said, "home").values()


def test_a_store_that_does_not_open_is_missing(capsys: Capture, home: Path) -> None:
    home.mkdir()
    (home / "store.db").write_bytes(b"this is no database" * 100)
    said = ask(capsys, "--home", str(home), code=3)
    assert list(statuses(said, "store").values()) == ["missing"]


def test_a_password_is_not_shown(capsys: Capture, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEPPR_STORE", "mongodb://me:secret@127.0.0.1:1/teppr?serverSelectionTimeoutMS=50")
    monkeypatch.setenv("TEPPR_REDIS_URL", "redis://:secret@127.0.0.1:1/0?password=secret")
    said = ask(capsys, "--home", str(home), code=3)
    assert statuses(said, "store") == {"mongodb://me@127.0.0.1:1/teppr": "missing"}
    assert said["settings"]["store"]["value"] == "mongodb://me@127.0.0.1:1/teppr"
    assert "secret" not in str(said)


def test_a_release_that_was_changed_is_missing(capsys: Capture, home: Path) -> None:
    release = home / "models" / "acme" / "ods" / "1"
    release.mkdir(parents=True)
    (release / RECORD).write_text("{}")
    said = ask(capsys, "--home", str(home), code=3)
    assert list(statuses(said, "models").values()) == ["missing"]


def test_people_get_tables_and_a_last_word(capsys: Capture, home: Path) -> None:
    assert run(["--home", str(home), "doctor"]) == 0
    shown = capsys.readouterr().out
    assert "Settings in force" in shown
    assert shown.rstrip().endswith("all that is needed is there")


def test_heavy_packages_are_not_imported_to_be_found(capsys: Capture, home: Path) -> None:
    before = set(sys.modules)
    ask(capsys, "--home", str(home))
    assert not {"torch", "torchvision", "onnx", "matplotlib"} & (set(sys.modules) - before)


def test_what_the_service_needs_is_looked_at(capsys: Capture, tmp_path: Path) -> None:
    checks = {c["name"]: c for c in ask(capsys, "--home", str(tmp_path))["checks"] if c["area"] == "service"}
    assert checks["queue server"]["status"] == "fine"
    assert checks["queue server"]["says"][0].isdigit()
    assert {"queue socket", "open files"} <= set(checks)


def test_a_home_too_long_for_a_socket_is_told_where_its_queue_answers(capsys: Capture, tmp_path: Path) -> None:
    said = ask(capsys, "--home", str(tmp_path / ("long" * 30)))
    (check,) = [check for check in said["checks"] if check["name"] == "queue socket"]
    assert check["status"] == "note"
    assert "instead" in check["says"]


def test_a_queue_that_is_named_has_to_answer(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_queue(tmp_path) as url:
        monkeypatch.setenv("TEPPR_REDIS_URL", url)
        said = ask(capsys, "--home", str(tmp_path))
        assert statuses(said, "service")[f"queue {url}"] == "fine"
    said = ask(capsys, "--home", str(tmp_path), code=3)
    assert statuses(said, "service")[f"queue {url}"] == "missing"
