"""A command of teppr at work in a process of its own, so that whatever becomes of it, whoever started it goes on."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import orjson

from teppr.processes import end_with_parent
from teppr.settings import variables_for_children

LOOK_EVERY_S = 0.2


class AtWork:
    """A child process: its JSON goes into `<stem>.json`, its remarks into `<stem>.log`.

    It is asked to end (SIGTERM) when the process that started it ends, however that ends. Ctrl+C does not reach it. One
    that was left so, and still saves what it has, is waited for by the next of its stem: it holds `<stem>.at-work`.
    """

    def __init__(self, words: Sequence[str], stem: Path, variables: Mapping[str, str] | None = None) -> None:
        """Start `teppr WORDS`; `variables` are set for it beside those of this process."""
        stem.parent.mkdir(parents=True, exist_ok=True)
        self.log, self._printed = stem.with_name(f"{stem.name}.log"), stem.with_name(f"{stem.name}.json")
        self._told = 0
        with stem.with_name(f"{stem.name}.at-work").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._process = self._start(words, variables, lock.fileno())

    def _start(self, words: Sequence[str], variables: Mapping[str, str] | None, lock: int) -> subprocess.Popen[bytes]:
        parent = os.getpid()
        with self.log.open("wb") as log, self._printed.open("wb") as printed:
            # -P: the folder that the command is called in is no place for modules.
            return subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-P", "-m", "teppr", *words],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=log,
                env={**variables_for_children(), **(variables or {})},
                process_group=0,
                pass_fds=(lock,),
                preexec_fn=lambda: end_with_parent(parent),  # noqa: PLW1509 - this process has no threads
            )

    @property
    def code(self) -> int | None:
        """The exit code, the signal that ended it below zero, None while it works."""
        return self._process.poll()

    def wait(self) -> None:
        """A moment, or until it ends."""
        try:
            self._process.wait(timeout=LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            return

    def ask_to_end(self) -> None:
        """It saves what it has, and leaves."""
        if self.code is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        if self.code is None:
            self._process.kill()
        self._process.wait()

    def news(self) -> list[str]:
        """Whole lines of its remarks since this was last asked."""
        with self.log.open("rb") as log:
            log.seek(self._told)
            lines, _, _ = log.read().rpartition(b"\n")
        if not lines:
            return []
        self._told += len(lines) + 1
        return lines.decode("utf-8", "replace").splitlines()

    def printed(self) -> Mapping[str, Any]:
        """The JSON document that it printed; empty where it did not come to that."""
        try:
            return cast("Mapping[str, Any]", orjson.loads(self._printed.read_bytes()))
        except orjson.JSONDecodeError:
            return {}

    def last_remark(self) -> str:
        """The last line of its remarks, for what ended without a word."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def pause() -> None:
    """Let some time go by between two looks at several processes."""
    time.sleep(LOOK_EVERY_S)
