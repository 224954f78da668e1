"""Drills for the service, by real processes under load: what a test does in seconds by counts, here by the clock.

    kills       eight clients, and every three seconds a process is killed with -9: model servers for a minute, then
                web workers, then the queue's server (what it keeps is on the disk). Aim: none lost, wrong or double
    neighbours  the p99 of a model while another, large one is loaded, swapped and unloaded beside it (aim: 1.5 x at
                most), and while 5,000 requests of bulk wait (aim: 2 x at most)
    endurance   half an hour of everything that clients do, right and wrong. Aim: memory as flat at the end

Run it by: python bench/drills.py kills [--seconds 60]
           python bench/drills.py neighbours
           python bench/drills.py endurance [--minutes 30]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from uuid import uuid4

import httpx
import psutil

from serving_parts import models
from serving_parts.load import Load, load
from teppr import images
from teppr.registry.bundle import Bundle, write_bundle
from teppr.serving import queue
from teppr.serving.producer import Order, Producer
from teppr.serving.queue import QUEUE_ERRORS, Priority
from teppr.serving.tasks import Ask
from teppr.testing.bundles import small_bundle
from teppr.testing.coded import counts, under_load
from teppr.testing.service import ServedHome, served_home

API = "/api/vision/v2"
PREDICT = f"{API}/predict"
EVERY_S = 3.0
BULK = 5000
BULK_S = 600.0
MB = 1e6
TOLD_EVERY_S = 60.0
ACCEPTED, GONE = 202, 499
MIXED_CLIENTS = 6
FAULTS = {"500", "502"}
"""Busy (503) and late (504) are answers that a client can live with."""


def kills(options: argparse.Namespace) -> None:
    """Kill one kind of process after the other while clients ask, and count what came of it."""
    with TemporaryDirectory() as folder:
        bundle = small_bundle(Path(folder) / "bundle", "acme-ods-1")
        with served_home(
            Path(folder) / "home", "--model", bundle.path, "--processes", 2, log=Path(folder) / "log"
        ) as home:
            for what in ("model-server", "web", "queue"):
                before, killed = counts(home.queue_url), list[int]()
                seen = under_load(home.url, partial(_kill_often, home, what, options.seconds, killed))
                after = _counts(home)
                more = {name: after[name] - before[name] for name in after}
                print(
                    f"{len(killed)} x kill -9 {what}: {seen.right} answers match their image, {len(seen.wrong)} do "
                    f"not, {len(seen.lost)} lost; the queue: {more}, {home.queued()} left",
                    flush=True,
                )
                for line in [*seen.wrong, *seen.lost][:10]:
                    print(f"  {line}")


def _kill_often(home: ServedHome, what: str, seconds: float, killed: list[int]) -> None:
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        time.sleep(EVERY_S)
        if pids := home.pids(what):
            killed.append(random.choice(pids))  # noqa: S311 - any will do
            os.kill(killed[-1], signal.SIGKILL)
    time.sleep(EVERY_S)


def _counts(home: ServedHome) -> dict[str, int]:
    while True:
        try:
            return counts(home.queue_url)
        except QUEUE_ERRORS:
            time.sleep(0.1)


def neighbours(options: argparse.Namespace) -> None:
    """Compare the times of a model's answers with what they are while something goes on beside it."""
    model, large = models.bundle_of("classifier"), models.bundle_of("mask_rcnn")
    with ExitStack() as things:
        folder = Path(things.enter_context(TemporaryDirectory()))
        newer = write_bundle(folder / "newer", replace(large.card, key="bench-ods-2"), [large.network])
        photos = folder / "photos"
        photos.mkdir()
        for i, image in enumerate(models.jpegs()):
            (photos / f"{i:03}.jpg").write_bytes(image)
        home = things.enter_context(
            served_home(folder / "home", "--model", model.path, "--processes", 2, log=folder / "log")
        )
        url = f"{home.url}{PREDICT}?q={model.card.key}"

        def window(clients: int) -> Load:
            return load(url, photos, clients, options.window, warm_s=0.5)

        window(8)
        for clients in options.clients:
            before = window(clients)
            with _again_and_again(partial(_load_swap_unload, folder / "home", large, newer)) as times:
                beside = window(clients)
            after = window(clients)
            _compare(f"{times[0]} x load, swap, unload beside {clients} clients", before, beside, after)
        for clients in options.clients:
            before = window(clients)
            asyncio.run(_submit(home.queue_url, model.card.key, small_jpeg(photos / "000.jpg"), BULK))
            waiting = home.queued()
            beside = window(clients)
            left = home.queued()
            while home.queued():
                time.sleep(0.5)
            after = window(clients)
            _compare(f"bulk, {waiting} down to {left} waiting, beside {clients} clients", before, beside, after)


