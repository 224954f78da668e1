"""What an annotation format is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

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
    images: folders of the images, best first, for formats that do not say an image's name or size (YOLO); empty =
        where the format usually has them beside the document (`Format.image_folders`)
    image_labels: whole images are to be labelled (classification): where a format has no word for that, an attribute
        of the image is taken for its label
    """

    label_attribute: str | None = None
    category_attributes: tuple[str, ...] = ()
    label: str | None = None
    images: tuple[Path, ...] = ()
    image_labels: bool = False


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
    """What was written, and what the format could not say: {sentence: how often}.

    sizes_missing: images written without width and height, which the format says and the records do not
    """

    images: int = 0
    regions: int = 0
    sizes_missing: int = 0
    not_said: dict[str, int] = field(default_factory=dict)

    def leave_out(self, what: str) -> None:
        """Count one thing that the format cannot say."""
        self.not_said[what] = self.not_said.get(what, 0) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRecords:
    """A split of a dataset to be written: its name, and its records to be gone through once."""

    name: str
    records: Iterable[ImageRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptions:
    """How the splits of a dataset are written.

    labels: in the order of their numbers, which are the same in every split
    shards: files of each split, of a format that has such (`Format.in_shards`); None = as large as is usual
    link: pictures that become files of their own may be links to those that there are
    """

    labels: tuple[str, ...] = ()
    shards: int | None = None
    link: bool = False


ALL_SHAPES = frozenset({"rect", "circle", "ellipse", "polygon", "polyline", "point", "mask", "image"})
"""The kinds of `teppr.types.Shape`."""


class Format(ABC):
    """An annotation format.

    A document is one file, or a folder of files that belong together (`layout`). One that is written from what was
    read, and read again, gives the same records, but for what the report of the writing names. Reading and writing
    hold a bounded number of records at a time.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    """Endings of its files, with the dot; the first is what a written file is best called."""
    layout: ClassVar[Literal["file", "folder"]] = "file"
    """What is written, and what `read` is given; a folder format may take a single file of its kind as well."""
    precision_px: ClassVar[float] = 0.0
    """How far a coordinate may come back from where it was: formats that write shares of the image's size round."""

    shapes: ClassVar[frozenset[str]] = ALL_SHAPES
    """Kinds of shape that it holds, if only as something simpler that the report tells of; others are left out."""
    keeps_order: ClassVar[bool] = True
    """Whether entries come back in the order in which they were written; a folder may have only that of its names."""
    is_its_images: ClassVar[bool] = False
    """Whether a document is nothing but images: beside others it is where their images are."""
    embeds_images: ClassVar[bool] = False
    """Whether pictures are written into the document, so that none need to lie beside it."""
    in_shards: ClassVar[bool] = False
    """Whether a split may be written as several files (`SplitOptions.shards`)."""

    @abstractmethod
    def sniff(self, path: Path) -> bool:
        """Whether the document is of this format, from its beginning and structure; never raises for its content."""

    @abstractmethod
    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read; raises BadFile (also while iterating) where the document as a whole is broken."""

    @abstractmethod
    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write all records; the document is whole or absent. `Unread` regions in a record are counted as not said.

        A folder must not exist yet: raises AlreadyThere. A record that the format cannot hold at all (its image's
        size is not known, and coordinates are shares of it) is left out and counted as such.
        """

    def write_splits(
        self,
        splits: Iterable[SplitRecords],
        folder: Path,
        options: SplitOptions,  # noqa: ARG002 - for formats that number labels, or have shards or links
    ) -> dict[str, WriteReport]:
        """Write the splits of a dataset into an empty folder as the format lays them out; a report for each.

        A format that has no way of its own writes a document each, called by the split's name.
        """
        ending = "" if self.layout == "folder" else self.suffixes[0]
        return {split.name: self.write(split.records, folder / f"{split.name}{ending}") for split in splits}

    def images_of_split(self, split: str) -> str:  # noqa: ARG002 - for formats that keep the splits' images apart
        """Where a split's images lie in the folder of `write_splits`; of use where they are not embedded."""
        return "images"

    def parts(self, path: Path) -> Sequence[Path]:
        """The files that the document consists of, sorted; its identity is their names and bytes."""
        return (path,)

    def image_folders(self, path: Path) -> Sequence[Path]:
        """Where a document's images usually lie, best first."""
        return (path.parent,)


FORMATS: Plugins[Format] = Plugins("teppr.formats", Format, "format")  # type: ignore[type-abstract]


def format_of(path: Path) -> Format:
    """The format of a document by its content, not its name; raises BadFile where no format knows it.

    The message says so where there is no such file, or it is empty, or where it breaks as JSON.
    """
    formats = FORMATS.all()
    for plugin in formats:
        if (plugin.layout == "folder" or not path.is_dir()) and plugin.sniff(path):
            return plugin
    known = "; ".join(f"{plugin.name}: {plugin.title}" for plugin in formats)
    if path.is_dir():
        raise BadFile(f"the folder {path} is of no known format; known: {known}")
    document = JsonFile(path)
    if path.suffix.lower() == ".json":
        document.check()
    raise BadFile(f"{path} is of no known format; known: {known}")
