"""From one annotation format to another, without a database: no design rule is checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from teppr.annotations.images import Elsewhere, ImageFolders
from teppr.errors import BadImage, BadInput
from teppr.formats import FORMATS, ReadOptions, WriteReport, format_of
from teppr.images import size_of
from teppr.progress import QUIET, Progress
from teppr.types import ImageRecord, Unread

MOST_EXAMPLES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What a conversion did.

    source_format, target_format: names of formats
    report: what was written, and what of the source was not, counted
    notes: the reader's choices, in sentences
    examples: the first parts that could not be read, at most `MOST_EXAMPLES`
    """

    source_format: str
    target_format: str
    report: WriteReport
    notes: tuple[str, ...]
    examples: tuple[Unread, ...]


def convert(
    source: Path,
    target: Path,
    format_name: str,
    options: ReadOptions | None = None,
    progress: Progress = QUIET,
    *,
    images: Path | None = None,
) -> Conversion:
    """Write what `source` says to `target` in the format of that name; the target is whole or as it was.

    images: folder where width and height are looked up that the source does not say (VIA says none, COCO wants them)

    Raises UnknownName for the format, BadFile for the source, BadInput where its label cannot be decided.
    """
    writer = FORMATS.load(format_name)
    reader = format_of(source)
    if writer.layout == "file" and target.is_dir():
        raise BadInput(f"the target must be a file, got the folder {target}")
    folders = (images,) if images else tuple(reader.image_folders(source))
    reading = reader.read(source, replace(options or ReadOptions(), images=folders))
    if reading.entries is not None:
        progress.expect(reading.entries)
    unread: list[Unread] = []
    lost = WriteReport()
    records = _readable(reading.records, lost, unread, progress)
    report = writer.write(records if images is None else _opened(records, images), target)
    for what, times in lost.not_said.items():
        report.not_said[what] = report.not_said.get(what, 0) + times
    return Conversion(
        source_format=reader.name,
        target_format=writer.name,
        report=report,
        notes=reading.notes,
        examples=tuple(unread),
    )


def _readable(
    records: Iterator[ImageRecord | Unread], lost: WriteReport, examples: list[Unread], progress: Progress
) -> Iterator[ImageRecord]:
    """The records alone; what is no record, or holds what could not be read, is counted and exemplified."""
    for record in records:
        if isinstance(record, Unread):
            lost.leave_out(f"{'entry' if record.index is None else 'region of no entry'} ({record.rule})")
            found = [record]
        else:
            found = [region for region in record.regions if isinstance(region, Unread)]
            yield record
        examples.extend(found[: MOST_EXAMPLES - len(examples)])
        if isinstance(record, ImageRecord) or record.index is None:
            progress.advance()


def _opened(records: Iterator[ImageRecord], folder: Path) -> Iterator[ImageRecord]:
    """The records with path, width and height; an image that is not there, or is none, stays without."""
    folders = ImageFolders([folder])
    for record in records:
        place = folders.find(record.filename)
        yield replace(
            record, size_wh=record.size_wh or _size_of(place), path=None if isinstance(place, Elsewhere) else str(place)
        )


def _size_of(place: Path | Elsewhere) -> tuple[int, int] | None:
    try:
        return None if isinstance(place, Elsewhere) else size_of(place)
    except BadImage:
        return None
