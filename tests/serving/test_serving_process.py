"""`teppr serve` as people run it: a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import httpx
import orjson
import pytest

from teppr.files import alone_in
from teppr.images import encode_png
from teppr.registry.bundle import Bundle
from teppr.testing.bundles import colored_picture, small_bundle
from teppr.testing.service import model_server, predict_once, running_queue

FORBIDDEN = {"torch", "torchvision", "onnx", "tensorboard", "matplotlib", "sqlite3", "ortools"}

PREDICT = b"/api/vision/v2/predict"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - that it is refused is what is tested

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Served:
    """A real server process and what it said when it was ready."""

    process: subprocess.Popen[bytes]
    url: str
    models: list[str]

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=30)

    def predict(self, picture: bytes, path: str = "/predict") -> httpx.Response:
        return httpx.post(f"{self.url}/api/vision/v2{path}", files={"image": ("p.png", picture)}, timeout=60)


Serve = Callable[..., AbstractContextManager[Served]]


def environment(**settings: object) -> dict[str, str]:
    """The process's own without its TEPPR_*, and with these."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TEPPR_")}
    return own | {f"TEPPR_{name.upper()}": str(value) for name, value in settings.items()}


@pytest.fixture(scope="session")
def serve() -> Serve:
    """`with serve("--model", path) as served:` runs `teppr serve` on a free port until the block ends."""

    @contextmanager
    def run(
        *arguments: object, home: Path | None = None, log: IO[bytes] | None = None, **settings: object
    ) -> Iterator[Served]:
        words = ["serve", "--port", "0", "--json", *map(str, arguments)]
        with (
            TemporaryDirectory() as own,
            subprocess.Popen(
                [sys.executable, "-m", "teppr", "--home", str(home or own), *words],
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(**settings),
            ) as process,
        ):
            try:
                assert process.stdout is not None
                ready = orjson.loads(process.stdout.readline())
                yield Served(process=process, url=ready["url"], models=ready["models"])
            finally:
                process.terminate()

    return run


@pytest.fixture(scope="session")
def served(serve: Serve, bundle: Bundle, second_bundle: Bundle) -> Iterator[Served]:
    """One real process for all tests that only ask it."""
    with serve("--model", bundle.path, "--model", second_bundle.path) as running:
        yield running


def run(*arguments: object, **settings: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "teppr", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment(**settings))


def test_a_served_model_answers_over_the_network(served: Served, picture: bytes) -> None:
    assert served.models == ["acme-ods-1", "acme-rld-2"]
    answer = served.predict(picture)
    assert answer.status_code == 200
    assert len(answer.json()["result"]["p.png"]["regions"]) == 2
    assert served.get("/healthz").json() == {"status": "ok"}
    assert served.get("/readyz").json() == {"status": "ready", "models": ["acme-ods-1", "acme-rld-2"]}


def test_many_clients_at_once_each_get_their_own_answer(served: Served) -> None:
    def found(x: int) -> tuple[int, float]:
        answer = served.predict(encode_png(colored_picture({"stop": (x, 40, 60, 50)})), "/predict/bbox")
        (region,) = answer.json()["result"]["p.png"]["regions"]
        return x, region["shape_attributes"]["x"]

    with ThreadPoolExecutor(8) as clients:
        for asked, answered in clients.map(found, range(10, 74)):
            assert answered == asked


@pytest.mark.parametrize("words", [["web", "--port", "0"], ["model-server"]], ids=["web", "model-server"])
def test_the_processes_import_no_training_framework(
    words: list[str], tmp_path: Path, bundle: Bundle, picture: bytes
) -> None:
    log = tmp_path / "imports.txt"
    command = [sys.executable, "-X", "importtime", "-m", "teppr", "--home", str(tmp_path), *words, "--json"]
    model = ["--model", str(bundle.path)] if words == ["model-server"] else []
    other = model_server(tmp_path, [bundle.path]) if not model else nullcontext()
    with (
        running_queue(tmp_path) as queue_url,
        other,
        log.open("wb") as stderr,
        subprocess.Popen([*command, *model], stdout=subprocess.PIPE, stderr=stderr) as process,
    ):
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            if model:
                assert len(predict_once(queue_url, picture).scores_0_1) == 2
            else:
                files = {"image": ("p.png", picture)}
                assert httpx.post(f"{ready['url']}/api/vision/v2/predict", files=files, timeout=60).status_code == 200
        finally:
            process.terminate()
    lines = log.read_text().splitlines()
    imported = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    heavy = {"onnxruntime", "cv2"} if not model else {"fastapi", "uvicorn", "gunicorn"}
    assert "teppr.serving.queue" in imported
    assert not {name for name in imported if name.partition(".")[0] in FORBIDDEN | heavy}
    assert not {name for name in imported if name.startswith(("teppr.workflow", "teppr.datasets", "teppr.store"))}


