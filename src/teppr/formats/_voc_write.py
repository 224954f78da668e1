"""Writing a folder of VOC's files from a stream of records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from teppr.files import whole_folder
from teppr.formats._left_out import leave_out_beside_shape
from teppr.formats._numbers import plain
from teppr.formats._places import free_place
from teppr.formats._shape_words import as_in_file
from teppr.formats._voc_words import FLAGS, IMAGE_TEXTS, IMAGE_WORDS, JSON, OBJECT_TEXTS, OBJECT_WORDS, USUAL_DEPTH
from teppr.formats._xml_file import json_text, speakable
from teppr.formats.contract import WriteReport
from teppr.geometry import box_xywh
from teppr.types import ImageRecord, Polygon, Rect, Region, Shape, Unread, WholeImage


def write_folder(records: Iterable[ImageRecord], path: Path, within: str) -> WriteReport:
    """A file a record, named like its image, in the folder `within` of a new folder."""
    report = WriteReport()
    last = PurePosixPath()
    with whole_folder(path) as whole:
        folder = whole / within
        folder.mkdir()
        for record in records:
            place, _ = free_place(folder, record.filename, report.images, ".xml")
            if place < last:
                report.leave_out("place of an image among the others: files are read in the order of their names")
            last = max(place, last)
            root = _annotation(record, report)
            indent(root, "\t")
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(tostring(root, encoding="utf-8") + b"\n")
            report.images += 1
    return report


def _annotation(record: ImageRecord, report: WriteReport) -> Element:
    if record.source_id is not None:
        report.leave_out("id of an image")
    if record.size_bytes is not None:
        report.leave_out("size of an image in bytes")
    root = Element("annotation")
    _text(root, "filename", record.filename, report)
    depth = record.attributes.get("depth")
    has_depth = record.size_wh is not None and isinstance(depth, str) and depth.isdigit() and depth != USUAL_DEPTH
    if record.size_wh is not None:
        size = SubElement(root, "size")
        for side, pixels in zip(("width", "height"), record.size_wh, strict=True):
            _text(size, side, str(pixels), report)
        _text(size, "depth", str(depth) if has_depth else USUAL_DEPTH, report)
    attributes = {name: value for name, value in record.attributes.items() if not (has_depth and name == "depth")}
    _attributes(root, attributes, IMAGE_TEXTS, (), IMAGE_WORDS, record.where)
    for region in record.regions:
        if isinstance(region, Unread):
            report.leave_out(f"region that could not be read ({region.rule})")
        else:
            _object(root, region, report, f"{record.where}.{region.where}")
            report.regions += 1
    return root


def _object(root: Element, region: Region, report: WriteReport, where: str) -> None:
    leave_out_beside_shape(region, report)
    if region.label_attribute is not None:
        report.leave_out("name of the attribute that a label was the value of")
    element = SubElement(root, "object")
    _text(element, "name", region.label or "", report)
    _attributes(element, region.attributes, OBJECT_TEXTS, FLAGS, OBJECT_WORDS, where)
    shape = region.shape
    if isinstance(shape, WholeImage):
        report.leave_out("that an object without a box is the whole image's label")
        return
    if isinstance(shape, Polygon) and _is_sayable(shape):
        polygon = SubElement(element, "polygon")
        for i, (x, y) in enumerate(as_in_file(shape)[0], 1):
            _text(polygon, f"x{i}", str(plain(x)), report)
            _text(polygon, f"y{i}", str(plain(y)), report)
    elif not isinstance(shape, Rect):
        report.leave_out(f"{shape.kind}, as the box around it")
    _box(element, shape, report)


def _is_sayable(polygon: Polygon) -> bool:
    return len(polygon.rings) == 1 and len(polygon.rings[0]) >= 3


def _box(element: Element, shape: Shape, report: WriteReport) -> None:
    x, y, width, height = box_xywh(shape)
    box = SubElement(element, "bndbox")
    for corner, value in zip(("xmin", "ymin", "xmax", "ymax"), (x, y, x + width, y + height), strict=True):
        _text(box, corner, str(plain(value)), report)


def _attributes(
    element: Element,
    attributes: Mapping[str, Any],
    texts: Sequence[str],
    flags: Sequence[str],
    words: frozenset[str],
    where: str,
) -> None:
    """VOC's own words as elements, other texts as CVAT has them, all else as one JSON object."""
    others: dict[str, Any] = {}
    plain_texts: dict[str, str] = {}
    for name, value in attributes.items():
        is_text = isinstance(value, str) and speakable(value) == value and value != ""
        if (name in texts and is_text) or (name in flags and type(value) is int and value in (0, 1)):
            SubElement(element, name).text = str(value)
        elif is_text and speakable(name) == name and name != JSON and name.strip() and name not in words:
            plain_texts[name] = value
        else:
            others[name] = value
    if not plain_texts and not others:
        return
    listed = SubElement(element, "attributes")
    for name, text in plain_texts.items():
        _attribute(listed, name, text)
    if others:
        _attribute(listed, JSON, json_text(others, where))


def _attribute(listed: Element, name: str, text: str) -> None:
    attribute = SubElement(listed, "attribute")
    SubElement(attribute, "name").text = name
    SubElement(attribute, "value").text = text


def _text(element: Element, tag: str, text: str, report: WriteReport) -> None:
    if speakable(text) != text:
        report.leave_out("character that XML has no form for")
    SubElement(element, tag).text = speakable(text)
