"""The log of a service in the background: one file, started afresh when it has grown, read from its end."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TextIO

from teppr.errors import BadInput

MOST_BYTES = 16 * 1024 * 1024
KEPT = 3
"""Older logs beside the one that is written: service.log.1 is the newest of them."""
LOOK_EVERY_S = 0.2


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


def last_lines(home: Path, most: int, process: str = "") -> list[str]:
    """At most so many lines from the log's end; process: only those of that process."""
    with _open(home) as file:
        return list(deque(_of(file, process), most))


def follow(
    home: Path, most: int, process: str = "", wait: Callable[[float], None] = time.sleep
) -> Generator[str, None, None]:
    """The last lines and then those that are written, without end; a log that is started afresh is followed too.

    wait: how to let so many seconds pass
    """
    file = _open(home)
    try:
        yield from deque(_of(file, process), most)
        half = ""
        while True:
            half += file.readline()
            if half.endswith("\n"):
                if _is_of(half, process):
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


def _of(lines: TextIO, process: str) -> Iterator[str]:
    return (line.rstrip("\n") for line in lines if _is_of(line, process))


def _is_of(line: str, process: str) -> bool:
    return not process or f"[{process}]" in line or f'"process":"{process}"' in line


def _was_replaced(file: TextIO, path: Path) -> bool:
    try:
        return not os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
