"""Writing VOC: `Annotations/<name of the image>.xml`, one file an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from teppr.files import whole_folder
from teppr.formats._folder_files import is_free, path_within
from teppr.formats._left_out import count_image, count_of_image, count_of_region, count_unread
from teppr.formats._shape_words import as_in_file
from teppr.formats._voc_words import OF_IMAGES, OF_OBJECTS, XmlWords, reads_the_same
from teppr.formats.contract import SplitRecords, WriteReport
from teppr.geometry import box_xywh, rings_of
from teppr.types import ImageRecord, Mask, Polygon, Rect, Region, Ring, Shape, Unread, WholeImage

ANNOTATIONS = "Annotations"
LISTS = "ImageSets/Main"
_EXPECTED = {"pose": "Unspecified", "truncated": 0, "difficult": 0}
"""What readers of VOC look for in every object, and what stands there where nobody said it."""
_USUAL_DEPTH = 3


def write_folder(records: Iterable[ImageRecord], path: Path) -> WriteReport:
    """One file an image, in the folders of its name; of two that differ by their suffix the second is left out."""
    report = WriteReport()
    with whole_folder(path) as folder:
        annotations = folder / ANNOTATIONS
        annotations.mkdir()
        writer = _VocWriter(report)
        for record in records:
            writer.write(record, annotations)
    return report


def write_splits(splits: Iterable[SplitRecords], folder: Path) -> dict[str, WriteReport]:
    """`Annotations` of all splits, and the names of each without their suffix in `ImageSets/Main/<split>.txt`."""
    annotations, lists = folder / ANNOTATIONS, folder / LISTS
    annotations.mkdir()
    lists.mkdir(parents=True)
    reports: dict[str, WriteReport] = {}
    for split in splits:
        writer = _VocWriter(reports.setdefault(split.name, WriteReport()))
        with (lists / f"{split.name}.txt").open("x", encoding="utf-8", errors="surrogateescape", newline="\n") as names:
            names.writelines(f"{name}\n" for record in split.records if (name := writer.write(record, annotations)))
    return reports


class _VocWriter:
    """Records as files of XML; what they hold is counted as it is written."""

    def __init__(self, report: WriteReport) -> None:
        self._report = report
        self._words = XmlWords(report.leave_out)

    def write(self, record: ImageRecord, annotations: Path) -> str | None:
        """Write the file of an image; returns the image's name without its suffix, None where there can be no file."""
        within = path_within(record.filename)
        if within is None:
            count_image(record, "image whose name leads out of the folder", self._report)
            return None
        file = annotations / within.parent / f"{within.stem}.xml"
        if not is_free(file):
            count_image(record, "image whose XML file is another's, by its name without the suffix", self._report)
            return None
        file.write_text("\n".join(self.lines(record)) + "\n", encoding="utf-8", newline="\n")
        return (within.parent / within.stem).as_posix()

    def lines(self, record: ImageRecord) -> Iterator[str]:
        """One file."""
        count_of_image(record, ("size_wh", "attributes"), self._report)
        yield "<annotation>"
        yield self._words.leaf("filename", record.filename)
        attributes = dict(record.attributes)
        if record.size_wh is not None:
            width, height = (self._words.leaf(*side) for side in zip(("width", "height"), record.size_wh, strict=True))
            yield f"<size>{width}{height}{self._depth(attributes)}</size>"
        yield from self._words.attributes(attributes, OF_IMAGES, record.where)
        for region in record.regions:
            if isinstance(region, Unread):
                count_unread(region, self._report)
            elif isinstance(region.shape, WholeImage):
                self._report.leave_out("label of a whole image")
            else:
                yield from self._object(region, f"{record.where}.{region.where}")
                self._report.regions += 1
        yield "</annotation>"
        self._report.images += 1

    def _depth(self, attributes: dict[str, object]) -> str:
        """The image's channels, taken out of its attributes where they say them."""
        if isinstance(attributes.get("depth"), int) and reads_the_same("depth", attributes["depth"]):
            return self._words.leaf("depth", attributes.pop("depth"))
        return self._words.filled_in({"depth": _USUAL_DEPTH})

    def _object(self, region: Region, where: str) -> Iterator[str]:
        rings = self._rings(region.shape)
        said = ("attributes", "label_attribute", *(("box_xywh_px",) if rings else ()))
        count_of_region(region, said, self._report)
        yield "<object>"
        if region.label is not None:
            yield self._words.leaf("name", region.label)
        if region.label_attribute is not None:
            yield self._words.leaf("label_attribute", region.label_attribute)
        attributes = {**region.attributes}
        yield from self._words.attributes(attributes, OF_OBJECTS, where)
        said_here = {tag for tag in _EXPECTED if tag in attributes and reads_the_same(tag, attributes[tag])}
        if unsaid := {tag: value for tag, value in _EXPECTED.items() if tag not in said_here}:
            yield self._words.filled_in(unsaid)
        stated = region.box_xywh_px if rings and region.box_xywh_px is not None else box_xywh(region.shape)
        yield self._box(*stated)
        yield from map(self._polygon, rings)
        yield "</object>"

    def _rings(self, shape: Shape) -> tuple[Ring, ...]:
        """What of a shape is said by polygons; nothing where its box says all, or all that VOC can."""
        match shape:
            case Rect():
                return ()
            case Polygon(rings=rings) if all(rings):
                return as_in_file(shape)
            case Mask() if rings := rings_of(shape):
                self._report.leave_out("mask, as polygons around its parts")
                return rings
            case _:
                self._report.leave_out(f"{shape.kind}, as its box")
                return ()

    def _box(self, x: float, y: float, width: float, height: float) -> str:
        sides = {"xmin": x, "ymin": y, "xmax": x + width, "ymax": y + height}
        return f"<bndbox>{''.join(self._words.leaf(*side) for side in sides.items())}</bndbox>"

    def _polygon(self, ring: Ring) -> str:
        corners = (self._words.leaf(f"x{i}", x) + self._words.leaf(f"y{i}", y) for i, (x, y) in enumerate(ring, 1))
        return f"<polygon>{''.join(corners)}</polygon>"
