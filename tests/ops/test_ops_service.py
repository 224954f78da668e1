"""The service in the background, with real processes: up, looked at, killed in parts, down."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from teppr.ops import state
from teppr.registry.releases import Registry
from teppr.testing.background import Up, teppr, up
from teppr.testing.releases import small_release
from teppr.testing.service import running_queue, until

pytestmark = pytest.mark.slow

TOML = """
[[serve.models]]
model = "acme-ods@production"
memory_limit = "2GiB"
processes = 1
[[serve.models]]
model = "acme-rld-1"
processes = 1
[[serve.webs]]
port = 0
[[serve.webs]]
port = 0
default = "acme-rld-1"
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A service as a teppr.toml says it: two models, two webs."""
    home = tmp_path_factory.mktemp("home")
    for key in ("acme-ods-1", "acme-ods-2", "acme-rld-1"):
        small_release(home, key)
    Registry(home).point("acme-ods@production", "acme-ods-1")
    (home / "teppr.toml").write_text(TOML)
    with up(home) as service:
        yield service


def process(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in found["processes"] if each["name"].startswith(name))


def test_each_web_answers_with_its_default_and_with_all_models(served: Up, picture: bytes) -> None:
    assert served.says["models"] == ["acme-ods-1", "acme-rld-1"]
    assert served.says["started"] is True
    assert [served.ask(picture, web=i).json()["type"] for i in range(2)] == ["acme-ods-1", "acme-rld-1"]
    assert served.ask(picture, "acme-ods@production", web=1).json()["type"] == "acme-ods-1"


def test_up_again_says_so_and_does_nothing(served: Up) -> None:
    again = served("up")
    assert (again["pid"], again["urls"], again["started"]) == (served.says["pid"], served.says["urls"], False)
    done = teppr(served.home, "up", "--model", "acme-ods-2")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: a service runs already in {served.home} (process {served.says['pid']})")
    assert "model acme-rld-1 runs and is not asked for" in done.stderr
    assert "model acme-ods-2 is asked for and does not run" in done.stderr


def test_the_status_says_all_there_is_to_each_process(served: Up, picture: bytes) -> None:
    served.ask(picture)
    until(lambda: process(served.status(), "acme-ods-1")["images"] > 0, "the image is counted")
    found = served.status()
    assert found["fine"]
    assert [each["kind"] for each in found["processes"]] == ["queue", *["model server"] * 2, *["web"] * 2]
    server = process(found, "acme-ods-1:1")
    assert (server["models"], server["memory_limit"], server["state"]) == (["acme-ods-1"], "2GiB", "up")
    assert server["image_ms"] > 0
    assert all(each["memory_mib"] > 1 and each["uptime_s"] >= 0 for each in found["processes"])
    assert {row["model"]: (row["interactive"], row["bulk"]) for row in found["waiting"]} == {
        "acme-ods-1": (0, 0),
        "acme-rld-1": (0, 0),
    }
    shown = teppr(served.home, "status")
    assert shown.returncode == 0
    assert "all as planned" in shown.stdout


@pytest.mark.parametrize("part", ["acme-ods-1", "web:", "queue"])
def test_a_part_that_is_killed_is_down_and_then_up_again(served: Up, picture: bytes, part: str) -> None:
    before = process(served.status(), part)
    os.kill(before["pid"], signal.SIGKILL)
    until(lambda: process(served.status(), part)["restarts"] == before["restarts"] + 1, f"{part} is started again")
    until(lambda: served.status()["fine"], "all is well again")
    assert process(served.status(), part)["pid"] != before["pid"]
    assert served.ask(picture).json()["type"] == "acme-ods-1"


def test_the_whole_service_is_not_fine_while_a_part_is_stopped(served: Up) -> None:
    pid = process(served.status(), "acme-rld-1")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: process(served.status(), "acme-rld-1")["state"] == "starting", "it is missed")
        assert not served.status()["fine"]
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: served.status()["fine"], "it is back")


def test_a_server_that_is_started_again_serves_the_release_that_its_alias_meant(served: Up, picture: bytes) -> None:
    Registry(served.home).point("acme-ods@production", "acme-ods-2")
    try:
        before = process(served.status(), "acme-ods-1")
        os.kill(before["pid"], signal.SIGKILL)
        until(lambda: process(served.status(), "acme-ods-1")["restarts"] > before["restarts"], "it is started again")
        until(lambda: served.status()["fine"], "all is well again")
        assert served.ask(picture, "acme-ods@production").json()["type"] == "acme-ods-1"
    finally:
        Registry(served.home).point("acme-ods@production", "acme-ods-1")


def test_the_log_has_what_each_process_says(served: Up, picture: bytes) -> None:
    request_id = "find-me-in-the-log"
    served.ask(picture, request_id=request_id)

    def logged(*options: str) -> list[str]:
        lines: list[str] = served("logs", *options)["lines"]
        return [line for line in lines if request_id in line]

    until(lambda: bool(logged()), "it is logged")
    web = process(served.status(), "web:")["name"]
    assert web in logged("--process", web)[0]
    assert logged("--process", "acme-ods-1:1") == []
    assert served("logs", "--request", request_id)["lines"] == logged()
    code, says = served.refused("logs", "--process", "nope")
    assert code == 2
    assert web in says


def test_down_ends_all_of_it_and_a_second_time_nothing(tmp_path: Path) -> None:
    small_release(tmp_path, "acme-ods-1")
    with up(tmp_path, "--model", "acme-ods-1", "--port", 0, "--processes", 1) as service:
        pids = [each["pid"] for each in service.status()["processes"]]
        assert service("down") == {"ended": True}
        until(lambda: not any(psutil.pid_exists(pid) for pid in pids), "all processes are gone")
        assert service("down") == {"ended": False}
        code, says = service.refused("status")
        assert code == 3
        assert "nothing runs" in says
        code, says = service.refused("load", "acme-ods-1")
        assert code == 3
        code, says = service.refused("route")
        assert code == 3
        (sentence,) = says.splitlines()
        assert f"does not answer (No such file or directory); nothing runs in {tmp_path}; start it: teppr " in sentence
        assert "redis_url" not in sentence


def test_a_service_that_was_killed_leaves_nothing_and_is_not_believed(tmp_path: Path) -> None:
    small_release(tmp_path, "acme-ods-1")
    words = ("--model", "acme-ods-1", "--port", 0, "--processes", 1)
    with up(tmp_path, *words) as service:
        pids = [each["pid"] for each in service.status()["processes"]]
        os.kill(service.says["pid"], signal.SIGKILL)
        until(lambda: not any(psutil.pid_exists(pid) for pid in pids), "its processes end with it")
        assert state.told(tmp_path) is not None
        assert service.refused("status")[0] == 3
        with up(tmp_path, *words) as again:
            assert again.says["started"] is True
            assert again.status()["fine"]


def test_the_process_that_watches_the_others_imports_nothing_of_what_they_do(tmp_path: Path) -> None:
    small_release(tmp_path, "acme-ods-1")
    log = tmp_path / "imports.txt"
    words = ["--home", tmp_path, "serve", "--model", "acme-ods-1", "--port", "0", "--json"]
    command = [sys.executable, "-X", "importtime", "-m", "teppr", *map(str, words)]
    with log.open("wb") as stderr, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["models"] == ["acme-ods-1"]
        process.terminate()
    lines = [line for line in log.read_text().splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "redis" in imported
    assert not imported & {"fastapi", "starlette", "uvicorn", "gunicorn", "onnxruntime", "cv2", "httpx", "sqlite3"}


def fails(home: Path, *words: object) -> str:
    done = teppr(home, "up", *words, "--json")
    assert done.returncode == 3
    error = json.loads(done.stdout)
    assert error["error"] == "Missing"
    assert teppr(home, "status").returncode == 3
    return str(error["detail"])


def test_each_thing_that_is_missing_is_named_and_nothing_runs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        says = fails(tmp_path, "--model", "acme-ods-9", "--port", taken.getsockname()[1])
    assert "there is no release 'acme-ods-9'" in says
    assert "another process listens there" in says


def test_a_model_beyond_its_memory_limit_is_refused_with_the_figures(tmp_path: Path) -> None:
    small_release(tmp_path, "acme-ods-1")
    limited = TOML.replace("2GiB", "40MiB").replace("@production", "-1").split('[[serve.models]]\nmodel = "acme-rld')[0]
    (tmp_path / "teppr.toml").write_text(limited + "[[serve.webs]]\nport = 0\n")
    says = fails(tmp_path)
    assert says.count("the limit is 40 MiB") == 1
    assert "raise it (memory_limit in teppr.toml" in says
    served = teppr(tmp_path, "serve")
    assert served.returncode == 3
    assert served.stderr.count("the limit is 40 MiB") == 1


def test_a_memory_limit_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "teppr.toml").write_text(TOML.replace("2GiB", "fifty"))
    done = teppr(tmp_path, "up")
    assert done.returncode == 2
    assert "memory_limit of acme-ods@production: a memory limit is a number with MiB or GiB" in done.stderr
    assert "got 'fifty'" in done.stderr
    assert not (tmp_path / "logs").exists()


def test_without_models_it_says_what_to_write(tmp_path: Path) -> None:
    done = teppr(tmp_path, "up")
    assert done.returncode == 2
    assert "[[serve.models]]" in done.stderr


def test_a_web_alone_names_all_that_it_misses(tmp_path: Path) -> None:
    (tmp_path / "teppr.toml").write_text(f'store = "sqlite:///{tmp_path}/none.db"')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = teppr(tmp_path, "web", "--port", taken.getsockname()[1])
    assert done.returncode == 3
    assert "no annotation database" in done.stderr
    assert "the queue at unix://" in done.stderr
    assert "another process listens there" in done.stderr


def test_a_model_server_alone_names_all_that_it_misses(tmp_path: Path) -> None:
    done = teppr(tmp_path, "model-server", "--model", "acme-ods-1", "--model", "acme-ods-2")
    assert done.returncode == 3
    assert "the queue at unix://" in done.stderr
    assert "'acme-ods-1'" in done.stderr
    assert "'acme-ods-2'" in done.stderr


def test_a_model_server_with_its_queue_names_the_models_that_it_misses(tmp_path: Path) -> None:
    with running_queue(tmp_path):
        done = teppr(tmp_path, "model-server", "--model", "acme-ods-1", "--model", "./none")
    assert done.returncode == 3
    assert "'acme-ods-1'" in done.stderr
    assert "there is no model bundle at none" in done.stderr
