"""The splits of a dataset version as a folder for other programs, in any annotation format, with their images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from teppr.datasets.document import in_order
from teppr.datasets.records import BATCH, Names, Row, image_rows, records
from teppr.datasets.snapshot import Snapshot
from teppr.errors import BadInput, Corrupt
from teppr.files import put_copy, sha256_of, whole_folder
from teppr.formats.contract import FORMATS, Format, SplitOptions, SplitRecords, WriteReport
from teppr.progress import QUIET, Progress
from teppr.types import ImageRecord

Images: TypeAlias = Literal["copy", "link", "none"]

MOST_SHARDS = 500
"""Files that are written side by side."""
RENAMED = "name of an image as it was: another has it as well, or it leads out of the folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What is written.

    splits: only these; none = all
    images: "copy" them, with their checksums compared; "link" them (hard links, or symbolic ones where the folder is on
        another file system); or "none": annotations only
    shards: files of each split, of a format that is written in shards
    """

    splits: tuple[str, ...] = ()
    images: Images = "copy"
    shards: int | None = None


def export(
    snapshot: Snapshot,
    format_name: str,
    folder: Path,
    options: ExportOptions | None = None,
    progress: Progress = QUIET,
) -> dict[str, WriteReport]:
    """Write a folder, whole or not at all; gives what was written of each split, and what the format cannot say.

    Labels that a format numbers have the dataset's order in every split. Images keep their names, unless two in the
    dataset have the same. Raises BadInput where the format holds none of the dataset's shapes, AlreadyThere, and
    Corrupt where an image to be copied is no longer the one that was ingested.
    """
    options = options or ExportOptions()
    format_ = FORMATS.load(format_name)
    _check(snapshot, format_, options)
    splits = in_order(options.splits or snapshot.splits)
    laid_out = options.images != "none" and not format_.embeds_images
    count = sum(snapshot.document.splits[split].images for split in splits)
    progress.expect(2 * count if laid_out else count)
    writing = _Writing(snapshot, format_, options, progress)
    with whole_folder(folder) as half:
        parts = (SplitRecords(name=split, records=writing.records(split)) for split in splits)
        labels = tuple(label.name for label in snapshot.labels)
        as_asked = SplitOptions(labels=labels, shards=options.shards, link=options.images == "link")
        reports = format_.write_splits(parts, half, as_asked)
        for split in splits:
            if laid_out:
                writing.lay_images(half / format_.images_of_split(split), split)
            if renamed := writing.renamed[split]:
                reports[split].not_said[RENAMED] = renamed
    return reports


def formats_for(snapshot: Snapshot) -> list[str]:
    """Names of the formats that hold shapes of the dataset, if only as something simpler."""
    shapes = set(snapshot.annotations_table["shape"].unique().to_pylist())
    return [format_.name for format_ in FORMATS.all() if not shapes or shapes & format_.shapes]


def _check(snapshot: Snapshot, format_: Format, options: ExportOptions) -> None:
    for split in options.splits:
        snapshot.check_split(split)
    if options.shards is not None and not format_.in_shards:
        raise BadInput(f"shards are for formats that have them, and {format_.name} has none; leave out --shards")
    if options.shards is not None and not 1 <= options.shards <= MOST_SHARDS:
        raise BadInput(f"a split is written as 1 to {MOST_SHARDS} shards, got {options.shards}")
    if options.images == "none" and format_.is_its_images:
        raise BadInput(f"{format_.name} is nothing but images, got --images none; copy or link them")
    fitting = formats_for(snapshot)
    if format_.name not in fitting:
        shapes = ", ".join(sorted(snapshot.annotations_table["shape"].unique().to_pylist()))
        raise BadInput(
            f"{format_.name} holds {', '.join(sorted(format_.shapes))}, and {snapshot.reference} has {shapes}: "
            f"nothing would be written; formats that hold some of it: {', '.join(fitting)}"
        )


class _Writing:
    """One export under way."""

    def __init__(self, snapshot: Snapshot, format_: Format, options: ExportOptions, progress: Progress) -> None:
        self._snapshot = snapshot
        self._format = format_
        self._options = options
        self._progress = progress
        self._names = Names(map(str, snapshot.images_table["filename"]), flat=format_.is_its_images)
        self.renamed: dict[str, int] = dict.fromkeys(snapshot.splits, 0)

    def records(self, split: str) -> Iterator[ImageRecord]:
        """The records of a split, with the paths of the images where these are wanted."""
        checked = self._format.embeds_images and self._options.images == "copy"
        rows = _rows(self._snapshot, split)
        for record, row in zip(records(self._snapshot, split, self._names), rows, strict=True):
            if checked:
                self._check(row)
            self.renamed[split] += record.filename != row["filename"]
            yield record if self._options.images != "none" else replace(record, path=None)
            self._progress.advance()

    def lay_images(self, folder: Path, split: str) -> None:
        """Put the images of a split where they belong."""
        for row in _rows(self._snapshot, split):
            place = folder / self._names.of(row)
            place.parent.mkdir(parents=True, exist_ok=True)
            if self._options.images == "copy":
                self._check(row)
            put_copy(self._snapshot.path / row["path"], place, link=self._options.images == "link")
            self._progress.advance()

    def _check(self, row: Row) -> None:
        path = self._snapshot.path / row["path"]
        if sha256_of(path) != row["sha256"]:
            raise Corrupt(f"{path} is another image than was ingested: its bytes have changed since")


def _rows(snapshot: Snapshot, split: str) -> Iterator[Row]:
    table = image_rows(snapshot, split)
    for start in range(0, table.num_rows, BATCH):
        yield from table.slice(start, BATCH).to_pylist()
