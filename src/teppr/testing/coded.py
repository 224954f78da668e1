"""Clients whose images carry a code that the answer has to match: what is lost, mixed up or done twice is found out."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from teppr.client import Answer, Client
from teppr.errors import TepprError
from teppr.images import encode_png
from teppr.serving import queue
from teppr.serving.queue import COUNTS
from teppr.testing.bundles import colored_picture

CLIENTS = 8
ACROSS, DOWN = 230, 170
COUNTED = ("answered", "doubles", "unwanted", "given_up", "claimed")


def coded(code: int) -> tuple[bytes, tuple[int, int]]:
    """An image for `small_bundle` that carries a number: where its one object is; and the x, y of that."""
    at = 10 + code % ACROSS, 10 + code // ACROSS % DOWN
    return encode_png(colored_picture({"stop": (*at, 40, 30)})), at


@dataclass
class Seen:
    """What all clients saw.

    right: answers that match their image; wrong: answers that do not; lost: requests without an answer
    """

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, code: int, outcome: Answer | TepprError, at: tuple[int, int]) -> None:
        """The outcome of the image of that code, whose object is at `at`."""
        with self.lock:
            if not isinstance(outcome, Answer):
                self.lost.append(f"{code}: {outcome}")
            elif [region.box_xywh_px and region.box_xywh_px[:2] for region in outcome.regions] == [at]:
                self.right += 1
            else:
                self.wrong.append(f"{code} at {at}: {outcome.regions}")


def under_load(url: str, while_running: Callable[[], None], *, clients: int = CLIENTS) -> Seen:
    """Ask from so many clients, each image with a code of its own, until `while_running` has returned."""
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

    with ThreadPoolExecutor(clients) as pool:
        asking = [pool.submit(ask) for _ in range(clients)]
        try:
            while_running()
        finally:
            ends.set()
        for each in asking:
            each.result()
    return seen


def counts(queue_url: str) -> dict[str, int]:
    """What the queue counted so far of its tasks."""
    with queue.connect(queue_url) as asking:
        return {name: int(asking.get(COUNTS + name) or 0) for name in COUNTED}
