"""Writing COCO instances from a stream of records.

The lists of images and of annotations grow side by side in two files of their own, a line each, and are joined at the
end, when it is known which ids are free; so no more is held than the ids and the labels.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO

import numpy as np

from teppr.files import whole_file
from teppr.formats._coco_words import IMAGE_KEYS, TOP_KEYS
from teppr.formats._json_lines import dumps
from teppr.formats._numbers import plain
from teppr.formats._run_lengths import runs_of_text
from teppr.formats._shape_words import as_in_file, words_of_shape
from teppr.formats.contract import WriteReport
from teppr.geometry import area, box_xywh, rings_of
from teppr.types import (
    Circle,
    Ellipse,
    ImageRecord,
    Ints,
    Mask,
    Polygon,
    Polyline,
    Rect,
    Region,
    Ring,
    Shape,
    Spot,
    Unread,
    WholeImage,
)

_NO_ID = -(2**63)
"""Stands for an id that is still to be given; 64-bit ids that files bring are never this one."""


def write_instances(records: Iterable[ImageRecord], path: Path, labels: Iterable[str] = ()) -> WriteReport:
    """All images, annotations and categories; boxes and areas as the regions state them, else from their shapes.

    labels: the first categories, whether they occur or not; others follow as they appear
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=path.parent) as images, TemporaryFile(dir=path.parent) as annotations:
        writing = _Writing(images, annotations, labels)
        for record in records:
            writing.add(record)
        with whole_file(path) as file:
            writing.join(file)
    return writing.report


class _Writing:
    """What is written so far: the lines without their ids, the ids, and the labels by number."""

    def __init__(self, images: IO[bytes], annotations: IO[bytes], labels: Iterable[str]) -> None:
        self.report = WriteReport()
        self._images, self._annotations = images, annotations
        self._image_ids, self._region_ids = array("q"), array("q")
        self._regions_of = array("q")
        self._categories = {label: number for number, label in enumerate(labels, 1)}

    def add(self, record: ImageRecord) -> None:
        """One image and its regions."""
        self._images.write(dumps(_image(record), record.where) + b"\n")
        self.report.sizes_missing += record.size_wh is None
        self._image_ids.append(_NO_ID if record.source_id is None else record.source_id)
        written = 0
        for region in record.regions:
            if isinstance(region, Unread):
                self.report.leave_out(f"region that could not be read ({region.rule})")
                continue
            where = f"{record.where}.{region.where}"
            self._annotations.write(dumps(_annotation(region, self._category(region)), where) + b"\n")
            self._region_ids.append(_NO_ID if region.source_id is None else region.source_id)
            written += 1
        self._regions_of.append(written)
        self.report.images += 1
        self.report.regions += written

    def join(self, file: BinaryIO) -> None:
        """The whole document."""
        image_ids = self._free_ids(self._image_ids, "an image")
        region_ids = self._free_ids(self._region_ids, "a region")
        owners = np.repeat(image_ids, np.frombuffer(self._regions_of, np.int64)) if self._regions_of else image_ids
        file.write(b'{"images":[')
        _join_lines(file, self._images, (b'{"id":%d,' % number for number in image_ids))
        file.write(b'\n],"annotations":[')
        ids = zip(region_ids, owners, strict=True)
        _join_lines(file, self._annotations, (b'{"id":%d,"image_id":%d,' % pair for pair in ids))
        file.write(b'\n],"categories":[')
        for number, name in enumerate(self._categories, 1):
            file.write(b",\n" if number > 1 else b"\n")
            file.write(dumps({"id": number, "name": name, "supercategory": ""}, "categories"))
        file.write(b"\n]}\n")

    def _category(self, region: Region) -> int | None:
        # An unlabelled region has no category; 0 or "" would be one more label for whoever reads the file.
        return None if region.label is None else self._categories.setdefault(region.label, len(self._categories) + 1)

    def _free_ids(self, given: array[int], noun: str) -> Ints:
        """The ids with those filled in that are missing or used before."""
        ids = np.array(given, np.int64)
        known = ids != _NO_ID
        _, first = np.unique(ids, return_index=True)
        repeated = known.copy()
        repeated[first] = False
        if repeats := int(repeated.sum()):
            self.report.not_said[f"id of {noun} that an earlier one has"] = repeats
        kept = known & ~repeated
        # Of the numbers from 1 to as many as there are ids, enough are free.
        ids[~kept] = np.setdiff1d(np.arange(1, len(ids) + 1), ids[kept])[: int((~kept).sum())]
        return ids


def _join_lines(file: BinaryIO, lines: IO[bytes], beginnings: Iterator[bytes]) -> None:
    lines.seek(0)
    file.writelines(
        (b",\n" if i else b"\n") + beginning + line[1:-1]
        for i, (line, beginning) in enumerate(zip(lines, beginnings, strict=True))
    )


def _image(record: ImageRecord) -> dict[str, Any]:
    said: dict[str, Any] = {"file_name": record.filename}
    if record.size_wh is not None:
        said |= {"width": record.size_wh[0], "height": record.size_wh[1]}
    if record.size_bytes is not None:
        said["size_bytes"] = record.size_bytes
    if IMAGE_KEYS.isdisjoint(record.attributes):
        return said | dict(record.attributes)
    return said | {"file_attributes": record.attributes}


def _annotation(region: Region, category: int | None) -> dict[str, Any]:
    box = box_xywh(region.shape) if region.box_xywh_px is None else region.box_xywh_px
    said: dict[str, Any] = {
        "category_id": category,
        "segmentation": _segmentation(region.shape),
        "bbox": [plain(value) for value in box],
        "area": plain(area(region.shape) if region.area_px is None else region.area_px),
        "iscrowd": int(region.is_crowd),
    }
    if words := _shape_beside(region.shape, said["bbox"]):
        said["shape"] = words
    if region.label_attribute is not None:
        said["label_attribute"] = region.label_attribute
    top = {key: value for key, value in region.attributes.items() if key in TOP_KEYS}
    if further := {key: value for key, value in region.attributes.items() if key not in TOP_KEYS}:
        said["attributes"] = further
    return said | top


def _segmentation(shape: Shape) -> object:
    match shape:
        case Rect():
            return []
        case Polygon():
            return [_flat(ring) for ring in as_in_file(shape) if len(ring) >= 3]
        case Mask(counts=counts, size_wh=(width, height)):
            return {"size": [height, width], "counts": counts if shape.compressed_in_file else runs_of_text(counts)}
        case _:
            return [_flat(ring) for ring in rings_of(shape)]


def _shape_beside(shape: Shape, bbox: list[float]) -> dict[str, Any] | None:
    """What COCO's own words do not say of a shape, None where they say all."""
    match shape:
        case Circle() | Ellipse() | Polyline() | Spot() | WholeImage():
            return words_of_shape(shape)
        case Rect() if [*words_of_shape(shape).values()] != [shape.kind, *bbox]:
            return words_of_shape(shape)
        case Polygon() if any(len(ring) < 3 for ring in as_in_file(shape)):
            # pycocotools takes two corners for a box, and fails on one.
            return {"name": shape.kind, "rings": [_flat(ring) for ring in as_in_file(shape)]}
        case _:
            return None


def _flat(ring: Ring) -> list[float]:
    return [plain(value) for point in ring for value in point]
