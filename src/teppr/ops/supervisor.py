"""Starts processes, keeps them running, and ends them in order; for the main thread of a process of its own.

A process that ends is started again, at once the first time and then with growing pauses, so that one that cannot
start costs little and one that died once costs nothing.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from teppr.errors import Missing
from teppr.processes import end_with_parent

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 30.0
WELL_AFTER_S = 3.0
"""A process that ran so long begins again with the shortest pause."""
LOOK_EVERY_S, WATCH_EVERY_S = 0.02, 0.1
"""While what starts is waited for, and later: a processor should not be kept busy with looking."""
GRACE_S = 35.0
log = logging.getLogger("teppr.ops")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A process that is to run.

    at_first: what the command has besides when it is started the first time
    keep: file descriptors that it inherits
    quiet: its standard output is of no interest
    on_end: called with its process id when it ended by itself
    why: a sentence on why the process of that id could not start, "" where nothing is known
    kind: jobs of one kind that stand beside each other are ended together
    about: what a list of processes says of it
    """

    name: str
    command: Sequence[str]
    at_first: Sequence[str] = ()
    keep: Sequence[int] = ()
    quiet: bool = False
    on_end: Callable[[int], None] = lambda _pid: None
    why: Callable[[int], str] = lambda _pid: ""
    kind: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


def pause_s_after(ran_s: float, before_s: float) -> float:
    """How long to wait before a process that ran so long is started again; before_s: how long it was last time."""
    if ran_s > WELL_AFTER_S or not before_s:
        return FIRST_PAUSE_S
    return min(LONGEST_PAUSE_S, 2 * before_s)


class Running:
    """A job and its process; started when made."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.restarts = 0
        self._pause_s = 0.0
        self._due_at = 0.0
        self._process = self._started([*job.command, *job.at_first])

    @property
    def pid(self) -> int:
        """Of the process that runs, or ran last."""
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    def look(self) -> None:
        """Start the process again if it ended and its pause is over."""
        if self.runs:
            return
        if not self._due_at:
            self.job.on_end(self.pid)
            self._pause_s = pause_s_after(time.monotonic() - self._started_at, self._pause_s)
            self._due_at = time.monotonic() + self._pause_s
            why = self.job.why(self.pid)
            says = f"{self.says()} - {why}" if why else self.says()
            log.warning("%s %s; started again in %.2f s", self.job.name, says, self._pause_s)
        if time.monotonic() >= self._due_at:
            try:
                self._process = self._started(self.job.command)
                self.restarts += 1
            except OSError as error:
                # No memory or no process to be had just now: the machine's affair, and it may pass.
                self._pause_s = pause_s_after(0.0, self._pause_s)
                self._due_at = time.monotonic() + self._pause_s
                log.warning("%s does not start: %s; tried again in %.2f s", self.job.name, error, self._pause_s)

    def says(self) -> str:
        """How it ended, in words."""
        code = self.exit_code
        if code is None:
            return "runs"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def end(self) -> None:
        """Ask it to end well."""
        if self.runs:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, until: float) -> None:
        """Wait for its end until that time of the monotonic clock, then kill it."""
        try:
            self._process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("%s does not end; killed", self.job.name)
            self._process.kill()
            self._process.wait()

    def _started(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        self._started_at = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command,
            pass_fds=self.job.keep,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if self.job.quiet else sys.stderr,
            # Ctrl+C in a terminal is for the supervisor, which ends them in order. A session for each would do that as
            # well, but Linux shares processors between sessions, whatever priority a process in one of them has.
            process_group=0,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - this process has no threads
        )
        self._due_at = 0.0
        return process


class Supervisor:
    """Runs jobs until it is told to end; later ones need the earlier ones, so it ends them backwards."""

    def __init__(self) -> None:
        self.running: list[Running] = []
        self._leaving: list[tuple[Running, float]] = []
        self._ends = False

    def start(self, job: Job, *, before: int | None = None) -> Running:
        """Start a job; it is the last one, or stands before that place."""
        running = Running(job)
        self.running.insert(len(self.running) if before is None else before, running)
        return running

    def retire(self, running: Running) -> None:
        """Ask one job to end well and keep it no more; `watch` sees that it does, and does not wait."""
        self.running.remove(running)
        running.end()
        self._leaving.append((running, time.monotonic() + GRACE_S))

    def until(self, ready: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait until `ready` says so; raises Missing where a process ends before, or the time is over."""
        until = time.monotonic() + timeout_s
        while not ready():
            for running in self.running:
                if not running.runs:
                    why = running.job.why(running.pid) or "its reason stands above"
                    raise Missing(f"cannot start: {running.job.name} {running.says()} - {why}")
            if time.monotonic() > until:
                raise Missing(f"cannot start: {what} within {timeout_s:g} s")
            time.sleep(LOOK_EVERY_S)

    def watch(self, also: Callable[[], None] = lambda: None) -> None:
        """Keep all running until `end`; `also` is called between two looks."""
        while not self._ends:
            for running in list(self.running):
                running.look()
            self._see_off()
            also()
            time.sleep(WATCH_EVERY_S)

    def end(self) -> None:
        """Let `watch` return."""
        self._ends = True

    def close(self) -> None:
        """End all, the last one first, those of a kind together, each with time for what it has under way."""
        until = time.monotonic() + GRACE_S
        for leaving, _ in self._leaving:
            leaving.wait(until)
        for _, together in groupby(reversed(self.running), key=lambda running: running.job.kind):
            of_a_kind = list(together)
            for running in of_a_kind:
                running.end()
            for running in of_a_kind:
                running.wait(until)
        self.running.clear()

    def _see_off(self) -> None:
        now = time.monotonic()
        for running, until in self._leaving:
            if now > until:
                running.wait(until)
        self._leaving = [(running, until) for running, until in self._leaving if running.runs]
