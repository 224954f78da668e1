"""OpenImages: one CSV of boxes, corners as shares of the image's size; commas or points before decimals."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from reprlib import repr as short

from teppr.errors import BadFile
from teppr.files import whole_file
from teppr.formats._beside import ImagesBeside
from teppr.formats._csv_file import CsvFile, Row
from teppr.formats._left_out import leave_out_beside_shape, leave_out_of_image
from teppr.formats._shape_words import BadShape
from teppr.formats._shares import PRECISION_PX, box_in_pixels, share_text
from teppr.formats.contract import ALL_SHAPES, Format, Reading, ReadOptions, WriteReport
from teppr.geometry import box_xywh
from teppr.images import SUFFIXES
from teppr.types import ImageRecord, Rect, Region, Unread, WholeImage

CORNERS = ("XMin", "YMin", "XMax", "YMax")
FLAGS = ("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside")
TEXTS = ("Source", "Confidence")
COLUMNS = ("ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax", *FLAGS)
SIZE = ("OriginalWidth", "OriginalHeight")
"""Two columns that our writer adds, so that boxes can be read without their images."""
_GROUP = "IsGroupOf"


class OpenImages(Format):
    """OpenImages, CSV: boxes only, and images only that have one; a group of objects is a crowd."""

    name = "openimages"
    title = "OpenImages, a CSV of boxes"
    suffixes = (".csv",)
    precision_px = PRECISION_PX
    shapes = ALL_SHAPES - {"image"}

    def sniff(self, path: Path) -> bool:
        """Whether the header has OpenImages' columns."""
        try:
            return {"ImageID", "LabelName", *CORNERS} <= set(CsvFile(path).header)
        except BadFile:
            return False

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read; an image's size comes from the image, or from the columns that our writer adds."""
        table = _Table(path)
        beside = ImagesBeside(options.images or self.image_folders(path))
        return Reading(records=_records(table, beside))

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write a row a box; every other shape becomes the box around it, and is told."""
        report = WriteReport()
        seen: set[str] = set()
        with whole_file(path) as file:
            text = io.TextIOWrapper(file, "utf-8", newline="")
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow((*COLUMNS, *SIZE))
            for record in records:
                rows = list(_rows_of(record, seen, report))
                writer.writerows(rows)
                report.images += bool(rows)
            text.detach()  # flushes, and leaves closing to `whole_file`
        return report

    def image_folders(self, path: Path) -> Sequence[Path]:
        """`images` beside the file, and its folder."""
        return tuple(place for place in (path.parent / "images", path.parent) if place.is_dir())


PLUGIN = OpenImages()


class _Table:
    """The CSV: cells by the names of their columns."""

    def __init__(self, path: Path) -> None:
        self._file = CsvFile(path)
        self._at = {name: at for at, name in enumerate(self._file.header)}
        for name in ("ImageID", "LabelName", *CORNERS):
            self._file.column(name)

    def images(self) -> Iterator[tuple[str, list[Row]]]:
        """The rows of each image."""
        return self._file.by(self._at["ImageID"])

    def text(self, row: Row, column: str) -> str:
        """A cell; "" where there is no such column, or the row is too short."""
        at = self._at.get(column, len(row.cells))
        return row.cells[at].strip() if at < len(row.cells) else ""

    def number(self, row: Row, column: str) -> float:
        """A share; raises BadShape for what is none."""
        text = self.text(row, column)
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            message = f"a box needs a number as {column}, got {short(text)}"
            raise BadShape(message, where=column, value=text, kind=Rect.kind)
        return value

    def size_of(self, row: Row) -> tuple[int, int] | None:
        """The image's size, where the file says it."""
        width, height = (self.text(row, name) for name in SIZE)
        return (int(width), int(height)) if _is_side(width) and _is_side(height) else None


