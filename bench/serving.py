"""How near the service is to what the machine can do: the same model and JPEGs through bare loops, teppr, and peers.

The limit is a loop in as many processes as cores that decodes, resizes, runs the network and writes JSON, with no
service around it. The clients are a process of their own. What is compared is measured in turn, in short rounds, as
machines are seldom alone. Where others work on the machine, more processes get a larger share of it, and only what an
answer costs a processor is to be believed. Aims:

    8 and 32 clients      at least 94 % of the limit's images a second, 90 % for the classifier
    1 client              median within 3 ms of the loop's
    8 clients             p99 at most 1.15 x the median
    256 clients           nothing but answers, 429 and 503; answered within 1 s at p99, 95 % of the throughput at 32
    memory                under 400 MB in all, with two model servers
    first answer          in under 2.5 s after the command

Run it by: python bench/serving.py [--model mask_rcnn] [--peers] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from serving_parts import models, peers
from serving_parts.limit import Limit, limit
from serving_parts.load import Load, load, requests_of
from teppr.registry.bundle import Bundle

CORES = os.cpu_count() or 1
MANY = 256
OURS = "teppr serve"
PREDICT = "/api/vision/v2/predict"
MB = 1e6


@dataclass(frozen=True, slots=True)
class Ours:
    """`teppr serve`, running.

    url: to post images to
    first_answer_s: from the command to the first answer
    """

    url: str
    first_answer_s: float
    process: psutil.Process

    def memory_mb(self) -> float:
        """Of all its processes, what they share counted once."""
        return sum(each.memory_full_info().pss for each in self._all()) / MB

    def cpu_s(self) -> dict[str, float]:
        """Seconds that processors spent on each kind of process."""
        spent: dict[str, float] = {}
        for process in self._all():
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            kind = next((word for word in ("model-server", "web", "valkey") if word in " ".join(process.cmdline())), "")
            times = process.cpu_times()
            spent[kind or "serve"] = spent.get(kind or "serve", 0) + times.user + times.system
        return spent

    def _all(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@contextmanager
def ours(bundle: Bundle, image: Path) -> Iterator[Ours]:
    """The service as people start it, in a home of its own, once it has answered."""
    with TemporaryDirectory() as home, (Path(home) / "log").open("wb") as log:
        begun_at = time.perf_counter()
        command = [sys.executable, "-m", "teppr", "--home", home, "serve", "--model", str(bundle.path), "--port", "0"]
        with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, stderr=log) as process:
            try:
                assert process.stdout is not None  # noqa: S101 - a pipe, as asked for
                url = json.loads(process.stdout.readline())["url"] + PREDICT
                request = urllib.request.Request(url, image.read_bytes(), {"Content-Type": "image/jpeg"})  # noqa: S310 - our own address
                urllib.request.urlopen(request).close()  # noqa: S310 - our own address
                yield Ours(url, time.perf_counter() - begun_at, psutil.Process(process.pid))
            finally:
                process.terminate()


@dataclass(frozen=True, slots=True)
class Bench:
    """A model with all that is measured, running."""

    bare: Limit
    alone: Limit
    physical: Limit
    ours: Ours
    peers: dict[str, str]
    folder: Path
    seconds: float
    rounds: int

    def load(self, url: str, clients: int) -> Load:
        """Clients that ask for images of the folder."""
        return load(url, self.folder, clients, self.seconds)


def throughput(bench: Bench, clients: int) -> float:
    """Print answers a second beside the limits of the rounds before and after; returns ours."""
    names = {OURS: bench.ours.url, **bench.peers}
    shares: dict[str, list[float]] = {name: [] for name in names}
    seen: dict[str, list[Load]] = {name: [] for name in names}
    loops, physical = [bench.bare.run(bench.seconds)], [bench.physical.run(bench.seconds)]
    cpu_ms = []
    for _ in range(bench.rounds):
        for name, url in names.items():
            cpu_s = sum(bench.ours.cpu_s().values())
            seen[name].append(bench.load(url, clients))
            if name == OURS:
                cpu_ms.append(1000 * (sum(bench.ours.cpu_s().values()) - cpu_s) / seen[name][-1].answers)
            loops.append(bench.bare.run(bench.seconds))
            shares[name].append(seen[name][-1].answers_per_s / statistics.mean(each.rate for each in loops[-2:]))
        physical.append(bench.physical.run(bench.seconds))
    print(f"{clients} clients")
    for name, looped in (("bare loops", loops), ("physical loops", physical)):
        rate, cpu = (statistics.median(getattr(each, figure) for each in looped) for figure in ("rate", "cpu_ms"))
        tail = statistics.median(each.tail(max(1, clients // CORES)) for each in looped)
        print(
            f"  {name:16} {rate:7.1f} images/s   {cpu:.1f} ms of a processor each   {clients // CORES} in turn: "
            f"p99 = {tail:.2f} x p50"
        )
    for name, loads in seen.items():
        print(f"  {name:16} {_row(loads, shares[name])}")
    bare_ms, ours_ms = statistics.median(each.cpu_ms for each in loops), statistics.median(cpu_ms)
    print(f"  {'':16} {OURS} takes {ours_ms:.1f} ms of a processor each: the loops' is {bare_ms / ours_ms:.1%} of it")
    return statistics.median(each.answers_per_s for each in seen[OURS])


def _row(loads: Sequence[Load], shares: Sequence[float]) -> str:
    rate, p50, p99 = (
        statistics.median(getattr(each, figure) for each in loads) for figure in ("answers_per_s", "p50_ms", "p99_ms")
    )
    tail = statistics.median(each.p99_ms / each.p50_ms for each in loads)
    refused = sum(n for each in loads for status, n in each.statuses.items() if status != "200")
    return (
        f"{rate:7.1f} answers/s  {statistics.median(shares):.1%} of the bare loops "
        f"({min(shares):.1%} to {max(shares):.1%})  p50 {p50:.1f} ms  p99 {p99:.1f} ms = {tail:.2f} x  "
        f"{refused} refused  clients' CPU {max(each.cpu_share for each in loads):.0%} of a core"
    )


def one_client(bench: Bench) -> None:
    """Print how much longer an answer takes than the loop's."""
    loops, answers = [], []
    for _ in range(bench.rounds):
        loops.append(bench.alone.run(bench.seconds).p50_ms)
        answers.append(bench.load(bench.ours.url, 1).p50_ms)
    more = [answer - loop for answer, loop in zip(answers, loops, strict=True)]
    print(
        f"1 client: p50 {statistics.median(answers):.1f} ms, the bare loop {statistics.median(loops):.1f} ms: "
        f"{statistics.median(more):.1f} ms more ({min(more):.1f} to {max(more):.1f})"
    )


