"""VGG Image Annotator, CSV: a row a region; what version 2 writes, and what version 1 wrote.

The rows of one image begin alike (name, size and attributes) and need not stand together: trackers write one track
after the other. An image without regions is one row of `region_count` 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from teppr.errors import BadFile
from teppr.files import whole_file
from teppr.formats._csv_rows import cells_of, quoted
from teppr.formats._json_lines import dumps
from teppr.formats._lines import lines_of
from teppr.formats._taken import Taken
from teppr.formats._via_csv_read import COLUMNS, is_header, read_rows
from teppr.formats._via_write import entry_of_record
from teppr.formats.contract import Format, Reading, ReadOptions, WriteReport
from teppr.types import ImageRecord

_NEEDS_QUOTES = frozenset('",\r\n')


class ViaCsv(Format):
    """VGG Image Annotator, CSV."""

    name = "via_csv"
    title = "VGG Image Annotator (VIA 1 and 2), CSV"
    suffixes = (".csv",)

    def sniff(self, path: Path) -> bool:
        """Whether the first line names VIA's columns."""
        try:
            with lines_of(path) as file:
                return is_header(cells_of(file.line()))
        except BadFile:
            return False

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read; raises BadInput where several attributes may be the label."""
        return read_rows(path, options)

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write as version 2 does; a mask or a polygon of several rings becomes a region for each ring."""
        report = WriteReport()
        with Taken() as images, whole_file(path) as file:
            file.write(",".join(COLUMNS).encode() + b"\n")
            for record in records:
                entry = entry_of_record(record, report)
                image = _image_cells(entry, record.where)
                if images.take(",".join(image)):
                    report.images += 1
                else:
                    report.leave_out("that an image has several entries: its regions are in one")
                file.writelines(_rows(image, entry["regions"], record.where))
        return report


PLUGIN = ViaCsv()

_NO_REGION: Mapping[str, Any] = {"shape_attributes": {}, "region_attributes": {}}


def _image_cells(entry: Mapping[str, Any], where: str) -> tuple[str, str, str]:
    name = entry["filename"]
    said = name if _NEEDS_QUOTES.isdisjoint(name) else quoted(name)
    return said, str(entry["size"]), _cell(entry["file_attributes"], where)


def _rows(image: tuple[str, str, str], regions: Sequence[Mapping[str, Any]], where: str) -> Iterator[bytes]:
    for i, region in enumerate(regions or [_NO_REGION]):
        cells = (_cell(region[column], where) for column in ("shape_attributes", "region_attributes"))
        yield ",".join((*image, str(len(regions)), str(i), *cells)).encode() + b"\n"


def _cell(value: object, where: str) -> str:
    return quoted(dumps(value, where).decode())
