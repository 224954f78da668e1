"""Files of one table of records: filled one after the other, or all in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from typing import BinaryIO, Protocol


class Shards(Protocol):
    """Where records go."""

    def add(self, record: bytes) -> None:
        """Write a record, framed."""


class _BySize:
    """Numbers are their names until it is known how many there are."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self.paths: list[Path] = []
        self.file = self._next()

    def add(self, record: bytes) -> None:
        """Write into the last file, or a new one where that is full."""
        if self.file.tell() > self._most_bytes:
            self.file.close()
            self.file = self._next()
        self.file.write(record)

    def _next(self) -> BinaryIO:
        self.paths.append(self._folder / f"{len(self.paths):05d}")
        return self.paths[-1].open("wb")


class _InTurn:
    def __init__(self, files: list[BinaryIO]) -> None:
        self._turn = cycle(files)

    def add(self, record: bytes) -> None:
        """Write into the file whose turn it is."""
        next(self._turn).write(record)


@contextmanager
def filled_by_size(folder: Path, name: str, most_bytes: int) -> Iterator[Shards]:
    """Files of about so many bytes, one after the other."""
    shards = _BySize(folder, most_bytes)
    try:
        yield shards
    finally:
        shards.file.close()
    for number, path in enumerate(shards.paths):
        path.rename(folder / _name(name, number, len(shards.paths)))


@contextmanager
def filled_in_turn(folder: Path, name: str, count: int) -> Iterator[Shards]:
    """So many files, which get a record each in turn."""
    with ExitStack() as stack:
        paths = [folder / _name(name, number, count) for number in range(count)]
        yield _InTurn([stack.enter_context(path.open("xb")) for path in paths])


def _name(name: str, number: int, count: int) -> str:
    return f"{name}-{number:05d}-of-{count:05d}.tfrecord"
