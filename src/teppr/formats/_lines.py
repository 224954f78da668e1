"""Files of lines, read one at a time from any place on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from teppr.errors import BadFile

LONGEST_LINE_BYTES = 64 << 20
"""Beyond anything that people draw; a file without line ends would only fill the memory."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class LineFile:
    """A file of lines; `line` reads the one here and moves behind it."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file

    @property
    def at(self) -> int:
        """Where the next line begins, in bytes."""
        return self._file.tell()

    def move(self, at: int) -> None:
        """Go to where a line begins."""
        self._file.seek(at)

    def line(self) -> bytes:
        """The line with its end; empty at the end of the file. Raises BadFile where it cannot be a line."""
        start = self.at
        try:
            line = self._file.readline(LONGEST_LINE_BYTES + 1)
        except OSError as error:
            raise BadFile(f"cannot read {self.path}: {error.strerror or error}") from error
        if len(line) > LONGEST_LINE_BYTES:
            raise BadFile(
                f"a line must not be longer than {LONGEST_LINE_BYTES} bytes, as from byte {start} of {self.path}"
            )
        return line.removeprefix(BYTE_ORDER_MARK) if start == 0 else line


@contextmanager
def lines_of(path: Path) -> Iterator[LineFile]:
    """The file, to be read by lines; raises BadFile where it cannot be."""
    # A pipe would never end.
    if not path.is_file():
        raise BadFile(f"{path} is not a file")
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror or error}") from error
    with file:
        yield LineFile(path, file)
