"""VGG Image Annotator, CSV exports: a row a region, in the words of version 2 or, without JSON, of early version 1."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from teppr.errors import BadFile
from teppr.files import whole_file
from teppr.formats._csv_file import CsvFile, Row
from teppr.formats._json_lines import dumps
from teppr.formats._numbers import whole_number
from teppr.formats._via_label import Carried, Choices, choices_of
from teppr.formats._via_region import labels_of_image, region_of_raw
from teppr.formats._via_write import entry_of
from teppr.formats.contract import Format, Reading, ReadOptions, WriteReport
from teppr.types import ImageRecord, Region, Unread

COLUMNS = (
    "filename",
    "file_size",
    "file_attributes",
    "region_count",
    "region_id",
    "region_shape_attributes",
    "region_attributes",
)
_IMAGE, _SHAPE, _ATTRIBUTES = "file_attributes", "region_shape_attributes", "region_attributes"
_LISTS = ("all_points_x", "all_points_y")


class ViaCsv(Format):
    """VGG Image Annotator, CSV: the same as its JSON, a row a region."""

    name = "via_csv"
    title = "VGG Image Annotator (VIA 1 and 2), CSV"
    suffixes = (".csv",)

    def sniff(self, path: Path) -> bool:
        """Whether the header has VIA's columns."""
        try:
            return set(COLUMNS) <= {_plain(name) for name in CsvFile(path).header}
        except BadFile:
            return False

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read; raises BadInput where several attributes may be the label."""
        table = _Table(path)
        carried, carried_by_images = Carried(), Carried()
        entries = 0
        for _, rows in table.images():
            entries += 1
            attributes = table.value(rows[0], _IMAGE)
            carried_by_images.add(attributes if isinstance(attributes, dict) else {})
            for row in rows if table.count(rows) else ():
                given = table.value(row, _ATTRIBUTES)
                carried.add(given if isinstance(given, dict) else {})
        choices = choices_of(carried, carried_by_images, options)
        return Reading(
            records=_records(table, choices),
            notes=choices.notes,
            label_attribute=choices.attribute,
            entries=entries,
        )

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write an export of version 2; what VIA cannot say is what its JSON cannot."""
        report = WriteReport()
        seen: set[str] = set()
        with whole_file(path) as file:
            text = io.TextIOWrapper(file, "utf-8", newline="")
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(COLUMNS)
            for record in records:
                if record.filename in seen:
                    report.leave_out("image of the name of an earlier one")
                    continue
                seen.add(record.filename)
                writer.writerows(_rows_of(record, report))
                report.images += 1
            text.detach()  # flushes, and leaves closing to `whole_file`
        return report


PLUGIN = ViaCsv()


class _Table:
    """A CSV export: cells by the names of their columns."""

    def __init__(self, path: Path) -> None:
        self._file = CsvFile(path)
        self._file.header = [_plain(name) for name in self._file.header]
        self._at = {name: self._file.column(name) for name in COLUMNS}

    def images(self) -> Iterator[tuple[str, list[Row]]]:
        """The rows of each image."""
        return self._file.by(self._at["filename"])

    def text(self, row: Row, column: str) -> str:
        """A cell; "" where the row is too short."""
        at = self._at[column]
        return row.cells[at] if at < len(row.cells) else ""

    def value(self, row: Row, column: str) -> object:
        """A cell of attributes: an object, or the text itself where it is none."""
        return _attributes(self.text(row, column))

    def count(self, rows: list[Row]) -> int:
        """How many regions the image says it has; as many as rows where it does not."""
        said = whole_number(self.text(rows[0], "region_count"), least=0)
        return len(rows) if said is None else said


def _plain(name: str) -> str:
    """The name of a column; early versions begin the header by a "#"."""
    return name.strip().removeprefix("#")


def _records(table: _Table, choices: Choices) -> Iterator[ImageRecord | Unread]:
    for filename, rows in table.images():
        where = f"row {rows[0].number}"
        if not filename.strip():
            yield Unread(rule="DR01", message="a row must name its image's file, got none", where=where)
            for index, row in enumerate(rows):
                message = "the entry of this region cannot be read: it names no image"
                yield Unread(rule="DR01", message=message, where=f"row {row.number}", index=index)
            continue
        given = table.value(rows[0], _IMAGE)
        regions = list(_regions(table, rows, choices))
        of_image, attributes = labels_of_image(_as_attributes(given), len(regions), choices.images)
        yield ImageRecord(
            filename=filename.replace("\\", "/"),
            where=where,
            regions=(*regions, *of_image),
            size_bytes=whole_number(table.text(rows[0], "file_size"), least=0),
            attributes=attributes,
        )


def _as_attributes(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, dict) else {_IMAGE: given} if given else {}


def _regions(table: _Table, rows: list[Row], choices: Choices) -> Iterator[Region | Unread]:
    count = table.count(rows)
    if count == 0 and len(rows) == 1:
        return
    for index, row in enumerate(rows):
        raw = {"shape_attributes": table.value(row, _SHAPE), "region_attributes": table.value(row, _ATTRIBUTES)}
        region = region_of_raw(raw, index, choices.regions)
        yield _placed(region, row)
    for index in range(len(rows), count):
        message = f"an image must have as many rows as regions, got {len(rows)} rows and region_count={count}"
        values = {"region_count": count, "rows": len(rows)}
        yield Unread(rule="DR01", message=message, where=f"row {rows[0].number}", values=values, index=index)


def _placed(region: Region | Unread, row: Row) -> Region | Unread:
    within = region.where.partition(".")[2].replace("shape_attributes", _SHAPE, 1)
    return replace(region, where=f"row {row.number}, {within}" if within else f"row {row.number}")


def _attributes(text: str) -> object:
    if not text.strip():
        return {}
    if not text.lstrip().startswith("{"):
        return _early_words(text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _early_words(text: str) -> object:
    """The attributes of early versions: `name=circle;cx=5;`, lists as `[1:2:3]`; else the text itself."""
    words: dict[str, object] = {}
    for part in filter(None, text.split(";")):
        name, equals, value = part.partition("=")
        if not equals:
            return text
        words[name] = _early_value(value) if "name=" in text and text.startswith("name=") else value
    return words


def _early_value(value: str) -> object:
    try:
        if value.startswith("[") and value.endswith("]"):
            return [_number(each) for each in value[1:-1].split(":") if each]
        return _number(value)
    except ValueError:
        return value


def _number(text: str) -> float:
    value = float(text)
    return int(value) if text.strip().lstrip("-").isdigit() else value


def _rows_of(record: ImageRecord, report: WriteReport) -> Iterator[list[object]]:
    entry = entry_of(record, report)
    regions = entry["regions"]
    head = [entry["filename"], entry["size"], _json(entry["file_attributes"], record.where), len(regions)]
    for i, region in enumerate(regions):
        cells = (
            _json(region[key], f"{record.where}.regions[{i}]") for key in ("shape_attributes", "region_attributes")
        )
        yield [*head, i, *cells]
    if not regions:
        yield [*head, 0, "{}", "{}"]


def _json(value: object, where: str) -> str:
    return dumps(value, where).decode()
