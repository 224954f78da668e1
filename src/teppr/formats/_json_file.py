"""JSON documents of any size, read piece by piece and held to the letter of the standard.

Where the pieces begin and end is found by one regular expression, so at the speed of C; what a piece holds is parsed
by orjson, which refuses whatever is not JSON in UTF-8. So a walk over a document that loads every piece has checked
every byte of it, and holds one piece at a time.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import orjson

from teppr.errors import BadFile

DEPTH_LIMIT = 32
"""Levels of nesting within one piece; annotations need six."""
_RESIDENT_BYTES = 16 << 20
_AT_ONCE_BYTES = 64 << 10
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK = rb"[ \t\n\r]*+"
_TEXT = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'


def _nested(levels: int) -> bytes:
    """A pattern for arrays and objects; nothing in it is ever tried twice, so it takes linear time."""
    pattern = rb"(?!)"
    for _ in range(levels):
        pattern = rb'[\[{](?:[^"{}\[\]]++|' + _TEXT + rb"|" + pattern + rb")*+[\]}]"
    return pattern


_VALUE = rb"(" + _TEXT + rb"|" + _nested(DEPTH_LIMIT) + rb'|[^"{}\[\],:\s]++)'
_ITEM = re.compile(_BLANK + _VALUE + _BLANK + rb"([,\]])", re.DOTALL)
_KEY = re.compile(_BLANK + rb"(" + _TEXT + rb")" + _BLANK + rb":" + _BLANK, re.DOTALL)
_PIECE = re.compile(_BLANK + _VALUE, re.DOTALL)
_MARK = re.compile(_TEXT + rb"|[\[\]{}]", re.DOTALL)
_SPACE = re.compile(_BLANK)


class Span(NamedTuple):
    """Where a value stands in a document: from byte `start` up to, not including, byte `end`."""

    start: int
    end: int


class JsonFile:
    """A JSON document on disk and a place in it, `at`; the methods read the value there and move behind it.

    `key_at` is where the key of the member stands that `members` gave last. A byte order mark is skipped.
    Every method raises BadFile, naming line and column, where the document is not JSON.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._bytes = _mapped(path)
        self._loaded_bytes = 0
        self.key_at = 0
        self.at = len(_BYTE_ORDER_MARK) if self._bytes[:3] == _BYTE_ORDER_MARK else 0

    def peek(self) -> str:
        """The first character of the value here: "{", "[", '"' or another; "" at the end."""
        self.at = self._behind_space()
        return self._bytes[self.at : self.at + 1].decode("ascii", "replace")

    def members(self) -> Iterator[str]:
        """The keys of the object here, each with the place at its value; values that nobody reads are passed by."""
        self._pass("{")
        if self._passes("}"):
            return
        while True:
            self.key_at = self.at
            key = self.key()
            start = self.at
            yield key
            if self.at == start:
                self.value()
            if self._passes("}"):
                return
            self._pass(",", "or '}'")

    def key(self) -> str:
        """The key here; the place moves to its value."""
        found = _KEY.match(self._bytes, self.at)
        if found is None:
            raise self.broken("expected a key in quotes and ':'")
        self.at = found.end()
        return str(self.load(Span(*found.span(1))))

    def elements(self) -> Iterator[Span]:
        """Where the elements of the array here stand; whoever wants them checked loads them."""
        self._pass("[")
        if self._passes("]"):
            return
        while True:
            found = _ITEM.match(self._bytes, self.at)
            if found is None:
                raise self._no_value("expected a whole value, then ',' or ']'")
            self.at = found.end()
            yield Span(*found.span(1))
            if found[2] == b"]":
                return

    def loaded(self) -> Iterator[tuple[Span, object]]:
        """The elements of the array here, parsed, each with where it stands; small ones are parsed many at a time."""
        spans: list[Span] = []
        for span in self.elements():
            spans.append(span)
            if span.end - spans[0].start >= _AT_ONCE_BYTES:
                yield from zip(spans, self.load_all(spans[0].start, span.end), strict=True)
                spans.clear()
        if spans:
            yield from zip(spans, self.load_all(spans[0].start, spans[-1].end), strict=True)

    def value(self) -> object:
        """The value here, parsed."""
        return self.load(self.span())

    def span(self) -> Span:
        """Where the value here stands, not checked."""
        found = _PIECE.match(self._bytes, self.at)
        if found is None:
            raise self._no_value("expected a whole value")
        self.at = found.end()
        return Span(*found.span(1))

    def load(self, span: Span) -> object:
        """The value that stands there, parsed; the place stays."""
        try:
            value: object = orjson.loads(self.text(span))
        except orjson.JSONDecodeError as error:
            raise self.broken(error.msg, span.start + error.pos) from error
        self._count(span.end - span.start)
        return value

    def load_all(self, start: int, end: int) -> list[object]:
        """The elements of an array from where one begins to where the same or a later one ends; the place stays."""
        try:
            values: list[object] = orjson.loads(b"[%b]" % self._bytes[start:end])
        except orjson.JSONDecodeError as error:
            raise self.broken(error.msg, start + error.pos - 1) from error
        self._count(end - start)
        return values

    def text(self, span: Span) -> bytes:
        """The bytes that stand there."""
        return self._bytes[span.start : span.end]

    def check(self) -> None:
        """Make sure that all from here to the end is one value, member for member or element for element."""
        match self.peek():
            case "{":
                for _ in self.members():
                    pass
            case "[":
                for _ in self.loaded():
                    pass
            case _:
                self.value()
        self.finish()

    def finish(self) -> None:
        """Make sure that nothing follows."""
        if self._behind_space() != len(self._bytes):
            raise self.broken("expected the end of the document")

    def broken(self, reason: str, at: int | None = None) -> BadFile:
        """The error for what is wrong here."""
        at = self._behind_space() if at is None else min(at, len(self._bytes))
        line = sum(self._bytes[i : min(i + _RESIDENT_BYTES, at)].count(b"\n") for i in range(0, at, _RESIDENT_BYTES))
        column = at - self._bytes.rfind(b"\n", 0, at)
        what = "the file ends too early" if at == len(self._bytes) else reason
        return BadFile(f"cannot read as JSON: {what} at line {line + 1}, column {column} (byte {at}) of {self.path}")

    def _no_value(self, reason: str) -> BadFile:
        """The error where no whole value stands: what stands there may be nested too deep, or have no end."""
        level = 0
        for found in _MARK.finditer(self._bytes, self.at):
            level += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(found[0], 0)
            if level > DEPTH_LIMIT:
                return self.broken(f"nested deeper than {DEPTH_LIMIT} levels", found.start())
            if level <= 0:
                return self.broken(reason)
        return self.broken(reason, len(self._bytes))

    def _pass(self, character: str, more: str = "") -> None:
        if not self._passes(character):
            raise self.broken(" ".join(filter(None, (f"expected {character!r}", more))))

    def _passes(self, character: str) -> bool:
        if self.peek() != character:
            return False
        self.at += 1
        return True

    def _behind_space(self) -> int:
        found = _SPACE.match(self._bytes, self.at)
        return found.end() if found else self.at

    def _count(self, loaded_bytes: int) -> None:
        self._loaded_bytes += loaded_bytes
        if self._loaded_bytes > _RESIDENT_BYTES:
            # What was read stays in the system's page cache, but no longer counts as this process's memory.
            self._bytes.madvise(mmap.MADV_DONTNEED)
            self._loaded_bytes = 0


def _mapped(path: Path) -> mmap.mmap:
    try:
        # A pipe would never end.
        if not path.is_file():
            raise BadFile(f"{path} is not a file")
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise BadFile(f"cannot read {path} as JSON: it is empty") from error
