"""Images that annotation files name: found without leaving their folders, and checked by several processes at once."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

from teppr.errors import BadImage, Missing
from teppr.images import DEFAULT_MAX_PIXELS, inspect, read_bytes

Item = TypeVar("Item")

_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]")
"""How absolute names begin, on whatever system the annotator worked."""

WORKER_COMMAND = (sys.executable, "-m", "teppr.annotations.image_worker")
FEW = 24
"""So many images are checked before it pays to start further processes."""
AHEAD_PER_WORKER = 8
"""Images given out before they are asked for, so that no process waits; bounds what is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """An image that decoded whole.

    size_wh: stored pixels
    orientation: EXIF orientation 1..8
    frames: more than 1 for animations and multi-page files, of which the first counts
    perceptual_hash: see `teppr.images.perceptual_hash`
    """

    sha256: str
    size_bytes: int
    size_wh: tuple[int, int]
    orientation: int
    frames: int
    perceptual_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotUsable:
    """An image that is missing or does not decode; `reason` as in BadImage."""

    reason: str
    message: str


Verdict: TypeAlias = Checked | NotUsable


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """An image that is not where its entry says; `reason`: "missing", "spelling", "outside", "several"."""

    reason: str
    message: str


class ImageFolders:
    """The folders in which one annotation file's images are looked for.

    folders: best first
    equals: where to look after these; an image that several of them hold is none, since it may be the wrong one
    """

    def __init__(self, folders: Sequence[Path], equals: Sequence[Path] = ()) -> None:
        self.folders = tuple(folders)
        self.equals = tuple(equals)
        self._names: dict[Path, frozenset[str]] = {}
        self._spellings: dict[Path, dict[str, str]] = {}

    def find(self, filename: str) -> Path | Elsewhere:
        """The image's path; exact to the letter's case on every file system. Never outside the folders."""
        parts = self._parts(filename)
        if isinstance(parts, Elsewhere):
            return parts
        holders = self._holders(parts)
        if len(holders) == 1:
            return holders[0].joinpath(*parts)
        if holders:
            message = f"{filename!r} is in several folders: {', '.join(map(str, holders))}"
            return Elsewhere(reason="several", message=message)
        return self._missing(filename, parts)

    def _missing(self, filename: str, parts: Sequence[str]) -> Elsewhere:
        everywhere = (*self.folders, *self.equals)
        for folder in everywhere:
            if spelled := self._in_other_spelling(folder, parts):
                message = f"{filename!r} is not there, but in another spelling: {spelled!r}"
                return Elsewhere(reason="spelling", message=message)
        return Elsewhere(reason="missing", message=f"{filename!r} is not in {', '.join(map(str, everywhere))}")

    def would_be(self, filename: str) -> Path | Elsewhere:
        """Where the image belongs, without opening it; Elsewhere only for names that lead out."""
        parts = self._parts(filename)
        if isinstance(parts, Elsewhere):
            return parts
        holders = self._holders(parts)
        return (holders[0] if len(holders) == 1 else self.folders[0]).joinpath(*parts)

    def _holders(self, parts: Sequence[str]) -> Sequence[Path]:
        """The best folder that has the image, or all the equals that have it."""
        best = next((folder for folder in self.folders if parts and self._is_there(folder, parts)), None)
        if best is not None:
            return (best,)
        return [folder for folder in self.equals if parts and self._is_there(folder, parts)]

    def _parts(self, filename: str) -> Sequence[str] | Elsewhere:
        parts = [part for part in filename.replace("\\", "/").split("/") if part not in ("", ".")]
        if ".." in parts or _ABSOLUTE.match(filename) or "\0" in filename:
            return Elsewhere(reason="outside", message=f"{filename!r} leads out of the folder of the images")
        return parts

    def _is_there(self, folder: Path, parts: Sequence[str]) -> bool:
        for part in parts:
            if part not in self._listing(folder):
                return False
            folder = folder / part
        return True

    def _in_other_spelling(self, folder: Path, parts: Sequence[str]) -> str | None:
        names = []
        for part in parts:
            if folder not in self._spellings:
                self._spellings[folder] = {_fold(name): name for name in self._listing(folder)}
            name = self._spellings[folder].get(_fold(part))
            if name is None:
                return None
            names.append(name)
            folder = folder / name
        return "/".join(names) or None

    def _listing(self, folder: Path) -> frozenset[str]:
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(os.listdir(folder))  # noqa: PTH208 - names, not paths
            except OSError:
                self._names[folder] = frozenset()
        return self._names[folder]


def _fold(name: str) -> str:
    """What two spellings of a name have in common: letter case, and how accents are composed (macOS archives)."""
    return unicodedata.normalize("NFC", name).casefold()


