"""Writing exports of VGG Image Annotator 2."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from teppr.files import whole_file
from teppr.formats._json_lines import dumps
from teppr.formats._left_out import leave_out_beside_shape
from teppr.formats._shape_words import as_in_file, words_of_points, words_of_shape
from teppr.formats._taken import Taken
from teppr.formats._via_label import SELF_EVIDENT
from teppr.formats.contract import WriteReport
from teppr.geometry import rings_of
from teppr.types import ImageRecord, Mask, Polygon, Region, Shape, Unread, WholeImage

UNKNOWN_SIZE = -1
"""What VIA writes for an image whose size it does not know."""


def write_export(records: Iterable[ImageRecord], path: Path) -> WriteReport:
    """One entry a record, under the key that VIA makes of name and size; equal keys are told apart by a number."""
    report = WriteReport()
    with Taken() as keys, whole_file(path) as file:
        file.write(b"{")
        for record in records:
            entry = entry_of_record(record, report)
            key = _free_key(f"{record.filename}{entry['size']}", keys)
            separator = b",\n" if report.images else b"\n"
            file.write(separator + dumps(key, record.where) + b":" + dumps(entry, record.where))
            report.images += 1
        file.write(b"\n}\n")
    return report


def _free_key(wanted: str, taken: Taken) -> str:
    key, number = wanted, 1
    while not taken.take(key):
        number += 1
        key = f"{wanted} ({number})"
    return key


def entry_of_record(record: ImageRecord, report: WriteReport) -> dict[str, Any]:
    """What VIA holds of an image; all else is counted in the report, as are the regions."""
    if record.size_wh is not None:
        report.leave_out("width and height of an image")
    if record.source_id is not None:
        report.leave_out("id of an image")
    regions = [written for region in record.regions for written in _regions(region, report)]
    report.regions += len(regions)
    return {
        "filename": record.filename,
        "size": UNKNOWN_SIZE if record.size_bytes is None else record.size_bytes,
        "regions": regions,
        "file_attributes": _file_attributes(record, report),
    }


def _regions(region: Region | Unread, report: WriteReport) -> list[dict[str, Any]]:
    if isinstance(region, Unread):
        report.leave_out(f"region that could not be read ({region.rule})")
        return []
    leave_out_beside_shape(region, report)
    attributes = _attributes(region, report)
    return [{"shape_attributes": words, "region_attributes": attributes} for words in _words(region.shape, report)]


def _file_attributes(record: ImageRecord, report: WriteReport) -> dict[str, Any]:
    """The attributes of the image, and among them the labels of all of it; several become ticks of a checkbox.

    They count as no regions, for who reads the file is to ask for them.
    """
    labels: dict[str, dict[str, bool]] = {}
    for region in record.regions:
        if not isinstance(region, Region) or not isinstance(region.shape, WholeImage):
            continue
        if region.attributes:
            report.leave_out("attributes of a whole image, beside its label")
        if region.label is None:
            report.leave_out("whole image without a label")
            continue
        ticks = labels.setdefault(region.label_attribute or SELF_EVIDENT, {})
        repeats = region.label in ticks
        report.leave_out(
            "label that a whole image has twice" if repeats else "label of a whole image, as an attribute of the image"
        )
        ticks[region.label] = True
    for name in labels.keys() & record.attributes.keys():
        report.leave_out(f"attribute {name!r} of an image, whose name the label needs")
    said = {name: next(iter(ticks)) if len(ticks) == 1 else ticks for name, ticks in labels.items()}
    return {**record.attributes, **said}


def _attributes(region: Region, report: WriteReport) -> dict[str, Any]:
    if region.label is None:
        return dict(region.attributes)
    name = region.label_attribute or SELF_EVIDENT
    if name in region.attributes:
        report.leave_out(f"attribute {name!r} of a region, whose name the label needs")
    return {**region.attributes, name: region.label}


def _words(shape: Shape, report: WriteReport) -> list[dict[str, Any]]:
    match shape:
        case Polygon():
            if len(shape.rings) > 1:
                report.leave_out("that several rings are one polygon: each is a region of its own")
            return [words_of_points(shape.kind, ring) for ring in as_in_file(shape)]
        case Mask():
            rings = rings_of(shape)
            report.leave_out("mask, as polygons around its parts" if rings else "mask without an outline")
            return [words_of_points(Polygon.kind, ring) for ring in rings]
        case WholeImage():
            # VIA has no shape for it: see `_file_attributes`.
            return []
        case _:
            return [words_of_shape(shape)]
