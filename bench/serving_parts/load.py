"""Clients that ask a service as fast as it answers: a process of its own that costs little, as it shares the cores.

Each client has one connection and one request under way; requests are bytes that were put together before. One that
is refused comes back when it was told to. `python load.py URL FOLDER` prints what happened as one JSON document.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import uvloop

BOUNDARY = "what-lies-between"
OK = 200
DEFAULT_RETRY_S = 1.0
LONGEST_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the clients saw after the first part of the time was over, and what they cost.

    answers: with 200, from the first one on
    statuses: {"200": count}; "broken": connections that ended under way
    p50_ms, p99_ms, longest_ms: of the requests that were answered with 200
    cpu_share: of one core, that the clients took
    """

    answers: int
    answers_per_s: float
    statuses: dict[str, int]
    p50_ms: float
    p99_ms: float
    longest_ms: float
    cpu_share: float


def load(url: str, folder: Path, clients: int, seconds: float, warm_s: float = 0.5) -> Load:
    """Run the clients as a process of their own."""
    words = [url, str(folder), "--clients", str(clients), "--seconds", str(seconds), "--warm", str(warm_s)]
    done = subprocess.run([sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE)
    return Load(**json.loads(done.stdout))


def requests_of(url: str, folder: Path) -> list[bytes]:
    """A request for each image of the folder, as a form with a file `image`."""
    parts = urlsplit(url)
    return [_request(parts.path, parts.netloc, path.name, path.read_bytes()) for path in sorted(folder.iterdir())]


def _request(path: str, host: str, name: str, image: bytes) -> bytes:
    before = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    ).encode()
    body = before + image + f"\r\n--{BOUNDARY}--\r\n".encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    )
    return head.encode() + body


class Seen:
    """What happened between two times."""

    def __init__(self, begins_at: float, ends_at: float) -> None:
        self.begins_at, self.ends_at = begins_at, ends_at
        self.answers = self.under_way = 0
        self.statuses: Counter[str] = Counter()
        self.spent_s: list[float] = []

    def add(self, status: str, begun_at: float) -> None:
        """A request ended now."""
        now = time.perf_counter()
        self.under_way -= 1
        self.answers += status == str(OK)
        if self.begins_at <= now < self.ends_at:
            self.statuses[status] += 1
            if status == str(OK):
                self.spent_s.append(now - begun_at)


class Client(asyncio.Protocol):
    """A connection that asks, reads the answer, and asks again."""

    def __init__(self, requests: Sequence[bytes], first: int, seen: Seen) -> None:
        self._requests = cycle([*requests[first:], *requests[:first]])
        self._seen = seen
        self._got = b""
        self._missing: int | None = None
        self._status = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # of a TCP connection it is one
        self._ask()

    def data_received(self, data: bytes) -> None:
        """A piece of an answer."""
        if self._missing is None:
            self._got += data
            head, end, body = self._got.partition(b"\r\n\r\n")
            if not end:
                return
            self._status = head[9:12]
            self._head = head.lower()
            self._missing = int(_header(self._head, b"content-length") or 0) - len(body)
            self._got = b""
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            self._answered()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The server hung up."""
        if self._missing is None or self._missing > 0:
            self._seen.add("broken", self._begun_at)

    def _ask(self) -> None:
        self._begun_at = time.perf_counter()
        if self._begun_at >= self._seen.ends_at:
            return
        self._missing = None
        self._seen.under_way += 1
        self._transport.write(next(self._requests))

    def _answered(self) -> None:
        self._seen.add(self._status.decode(), self._begun_at)
        if int(self._status) == OK:
            self._ask()
        else:
            pause_s = float(_header(self._head, b"retry-after") or DEFAULT_RETRY_S)
            asyncio.get_running_loop().call_later(pause_s, self._ask)


def _header(head: bytes, name: bytes) -> bytes:
    return head.partition(b"\r\n" + name + b":")[2].partition(b"\r\n")[0].strip()


async def _run(options: argparse.Namespace) -> Load:
    requests = requests_of(options.url, options.folder)
    begins_at = time.perf_counter() + options.warm
    seen = Seen(begins_at, begins_at + options.seconds)
    where = urlsplit(options.url)
    loop = asyncio.get_running_loop()
    for i in range(options.clients):
        client = partial(Client, requests, i % len(requests), seen)
        await loop.create_connection(client, where.hostname, where.port)
    await asyncio.sleep(begins_at - time.perf_counter())
    cpu_s = sum(os.times()[:2])
    await asyncio.sleep(seen.ends_at - time.perf_counter())
    cpu_s = sum(os.times()[:2]) - cpu_s
    while seen.under_way and time.perf_counter() < seen.ends_at + LONGEST_ANSWER_S:
        await asyncio.sleep(0.01)  # what they cost is then all of these answers', and no later load's
    spent_ms = 1000 * np.array(seen.spent_s or [np.nan])
    return Load(
        answers=seen.answers,
        answers_per_s=len(seen.spent_s) / options.seconds,
        statuses=dict(seen.statuses),
        p50_ms=float(np.percentile(spent_ms, 50)),
        p99_ms=float(np.percentile(spent_ms, 99)),
        longest_ms=float(spent_ms.max()),
        cpu_share=cpu_s / options.seconds,
    )


def main() -> None:
    """Ask, and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--warm", type=float, default=0.5)
    print(json.dumps(asdict(uvloop.run(_run(parser.parse_args())))))


if __name__ == "__main__":
    main()
