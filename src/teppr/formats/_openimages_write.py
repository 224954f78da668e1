"""Writing OpenImages: a row for each region."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path

from teppr.errors import BadInput
from teppr.files import whole_file
from teppr.formats._left_out import count_image, count_of_image, count_of_region, count_unread
from teppr.formats._openimages_words import (
    ATTRIBUTES,
    BOX,
    FLAG_OF_CROWD,
    HEADER,
    IMAGE,
    LABEL,
    SIZE,
    cell_of_value,
    value_of_cell,
)
from teppr.formats._shares import share_of
from teppr.formats._taken import Taken
from teppr.formats.contract import WriteReport
from teppr.geometry import box_xywh
from teppr.types import ImageRecord, Rect, Region, Unread, WholeImage


def write_table(records: Iterable[ImageRecord], path: Path) -> WriteReport:
    """All images of known size that have regions; raises BadInput for text that UTF-8 cannot hold."""
    report = WriteReport()
    with Taken() as names, whole_file(path) as file:
        text = TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
        table = csv.DictWriter(text, HEADER, lineterminator="\n")
        table.writeheader()
        for record in records:
            if problem := _problem(record, names):
                count_image(record, problem, report)
                continue
            rows = [*_rows(record, report)]
            if not rows:
                report.leave_out("image without a region")
                continue
            try:
                table.writerows(rows)
            except UnicodeEncodeError as error:
                message = f"only what UTF-8 can hold can be written, got half a character: {error.object!r}"
                raise BadInput(f"{message} - at {record.where}") from error
            count_of_image(record, ("size_wh",), report)
            names.take(record.filename)
            report.images += 1
            report.regions += len(rows)
        text.flush()
        text.detach()
    return report


def _problem(record: ImageRecord, names: Taken) -> str | None:
    """Why an image cannot be written, None if it can."""
    if record.size_wh is None:
        return "image of unknown width and height"
    if not record.filename.strip():
        return "image whose name is blank"
    return "image whose name an earlier one has" if record.filename in names else None


def _rows(record: ImageRecord, report: WriteReport) -> Iterator[Mapping[str, object]]:
    width, height = record.size_wh or (1, 1)
    for region in record.regions:
        if isinstance(region, Unread):
            count_unread(region, report)
        elif isinstance(region.shape, WholeImage):
            report.leave_out("label of a whole image")
        else:
            if not isinstance(region.shape, Rect):
                report.leave_out(f"{region.shape.kind}, as its box")
            x, y, box_width, box_height = box_xywh(region.shape)
            across = (share_of(x, width), share_of(x + box_width, width))
            down = (share_of(y, height), share_of(y + box_height, height))
            yield {
                IMAGE: record.filename,
                LABEL: region.label,
                FLAG_OF_CROWD: int(region.is_crowd),
                **dict(zip(BOX, (*across, *down), strict=True)),
                **dict(zip(SIZE, (width, height), strict=True)),
                **_attributes(region, report),
            }


def _attributes(region: Region, report: WriteReport) -> dict[str, str]:
    """The cells of the attributes that have a column and are read from it as they are."""
    further, cells = dict(region.attributes), {}
    for column, name in ATTRIBUTES.items():
        cell = cell_of_value(further.get(name))
        if cell and value_of_cell(cell) == further[name]:
            cells[column] = cell
            del further[name]
    count_of_region(replace(region, attributes=further), ("is_crowd",), report)
    return cells