def _is_side(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 7 and int(text) > 0


def _records(table: _Table, beside: ImagesBeside) -> Iterator[ImageRecord | Unread]:
    for image_id, rows in table.images():
        where = f"row {rows[0].number}"
        filename = _filename(image_id, beside)
        size_wh = table.size_of(rows[0]) or beside.size_of(filename)
        if image_id.strip() and size_wh is not None:
            regions = tuple(_region(table, row, i, size_wh) for i, row in enumerate(rows))
            yield ImageRecord(filename=filename, where=where, regions=regions, size_wh=size_wh)
            continue
        message = f"the image {short(image_id)} is not there, and coordinates are shares of its size; where are images?"
        yield Unread(rule="DR03", message=message, where=where, values={"image": image_id})
        for index, row in enumerate(rows):
            yield Unread(rule="DR03", message=message, where=f"row {row.number}", index=index)


def _filename(image_id: str, beside: ImagesBeside) -> str:
    """Ids are names without their ending, or with it."""
    name = image_id.replace("\\", "/")
    if PurePosixPath(name).suffix.lower() in SUFFIXES:
        return name
    return beside.named(name) or name


def _region(table: _Table, row: Row, index: int, size_wh: tuple[int, int]) -> Region | Unread:
    where = f"row {row.number}"
    try:
        left, top, right, bottom = (table.number(row, corner) for corner in CORNERS)
    except BadShape as error:
        return Unread(
            rule="DR08",
            message=str(error),
            where=f"{where}, {error.where}",
            values={"value": error.value},
            index=index,
            shape_kind=error.kind,
        )
    flags = {name: table.text(row, name) == "1" for name in FLAGS if table.text(row, name) in ("0", "1")}
    texts = {name: text for name in TEXTS if (text := table.text(row, name))}
    is_crowd = flags.pop(_GROUP, False)
    return Region(
        shape=box_in_pixels(left, top, right, bottom, size_wh),
        label=table.text(row, "LabelName") or None,
        attributes={**texts, **flags},
        index=index,
        where=where,
        is_crowd=is_crowd,
    )


def _rows_of(record: ImageRecord, seen: set[str], report: WriteReport) -> Iterator[list[object]]:
    if record.size_wh is None:
        report.leave_out("image whose size is not known")
        return
    if record.filename in seen or record.filename.strip() != record.filename:
        report.leave_out("image of the name of an earlier one, or of one with blanks around it")
        return
    seen.add(record.filename)
    leave_out_of_image(record, report)
    written = 0
    for region in record.regions:
        if isinstance(region, Unread):
            report.leave_out(f"region that could not be read ({region.rule})")
        elif isinstance(region.shape, WholeImage):
            report.leave_out("label of a whole image")
        else:
            written += 1
            yield _row_of(record.filename, region, record.size_wh, report)
    report.regions += written
    if not written:
        report.leave_out("image without a box")


def _row_of(filename: str, region: Region, size_wh: tuple[int, int], report: WriteReport) -> list[object]:
    _tell_of_region(region, report)
    width, height = size_wh
    x, y, w, h = box_xywh(region.shape)
    flags = {name: region.attributes.get(name) for name in FLAGS} | {_GROUP: region.is_crowd}
    texts = {name: region.attributes.get(name) for name in TEXTS}
    return [
        filename,
        texts["Source"] if _is_text(texts["Source"]) else "",
        region.label or "",
        texts["Confidence"] if _is_text(texts["Confidence"]) else "",
        share_text(x, width),
        share_text(x + w, width),
        share_text(y, height),
        share_text(y + h, height),
        *("" if not isinstance(flags[name], bool) else int(bool(flags[name])) for name in FLAGS),
        width,
        height,
    ]


def _tell_of_region(region: Region, report: WriteReport) -> None:
    leave_out_beside_shape(region, report, with_crowd=True)
    if not isinstance(region.shape, Rect):
        report.leave_out(f"{region.shape.kind}, as the box around it")
    if region.label_attribute is not None:
        report.leave_out("name of the attribute that a label was the value of")
    if region.label is not None and region.label.strip() != region.label:
        report.leave_out("blank around a label")
    for name, value in region.attributes.items():
        if not (name in TEXTS and _is_text(value)) and not (
            name in FLAGS and name != _GROUP and isinstance(value, bool)
        ):
            report.leave_out("attribute of a region")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.strip() == value and value != ""
