"""Image folders for classification: one folder a label, and in it the images of that label."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from teppr.errors import BadFile, BadImage
from teppr.files import HALF_WRITTEN, put_copy, whole_folder
from teppr.formats._left_out import count_of_image, leave_out_beside_shape
from teppr.formats._places import is_place
from teppr.formats.contract import Format, Reading, ReadOptions, SplitOptions, SplitRecords, WriteReport
from teppr.images import SUFFIXES, size_of
from teppr.types import ImageRecord, Region, Unread, WholeImage

SPLIT = "split"
"""The attribute of an image that says in which of several folders of labels it lies (train, val ...)."""
_LEVELS = (2, 3)
"""Parts of an image's name: label and name, or split, label and name."""
_MOST_LOOKED_AT = 10_000
"""Files that are looked at to see whether a folder is one of images."""


class ImageFolder(Format):
    """Image folders: the name of an image's folder is its label; one folder more above says the split."""

    name = "imagefolder"
    title = "image folders, one a label"
    suffixes = (".jpg", ".jpeg", ".png")
    layout = "folder"
    shapes = frozenset({WholeImage.kind})
    is_its_images = True
    embeds_images = True

    def sniff(self, path: Path) -> bool:
        """Whether below the folders of two labels or more there are images and nothing else, all at the same depth."""
        if not path.is_dir():
            return False
        found = [name for name in islice(_files(path), _MOST_LOOKED_AT) if "/" in name]
        levels = {name.count("/") + 1 for name in found}
        labels = {name.split("/")[-2] for name in found}
        if not found:
            return (path / _EMPTY).is_file()
        return len(levels) == 1 and levels <= set(_LEVELS) and len(labels) > 1 and all(map(_is_image, found))

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read; files that are no images are noted, and pictures are not opened."""
        if not path.is_dir():
            raise BadFile(f"a document of image folders is a folder, got {path}")
        images = self._images(path)
        if not images and not (path / _EMPTY).is_file():
            raise BadFile(f"image folders must hold images in folders named by their labels, {path} holds none")
        others = sorted(name for name in _files(path) if name not in set(images) and name != _EMPTY)
        notes = (f"{len(others)} files are no images of a label: {', '.join(others[:5])}",) if others else ()
        return Reading(records=_records(path, images, options), notes=notes, entries=len(images))

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write a copy of each image into the folder of its label."""
        with whole_folder(path) as folder:
            return _fill(folder, records, link=False)

    def write_splits(
        self, splits: Iterable[SplitRecords], folder: Path, options: SplitOptions
    ) -> dict[str, WriteReport]:
        """Write `train/<label>` and the like."""
        reports: dict[str, WriteReport] = {}
        for split in splits:
            (folder / split.name).mkdir()
            reports[split.name] = _fill(folder / split.name, split.records, link=options.link)
        return reports

    def parts(self, path: Path) -> Sequence[Path]:
        """The images."""
        return [path / name for name in self._images(path)] or [path / _EMPTY]

    def image_folders(self, path: Path) -> Sequence[Path]:
        """The folder itself."""
        return (path,)

    def _images(self, path: Path) -> list[str]:
        names = sorted(name for name in _files(path) if _is_image(name))
        return [name for name in names if name.count("/") + 1 in _LEVELS]


PLUGIN = ImageFolder()

_EMPTY = ".no-images"
"""Stands in a folder that was written without any image."""


def _files(folder: Path) -> Iterator[str]:
    """The names of all files below a folder, but for hidden ones."""
    for above, folders, names in os.walk(folder):
        folders.sort()
        within = Path(above).relative_to(folder).as_posix()
        prefix = "" if within == "." else f"{within}/"
        yield from (f"{prefix}{name}" for name in sorted(names) if not name.startswith((HALF_WRITTEN, ".")))


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def _records(folder: Path, images: Sequence[str], options: ReadOptions) -> Iterator[ImageRecord | Unread]:
    for name in images:
        *split, label, _ = name.split("/")
        region = Region(shape=WholeImage(), label=label or options.label, index=0, where=label)
        yield ImageRecord(
            filename=name,
            where=name,
            regions=(region,),
            size_bytes=(folder / name).stat().st_size,
            size_wh=_size_of(folder / name),
            attributes={SPLIT: split[0]} if split else {},
        )


def _size_of(path: Path) -> tuple[int, int] | None:
    try:
        return size_of(path)
    except BadImage:
        return None


def _fill(folder: Path, records: Iterable[ImageRecord], *, link: bool) -> WriteReport:
    report = WriteReport()
    for record in records:
        if (label := _label_of(record, report)) is not None:
            _put(record, folder / label, report, link=link)
    if not report.images:
        (folder / _EMPTY).touch()
    return report


def _label_of(record: ImageRecord, report: WriteReport) -> str | None:
    """The one label of the whole image, which becomes its folder's name; None, told, where there is no such one."""
    wholes = []
    for region in record.regions:
        if isinstance(region, Unread):
            report.leave_out(f"region that could not be read ({region.rule})")
        elif isinstance(region.shape, WholeImage):
            wholes.append(region)
        else:
            report.leave_out(f"{region.shape.kind}, for only whole images have labels")
    labels = {region.label for region in wholes if region.label is not None}
    if len(labels) != 1:
        report.leave_out(f"image with {len(labels) or 'no'} labels of the whole image")
        return None
    (label,) = labels
    if len(PurePosixPath(label).parts) != 1 or not is_place(label) or label.startswith("."):
        report.leave_out("image whose label cannot be a folder's name")
        return None
    for region in wholes:
        leave_out_beside_shape(region, report)
        for _ in (*region.attributes, *(() if region.label_attribute is None else (region.label_attribute,))):
            report.leave_out("attribute of a label")
    return label


def _put(record: ImageRecord, folder: Path, report: WriteReport, *, link: bool) -> None:
    name = PurePosixPath(record.filename).name
    place = folder / name
    if record.path is None or not _is_image(name) or not is_place(name) or name.startswith("."):
        report.leave_out("image whose file is not known, or whose name is no image's")
        return
    if place.exists():
        report.leave_out("image of the name of an earlier one of its label")
        return
    count_of_image(record, ("size_wh", "size_bytes"), report)
    place.parent.mkdir(exist_ok=True)
    put_copy(Path(record.path), place, link=link)
    report.images += 1
    report.regions += 1
    if record.filename != f"{folder.name}/{name}":
        report.leave_out("folder of an image, which its label takes the place of")
    if record.size_wh != _size_of(place) or record.size_bytes not in (None, place.stat().st_size):
        report.leave_out("size of an image that is another than that of its file")
