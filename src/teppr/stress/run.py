"""A whole test: processes that put the load on, one stage after the other, while this one watches."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType

from teppr.errors import BadInput, Missing
from teppr.progress import QUIET, Progress
from teppr.stress import worker
from teppr.stress.connection import Place
from teppr.stress.load import Share
from teppr.stress.machine import Meter, Usage
from teppr.stress.outcomes import DENIALS, detail_of, words_of
from teppr.stress.pictures import Picture
from teppr.stress.plan import Plan, Stage, Target
from teppr.stress.samples import WARM_UP, Samples, samples_of

LEAD_S = 0.1
"""From the word to the begin of a stage, so that all processes begin together."""
LOOK_EVERY_S = 1.0
CONNECT_S = 10.0
ENDING_S = 5.0


@dataclass(frozen=True, slots=True)
class Span:
    """When a stage was: from its begin until requests were no longer sent, on the machine's monotonic clock."""

    begin_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end_s - self.begin_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that was seen.

    spans: of the stages that were begun, in their order; the warm-up is none of them
    bodies: {(target, code): the beginning of the first answer of its kind that was no answer}
    was_ended: somebody ended it early
    """

    plan: Plan
    samples: Samples
    spans: tuple[Span, ...]
    usages: tuple[Usage, ...]
    bodies: dict[tuple[int, int], bytes]
    was_ended: bool


def run(plan: Plan, pictures: Sequence[Picture], progress: Progress = QUIET) -> Outcome:
    """Do all stages; Ctrl+C ends it early, and what was measured until then is the outcome.

    Raises Missing where a target cannot be reached at the start, BadInput where one wants a key, or another one.
    """
    places = [place_of(target) for target in plan.targets]
    stages = list(enumerate(plan.stages))
    if plan.warm_up_s:
        stages.insert(0, (WARM_UP, replace(plan.stages[0], seconds=plan.warm_up_s)))
    with _word_to_end() as was_ended, _crew(plan, places, pictures) as crew:
        watch = _Watch(plan, crew, progress)
        watch.until_all_are_ready()
        for number, stage in stages:
            watch.stage(stage, number, was_ended)
            if was_ended():
                watch.end_early()
                break
        return watch.outcome(was_ended=was_ended())


def place_of(target: Target) -> Place:
    """Where a target is reached; raises Missing where nothing listens there."""
    try:
        with socket.create_connection((target.host, target.port), timeout=CONNECT_S) as connection:
            address = str(connection.getpeername()[0])
    except OSError as error:
        raise Missing(
            f"{target.url} cannot be reached: {error.strerror or error}; is the service up, and is the port its own?"
        ) from error
    return Place(address, target.port, target.host if target.tls else None)


@dataclass(frozen=True, slots=True)
class _Hand:
    """A process of the load and the pipe to it."""

    process: BaseProcess
    pipe: Connection


@contextmanager
def _word_to_end() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl+C or SIGTERM came; the second time they end the process as ever."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came: list[int] = []

    def take_note(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        signal.signal(number, before[signal.Signals(number)])

    before = {one: signal.signal(one, take_note) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def _crew(plan: Plan, places: Sequence[Place], pictures: Sequence[Picture]) -> Iterator[list[_Hand]]:
    # Processes of their own, that have inherited nothing: whatever this one does does not hold the load up.
    context = get_context("spawn")
    hands: list[_Hand] = []
    try:
        for index in range(plan.processes):
            mine, theirs = context.Pipe()
            work = worker.Work(plan, Share(index, plan.processes), places, pictures)
            process = context.Process(target=worker.main, args=(theirs, work), daemon=True)
            _start(process)
            theirs.close()
            hands.append(_Hand(process, mine))
        yield hands
    finally:
        for hand in hands:
            hand.pipe.close()
        for hand in hands:
            hand.process.join(ENDING_S)
            hand.process.kill()
            hand.process.join()
            hand.process.close()


def _start(process: BaseProcess) -> None:
    # Ctrl+C reaches every process of a terminal: until this one ignores it, it must not be cut off as it starts.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Watch:
    """Tells the processes what to do, and gathers what they tell."""

    def __init__(self, plan: Plan, crew: Sequence[_Hand], progress: Progress) -> None:
        self._plan = plan
        self._pipes = {hand.pipe: hand.process for hand in crew}
        self._progress = progress
        self._meter = Meter([hand.process.pid for hand in crew if hand.process.pid is not None])
        self._lines: list[bytes] = []
        self._bodies: dict[tuple[int, int], bytes] = {}
        self._usages: list[Usage] = []
        self._spans: list[Span] = []

    def until_all_are_ready(self) -> None:
        """Wait for the first word of each."""
        for pipe in self._pipes:
            self._hear(pipe)
        self._meter.look()

    def stage(self, stage: Stage, number: int, was_ended: Callable[[], bool]) -> None:
        """Do one, until nothing of it is under way or somebody ends it."""
        begin_s = time.monotonic() + LEAD_S
        if number != WARM_UP:
            self._spans.append(Span(begin_s, begin_s + stage.seconds))
        for pipe in self._pipes:
            pipe.send(worker.Begin(stage, number, begin_s))
        busy = set(self._pipes)
        look_s, shown = begin_s + LOOK_EVERY_S, 0
        while busy and not was_ended():
            ready = wait(list(busy), timeout=max(look_s - time.monotonic(), 0))
            busy -= {pipe for pipe in busy if pipe in ready and self._hear(pipe)}
            if (now_s := time.monotonic()) >= look_s:
                self._usages.append(self._meter.look())
                look_s = now_s + LOOK_EVERY_S
                passed = min(int(now_s - begin_s), int(stage.seconds))
                self._progress.advance(passed - shown, news="warm-up" if number == WARM_UP else stage.name)
                shown = passed
        self._progress.advance(0 if busy else int(stage.seconds) - shown)

    def end_early(self) -> None:
        """Let the processes drop what is under way, and hear them out."""
        now_s = time.monotonic()
        self._spans = [Span(span.begin_s, min(span.end_s, now_s)) for span in self._spans if span.begin_s < now_s]
        for pipe in self._pipes:
            pipe.send(None)
        for pipe in self._pipes:
            while pipe.poll(ENDING_S) and self._has_more(pipe):
                pass

    def outcome(self, *, was_ended: bool) -> Outcome:
        """All that was seen."""
        return Outcome(
            plan=self._plan,
            samples=samples_of(b"".join(self._lines)),
            spans=tuple(self._spans),
            usages=tuple(self._usages),
            bodies=self._bodies,
            was_ended=was_ended,
        )

    def _has_more(self, pipe: Connection) -> bool:
        try:
            self._take(pipe.recv())
        except (EOFError, OSError):
            return False
        return True

    def _hear(self, pipe: Connection) -> bool:
        """Whether the process is done with its stage."""
        try:
            told = pipe.recv()
        except (EOFError, OSError):
            self._pipes[pipe].join(ENDING_S)
            raise Missing(
                f"a process of the load has ended on its own (exit code {self._pipes[pipe].exitcode}): "
                "is there enough memory?"
            ) from None
        self._take(told)
        return bool(told.done)

    def _take(self, told: worker.Told) -> None:
        self._lines.append(told.lines)
        for key, body in told.bodies.items():
            self._bodies.setdefault(key, body)
        if told.denied is not None:
            raise self._denial_of(told.denied)

    def _denial_of(self, number: int) -> BadInput:
        code = next(code for target, code in self._bodies if target == number and code in DENIALS)
        says = detail_of(self._bodies[number, code])
        target = self._plan.targets[number].url
        which = "another key" if self._plan.key else "a key"
        return BadInput(f"{target} answers {words_of(code)} ({says}): give {which} by --key")
