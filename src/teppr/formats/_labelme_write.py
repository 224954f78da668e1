"""Writing a folder of labelme's files from a stream of records."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import cv2

from teppr.files import whole_folder
from teppr.formats._bitmaps import box_of_mask, size_with_masks
from teppr.formats._json_lines import dumps
from teppr.formats._labelme_names import name_of_image
from teppr.formats._labelme_words import FLAGS, SHAPE_WORDS, TOP_WORDS, are_flags, is_group
from teppr.formats._left_out import leave_out_beside_shape
from teppr.formats._numbers import plain
from teppr.formats._places import free_place
from teppr.formats._shape_words import as_in_file
from teppr.formats.contract import WriteReport
from teppr.geometry import rings_of
from teppr.types import (
    Circle,
    Ellipse,
    ImageRecord,
    Mask,
    Point,
    Polygon,
    Polyline,
    Rect,
    Region,
    Shape,
    Spot,
    Unread,
    WholeImage,
)

_VERSION = "5.5.0"
"""Of labelme, whose files these are like."""
_LINE = "linestrip"
LABELS = "labels.txt"
"""The labels, a line each, as labelme takes them by `--labels`; stands in a folder without images too."""


class _Drawn(NamedTuple):
    """What labelme draws: its type, its points, and the picture of a mask."""

    kind: str
    points: Sequence[Point]
    picture: str | None = None


def write_folder(records: Iterable[ImageRecord], path: Path) -> WriteReport:
    """A file a record, beside where its image would stand."""
    report = WriteReport()
    last = PurePosixPath()
    labels: dict[str, None] = {}
    with whole_folder(path) as folder:
        for record in records:
            place, image_path = free_place(folder, record.filename, report.images, ".json")
            if name_of_image(place, image_path) != record.filename:
                report.leave_out("that the name of an image leads out of the folder")
            if place < last:
                report.leave_out("place of an image among the others: files are read in the order of their names")
            last = max(place, last)
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(dumps(_file(record, image_path, report), record.where) + b"\n")
            report.images += 1
            found = (region.label for region in record.regions if isinstance(region, Region))
            labels |= dict.fromkeys(label for label in found if label is not None and label.splitlines() == [label])
        (folder / LABELS).write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    return report


def _file(record: ImageRecord, image_path: str, report: WriteReport) -> dict[str, Any]:
    size_wh = size_with_masks(record)
    if size_wh != record.size_wh:
        report.leave_out("that the size of an image is known from its masks only")
    if record.source_id is not None:
        report.leave_out("id of an image")
    shapes = list(_shapes(record, size_wh, report))
    own, further = _split(record.attributes, {FLAGS} if are_flags(record.attributes.get(FLAGS)) else set(), TOP_WORDS)
    flags = {**own.get(FLAGS, {}), **_flags_of_labels(record, report)}
    return {
        "version": _VERSION,
        FLAGS: flags,
        "shapes": shapes,
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": None if size_wh is None else size_wh[1],
        "imageWidth": None if size_wh is None else size_wh[0],
        **({} if record.size_bytes is None else {"size_bytes": record.size_bytes}),
        **further,
    }


def _split(
    attributes: Mapping[str, Any], own: set[str], words: frozenset[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What labelme has words for, `own`, and what else stands beside them; names of words that are not so, nested."""
    further = {name: value for name, value in attributes.items() if name not in words}
    nested = {name: value for name, value in attributes.items() if name in words - own}
    return {name: attributes[name] for name in own}, further | ({"attributes": nested} if nested else {})


def _flags_of_labels(record: ImageRecord, report: WriteReport) -> dict[str, bool]:
    """Labels of the whole image, of which labelme knows flags only."""
    flags = {}
    for region in record.regions:
        if not isinstance(region, Region) or not isinstance(region.shape, WholeImage):
            continue
        leave_out_beside_shape(region, report)
        for _ in region.attributes:
            report.leave_out("attribute of a label of the whole image")
        if region.label is None:
            report.leave_out("that the whole image has no label")
        else:
            report.leave_out("that a flag of an image is its label")
            flags[region.label] = True
            report.regions += 1
    return flags