@contextmanager
def _again_and_again(step: Callable[[], None]) -> Iterator[list[int]]:
    """Do a step from a thread, over and over, until the block ends; gives how often, in a list of one."""
    ends, times = threading.Event(), [0]

    def go_on() -> None:
        while not ends.is_set():
            step()
            times[0] += 1

    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(go_on)
        try:
            yield times
        finally:
            ends.set()
            going.result()


def _load_swap_unload(home: Path, one: Bundle, newer: Bundle) -> None:
    for words in (["load", one.path], ["swap", one.card.key, newer.path], ["unload", newer.card.key]):
        command = [sys.executable, "-m", "teppr", "--home", home, *words]
        subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL)


def _compare(what: str, before: Load, beside: Load, after: Load) -> None:
    usual_ms = statistics.mean([before.p99_ms, after.p99_ms])
    print(
        f"{what}: p99 {beside.p99_ms:.0f} ms, before {before.p99_ms:.0f} and after {after.p99_ms:.0f}: "
        f"{beside.p99_ms / usual_ms:.2f} x;  p50 {beside.p50_ms:.0f} ms, {before.p50_ms:.0f} and {after.p50_ms:.0f};  "
        f"statuses {beside.statuses}",
        flush=True,
    )


def small_jpeg(path: Path) -> bytes:
    """An image of which thousands fit into the queue's memory."""
    pixels, _ = images.read(path)
    return images.encode_jpeg(images.resize_to_fit(pixels, 256))


async def _submit(queue_url: str, key: str, image: bytes, count: int) -> None:
    """Put bulk into the queue as a web does, but quicker than a web is asked, so that it still waits afterwards."""
    redis = queue.connect_async(queue_url)
    order = Order(
        id="",
        asked="a drill",
        client="drill",
        priority=Priority.BULK,
        timeout_s=BULK_S,
        keep_s=BULK_S,
        most_waiting=2 * count,
    )
    ask = Ask(key=key, name=key, threshold_0_1=0.5, outlines=False)
    producer = Producer(redis)
    await producer.start()
    for _ in range(count):
        await producer.submit(ask, image, replace(order, id=uuid4().hex))
    await producer.close()
    await redis.aclose()


def endurance(options: argparse.Namespace) -> None:
    """Do all that clients do, from several at once, and tell each minute what memory the processes have."""
    with ExitStack() as things:
        folder = Path(things.enter_context(TemporaryDirectory()))
        bundles = [models.bundle_of(name) for name in models.NAMES]
        words = [word for bundle in bundles for word in ("--model", bundle.path)]
        home = things.enter_context(served_home(folder / "home", *words, "--processes", 2, log=folder / "log"))
        seen: Counter[str] = Counter()
        ends = threading.Event()
        pool = things.enter_context(ThreadPoolExecutor(MIXED_CLIENTS))
        going = [
            pool.submit(_mixed, home.url, i, [b.card.key for b in bundles], seen, ends) for i in range(MIXED_CLIENTS)
        ]
        told: list[float] = []
        ends_at = time.monotonic() + 60 * options.minutes
        while time.monotonic() < ends_at and not any(each.done() for each in going):
            time.sleep(min(TOLD_EVERY_S, max(0.0, ends_at - time.monotonic())))
            kinds = _memory_mb(home)
            told.append(sum(kinds.values()))
            says = "  ".join(f"{kind} {mb:.0f}" for kind, mb in sorted(kinds.items()))
            print(f"{len(told):3} min  {told[-1]:.0f} MB: {says};  {dict(sorted(seen.items()))}", flush=True)
        ends.set()
        for each in going:
            each.result()
    third = max(1, len(told) // 3)
    first, last = statistics.mean(told[:third]), statistics.mean(told[-third:])
    faults = sum(count for what, count in seen.items() if what.split()[-1] in FAULTS)
    print(f"memory: first third {first:.0f} MB, last third {last:.0f} MB: {last / first:.3f} x;  faults: {faults}")


def _memory_mb(home: ServedHome) -> dict[str, float]:
    """Of each kind of process, what several share divided among them."""
    kinds: Counter[str] = Counter()
    for process in psutil.Process(home.process.pid).children(recursive=True):
        words = " ".join(process.cmdline())
        kind = next((kind for kind in ("model-server", "web", "valkey") if kind in words), "other")
        kinds[kind] += process.memory_full_info().pss / MB  # type: ignore[assignment]  # a float among counts
    return dict(kinds)


def _mixed(url: str, seed: int, keys: Sequence[str], seen: Counter[str], ends: threading.Event) -> None:
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    good, bad = models.jpegs(), _bad_images()
    with httpx.Client(base_url=url, timeout=60) as client:
        while not ends.is_set():
            what = chance.choice(list(ERRANDS))
            image = chance.choice(bad if what == "bad" else good)
            try:
                status = str(ERRANDS[what](client, image, chance.choice(keys)))
            except httpx.TransportError as error:
                status = type(error).__name__
            seen[f"{what} {status}"] += 1


def _bad_images() -> list[bytes]:
    folder = Path(os.environ["TEPPR_TEST_DATA"]) / "bad_images"
    return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]


