"""Writing YOLO as Ultralytics lays it out, with the images' sizes beside."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import yaml

from teppr.files import whole_folder
from teppr.formats._folder_files import is_free, path_within
from teppr.formats._left_out import count_image, count_of_image, count_of_region, count_unread
from teppr.formats._numbers import number_of_text
from teppr.formats._shape_words import as_in_file
from teppr.formats._shares import share_of
from teppr.formats._yolo_set import IMAGES, LABELS, SIZES
from teppr.formats.contract import SplitRecords, WriteReport
from teppr.geometry import box_xywh, rings_of
from teppr.types import ImageRecord, Mask, Point, Polygon, Rect, Region, Shape, Unread, WholeImage

CONFIG = "data.yaml"
_LIST = "train.txt"


def write_folder(records: Iterable[ImageRecord], path: Path) -> WriteReport:
    """`data.yaml`, `labels`, `train.txt` with the images in order, and `sizes.csv`."""
    with whole_folder(path) as folder:
        with (
            (folder / _LIST).open("x", encoding="utf-8", errors="surrogateescape", newline="\n") as images,
            (folder / SIZES).open("x", encoding="utf-8", errors="surrogateescape", newline="") as sizes,
        ):
            writing = _Writing(folder / LABELS, _Sizes(sizes), images=images)
            for record in records:
                writing.add(record)
        _write_config(folder, {"train": _LIST, "val": _LIST}, writing.numbers)
    return writing.report


def write_splits(splits: Iterable[SplitRecords], folder: Path, labels: Iterable[str]) -> dict[str, WriteReport]:
    """`data.yaml` that names `images/<split>` for each, `labels/<split>`, and `sizes.csv` for all."""
    numbers = {label: number for number, label in enumerate(labels)}
    reports: dict[str, WriteReport] = {}
    with (folder / SIZES).open("x", encoding="utf-8", errors="surrogateescape", newline="") as file:
        sizes = _Sizes(file)
        for split in splits:
            writing = _Writing(folder / LABELS / split.name, sizes, numbers=numbers, split=split.name)
            for record in split.records:
                writing.add(record)
            reports[split.name] = writing.report
    _write_config(folder, {name: f"{IMAGES}/{name}" for name in reports}, numbers)
    return reports


def _write_config(folder: Path, places: Mapping[str, str], numbers: Iterable[str]) -> None:
    # Without `path`, what is named here is beside this file.
    config = {**places, "names": dict(enumerate(numbers))}
    (folder / CONFIG).write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8")


class _Sizes:
    """The table of the images' sizes."""

    def __init__(self, file: TextIO) -> None:
        self._rows = csv.writer(file, lineterminator="\n")
        self._rows.writerow(("filename", "width", "height"))

    def add(self, filename: str, size_wh: tuple[int, int]) -> None:
        """The row of an image."""
        self._rows.writerow((filename, *size_wh))


class _Writing:
    """What is written so far into a folder of label files.

    numbers: of the labels; those that are not among them follow in order of appearance
    split: what stands before the names of its images in the table of sizes
    images: a list of the images, where there is one
    """

    def __init__(
        self,
        labels: Path,
        sizes: _Sizes,
        *,
        numbers: dict[str, int] | None = None,
        split: str = "",
        images: TextIO | None = None,
    ) -> None:
        self.report = WriteReport()
        self.numbers = {} if numbers is None else numbers
        self._labels = labels
        self._labels.mkdir(parents=True)
        self._sizes = sizes
        self._before = f"{split}/" if split else ""
        self._images = images

    def add(self, record: ImageRecord) -> None:
        """One image and its label file."""
        within = path_within(record.filename)
        if record.size_wh is None:
            count_image(record, "image of unknown width and height", self.report)
        elif within is None:
            count_image(record, "image whose name leads out of the folder", self.report)
        elif not is_free(file := self._labels / within.parent / f"{within.stem}.txt"):
            count_image(record, "image whose label file is another's, by its name without the suffix", self.report)
        else:
            count_of_image(record, ("size_wh",), self.report)
            if self._images is not None:
                self._images.write(f"./{IMAGES}/{within}\n")
            self._sizes.add(f"{self._before}{record.filename}", record.size_wh)
            file.write_text("".join(f"{line}\n" for line in self._lines(record, record.size_wh)), encoding="ascii")
            self.report.images += 1

    def _lines(self, record: ImageRecord, size_wh: tuple[int, int]) -> Iterator[str]:
        for region in record.regions:
            if isinstance(region, Unread):
                count_unread(region, self.report)
            elif isinstance(region.shape, WholeImage):
                self.report.leave_out("label of a whole image")
            elif region.label is None:
                self.report.leave_out("region without a label")
            else:
                number = self.numbers.setdefault(region.label, len(self.numbers))
                for shares in self._shares(region, size_wh):
                    yield f"{number} {' '.join(shares)}"
                    self.report.regions += 1

    def _shares(self, region: Region, size_wh: tuple[int, int]) -> Iterator[list[str]]:
        """The numbers of one line or, where a region is in several parts, of several."""
        attributes = {**region.attributes}
        score = _score(region)
        if score:
            del attributes["score"]
        count_of_region(replace(region, attributes=attributes), (), self.report)
        for part in self._parts(region.shape):
            if isinstance(part, Rect):
                yield [*_box(part, size_wh), *score]
            else:
                yield self._ring(part, size_wh)

    def _parts(self, shape: Shape) -> Sequence[Rect | Polygon]:
        """Boxes and polygons of one ring that say a shape, or nearly."""
        match shape:
            case Rect():
                return [shape]
            case Polygon(rings=[_]) if len(as_in_file(shape)[0]) >= 3:
                return [shape]
            case Polygon(rings=rings) if len(rings) > 1:
                self.report.leave_out("that several rings are one polygon: each is a region of its own")
                apart = (Polygon((ring,), shape.closed_in_file) for ring in rings)
                return [part for ring in apart for part in self._parts(ring)]
            case _ if not isinstance(shape, Polygon) and (rings := rings_of(shape)):
                of_mask = isinstance(shape, Mask)
                self.report.leave_out(
                    "mask, as polygons around its parts" if of_mask else f"{shape.kind}, as a polygon"
                )
                return [Polygon((ring,)) for ring in rings]
            case _:
                self.report.leave_out(f"{shape.kind}, as its box")
                return [Rect(*box_xywh(shape))]

    def _ring(self, polygon: Polygon, size_wh: tuple[int, int]) -> list[str]:
        corners = [_corner(point, size_wh) for point in as_in_file(polygon)[0]]
        if corners[0] == corners[-1] and not polygon.closed_in_file:
            self.report.leave_out("last corner of a polygon, which is the first when rounded")
        return [share for corner in corners for share in corner]


def _score(region: Region) -> list[str]:
    """The score of a box, where it is a number that is read as the same again."""
    score = region.attributes.get("score")
    is_number = isinstance(score, int | float) and not isinstance(score, bool)
    said = is_number and isinstance(region.shape, Rect) and number_of_text(str(score)) == score
    return [str(score)] if said else []


def _box(box: Rect, size_wh: tuple[int, int]) -> tuple[str, ...]:
    width, height = size_wh
    middle = (share_of(box.x + box.width / 2, width), share_of(box.y + box.height / 2, height))
    return (*middle, share_of(box.width, width), share_of(box.height, height))


def _corner(point: Point, size_wh: tuple[int, int]) -> tuple[str, ...]:
    return tuple(share_of(value, side) for value, side in zip(point, size_wh, strict=True))