def _shapes(record: ImageRecord, size_wh: tuple[int, int] | None, report: WriteReport) -> Iterator[dict[str, Any]]:
    groups = _Groups(record)
    for region in record.regions:
        if isinstance(region, Unread):
            report.leave_out(f"region that could not be read ({region.rule})")
        elif not isinstance(region.shape, WholeImage):
            leave_out_beside_shape(region, report)
            drawn = list(_drawn(region.shape, size_wh, report))
            report.regions += bool(drawn)
            said = _said(region, groups, parts=len(drawn))
            for kind, points, picture in drawn:
                corners = [[plain(x), plain(y)] for x, y in points]
                yield {"points": corners, "shape_type": kind, **said} | ({"mask": picture} if picture else {})


class _Groups:
    """The groups of one image's shapes: numbers that are free, and those that would make one object of several."""

    def __init__(self, record: ImageRecord) -> None:
        regions = [region for region in record.regions if isinstance(region, Region)]
        given = [(region, region.attributes.get("group_id")) for region in regions]
        self._used = {number for _, number in given if is_group(number)}
        self._polygons = Counter(
            (region.label or "", number)
            for region, number in given
            if isinstance(region.shape, Polygon | Ellipse) and is_group(number)
        )

    def free(self) -> int:
        """A number that no shape has."""
        number = next(number for number in count(1) if number not in self._used)
        self._used.add(number)
        return number

    def may_show(self, region: Region) -> bool:
        """Whether the group of a region may be labelme's, which takes polygons of one group and label for one."""
        number = region.attributes.get("group_id")
        return is_group(number) and self._polygons[region.label or "", number] <= 1


def _said(region: Region, groups: _Groups, parts: int) -> dict[str, Any]:
    """What a region's shapes say beside where they lie."""
    own = {"group_id"} if parts == 1 and groups.may_show(region) else set()
    if are_flags(region.attributes.get(FLAGS)):
        own.add(FLAGS)
    if isinstance(description := region.attributes.get("description"), str) and description:
        own.add("description")
    words, further = _split(region.attributes, own, SHAPE_WORDS)
    named = {} if region.label_attribute is None else {"label_attribute": region.label_attribute}
    group = {"group_id": groups.free() if parts > 1 else None}
    return {"label": region.label or "", FLAGS: {}, "description": ""} | group | words | named | further


def _drawn(shape: Shape, size_wh: tuple[int, int] | None, report: WriteReport) -> Iterator[_Drawn]:
    match shape:
        case Rect(x=x, y=y, width=width, height=height):
            if width < 0 or height < 0:
                report.leave_out("that a rectangle has a negative width or height")
            yield _Drawn("rectangle", [(x, y), (x + width, y + height)])
        case Circle(cx=cx, cy=cy, r=r):
            if r < 0:
                report.leave_out("that a circle has a negative radius")
            yield _Drawn(shape.kind, [(cx, cy), (cx + r, cy)])
        case Spot(cx=cx, cy=cy):
            yield _Drawn(shape.kind, [(cx, cy)])
        case Mask():
            yield from _mask(shape, size_wh, report)
        case Ellipse():
            report.leave_out("ellipse, as a polygon along it")
            yield from (_Drawn(Polygon.kind, ring) for ring in rings_of(shape))
        case Polygon():
            yield from _with_points(Polygon.kind, as_in_file(shape), report)
        case Polyline(points=points):
            yield from _with_points(_LINE, [points], report)


def _with_points(kind: str, lines: Iterable[Sequence[Point]], report: WriteReport) -> Iterator[_Drawn]:
    for points in lines:
        if points:
            yield _Drawn(kind, points)
        else:
            report.leave_out(f"{kind} without points")


def _mask(mask: Mask, size_wh: tuple[int, int] | None, report: WriteReport) -> Iterator[_Drawn]:
    boxed = box_of_mask(mask)
    if boxed is None or mask.size_wh != size_wh:
        report.leave_out("mask without pixels" if boxed is None else "mask of another size than its image")
        return
    if not mask.compressed_in_file:
        report.leave_out("that the runs of a mask were a list of numbers")
    height, width = boxed.bitmap.shape
    _, picture = cv2.imencode(".png", boxed.bitmap)
    corners = [(boxed.left, boxed.top), (boxed.left + width - 1, boxed.top + height - 1)]
    yield _Drawn(mask.kind, corners, b64encode(picture.tobytes()).decode())
