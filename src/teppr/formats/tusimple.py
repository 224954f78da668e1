"""TuSimple lanes: a line of JSON a frame, with the x of every lane at the rows `h_samples`, or -2 where it has none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from reprlib import repr as short
from typing import Any, BinaryIO

import orjson

from teppr.errors import BadFile, BadInput
from teppr.files import whole_file
from teppr.formats._json_lines import dumps
from teppr.formats._left_out import leave_out_beside_shape
from teppr.formats._numbers import all_numbers, plain, whole_number
from teppr.formats.contract import Format, Reading, ReadOptions, WriteReport
from teppr.types import ImageRecord, Polyline, Region, Ring, Unread

LABEL = "lane"
ABSENT = -2
"""Stands for the x of a lane at a row that it does not reach."""
_LANES, _ROWS, _FILE = "lanes", "h_samples", "raw_file"
_SIZE = ("width", "height")
"""Two words of ours: the image's size in pixels."""
_KEYS = frozenset({_LANES, _ROWS, _FILE, *_SIZE})
_MOST_LINE_BYTES = 16 << 20


class TuSimple(Format):
    """TuSimple: lanes as polylines, one label."""

    name = "tusimple"
    title = "TuSimple lanes, JSON lines"
    suffixes = (".json", ".jsonl")
    shapes = frozenset({"polyline"})

    def sniff(self, path: Path) -> bool:
        """Whether the first line is a frame."""
        try:
            _check_first(path)
        except BadFile:
            return False
        return True

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read; raises BadFile where the first line is no frame."""
        _check_first(path)
        return Reading(records=_records(path, options.label or LABEL))

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write a line a record: polylines, at the rows where any of its lanes has a point."""
        report = WriteReport()
        with whole_file(path) as file:
            for record in records:
                file.write(dumps(_line_of(record, report), record.where) + b"\n")
                report.images += 1
            if not report.images:
                file.write(_NO_FRAMES + b"\n")
        return report


PLUGIN = TuSimple()


_NO_FRAMES = b"{}"
"""Stands alone in a file without frames, which tells it from one that is merely empty."""


def _check_first(path: Path) -> None:
    number, line = next(_lines(path), (1, b""))
    try:
        frame = _frame(line)
    except BadInput as error:
        raise BadFile(f"a TuSimple file must hold an object a line: {error} - at line {number} of {path}") from error
    if frame and not {_LANES, _ROWS} <= frame.keys():
        raise BadFile(f"a TuSimple frame must have {_LANES} and {_ROWS}, which line {number} of {path} has not")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that say something, with their numbers from 1."""
    try:
        # A pipe would never end.
        if not path.is_file():
            raise BadFile(f"{path} is not a file")
        with path.open("rb") as file:
            yield from _said(file, path)
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror or error}") from error


def _said(file: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(_MOST_LINE_BYTES):
        number += 1
        if len(line) == _MOST_LINE_BYTES:
            raise BadFile(f"line {number} of {path} has more than {_MOST_LINE_BYTES} bytes; it cannot be a frame")
        if line.strip():
            yield number, line


def _frame(line: bytes) -> dict[str, Any]:
    try:
        frame = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"cannot read as JSON: {error}") from error
    if not isinstance(frame, dict):
        raise BadInput(f"a frame must be an object, got {short(frame)}")
    return frame


def _records(path: Path, label: str) -> Iterator[ImageRecord | Unread]:
    for number, line in _lines(path):
        where = f"line {number}"
        if line.strip() == _NO_FRAMES:
            continue
        try:
            yield _record(_frame(line), where, label)
        except BadInput as error:
            yield Unread(rule="DR01", message=str(error), where=where)


def _record(frame: Mapping[str, Any], where: str, label: str) -> ImageRecord:
    name, lanes, rows = frame.get(_FILE), frame.get(_LANES), frame.get(_ROWS)
    if not isinstance(name, str) or not name.strip():
        raise BadInput(f"a frame must name its image, got {_FILE}={short(name)}")
    if not isinstance(lanes, list) or not isinstance(rows, list) or not all_numbers(rows):
        raise BadInput(f"a frame must have lists of {_LANES} and of numbers {_ROWS}, got {short(lanes)}, {short(rows)}")
    width, height = (whole_number(frame.get(side), least=1) for side in _SIZE)
    return ImageRecord(
        filename=name.replace("\\", "/"),
        where=where,
        regions=tuple(_region(lane, rows, i, label) for i, lane in enumerate(lanes)),
        size_wh=None if width is None or height is None else (width, height),
        attributes={key: value for key, value in frame.items() if key not in _KEYS},
    )


def _region(lane: object, rows: Sequence[float], index: int, label: str) -> Region | Unread:
    where = f"{_LANES}[{index}]"
    if not isinstance(lane, list) or not all_numbers(lane) or len(lane) != len(rows):
        got = f"{len(lane)} numbers" if isinstance(lane, list) and all_numbers(lane) else short(lane)
        message = f"a lane must have a number for each of {len(rows)} rows, got {got}"
        values = {"lane": short(lane)}
        return Unread(rule="DR08", message=message, where=where, values=values, index=index, shape_kind=Polyline.kind)
    points = tuple((x, y) for x, y in zip(lane, rows, strict=True) if x != ABSENT)
    return Region(shape=Polyline(points), label=label, index=index, where=where)


def _line_of(record: ImageRecord, report: WriteReport) -> dict[str, Any]:
    if record.source_id is not None:
        report.leave_out("id of an image")
    if record.size_bytes is not None:
        report.leave_out("size of an image in bytes")
    lanes = [line for region in record.regions if (line := _sayable(region, report)) is not None]
    rows = sorted({y for line in lanes for _, y in line})
    own = {key: value for key, value in record.attributes.items() if key not in _KEYS}
    for _ in range(len(record.attributes) - len(own)):
        report.leave_out("attribute of an image, whose name a frame needs")
    size = {} if record.size_wh is None else dict(zip(_SIZE, record.size_wh, strict=True))
    return {
        _LANES: [_sampled(line, rows) for line in lanes],
        _ROWS: [plain(y) for y in rows],
        _FILE: record.filename,
        **size,
        **own,
    }


def _sayable(region: Region | Unread, report: WriteReport) -> Ring | None:
    """The points of a lane from top to bottom; None for what is none."""
    if isinstance(region, Unread):
        report.leave_out(f"region that could not be read ({region.rule})")
        return None
    if not isinstance(region.shape, Polyline):
        report.leave_out(f"{region.shape.kind}, which is no lane")
        return None
    _tell(region, report)
    report.regions += 1
    points = tuple(sorted(region.shape.points, key=lambda point: point[1]))
    if points != region.shape.points:
        report.leave_out("direction of a lane: points are read from top to bottom")
    if len({y for _, y in points}) < len(points):
        report.leave_out("points of a lane at the same height, of which the last is kept")
    if any(x == ABSENT for x, _ in points):
        report.leave_out(f"point of a lane at x = {ABSENT}, which stands for none")
    return points


def _tell(region: Region, report: WriteReport) -> None:
    leave_out_beside_shape(region, report)
    if region.label != LABEL:
        report.leave_out(f"label of a lane: all are read as {LABEL!r}")
    if region.label_attribute is not None:
        report.leave_out("name of the attribute that a label was the value of")
    for _ in region.attributes:
        report.leave_out("attribute of a region")


def _sampled(line: Ring, rows: Sequence[float]) -> list[float]:
    """The x at every row where the lane has a point; else `ABSENT`."""
    at = {y: x for x, y in line}
    return [plain(at.get(y, ABSENT)) for y in rows]
