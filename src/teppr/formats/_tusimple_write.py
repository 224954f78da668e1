"""Writing TuSimple's lanes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from teppr.files import whole_file
from teppr.formats._json_lines import dumps
from teppr.formats._left_out import leave_out_beside_shape
from teppr.formats._numbers import all_numbers
from teppr.formats._tusimple_rows import NO_POINT, common_rows, crossing_xs, exact_xs, grid, is_dense, runs_up
from teppr.formats.contract import WriteReport
from teppr.types import ImageRecord, Polyline, Region, Ring, Unread

LABEL = "lane"
KEYS = frozenset({"lanes", "h_samples", "raw_file"})
"""Keys of a line that records have a place for; any other is an attribute of the image."""


def write_lines(records: Iterable[ImageRecord], path: Path) -> WriteReport:
    """A line an image, a blank one where there is none; what is no polyline is left out."""
    report = WriteReport()
    with whole_file(path) as file:
        for record in records:
            file.write(dumps(_line(record, report), record.where) + b"\n")
            report.images += 1
        if not report.images:
            file.write(b"\n")
    return report


def _line(record: ImageRecord, report: WriteReport) -> dict[str, Any]:
    if record.size_bytes is not None:
        report.leave_out("size of an image in bytes")
    if record.size_wh is not None:
        report.leave_out("width and height of an image")
    if record.source_id is not None:
        report.leave_out("id of an image")
    given = record.attributes.get("h_samples")
    rows = given if _are_rows(given) else None
    for name in KEYS.intersection(record.attributes):
        if name != "h_samples" or rows is None:
            report.leave_out(f"attribute {name!r} of an image, whose name the lanes need")
    lanes = [points for region in record.regions if (points := _points(region, report)) is not None]
    report.regions += len(lanes)
    rows, lists = _sampled(lanes, rows, record, report)
    further = {name: value for name, value in record.attributes.items() if name not in KEYS}
    return {"lanes": lists, "h_samples": rows, "raw_file": record.filename} | further


def _are_rows(value: object) -> TypeGuard[list[float]]:
    return isinstance(value, list) and all_numbers(value) and len(set(value)) == len(value)


def _points(region: Region | Unread, report: WriteReport) -> Ring | None:
    """The points of a lane, None for any other region."""
    if isinstance(region, Unread):
        report.leave_out(f"region that could not be read ({region.rule})")
        return None
    if not isinstance(region.shape, Polyline):
        report.leave_out(f"{region.shape.kind}, which is no lane")
        return None
    leave_out_beside_shape(region, report)
    if region.label != LABEL:
        report.leave_out("label of a lane" if region.label is not None else "that a lane has no label")
    if region.label_attribute is not None:
        report.leave_out("name of the attribute that a label was the value of")
    if region.attributes:
        report.leave_out("attributes of a lane")
    return region.shape.points


def _sampled(
    lanes: Sequence[Ring], given: list[float] | None, record: ImageRecord, report: WriteReport
) -> tuple[list[float], list[list[float]]]:
    """The rows, those given if there are any, and the lanes at them."""
    if given is not None:
        return given, [_at_given(lane, given, report) for lane in lanes]
    lanes = [_downwards(lane, report) for lane in lanes]
    rows = common_rows(lanes)
    if rows is None:
        rows = grid(lanes, record.size_wh[1] if record.size_wh else None)
    return rows, [_dense(lane, rows, report) for lane in lanes]


def _at_given(lane: Ring, rows: Sequence[float], report: WriteReport) -> list[float]:
    xs = exact_xs(lane, rows)
    return xs if xs is not None else _crossing(_downwards(lane, report), rows, report)


def _dense(lane: Ring, rows: Sequence[float], report: WriteReport) -> list[float]:
    # Points far from each other may stand at rows of the grid by chance: the line between them is meant as well.
    xs = exact_xs(lane, rows)
    return xs if xs is not None and is_dense(xs) else _crossing(lane, rows, report)


def _crossing(lane: Ring, rows: Sequence[float], report: WriteReport) -> list[float]:
    report.leave_out("points of a lane, which is written where it crosses the rows of h_samples")
    xs = crossing_xs(lane, rows)
    if set(xs) <= {NO_POINT}:
        report.leave_out("lane that crosses no row of h_samples")
    return xs


def _downwards(lane: Ring, report: WriteReport) -> Ring:
    if not runs_up(lane):
        return lane
    report.leave_out("that a lane was drawn upwards")
    return lane[::-1]
