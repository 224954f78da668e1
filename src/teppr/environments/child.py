"""Running a command in an environment: a child process of its Python, with the same words, signals and exit code."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from teppr.environments.kept import Environment
from teppr.processes import end_with_parent
from teppr.settings import variables_for_others

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""By which numerical libraries are told how many threads they may have, before they are loaded."""
KILLED = 128
"""Exit codes above it say which signal ended a process, as shells have it."""


def run_in(environment: Environment, words: Sequence[str], *, threads: int = 0) -> int:
    """Run `teppr WORDS` there, on the same terminal, and give its exit code.

    threads: of numerical libraries, unless variables of theirs say otherwise; 0 leaves them their choice
    Ctrl+C reaches the child once: it is no longer in the terminal's foreground group, so this process passes it on.
    """
    variables = dict.fromkeys(THREAD_VARIABLES, str(threads)) if threads else {}
    # -P: the folder that the command is called in is no place for modules.
    command = [str(environment.program), "-P", "-m", "teppr", *words]
    with _passing_on() as started:
        child = subprocess.Popen(  # noqa: S603 - our own command
            command,
            env=variables | variables_for_others(),
            process_group=0,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - this process has no threads
        )
        started(child)
        code = child.wait()
    return code if code >= 0 else KILLED - code


@contextmanager
def _passing_on() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Gives a function to name the child by; it gets the signals that come, also those from before it was named."""
    children: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        if not children:
            early.append(number)
        for child in children:
            child.send_signal(number)

    def name(child: subprocess.Popen[bytes]) -> None:
        children.append(child)
        for number in early:
            child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in PASSED_ON}
    try:
        yield name
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
