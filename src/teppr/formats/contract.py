"""What an annotation format is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from teppr.errors import BadFile
from teppr.formats._json_file import JsonFile
from teppr.plugins import Plugins
from teppr.types import ImageRecord, Unread


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What the reader is told beside the file.

    label_attribute: the attribute whose value is the label; None = as the format, the project's definitions,
        `category_attributes` or the majority of the regions say
    category_attributes: what the problem's specification calls its category attributes, best first
    label: the one label of all regions of a file whose attributes are empty
    """

    label_attribute: str | None = None
    category_attributes: tuple[str, ...] = ()
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A file being read: iterate `records` once.

    records: entries in the file's order; what cannot be made into a record comes as `Unread`: with `index` None an
        entry, with a number a region that has no readable entry (its image id resolves to none, or its entry is
        unreadable itself), so that entries and regions read can be counted to the last one
    notes: sentences about choices made ("the label is attribute 'name', which 191 of 191 regions carry")
    label_attribute: the attribute that was taken for the label, where the format has such
    entries: how many entries `records` will give, readable or not; None where that is not known beforehand
    """

    records: Iterator[ImageRecord | Unread]
    notes: tuple[str, ...] = ()
    label_attribute: str | None = None
    entries: int | None = None


@dataclass(slots=True, kw_only=True)
class WriteReport:
    """What was written, and what the format could not say: {sentence: how often}."""

    images: int = 0
    regions: int = 0
    not_said: dict[str, int] = field(default_factory=dict)

    def leave_out(self, what: str) -> None:
        """Count one thing that the format cannot say."""
        self.not_said[what] = self.not_said.get(what, 0) + 1


class Format(ABC):
    """An annotation format.

    A file that is written from what was read, and read again, gives the same records, but for what the report of
    the writing names. Reading and writing hold a bounded number of records at a time.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    """Endings of its files, with the dot."""

    @abstractmethod
    def sniff(self, path: Path) -> bool:
        """Whether the file is of this format, from its beginning and structure; never raises for its content."""

    @abstractmethod
    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read; raises BadFile (also while iterating) where the document as a whole is broken."""

    @abstractmethod
    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write all records; the file is whole or absent. `Unread` regions in a record are counted as not said."""


FORMATS: Plugins[Format] = Plugins("teppr.formats", Format, "format")  # type: ignore[type-abstract]


def format_of(path: Path) -> Format:
    """The format of a file by its content, not its name; raises BadFile where no format knows it.

    The message says so where there is no such file, or it is empty, or where it breaks as JSON.
    """
    formats = FORMATS.all()
    for plugin in formats:
        if plugin.sniff(path):
            return plugin
    document = JsonFile(path)
    if path.suffix.lower() == ".json":
        document.check()
    known = "; ".join(f"{plugin.name}: {plugin.title}" for plugin in formats)
    raise BadFile(f"{path} is of no known format; known: {known}")