def _predict(client: httpx.Client, image: bytes, key: str) -> int:
    return client.post(PREDICT, files={"image": ("a.jpg", image)}, data={"q": key}).status_code


def _raw(client: httpx.Client, image: bytes, key: str) -> int:
    headers = {"Content-Type": "image/jpeg", "X-Request-Id": uuid4().hex}
    return client.post(f"{PREDICT}?q={key}", content=image, headers=headers).status_code


def _batch(client: httpx.Client, image: bytes, key: str) -> int:
    files = [("image", (f"{i}.jpg", image if i else image[:500])) for i in range(4)]
    return client.post(f"{PREDICT}/batch", files=files, data={"q": key}).status_code


def _queued(client: httpx.Client, image: bytes, key: str) -> int:
    queued = client.post(f"{API}/predictq?q={key}", files={"image": ("a.jpg", image)})
    if queued.status_code != ACCEPTED:
        return queued.status_code
    while True:
        answer = client.get(queued.json()["url"])
        if answer.status_code != ACCEPTED:
            return answer.status_code
        time.sleep(0.1)


def _unknown(client: httpx.Client, image: bytes, _key: str) -> int:
    return client.post(PREDICT, files={"image": ("a.jpg", image)}, data={"q": "no-such-1"}).status_code


def _late(client: httpx.Client, image: bytes, key: str) -> int:
    return client.post(f"{PREDICT}?q={key}&timeout_s=0.02", files={"image": ("a.jpg", image)}).status_code


def _gone(client: httpx.Client, image: bytes, key: str) -> int:
    try:
        return client.post(f"{PREDICT}?q={key}", files={"image": ("a.jpg", image)}, timeout=0.02).status_code
    except httpx.ReadTimeout:
        return GONE


def _look(client: httpx.Client, _image: bytes, _key: str) -> int:
    return max(client.get(path).status_code for path in ("/", "/metrics", "/readyz", f"{API}/models", "/v2/nothing"))


ERRANDS: Mapping[str, Callable[[httpx.Client, bytes, str], int]] = MappingProxyType(
    {
        "predict": _predict,
        "raw": _raw,
        "batch": _batch,
        "queued": _queued,
        "bad": _predict,
        "unknown": _unknown,
        "late": _late,
        "gone": _gone,
        "look": _look,
    }
)


def main(words: Sequence[str] | None = None) -> None:
    """Hold a drill, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(drill=lambda _: parser.print_help())
    drills = parser.add_subparsers()
    killing = drills.add_parser("kills")
    killing.add_argument("--seconds", type=float, default=60, help="for each kind of process")
    killing.set_defaults(drill=kills)
    beside = drills.add_parser("neighbours")
    beside.add_argument("--window", type=float, default=10, help="seconds")
    beside.add_argument("--clients", type=int, nargs="+", default=[1, 8])
    beside.set_defaults(drill=neighbours)
    enduring = drills.add_parser("endurance")
    enduring.add_argument("--minutes", type=float, default=30)
    enduring.set_defaults(drill=endurance)
    options = parser.parse_args(words)
    options.drill(options)


if __name__ == "__main__":
    main()
