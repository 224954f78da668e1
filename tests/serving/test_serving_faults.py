"""A service under load while its processes are killed: nothing that was accepted is lost, mixed up or done twice."""

import itertools
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from teppr.client import Answer, Client
from teppr.errors import TepprError
from teppr.images import encode_png
from teppr.registry.bundle import Bundle
from teppr.serving import queue
from teppr.serving.directory import read
from teppr.serving.queue import COUNTS
from teppr.testing.bundles import colored_picture
from teppr.testing.service import ServedHome, served_home

pytestmark = pytest.mark.slow
CLIENTS = 8
PREDICT = "/api/vision/v2/predict/bbox"
ACROSS, DOWN = 230, 170


def coded(code: int) -> tuple[bytes, tuple[int, int]]:
    """An image that carries a number: where its one object is."""
    at = 10 + code % ACROSS, 10 + code // ACROSS % DOWN
    return encode_png(colored_picture({"stop": (*at, 40, 30)})), at


@dataclass
class Seen:
    """What all clients saw."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, code: int, outcome: Answer | TepprError, at: tuple[int, int]) -> None:
        with self.lock:
            if not isinstance(outcome, Answer):
                self.lost.append(f"{code}: {outcome}")
            elif [region.box_xywh_px and region.box_xywh_px[:2] for region in outcome.regions] == [at]:
                self.right += 1
            else:
                self.wrong.append(f"{code} at {at}: {outcome.regions}")


def under_load(url: str, while_running: Callable[[], None]) -> Seen:
    """Ask from eight clients, each image with a code of its own, until `while_running` has returned."""
    seen, codes, ends = Seen(), itertools.count(), threading.Event()

    def ask() -> None:
        with Client(url, timeout_s=60) as client:
            while not ends.is_set():
                code = next(codes)
                image, at = coded(code)
                try:
                    seen.note(code, client.predict(image, shapes="box"), at)
                except TepprError as error:
                    seen.note(code, error, at)

    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(ask) for _ in range(CLIENTS)]
        try:
            while_running()
        finally:
            ends.set()
        for each in asking:
            each.result()
    return seen


def counts(home: ServedHome) -> dict[str, int]:
    with queue.connect(home.queue_url) as asking:
        names = ("answered", "doubles", "unwanted", "given_up")
        return {name: int(asking.get(COUNTS + name) or 0) for name in names}


def answered_beyond(home: ServedHome, more: int) -> None:
    """Return once so many more requests are answered: time that depends on nothing but work that is done."""
    until = answered(home) + more
    give_up_at = time.monotonic() + 120
    while answered(home) < until:
        assert time.monotonic() < give_up_at, "the service answers no more"
        time.sleep(0.01)


def answered(home: ServedHome) -> int:
    """As `counts`, once the queue is there."""
    while True:
        try:
            return counts(home)["answered"]
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

    before = counts(home)
    seen = under_load(home.url, kill_each)
    after = counts(home)
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
