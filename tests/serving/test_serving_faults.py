"""A service under load while its processes are killed: nothing that was accepted is lost, mixed up or done twice."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from teppr.registry.bundle import Bundle
from teppr.serving import queue
from teppr.serving.directory import read
from teppr.testing.coded import coded, counts, under_load
from teppr.testing.service import ServedHome, served_home

pytestmark = pytest.mark.slow
PREDICT = "/api/vision/v2/predict/bbox"


def answered_beyond(home: ServedHome, more: int) -> None:
    """Return once so many more requests are answered: time that depends on nothing but work that is done."""
    until = answered(home) + more
    give_up_at = time.monotonic() + 120
    while answered(home) < until:
        assert time.monotonic() < give_up_at, "the service answers no more"
        time.sleep(0.01)


def answered(home: ServedHome) -> int:
    """How many requests were, once the queue is there."""
    while True:
        try:
            return counts(home.queue_url)["answered"]
        except queue.QUEUE_ERRORS:
            time.sleep(0.01)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=30)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Iterator[ServedHome]:
    with served_home(tmp_path_factory.mktemp("home"), "--model", bundle.path, "--processes", 2) as served:
        yield served


def test_nothing_is_lost_whatever_is_killed(home: ServedHome) -> None:
    """Model servers, a web worker and the queue's server, each while requests are under way."""
    killed: list[str] = []

    def kill_each() -> None:
        for what in ("model-server", "model-server", "web", "model-server", "queue", "model-server"):
            answered_beyond(home, 40)
            kill(home.pids(what)[-1])
            killed.append(what)
        answered_beyond(home, 40)

    before = counts(home.queue_url)
    seen = under_load(home.url, kill_each)
    after = counts(home.queue_url)
    assert len(killed) == 6
    assert seen.lost == []
    assert seen.wrong == []
    assert seen.right > 240
    # A double would be an answer to what was answered already, and given to somebody: it is counted and dropped.
    assert after["given_up"] == before["given_up"]
    assert home.queued() == 0


def test_workers_end_with_the_web_that_made_them(home: ServedHome) -> None:
    (master,) = home.pids("web master")
    workers = [psutil.Process(pid) for pid in home.pids("web")]

    def kill_master() -> None:
        answered_beyond(home, 20)
        kill(master)
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert alive == []
        answered_beyond(home, 40)

    seen = under_load(home.url, kill_master)
    assert (seen.lost, seen.wrong) == ([], [])
    assert home.pids("web master") != [master]


def test_a_server_that_hangs_is_taken_for_dead(home: ServedHome) -> None:
    def stop_one() -> None:
        answered_beyond(home, 20)
        stopped = home.pids("model-server")[-1]
        os.kill(stopped, signal.SIGSTOP)
        try:
            answered_beyond(home, 100)
        finally:
            os.kill(stopped, signal.SIGCONT)
        answered_beyond(home, 40)

    seen = under_load(home.url, stop_one)
    assert (seen.lost, seen.wrong) == ([], [])


def test_a_client_that_sends_a_byte_at_a_time_or_goes_away_harms_nobody(home: ServedHome) -> None:
    address = httpx.URL(home.url)
    slow = [socket.create_connection((address.host, address.port or 80), timeout=30) for _ in range(40)]
    head = b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: 1000\r\n\r\n" % PREDICT.encode()
    for connection in slow:
        connection.sendall(head + b"\x89")

    def drip() -> None:
        for connection in slow[:20]:
            connection.sendall(b"P")
        for connection in slow[20:]:
            connection.close()
        answered_beyond(home, 100)

    seen = under_load(home.url, drip)
    for connection in slow[:20]:
        connection.close()
    assert (seen.lost, seen.wrong) == ([], [])
    assert seen.right >= 100


def test_a_batch_with_a_truncated_image_fails_that_image_alone(home: ServedHome) -> None:
    """All at once, so that they wait together and are taken together."""
    images = [coded(code) for code in range(24)]
    images[7] = images[7][0][:400], images[7][1]

    def ask(code: int) -> httpx.Response:
        return httpx.post(home.url + PREDICT, files={"image": ("p.png", images[code][0])}, timeout=60)

    with ThreadPoolExecutor(len(images)) as clients:
        answers = list(clients.map(ask, range(len(images))))
    assert [answer.status_code for answer in answers] == [400 if code == 7 else 200 for code in range(len(images))]
    assert answers[7].json()["error"] == "truncated"
    for code, answer in enumerate(answers):
        if code != 7:
            (region,) = answer.json()["result"]["p.png"]["regions"]
            shape = region["shape_attributes"]
            assert (shape["x"], shape["y"]) == images[code][1]


def test_the_supervisors_end_ends_all(tmp_path: Path, bundle: Bundle) -> None:
    with served_home(tmp_path, "--model", bundle.path) as served:
        everyone = [pid for what in ("model-server", "web", "queue") for pid in served.pids(what)]
        assert len(everyone) >= 4
        served.process.kill()
        served.process.wait()
        _, alive = psutil.wait_procs([psutil.Process(pid) for pid in everyone if psutil.pid_exists(pid)], timeout=60)
        assert alive == []


def test_the_directory_knows_who_lives(home: ServedHome) -> None:
    with queue.connect(home.queue_url) as asking:
        alive = [server.pid for server in read(asking).servers if server.alive]
    assert sorted(alive) == sorted(home.pids("model-server"))
