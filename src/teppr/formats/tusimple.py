"""TuSimple's lanes, JSON lines: an image a line, its lanes by their x at common rows.

A line is `{"lanes": [[x, ...], ...], "h_samples": [y, ...], "raw_file": "clips/.../20.jpg"}`; an x of -2 is no point.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from reprlib import repr as short
from typing import Any

import orjson

from teppr.errors import BadFile, BadInput
from teppr.formats._lines import LineFile, lines_of
from teppr.formats._numbers import all_numbers
from teppr.formats._tusimple_rows import common_rows, points_at
from teppr.formats._tusimple_write import KEYS, LABEL, write_lines
from teppr.formats.contract import Format, Reading, ReadOptions, WriteReport
from teppr.types import ImageRecord, Polyline, Region, Ring, Unread

_LINES_TO_TELL = 10
"""Among so many one must be whole, that the others are broken lines and not another kind of file."""


class TuSimple(Format):
    """TuSimple's lanes, JSON lines."""

    name = "tusimple"
    title = "TuSimple lanes, JSON lines"
    suffixes = (".json", ".jsonl")
    shapes = frozenset({Polyline.kind})

    def sniff(self, path: Path) -> bool:
        """Whether one of the first lines is an object with `raw_file` and `lanes` or `h_samples`."""
        try:
            with lines_of(path) as file:
                return any(_is_ours(line) for _, line in islice(_lines(file), _LINES_TO_TELL))
        except BadFile:
            return False

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read; all lanes are labelled "lane", or as the option `label` says."""
        with lines_of(path) as file:
            first = [line for _, line in islice(_lines(file), _LINES_TO_TELL)]
            file.move(0)
            is_blank = not first and file.line().endswith(b"\n")
        if not is_blank and not any(map(_is_ours, first)):
            message = "TuSimple's lanes must be a JSON object a line, with raw_file and lanes or h_samples"
            raise BadFile(f"{message}, got {short(first[0]) if first else 'nothing'} in {path}")
        return Reading(records=_records(path, options.label or LABEL))

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write polylines as lanes: as they are where their points are at common rows, else where they cross rows.

        The rows are the image's attribute `h_samples` if it has one, else those of the points, else every tenth.
        """
        return write_lines(records, path)


PLUGIN = TuSimple()


def _lines(file: LineFile) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers, from 1."""
    number = 0
    while line := file.line():
        number += 1
        if line.strip():
            yield number, line


def _parsed(line: bytes) -> object:
    """What a line says; None for what is not JSON."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _is_ours(line: bytes) -> bool:
    found = _parsed(line)
    return isinstance(found, dict) and "raw_file" in found and not found.keys().isdisjoint({"lanes", "h_samples"})


def _records(path: Path, label: str) -> Iterator[ImageRecord | Unread]:
    with lines_of(path) as file:
        for number, line in _lines(file):
            said, where = _parsed(line), f"line {number}"
            problem = _line_problem(said)
            if problem is None and isinstance(said, dict):
                yield _record(said, where, label)
                continue
            yield Unread(rule="DR01", message=str(problem), where=where, values={"line": short(line)})
            lanes = said.get("lanes") if isinstance(said, dict) else None
            for i in range(len(lanes) if isinstance(lanes, list) else 0):
                message = f"the line of this lane cannot be read: {problem}"
                yield Unread(rule="DR01", message=message, where=f"{where}, lanes[{i}]", index=i)


def _line_problem(said: object) -> str | None:
    """Why a line cannot be read, None if it can."""
    if not isinstance(said, dict):
        return f"a line must be a JSON object, got {short(said)}" if said is not None else "a line must be JSON"
    name = said.get("raw_file")
    if not isinstance(name, str) or not name.strip():
        return f"a line must name its image's file, got raw_file={short(name)}"
    if not isinstance(said.get("lanes", []), list):
        return f"lanes must be a list, got {short(said['lanes'])}"
    return None


def _record(said: Mapping[str, Any], where: str, label: str) -> ImageRecord:
    rows = said.get("h_samples")
    regions = tuple(_lane(xs, rows, i, label) for i, xs in enumerate(said.get("lanes", [])))
    attributes = {key: value for key, value in said.items() if key not in KEYS}
    if "h_samples" in said and rows != common_rows([*_points(regions)]):
        # Rows that do not follow from the points would be others when the lanes are written again.
        attributes["h_samples"] = rows
    return ImageRecord(
        filename=said["raw_file"].replace("\\", "/"), where=where, regions=regions, attributes=attributes
    )


def _points(regions: Iterable[Region | Unread]) -> Iterator[Ring]:
    for region in regions:
        if isinstance(region, Region) and isinstance(region.shape, Polyline):
            yield region.shape.points


def _lane(xs: object, rows: object, index: int, label: str) -> Region | Unread:
    where = f"lanes[{index}]"
    try:
        shape = _polyline(xs, rows)
    except BadInput as error:
        values = {"lane": short(xs), "h_samples": short(rows)}
        return Unread(
            rule="DR08", message=str(error), where=where, values=values, index=index, shape_kind=Polyline.kind
        )
    return Region(shape=shape, label=label, index=index, where=where)


def _polyline(lane: object, h_samples: object) -> Polyline:
    xs, rows = _numbers("a lane", lane), _numbers("h_samples", h_samples)
    if len(xs) != len(rows):
        raise BadInput(f"a lane must have an x for each row, got {len(xs)} x and {len(rows)} rows")
    return Polyline(points_at(xs, rows))


def _numbers(noun: str, values: object) -> list[float]:
    if not isinstance(values, list) or not all_numbers(values):
        raise BadInput(f"{noun} must be a list of numbers, got {short(values)}")
    return values
