"""From one annotation format to another, without a database: nothing is checked against images or rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from teppr.errors import BadInput
from teppr.formats import FORMATS, ReadOptions, WriteReport, format_of
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
    source: Path, target: Path, format_name: str, options: ReadOptions | None = None, progress: Progress = QUIET
) -> Conversion:
    """Write what `source` says to `target` in the format of that name; the target is whole or as it was.

    Raises UnknownName for the format, BadFile for the source, BadInput where its label cannot be decided.
    """
    writer = FORMATS.load(format_name)
    reader = format_of(source)
    if target.is_dir():
        raise BadInput(f"the target must be a file, got the folder {target}")
    reading = reader.read(source, options or ReadOptions())
    if reading.entries is not None:
        progress.expect(reading.entries)
    unread: list[Unread] = []
    lost = WriteReport()
    report = writer.write(_readable(reading.records, lost, unread, progress), target)
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
