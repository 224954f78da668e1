"""A process of the load: told what to do through a pipe, and tells what became of it."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from teppr.stress.connection import Place
from teppr.stress.load import Load, Share
from teppr.stress.pictures import Picture
from teppr.stress.plan import Plan, Stage
from teppr.stress.requests import body_of, requests_to

TELL_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Begin:
    """Told to a process: load the targets from `begin_s` of the machine's monotonic clock."""

    stage: Stage
    number: int
    begin_s: float


@dataclass(frozen=True, slots=True)
class Told:
    """Told by a process: what became of requests since the last time.

    lines, bodies: as a `Recorder` has them
    done: nothing of the stage is under way any more
    denied: the number of a target that wants a key, or another one
    """

    lines: bytes
    bodies: dict[tuple[int, int], bytes]
    done: bool = False
    denied: int | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What a process has to know beforehand."""

    plan: Plan
    share: Share
    places: Sequence[Place]
    pictures: Sequence[Picture]


def main(pipe: Connection, work: Work) -> None:
    """Work until the pipe is closed; it says once that it is ready."""
    # Ctrl+C reaches every process of a terminal; this one ends when it is told to.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_run(pipe, work))


async def _run(pipe: Connection, work: Work) -> None:
    await _Worker(pipe, work).run()


class _Worker:
    def __init__(self, pipe: Connection, work: Work) -> None:
        self._pipe = pipe
        self._plan = work.plan
        bodies = [body_of(picture) for picture in work.pictures]
        requests = [requests_to(target, work.plan, bodies) for target in work.plan.targets]
        self._load = Load(work.plan, work.share, work.places, requests)
        self._stage: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._pipe.fileno(), self._hear)
        self._tell()
        await self._ended.wait()
        loop.remove_reader(self._pipe.fileno())
        if self._stage is not None:
            self._stage.cancel()
            with suppress(asyncio.CancelledError):
                await self._stage
        self._tell(done=True)

    def _hear(self) -> None:
        try:
            told = self._pipe.recv()
        except (EOFError, OSError):
            told = None
        if told is None:
            self._ended.set()
        else:
            self._stage = asyncio.create_task(self._run_stage(told))
            self._stage.add_done_callback(self._end_with)

    def _end_with(self, stage: asyncio.Task[None]) -> None:
        if not stage.cancelled() and stage.exception() is not None:
            self._ended.set()

    async def _run_stage(self, begin: Begin) -> None:
        telling = asyncio.create_task(self._keep_telling())
        try:
            await self._load.run(begin.stage, begin.number, begin.begin_s)
        finally:
            telling.cancel()
        self._tell(done=True)

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            self._tell()

    def _tell(self, *, done: bool = False) -> None:
        lines, bodies = self._load.recorder.take()
        try:
            self._pipe.send(Told(lines, bodies, done, self._load.denied))
        except OSError:
            self._ended.set()  # nobody is left to be told
