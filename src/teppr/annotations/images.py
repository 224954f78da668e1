"""Images that annotation files name: found without leaving their folders, and checked by several processes at once."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import threading
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

from teppr.errors import BadImage
from teppr.images import DEFAULT_MAX_PIXELS, decode, read_bytes

Item = TypeVar("Item")

_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]")
"""How absolute names begin, on whatever system the annotator worked."""

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
    """

    sha256: str
    size_bytes: int
    size_wh: tuple[int, int]
    orientation: int
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotUsable:
    """An image that is missing or does not decode; `reason` as in BadImage."""

    reason: str
    message: str


Verdict: TypeAlias = Checked | NotUsable
Look: TypeAlias = Callable[[Path, int], Verdict]


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
        parts = PurePosixPath(filename.replace("\\", "/")).parts
        if ".." in parts or _ABSOLUTE.match(filename) or "\0" in filename:
            return Elsewhere(reason="outside", message=f"{filename!r} leads out of the folder of the images")
        for folder in self.folders:
            if parts and self._is_there(folder, parts):
                return folder.joinpath(*parts)
        in_equals = [folder for folder in self.equals if parts and self._is_there(folder, parts)]
        if len(in_equals) == 1:
            return in_equals[0].joinpath(*parts)
        if in_equals:
            message = f"{filename!r} is in several folders: {', '.join(map(str, in_equals))}"
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
        """Where the image belongs, without looking; Elsewhere only for names that lead out."""
        found = self.find(filename)
        if isinstance(found, Elsewhere) and found.reason != "outside":
            return self.folders[0] / filename
        return found

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
        _, facts = decode(data, name=str(path), max_pixels=max_pixels)
    except BadImage as error:
        return NotUsable(reason=error.reason, message=str(error))
    return Checked(
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        size_wh=facts.size_wh,
        orientation=facts.orientation,
        frames=facts.frames,
    )


class ImageChecker:
    """Checks images in their order, several at a time; processes are started only for more than a few.

    A decoder that dies on a hostile file takes its process with it, and only that image is refused.
    look: what each process does with an image; importable by name
    """

    def __init__(self, workers: int, max_pixels: int = DEFAULT_MAX_PIXELS, look: Look = check_image) -> None:
        self._workers = workers
        self._max_pixels = max_pixels
        self._look = look
        self._pool: ProcessPoolExecutor | None = None
        self._alone: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shut()

    def check(self, items: Iterable[tuple[Item, Path | None]]) -> Iterator[tuple[Item, Verdict | None]]:
        """Every item with the verdict on its image, in the order given; None where it has no path.

        Holds at most `AHEAD_PER_WORKER` items a process beyond the one it hands out.
        """
        stream = iter(items)
        first = list(islice(stream, FEW + 1))
        if self._pool is None and (len(first) <= FEW or self._workers <= 1):
            for item, path in chain(first, stream):
                yield item, None if path is None else self._look(path, self._max_pixels)
            return
        yield from self._check_ahead(chain(first, stream))

    def _check_ahead(self, items: Iterator[tuple[Item, Path | None]]) -> Iterator[tuple[Item, Verdict | None]]:
        waiting: deque[tuple[Item, Path | None, Future[Verdict] | None]] = deque()
        for item, path in items:
            waiting.append((item, path, None if path is None else self._submit(path)))
            if len(waiting) > AHEAD_PER_WORKER * self._workers:
                yield self._result(*waiting.popleft())
        while waiting:
            yield self._result(*waiting.popleft())

    def _submit(self, path: Path) -> Future[Verdict]:
        if self._pool is None:
            self._pool = _start(self._workers)
        try:
            return self._pool.submit(self._look, path, self._max_pixels)
        except BrokenProcessPool:
            self._pool = _start(self._workers)
            return self._pool.submit(self._look, path, self._max_pixels)

    def _result(self, item: Item, path: Path | None, future: Future[Verdict] | None) -> tuple[Item, Verdict | None]:
        if path is None or future is None:
            return item, None
        try:
            return item, future.result()
        except BrokenProcessPool:
            return item, self._check_alone(path)

    def _check_alone(self, path: Path) -> Verdict:
        """The verdict on an image that may be the one that killed a process: nothing else is in work meanwhile."""
        if self._alone is None:
            self._alone = _start(1)
        try:
            return self._alone.submit(self._look, path, self._max_pixels).result()
        except BrokenProcessPool:
            self._alone = None
            return NotUsable(reason="truncated", message=f"{path} breaks its decoder, which died on it")

    def _shut(self) -> None:
        for pool in (self._pool, self._alone):
            if pool is not None:
                pool.shutdown(cancel_futures=True)
        self._pool = self._alone = None


def _start(workers: int) -> ProcessPoolExecutor:
    # Not forked: threads of the caller's libraries would be copied in the middle of their work.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker)


def _begin_worker() -> None:
    """In a worker: be quiet, and leave with the parent.

    Decoders written in C print to the terminal about every odd tag; verdicts say it better. A parent that is killed
    cannot tell its workers to stop.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
