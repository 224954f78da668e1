"""Writing exports of VGG Image Annotator 2."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from teppr.files import whole_file
from teppr.formats._json_lines import dumps
from teppr.formats._shape_words import as_in_file, words_of_points, words_of_shape
from teppr.formats._via_label import SELF_EVIDENT
from teppr.formats.contract import WriteReport
from teppr.geometry import rings_of
from teppr.types import ImageRecord, Mask, Polygon, Region, Shape, Unread, WholeImage

UNKNOWN_SIZE = -1
"""What VIA writes for an image whose size it does not know."""


def write_export(records: Iterable[ImageRecord], path: Path) -> WriteReport:
    """One entry a record, under the key that VIA makes of name and size; equal keys are told apart by a number."""
    report = WriteReport()
    keys: set[str] = set()
    with whole_file(path) as file:
        file.write(b"{")
        for record in records:
            entry = entry_of(record, report)
            key = _free_key(f"{record.filename}{entry['size']}", keys)
            separator = b",\n" if report.images else b"\n"
            file.write(separator + dumps(key, record.where) + b":" + dumps(entry, record.where))
            report.images += 1
        file.write(b"\n}\n")
    return report


def _free_key(wanted: str, taken: set[str]) -> str:
    key, number = wanted, 1
    while key in taken:
        number += 1
        key = f"{wanted} ({number})"
    taken.add(key)
    return key


def entry_of(record: ImageRecord, report: WriteReport) -> dict[str, Any]:
    """What VIA says of an image: file name, size, regions, attributes; what it cannot is counted in `report`."""
    if record.size_wh is not None:
        report.leave_out("width and height of an image")
    if record.source_id is not None:
        report.leave_out("id of an image")
    attributes = dict(record.attributes)
    regions: list[dict[str, Any]] = []
    for region in record.regions:
        if isinstance(region, Region) and isinstance(region.shape, WholeImage):
            _label_image(region, attributes, report)
        else:
            regions += _regions(region, report)
    report.regions += len(regions)
    return {
        "filename": record.filename,
        "size": UNKNOWN_SIZE if record.size_bytes is None else record.size_bytes,
        "regions": regions,
        "file_attributes": attributes,
    }


def _label_image(region: Region, attributes: dict[str, Any], report: WriteReport) -> None:
    """VIA has no shape for a whole image: its label is an attribute of the image, of several labels a checkbox."""
    report.leave_out("that an attribute of an image is its label")
    name = region.label_attribute or SELF_EVIDENT
    known = attributes.get(name)
    for _ in region.attributes:
        report.leave_out("attribute of the label of a whole image")
    if region.label is None or (name in attributes and not _is_checkbox(known)):
        report.leave_out("label of a whole image, which its attributes have no place for")
        return
    _count_left_out(region, report)
    report.regions += 1
    attributes[name] = {**(known if isinstance(known, dict) else {}), region.label: True}


def _is_checkbox(value: object) -> bool:
    return isinstance(value, dict) and all(ticked is True for ticked in value.values())


def _regions(region: Region | Unread, report: WriteReport) -> list[dict[str, Any]]:
    if isinstance(region, Unread):
        report.leave_out(f"region that could not be read ({region.rule})")
        return []
    _count_left_out(region, report)
    attributes = _attributes(region, report)
    return [{"shape_attributes": words, "region_attributes": attributes} for words in _words(region.shape, report)]


def _count_left_out(region: Region, report: WriteReport) -> None:
    if region.is_crowd:
        report.leave_out("that a region stands for a crowd")
    if region.source_id is not None:
        report.leave_out("id of a region")
    if region.box_xywh_px is not None or region.area_px is not None:
        report.leave_out("box and area of a region as stated, beside its shape")


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
        case _:
            return [words_of_shape(shape)]
