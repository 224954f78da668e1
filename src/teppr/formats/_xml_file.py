"""XML documents of any size, read child by child of the root; no entities and no references to elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from teppr.errors import BadFile
from teppr.formats._json_lines import dumps

_NO_CHARACTER = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def beginning(path: Path) -> tuple[str, str | None]:
    """The tags of the root and of its first child, None where it has none; raises BadFile."""
    tags: list[str] = []
    with _opened(path) as file:
        for event, element in _events(file, path):
            tags.append(element.tag)
            if event == "end" or len(tags) == 2:
                break
    return tags[0], None if event == "end" else tags[1]


def children(path: Path) -> Iterator[Element]:
    """The root's children, each whole and gone with the next; raises BadFile naming line and column."""
    with _opened(path) as file:
        level = 0
        root = None
        for event, element in _events(file, path):
            root = element if root is None else root
            level += 1 if event == "start" else -1
            if event == "end" and level == 1:
                yield element
                root.clear()


def speakable(text: str) -> str:
    """The text with what XML has no form for, not even escaped, replaced."""
    return _NO_CHARACTER.sub("\ufffd", text)


def json_text(value: object, where: str) -> str:
    """JSON whose every character XML can hold."""
    return _NO_CHARACTER.sub(lambda found: f"\\u{ord(found[0]):04x}", dumps(value, where).decode())


def _events(file: BinaryIO, path: Path) -> Iterator[tuple[str, Element]]:
    try:
        yield from iterparse(file, events=("start", "end"))
    except ParseError as error:
        line, column = error.position
        reason = str(error).partition(": line")[0]
        raise BadFile(f"cannot read as XML: {reason} at line {line}, column {column + 1} of {path}") from error
    except DefusedXmlException as error:
        raise BadFile(
            f"an XML file must not define entities nor refer to other files, got {error} in {path}"
        ) from error
    except (ValueError, LookupError) as error:  # an encoding that is none, or that XML must not have
        raise BadFile(f"cannot read as XML: {error} - in {path}") from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        # A pipe would never end.
        if not path.is_file():
            raise BadFile(f"{path} is not a file")
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror or error}") from error