def test_it_ends_well_and_lets_the_request_under_way_end(serve: Serve, bundle: Bundle) -> None:
    with serve("--model", bundle.path) as running:
        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as client:
            head = b"POST %s HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n" % PREDICT
            client.sendall(head)
            assert client.recv(1024).startswith(b"HTTP/1.1 100")  # the request is under way
            running.process.send_signal(signal.SIGTERM)
            client.sendall(b"text")
            assert client.recv(65536).startswith(b"HTTP/1.1 400")
        assert running.process.wait(timeout=30) == 0


def test_an_interrupt_ends_it_without_a_traceback(tmp_path: Path, bundle: Bundle) -> None:
    words = ["serve", "--port", "0", "--json", "--model", str(bundle.path)]
    command = [sys.executable, "-m", "teppr", "--home", str(tmp_path), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
        assert "Traceback" not in process.stderr.read()


def test_it_says_which_models_answer_by_their_keys(tmp_path: Path, bundle: Bundle, second_bundle: Bundle) -> None:
    words = ["serve", "--port", "0", "--model", str(bundle.path), "--model", str(second_bundle.path)]
    command = [sys.executable, "-m", "teppr", "--home", str(tmp_path), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        process.terminate()
    assert first.startswith("acme-ods-1 at http://127.0.0.1:")
    assert second == "serves acme-ods-1, acme-rld-2; try:\n"


def test_a_taken_port_is_said_so(bundle: Bundle) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run("serve", "--model", bundle.path, "--port", taken.getsockname()[1])
    assert ended.returncode == 3
    assert "another process listens there" in ended.stderr
    assert "--port" in ended.stderr


def test_a_second_service_of_a_home_is_refused(tmp_path: Path, bundle: Bundle) -> None:
    with alone_in(tmp_path / "queue"):
        ended = run("--home", tmp_path, "serve", "--model", bundle.path, "--port", 0)
    assert ended.returncode == 3
    assert "runs already" in ended.stderr


def test_an_unknown_model_is_said_so_with_those_there_are(tmp_path: Path) -> None:
    ended = run("--home", tmp_path, "serve", "--model", "acme-ods-9", "--json")
    assert ended.returncode == 3
    assert "acme-ods-9" in ended.stderr
    assert json.loads(ended.stdout)["error"] == "Missing"


def test_a_changed_bundle_is_not_served(tmp_path: Path) -> None:
    broken = small_bundle(tmp_path / "broken")
    with broken.network.open("ab") as network:
        network.write(b"x")
    ended = run("serve", "--model", broken.path, "--port", 0)
    assert ended.returncode == 3
    assert "model.onnx is not what was written" in ended.stderr


def test_where_others_reach_it_it_asks_for_keys_and_does_not_start_without_any(
    bundle: Bundle, serve: Serve, home: Path, tmp_path: Path
) -> None:
    asked = ("--home", home, "serve", "--model", bundle.path, "--port", 0, "--host", EVERYWHERE)
    ended = run(*asked)
    assert ended.returncode == 3
    assert f"teppr --home {home} keys create NAME --role client" in ended.stderr
    made = run("--home", home, "keys", "create", "acme", "--role", "client", "--json")
    key = json.loads(made.stdout)["key"]
    log = tmp_path / "log.txt"
    with (
        log.open("wb") as stderr,
        serve("--model", bundle.path, "--host", EVERYWHERE, home=home, log=stderr) as running,
    ):
        assert running.get("/healthz").status_code == 200
        models = running.url + "/api/vision/v2/models"
        assert httpx.get(models).status_code == 401
        assert httpx.get(models, headers={"X-API-Key": key}).status_code == 200
        assert httpx.get(models, params={"key": key}).status_code == 400
        assert httpx.get(f"{models}/{key}").status_code == 401
    assert "401 " in log.read_text()
    assert key.rpartition("_")[2] not in log.read_text()


def test_where_others_reach_it_and_keys_are_off_it_has_to_be_asked_for(bundle: Bundle, serve: Serve) -> None:
    ended = run("serve", "--model", bundle.path, "--port", 0, "--host", EVERYWHERE, keys="off")
    assert ended.returncode == 1
    assert "--allow-remote" in ended.stderr
    with serve("--model", bundle.path, "--host", EVERYWHERE, "--allow-remote", keys="off") as running:
        assert running.get("/api/vision/v2/models").status_code == 200


def test_keys_can_be_asked_for_on_this_machine_too(bundle: Bundle, home: Path) -> None:
    ended = run("--home", home, "serve", "--model", bundle.path, "--port", 0, keys="on")
    assert ended.returncode == 3
    assert "setting keys" in ended.stderr


def test_settings_bound_the_uploads(bundle: Bundle, serve: Serve, picture: bytes) -> None:
    with serve("--model", bundle.path, max_upload_mib=0.001, max_image_megapixels=0.01) as running:
        assert running.predict(picture).status_code == 413
    with serve("--model", bundle.path, max_image_megapixels=0.01) as running:
        assert "megapixels" in running.predict(picture).json()["detail"]


def test_a_threshold_of_the_service_goes_over_the_models(bundle: Bundle, serve: Serve) -> None:
    with serve("--model", bundle.path, "--score-threshold", "1.0") as running:
        (model,) = running.get("/api/vision/v2/models").json()["models"]
        assert model["score_threshold"] == 1.0