def check_image(path: Path, max_pixels: int = DEFAULT_MAX_PIXELS) -> Verdict:
    """Read, hash and decode one image whole."""
    try:
        data = read_bytes(path, max_pixels=max_pixels)
        facts, likeness = inspect(data, name=str(path), max_pixels=max_pixels)
    except BadImage as error:
        return NotUsable(reason=error.reason, message=str(error))
    return Checked(
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        size_wh=facts.size_wh,
        orientation=facts.orientation,
        frames=facts.frames,
        perceptual_hash=likeness,
    )


class ImageChecker:
    """Checks images in their order, several at a time; processes are started only for more than a few.

    A decoder that dies on a hostile file takes its process with it, and only that image is refused.
    command: what a process is started by; see `teppr.annotations.image_worker`
    """

    def __init__(
        self, workers: int, max_pixels: int = DEFAULT_MAX_PIXELS, command: Sequence[str] = WORKER_COMMAND
    ) -> None:
        self._count = workers
        self._max_pixels = max_pixels
        self._command = command
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.stop()

    def check(self, items: Iterable[tuple[Item, Path | None]]) -> Iterator[tuple[Item, Verdict | None]]:
        """Every item with the verdict on its image, in the order given; None where it has no path.

        Holds at most `AHEAD_PER_WORKER` items a process beyond the one it hands out.
        """
        stream = iter(items)
        first = list(islice(stream, FEW + 1))
        if self._count <= 1 or (not self._workers and len(first) <= FEW):
            for item, path in chain(first, stream):
                yield item, None if path is None else check_image(path, self._max_pixels)
            return
        yield from self._check_ahead(chain(first, stream))

    def _check_ahead(self, items: Iterator[tuple[Item, Path | None]]) -> Iterator[tuple[Item, Verdict | None]]:
        while len(self._workers) < self._count:
            self._workers.append(_Worker([*self._command, str(self._max_pixels)]))
        turns = cycle(self._workers)
        waiting: deque[tuple[Item, _Worker | None]] = deque()
        for item, path in items:
            worker = None if path is None else next(turns)
            if worker is not None and path is not None:
                worker.ask(path)
            waiting.append((item, worker))
            if len(waiting) > AHEAD_PER_WORKER * self._count:
                yield _answered(*waiting.popleft())
        for item, worker in waiting:
            yield _answered(item, worker)


class _Worker:
    """A process that answers in the order in which it is asked; started anew when an image kills it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._asked: deque[Path] = deque()
        self._process = self._start()

    def ask(self, path: Path) -> None:
        """Give it an image. What is asked ahead fits into the pipe, so that neither side waits for the other."""
        self._asked.append(path)
        self._send(path)

    def answer(self) -> Verdict:
        """The verdict on the image that it was asked for first."""
        line = self._read_once_ready()
        path = self._asked.popleft()
        if line.endswith("\n"):
            return verdict_of(json.loads(line))
        self.stop()
        self._process = self._start()
        for waiting in self._asked:
            self._send(waiting)
        return NotUsable(reason="truncated", message=f"{path} breaks its decoder, which died on it")

    def stop(self) -> None:
        """End the process; it holds nothing that could be lost."""
        self._process.kill()
        self._process.communicate()

    def _start(self) -> Popen[str]:
        # Not by multiprocessing: its processes run the caller's script again, and outlive a caller that is killed.
        self._is_ready = False
        return Popen(  # noqa: S603 - our own command
            self._command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,  # decoders written in C complain there about every odd tag
            encoding="utf-8",
            errors="surrogatepass",
        )

    def _read_once_ready(self) -> str:
        """A line of answer. The process is waited for only now, so that several get ready at the same time."""
        if not self._is_ready and self._read() != "ready\n":
            raise Missing(f"a process for checking images does not start: {' '.join(self._command)}")
        self._is_ready = True
        return self._read()

    def _read(self) -> str:
        return self._process.stdout.readline() if self._process.stdout else ""

    def _send(self, path: Path) -> None:
        try:
            if self._process.stdin:
                self._process.stdin.write(json.dumps(str(path), ensure_ascii=False) + "\n")
                self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it died on an earlier image: `answer` will find out, and send this one again


def _answered(item: Item, worker: _Worker | None) -> tuple[Item, Verdict | None]:
    return item, None if worker is None else worker.answer()


def verdict_of(values: Mapping[str, Any]) -> Verdict:
    """A verdict from its fields as JSON."""
    if "reason" in values:
        return NotUsable(**values)
    return Checked(**{**values, "size_wh": tuple(values["size_wh"])})
