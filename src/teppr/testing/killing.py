"""For tests: a process that ends in the middle of its work, as by a power cut."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def run_killed(program: str, *words: object, folder: Path | None = None) -> None:
    """Run a Python program with these words in `sys.argv`; it must end by `die_at`.

    folder: where it finds modules that are not installed, such as the test's own
    """
    command = [sys.executable, "-c", program, *map(str, words)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)  # noqa: S603 - our own
    assert done.returncode == -signal.SIGKILL, done.stderr


def die_at(moment: str, count: int = 1, about: str = "") -> None:
    """Let the system end this process at its `count`-th audit event `moment` ("open", "os.rename") from now on.

    about: only events one of whose arguments holds this text are counted
    """
    left = count

    def die(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event == moment and any(about in str(argument) for argument in arguments):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
