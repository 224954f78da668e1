"""The log of a service in the background: one file, started afresh when it has grown, read from its end."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from teppr.errors import BadInput, UnknownName
from teppr.ops import state

MOST_BYTES = 16 * 1024 * 1024
KEPT = 3
"""Older logs beside the one that is written: service.log.1 is the newest of them."""
LOOK_EVERY_S = 0.2
_PROCESS = re.compile(r'^[\d-]+ [\d:,]+ \[([^\]]+)\] |^\{.*?"process":"([^"]+)"')
"""Who wrote a line, as text and as JSON (`serving.logs`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lines: of a process, of a request's id, or of both; "" = of all."""

    process: str = ""
    request: str = ""

    def has(self, line: str) -> bool:
        """Whether the line is one of them."""
        if self.process and _process_of(line) != self.process:
            return False
        return not self.request or re.search(rf"(?<![\w.-]){re.escape(self.request)}(?![\w.-])", line) is not None


ALL = Wanted()


def path_of(home: Path) -> Path:
    """Where the log of a home's service is."""
    return home / "logs" / "service.log"


def rotated(home: Path) -> Path:
    """The log to write on, put aside first if it has grown beyond `MOST_BYTES`; for a service that starts."""
    path = path_of(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > MOST_BYTES:
        for i in range(KEPT, 0, -1):
            older = path if i == 1 else path.with_name(f"{path.name}.{i - 1}")
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{i}"))
    return path


def check_process(home: Path, process: str) -> None:
    """Raise UnknownName, with those there are, where no process of that name runs or ever wrote into the log."""
    with _open(home) as file:
        wrote = {name for line in file if (name := _process_of(line))}
    here = state.read(home)
    known = wrote | {each.name for each in (here.processes if here else ())}
    if process not in known:
        raise UnknownName.of("process", process, known)


def last_lines(home: Path, most: int, wanted: Wanted = ALL) -> list[str]:
    """At most so many of these lines from the log's end."""
    with _open(home) as file:
        return list(deque(_of(file, wanted), most))


def follow(
    home: Path, most: int, wanted: Wanted = ALL, wait: Callable[[float], None] = time.sleep
) -> Generator[str, None, None]:
    """The last lines and then those that are written, without end; a log that is started afresh is followed too.

    wait: how to let so many seconds pass
    """
    file = _open(home)
    try:
        yield from deque(_of(file, wanted), most)
        half = ""
        while True:
            half += file.readline()
            if half.endswith("\n"):
                if wanted.has(half):
                    yield half.rstrip("\n")
                half = ""
            elif not half and _was_replaced(file, path_of(home)):
                file.close()
                file = _open(home)
            else:
                wait(LOOK_EVERY_S)
    finally:
        file.close()


def sentences_after(path: Path, offset: int) -> list[str]:
    """What commands said went wrong, of what was written behind a place of the log."""
    with path.open(encoding="utf-8", errors="replace") as file:
        file.seek(offset)
        return [line.removeprefix("error: ").rstrip() for line in _errors(file)]


def _errors(lines: TextIO) -> Iterator[str]:
    """Lines that begin a sentence on what went wrong, and those that go on with it."""
    goes_on = False
    for line in lines:
        goes_on = line.startswith("error: ") or (goes_on and not line[:4].isdigit() and not line.startswith("{"))
        if goes_on:
            yield line


def _open(home: Path) -> TextIO:
    try:
        return path_of(home).open(encoding="utf-8", errors="replace")
    except FileNotFoundError as error:
        raise BadInput(f"there is no log in {home} yet; teppr up writes one") from error


def _of(lines: TextIO, wanted: Wanted) -> Iterator[str]:
    return (line.rstrip("\n") for line in lines if wanted.has(line))


def _process_of(line: str) -> str:
    found = _PROCESS.match(line)
    return (found[1] or found[2]) if found else ""


def _was_replaced(file: TextIO, path: Path) -> bool:
    try:
        return not os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