def overload(bench: Bench, saturated: float) -> None:
    """Print what becomes of many more clients than can be answered."""
    seen = bench.load(bench.ours.url, MANY)
    share = seen.answers_per_s / saturated
    print(
        f"{MANY} clients: {seen.statuses}  p50 {seen.p50_ms:.0f} ms  p99 {seen.p99_ms:.0f} ms  longest "
        f"{seen.longest_ms:.0f} ms  {seen.answers_per_s:.1f} answers/s = {share:.0%} of the most"
    )


def cost(bench: Bench, clients: int = 8) -> None:
    """Print what each kind of process spends on an answer."""
    before = bench.ours.cpu_s()
    seen = bench.load(bench.ours.url, clients)
    each = {kind: 1000 * (spent_s - before[kind]) / seen.answers for kind, spent_s in bench.ours.cpu_s().items()}
    says = "  ".join(f"{kind} {ms:.2f}" for kind, ms in sorted(each.items()))
    print(f"ms of a processor for an answer at {clients} clients: {says}")


def measure(model: str, options: argparse.Namespace) -> None:
    """All figures of a model."""
    bundle, images = models.bundle_of(model), models.jpegs()
    with ExitStack() as things:
        folder = Path(things.enter_context(TemporaryDirectory()))
        for i, image in enumerate(images):
            (folder / f"{i:03}.jpg").write_bytes(image)
        bench = Bench(
            bare=things.enter_context(limit(bundle, images, CORES)),
            alone=things.enter_context(limit(bundle, images, 1)),
            physical=things.enter_context(limit(bundle, images, CORES, physical=True)),
            ours=things.enter_context(ours(bundle, folder / "000.jpg")),
            peers={name: things.enter_context(peers.running(name, bundle, CORES)) for name in options.peers},
            folder=folder,
            seconds=options.seconds,
            rounds=options.rounds,
        )
        size_kb = statistics.mean(len(request) for request in requests_of(bench.ours.url, folder)) / 1000
        print(f"\n== {model}: {len(images)} JPEGs, a request has {size_kb:.0f} kB; {CORES} cores, load {_load()}")
        print(f"first answer after {bench.ours.first_answer_s:.2f} s")
        one_client(bench)
        rates = {clients: throughput(bench, clients) for clients in options.clients}
        overload(bench, rates[max(rates)])
        cost(bench)
        print(f"memory {bench.ours.memory_mb():.0f} MB;  load {_load()}")


def _load() -> str:
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", choices=models.NAMES, help="default: all")
    parser.add_argument("--clients", type=int, action="append", help="default: 8 and 32")
    parser.add_argument("--seconds", type=float, default=4, help="of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", nargs="*", choices=peers.NAMES, default=[], help="measured in the same rounds")
    parser.add_argument("--quick", action="store_true", help="two rounds of two seconds")
    options = parser.parse_args(words)
    options.clients = options.clients or [8, 32]
    if options.quick:
        options.seconds, options.rounds = 2, 2
    for model in options.model or models.NAMES:
        measure(model, options)


if __name__ == "__main__":
    main()
