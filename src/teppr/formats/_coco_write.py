"""Writing COCO instances from a stream of records.

The lists of images and of annotations grow side by side in two files of their own, a line each, and are joined at the
end, when it is known which ids are free; so no more is held than the labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO

from teppr.files import whole_file
from teppr.formats._coco_words import IMAGE_KEYS, TOP_KEYS
from teppr.formats._json_lines import dumps
from teppr.formats._numbers import all_plain, plain
from teppr.formats._run_lengths import runs_of_text
from teppr.formats._shape_words import as_in_file, words_of_shape
from teppr.formats._taken import Taken
from teppr.formats.contract import WriteReport
from teppr.geometry import area, box_xywh, rings_of
from teppr.types import (
    Circle,
    Ellipse,
    ImageRecord,
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


def write_instances(records: Iterable[ImageRecord], path: Path, labels: Iterable[str] = ()) -> WriteReport:
    """All images, annotations and categories; boxes and areas as the regions state them, else from their shapes.

    labels: the first categories, whether they occur or not; others follow as they appear
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryFile(dir=path.parent) as images,
        TemporaryFile(dir=path.parent) as annotations,
        Taken() as image_ids,
        Taken() as region_ids,
    ):
        writing = _Writing(_Lines(images, image_ids, "an image"), _Lines(annotations, region_ids, "a region"), labels)
        for record in records:
            writing.add(record)
        with whole_file(path) as file:
            writing.join(file)
    return writing.report


class _Writing:
    """What is written so far: the lines of the two lists, and the labels by number."""

    def __init__(self, images: _Lines, annotations: _Lines, labels: Iterable[str]) -> None:
        self.report = WriteReport()
        self._images, self._annotations = images, annotations
        self._categories = {label: number for number, label in enumerate(labels, 1)}

    def add(self, record: ImageRecord) -> None:
        """One image and its regions."""
        written = 0
        for region in record.regions:
            if isinstance(region, Unread):
                self.report.leave_out(f"region that could not be read ({region.rule})")
                continue
            said = dumps(_annotation(region, self._category(region)), f"{record.where}.{region.where}")
            self._annotations.add(region.source_id, said, self.report)
            written += 1
        # How many regions an image has is needed again, to name it in each of them.
        self._images.add(record.source_id, b"%d %b" % (written, dumps(_image(record), record.where)), self.report)
        self.report.sizes_missing += record.size_wh is None
        self.report.images += 1
        self.report.regions += written

    def join(self, file: BinaryIO) -> None:
        """The whole document."""
        file.write(b'{"images":[')
        _list(file, (b'{"id":%b,%b' % (number, said[1:]) for number, _, said in self._of_images()))
        file.write(b'\n],"annotations":[')
        owners = chain.from_iterable(repeat(number, regions) for number, regions, _ in self._of_images())
        pairs = zip(self._annotations.numbered(), owners, strict=True)
        _list(file, (b'{"id":%b,"image_id":%b,%b' % (number, owner, said[1:]) for (number, said), owner in pairs))
        file.write(b'\n],"categories":[')
        named = ({"id": number, "name": name, "supercategory": ""} for name, number in self._categories.items())
        _list(file, (dumps(category, "categories") for category in named))
        file.write(b"\n]}\n")

    def _of_images(self) -> Iterator[tuple[bytes, int, bytes]]:
        """Of each image its id, how many regions it has, and what is said of it."""
        for number, line in self._images.numbered():
            regions, said = line.split(b" ", 1)
            yield number, int(regions), said

    def _category(self, region: Region) -> int | None:
        # An unlabelled region has no category; 0 or "" would be one more label for whoever reads the file.
        return None if region.label is None else self._categories.setdefault(region.label, len(self._categories) + 1)


class _Lines:
    """What one of the lists is made of, a line each behind the id that it brings, if that was free.

    noun: what they are, for the report
    """

    def __init__(self, file: IO[bytes], taken: Taken, noun: str) -> None:
        self._file, self._taken, self._noun = file, taken, noun

    def add(self, given: int | None, said: bytes, report: WriteReport) -> None:
        """One more; an id that an earlier one has is counted, and another one given in the end."""
        if given is not None and not self._taken.take(given):
            report.leave_out(f"id of {self._noun} that an earlier one has")
            given = None
        self._file.write(b"%b %b\n" % (b"" if given is None else b"%d" % given, said))

    def numbered(self) -> Iterator[tuple[bytes, bytes]]:
        """All of them with their ids, those filled in that are missing; the same ones every time."""
        free = self._taken.free_numbers()
        self._file.seek(0)
        for line in self._file:
            number, said = line.rstrip(b"\n").split(b" ", 1)
            yield number or b"%d" % next(free), said


def _list(file: BinaryIO, lines: Iterator[bytes]) -> None:
    file.writelines((b",\n" if i else b"\n") + line for i, line in enumerate(lines))


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
        "bbox": all_plain(box),
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
            # None is known: its corners would be learnt as an outline by whoever trains on masks.
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
    return all_plain(chain.from_iterable(ring))
