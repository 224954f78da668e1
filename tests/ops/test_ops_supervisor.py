"""Processes that are started, kept running and ended; real ones."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.errors import Missing
from teppr.ops.supervisor import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    WELL_AFTER_S,
    Job,
    Running,
    Supervisor,
    pause_s_after,
)
from teppr.testing.service import until

SLEEPER = "import sys, time; open(sys.argv[1], 'a').write('started\\n'); time.sleep(600)"
ENDS_WELL = """
import signal, sys, time
def end(*_):
    open(sys.argv[1], 'a').write(sys.argv[2] + '\\n'); sys.exit()
signal.signal(signal.SIGTERM, end)
open(sys.argv[1] + sys.argv[2], 'w').close()
time.sleep(600)
"""


def python(text: str, *words: object) -> list[str]:
    return [sys.executable, "-c", text, *map(str, words)]


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    made = Supervisor()
    yield made
    made.close()


def looking(running: Running, holds: Callable[[], bool]) -> Callable[[], bool]:
    def look() -> bool:
        running.look()
        return holds()

    return look


def test_the_first_restart_comes_at_once_and_later_ones_wait_twice_as_long_up_to_a_bound() -> None:
    pauses = [0.0]
    for _ in range(12):
        pauses.append(pause_s_after(0.1, pauses[-1]))
    assert pauses[1:4] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S


@given(st.floats(0, 1e6), st.floats(0, LONGEST_PAUSE_S))
def test_a_pause_is_within_its_bounds_and_short_after_a_long_run(ran_s: float, before_s: float) -> None:
    pause_s = pause_s_after(ran_s, before_s)
    assert FIRST_PAUSE_S <= pause_s <= LONGEST_PAUSE_S or before_s < FIRST_PAUSE_S
    assert ran_s <= WELL_AFTER_S or pause_s == FIRST_PAUSE_S


def test_a_process_that_is_killed_is_started_again_and_somebody_is_told(supervisor: Supervisor, tmp_path: Path) -> None:
    told: list[int] = []
    out = tmp_path / "out"
    running = supervisor.start(Job(name="sleeper", command=python(SLEEPER, out), on_end=told.append))
    until(out.exists, "it starts")
    first = running.pid
    os.kill(first, signal.SIGKILL)
    until(looking(running, lambda: running.restarts == 1 and running.runs), "it is started again")
    assert told == [first]
    assert running.pid != first


def test_what_belongs_to_the_first_start_is_left_out_of_the_next(supervisor: Supervisor, tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = "import sys; open(sys.argv[1], 'a').write(' '.join(sys.argv[2:]) + ';')"
    running = supervisor.start(Job(name="short", command=python(text, out, "always"), at_first=["--once"]))
    until(looking(running, lambda: running.restarts == 1 and not running.runs), "it ran twice")
    assert out.read_text() == "always --once;always;"


def test_a_command_that_cannot_be_started_again_is_tried_later(supervisor: Supervisor, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    running = supervisor.start(Job(name="gone", command=[str(program)]))
    until(lambda: not running.runs, "it ends")
    program.unlink()
    for _ in range(3):
        running.look()
    assert running.restarts == 0


def test_waiting_for_readiness_says_which_process_ended_and_why(supervisor: Supervisor) -> None:
    supervisor.start(Job(name="broken", command=python("raise SystemExit(3)"), why=lambda _pid: "it has no heart"))
    with pytest.raises(Missing, match="broken ended with exit code 3 - it has no heart"):
        supervisor.until(lambda: False, 60, "nothing")


def test_waiting_for_readiness_ends_after_its_time(supervisor: Supervisor) -> None:
    with pytest.raises(Missing, match="the door is shut within 0 s"):
        supervisor.until(lambda: False, 0, "the door is shut")


def test_jobs_end_last_first_those_of_a_kind_together(tmp_path: Path) -> None:
    supervisor = Supervisor()
    out = tmp_path / "ended"
    for name, kind in (("queue", "queue"), ("one", "server"), ("two", "server"), ("web", "web")):
        supervisor.start(Job(name=name, kind=kind, command=python(ENDS_WELL, out, name)))
    until(lambda: len(list(tmp_path.iterdir())) == 4, "all run")
    supervisor.close()
    ended = out.read_text().split()
    assert (ended[0], set(ended[1:3]), ended[3]) == ("web", {"one", "two"}, "queue")


def test_a_retired_job_ends_and_is_not_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    out = tmp_path / "ended"
    running = supervisor.start(Job(name="one", command=python(ENDS_WELL, out, "one")))
    until((tmp_path / "endedone").exists, "it runs")
    supervisor.retire(running)

    def end_when_gone() -> None:
        if not running.runs:
            supervisor.end()

    supervisor.watch(end_when_gone)
    assert out.read_text() == "one\n"
    assert (running.restarts, supervisor.running) == (0, [])
