"""Files that are whole or absent: written under another name and renamed; hashed in one pass."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import orjson

from teppr.errors import AlreadyThere, BadFile

HALF_WRITTEN = ".half-written-"
"""Begins the name of everything that is still being written: never read, and swept by the next start."""
LOCK = ".lock"
_NO_HARD_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP})
"""What a file system says that has no hard link to give."""


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes; raises BadFile where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror or error}") from error


def sha256_of_parts(parts: Sequence[Path], within: Path) -> str:
    """Hex digest of a document of several files: of the sums and the names that they have `within` a folder.

    A document that is one file has that file's digest. Raises BadFile where one cannot be read.
    """
    if list(parts) == [within]:
        return sha256_of(within)
    lines = sorted(f"{path.relative_to(within).as_posix()}\0{sha256_of(path)}\n" for path in parts)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write; it takes its name when the block ends well, on disk, and is absent when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.parent / f"{HALF_WRITTEN}{uuid4().hex}-{path.name}"
    try:
        with half.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill; it takes its name when the block ends well. Raises AlreadyThere where the name is taken."""
    if path.exists():
        raise AlreadyThere(f"{path} exists already and may not be changed")
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.parent / f"{HALF_WRITTEN}{uuid4().hex}-{path.name}"
    half.mkdir()
    try:
        yield half
        _sync_below(half)
        half.rename(path)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def put_copy(source: Path, place: Path, *, link: bool = False) -> None:
    """Copy a file to a place that is free, or let the place be the file itself; raises BadFile.

    link: a hard link, or a symbolic one where the two are on different file systems. Whoever edits the one edits the
        other.
    """
    try:
        if not link:
            shutil.copyfile(source, place)
            return
        original = source.resolve(strict=True)
        try:
            place.hardlink_to(original)
        except OSError as error:
            if error.errno not in _NO_HARD_LINK:
                raise
            place.symlink_to(original)
    except OSError as error:
        raise BadFile(f"cannot {'link' if link else 'copy'} {source}: {error.strerror or error}") from error


@contextmanager
def alone_in(folder: Path, *, waits: bool = True) -> Iterator[None]:
    """Hold the folder's lock, made if need be; waits while another process has it, or raises BlockingIOError.

    The system lets go of the lock when its holder ends, however it ends. A folder that was made for it goes again where
    nothing came into it.
    """
    is_new = not folder.exists()
    with _locked(folder, waits=waits):
        try:
            yield
        finally:
            if is_new and [*folder.iterdir()] == [folder / LOCK]:
                (folder / LOCK).unlink()
                # Another process may have come in at this moment.
                with suppress(OSError):
                    folder.rmdir()


def _locked(folder: Path, *, waits: bool) -> BinaryIO:
    """The folder's lock, held until it is closed."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        # The folder may go while its lock is waited for: what is held then is the lock of nothing.
        with suppress(FileNotFoundError), ExitStack() as otherwise:
            lock = otherwise.enter_context((folder / LOCK).open("wb"))
            fcntl.flock(lock, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock.fileno()), (folder / LOCK).stat()):
                otherwise.pop_all()
                return lock


def _sync_below(folder: Path) -> None:
    # An entry at a time: a folder may hold a million.
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _sync_below(folder / entry.name)
            elif entry.is_file():
                _sync(folder / entry.name)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: object) -> None:
    """Readable JSON with sorted keys, whole or absent: the same value gives the same bytes."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    with whole_file(path) as file:
        file.write(orjson.dumps(value, option=options))


def read_json(path: Path) -> object:
    """A JSON document of ours; raises BadFile naming the file."""
    try:
        return orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise BadFile(f"cannot read {path} as JSON: {getattr(error, 'strerror', None) or error}") from error


def sweep(folder: Path, *, keep: Path | None = None) -> list[Path]:
    """Remove what a killed process left half-written directly below `folder`, but `keep`; returns what was removed.

    Only for the one process that starts the work in that folder: another's half-written file would be swept too.
    """
    found = sorted(folder.glob(f"{HALF_WRITTEN}*")) if folder.is_dir() else []
    removed = [path for path in found if path != keep]
    for path in removed:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return removed
