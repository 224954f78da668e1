"""Writing a folder of YOLO's label files, as ultralytics reads them, from a stream of records."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

import yaml

from teppr.files import whole_folder
from teppr.formats._left_out import leave_out_beside_shape, leave_out_of_image
from teppr.formats._places import is_place
from teppr.formats._shape_words import as_in_file
from teppr.formats._shares import share_text
from teppr.formats._yolo_folder import DATA, IMAGES, LABELS, SIZE_COLUMNS, SIZES
from teppr.formats.contract import WriteReport
from teppr.geometry import rings_of
from teppr.types import ImageRecord, Polygon, Rect, Region, Ring, Shape, Unread

_LEAST_CORNERS = 3
_BEFORE_NAME = "./images/"


def write_folder(records: Iterable[ImageRecord], path: Path) -> WriteReport:
    """A label file a record; an image whose size is not known, or whose name is no file's, is left out and told."""
    report = WriteReport()
    with whole_folder(path) as folder:
        (folder / LABELS).mkdir()
        classes: dict[str, int] = {}
        with (folder / IMAGES).open("w", encoding="utf-8") as images, _sizes(folder / SIZES) as sizes:
            rows = csv.writer(sizes, lineterminator="\n")
            rows.writerow(SIZE_COLUMNS)
            for record in records:
                place = _place(folder, record, report)
                if place is None or record.size_wh is None:
                    continue
                lines = [line for region in record.regions for line in _lines(region, record.size_wh, classes, report)]
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
                images.write(f"{_BEFORE_NAME}{record.filename}\n")
                rows.writerow((record.filename, *record.size_wh))
                report.images += 1
        _write_data(folder / DATA, classes)
    return report


def _sizes(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="")


def _write_data(path: Path, classes: Iterable[str]) -> None:
    text = io.StringIO()
    said: dict[str, Any] = {"path": ".", "train": IMAGES, "val": IMAGES, "names": dict(enumerate(classes))}
    yaml.safe_dump(said, text, sort_keys=False)
    path.write_text(text.getvalue(), encoding="ascii")


def _place(folder: Path, record: ImageRecord, report: WriteReport) -> Path | None:
    """Where the label file of a record stands; None where it has no place."""
    name = PurePosixPath(record.filename)
    if record.size_wh is None:
        report.leave_out("image whose size is not known")
        return None
    if not _is_listable(record.filename):
        report.leave_out("image whose name cannot be a file's in a list")
        return None
    place = folder / LABELS / name.with_suffix(".txt")
    if place.exists() or any(parent.is_file() for parent in place.parents):
        report.leave_out("image whose label file would be another image's")
        return None
    leave_out_of_image(record, report)
    return place


def _is_listable(filename: str) -> bool:
    """Whether a name can stand in a list of paths, a line each, and below a folder."""
    return is_place(filename) and filename.strip() == filename and filename.splitlines() == [filename]


def _lines(
    region: Region | Unread, size_wh: tuple[int, int], classes: dict[str, int], report: WriteReport
) -> Iterator[str]:
    if isinstance(region, Unread):
        report.leave_out(f"region that could not be read ({region.rule})")
        return
    if region.label is None:
        report.leave_out("region without a label")
        return
    written = list(_shares(region.shape, size_wh, report))
    if not written:
        report.leave_out(f"{region.shape.kind}, which is neither a box nor a polygon")
        return
    leave_out_beside_shape(region, report)
    if region.label_attribute is not None:
        report.leave_out("name of the attribute that a label was the value of")
    for _ in region.attributes:
        report.leave_out("attribute of a region")
    number = classes.setdefault(region.label, len(classes))
    for shares in written:
        report.regions += 1
        yield f"{number} {shares}"


def _shares(shape: Shape, size_wh: tuple[int, int], report: WriteReport) -> Iterator[str]:
    width, height = size_wh
    match shape:
        case Rect(x=x, y=y, width=w, height=h):
            pairs = ((x + w / 2, width), (y + h / 2, height), (w, width), (h, height))
            yield " ".join(share_text(value, size) for value, size in pairs)
        case Polygon() if len(shape.rings) == 1 and len(shape.rings[0]) >= _LEAST_CORNERS:
            yield _polygon(as_in_file(shape)[0], size_wh)
        case _:
            rings = [ring for ring in rings_of(shape) if len(ring) >= _LEAST_CORNERS]
            if rings:
                report.leave_out(f"{shape.kind}, as polygons of one ring")
            for ring in rings:
                yield _polygon(ring, size_wh)


def _polygon(ring: Ring, size_wh: tuple[int, int]) -> str:
    width, height = size_wh
    return " ".join(f"{share_text(x, width)} {share_text(y, height)}" for x, y in ring)
