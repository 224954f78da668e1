"""A look at a dataset: contact sheets of its images with the regions drawn, and of each label's regions close up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import numpy as np
import pyarrow.compute as pc

from teppr.datasets.snapshot import Snapshot, SnapshotImage
from teppr.drawing import Drawn
from teppr.errors import BadImage, BadInput, UnknownName
from teppr.files import whole_file
from teppr.images import DEFAULT_MAX_PIXELS, Pixels, decode, encode_jpeg, encode_png, read
from teppr.pages import write_page
from teppr.pictures import close_up, thumbnail, url_of_jpeg
from teppr.progress import QUIET, Progress
from teppr.sheets import Cell, contact_sheets
from teppr.types import Ints, LabelInfo, Shape, WholeImage

PICTURE_PX, CROP_PX = 512, 200
"""Longer sides of an image and of a region; pages show them no smaller, so that captions can be read."""
JPEG_QUALITY = 85
PAGE = "index.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOptions:
    """What is looked at.

    labels: only images that have one of these, and only their regions; empty = all
    count: images; crops: regions of each label
    seed: chosen at random by it; None = evenly over the split
    """

    split: str = "train"
    labels: tuple[str, ...] = ()
    count: int = 48
    crops: int = 24
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A picture of the page, and what is said of it."""

    jpeg: bytes
    name: str
    said: str

    @property
    def short(self) -> str:
        """The name and the folder that it is in: frames of several sequences often have the same names."""
        return "/".join(PurePath(self.name).parts[-2:])

    @property
    def url(self) -> str:
        """The picture as a page holds it."""
        return url_of_jpeg(self.jpeg)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelView:
    """Some regions of a label; `regions` and `images` count all that the split has."""

    label: LabelInfo
    regions: int
    images: int
    crops: tuple[Shown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is seen of a split.

    images, regions: all that there are; unreadable: a sentence for each image that could not be shown
    """

    dataset: str
    options: ViewOptions
    images: int
    regions: int
    pictures: tuple[Shown, ...]
    labels: tuple[LabelView, ...]
    unreadable: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Wanted:
    """What is to be drawn of one image: itself, and some of its regions by their positions in it."""

    whole: bool = False
    regions: list[int] = field(default_factory=list)


def look_at(
    snapshot: Snapshot,
    options: ViewOptions | None = None,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    workers: int = 1,
    progress: Progress = QUIET,
) -> View:
    """Choose images and regions, and draw them; the same options show the same ones. Raises UnknownName."""
    options = options or ViewOptions()
    choice = _Choice(snapshot, options)
    wanted = choice.wanted
    artist = _Artist(snapshot.labels, choice.label_ids, max_pixels)
    progress.expect(len(wanted))
    pictures: list[Shown] = []
    crops: dict[int, list[Shown]] = {label_id: [] for label_id in choice.label_ids}
    unreadable = []
    with ThreadPoolExecutor(workers) as pool:
        images = snapshot.images_of(np.array(sorted(wanted), np.int64))
        for drawn in pool.map(lambda image: artist.draw(image, wanted[image.image_id]), images):
            progress.advance()
            if isinstance(drawn, str):
                unreadable.append(drawn)
                continue
            pictures += drawn.whole
            for label_id, crop in drawn.crops:
                crops[label_id].append(crop)
    labels = [
        LabelView(label=snapshot.labels[label_id], crops=tuple(some), **choice.counts(label_id))
        for label_id, some in crops.items()
    ]
    return View(
        dataset=snapshot.reference,
        options=options,
        images=len(choice.image_ids),
        regions=len(choice.of_image),
        pictures=tuple(pictures),
        labels=tuple(labels),
        unreadable=tuple(unreadable),
    )


def write_view(view: View, folder: Path) -> list[Path]:
    """Write a page that needs nothing beside it, and the sheets as PNG files; returns their paths, the page first."""
    title = f"{view.dataset}, {view.options.split}"
    sheets = list(_write_sheets(view.pictures, folder, f"{view.options.split}-images", f"{title}: images", (4, 4)))
    for i, seen in enumerate(view.labels, 1):
        stem = f"{view.options.split}-{i:03d}-{re.sub(r'[^A-Za-z0-9]+', '-', seen.label.name)}"
        sheets += _write_sheets(seen.crops, folder, stem, f"{title}: {seen.label.name}", (8, 8))
    page = write_page(folder / PAGE, "teppr.datasets", "view.html", {"view": view}, {})
    return [page, *sheets]


def _write_sheets(
    shown: Sequence[Shown], folder: Path, stem: str, title: str, columns_rows: tuple[int, int]
) -> Iterator[Path]:
    columns, rows = columns_rows
    cells = [Cell(picture=decode(one.jpeg, name=one.name)[0], caption=f"{one.said}  {one.short}") for one in shown]
    for number, sheet in enumerate(contact_sheets(cells, title, columns=columns, rows=rows), 1):
        path = folder / f"{stem}-{number}.png"
        with whole_file(path) as file:
            file.write(encode_png(sheet))
        yield path


class _Choice:
    """Which images and regions of a split are shown, by the tables alone.

    image_ids: of the images that come into question
    of_image, of_label, within: of their regions the image's id, the label's id, and the position within the image
    """

    def __init__(self, snapshot: Snapshot, options: ViewOptions) -> None:
        names = [label.name for label in snapshot.labels]
        if unknown := [label for label in options.labels if label not in names]:
            raise UnknownName.of(f"label of {snapshot.reference}", unknown[0], names)
        snapshot.check_split(options.split)
        if options.count < 1 or options.crops < 0:
            raise BadInput(f"a view shows 1 image or more, got {options.count} images, {options.crops} regions a label")
        self._options = options
        self.label_ids = [i for i, name in enumerate(names) if not options.labels or name in options.labels]
        images, regions = snapshot.images_table, snapshot.annotations_table
        ids = images["image_id"].filter(pc.equal(images["split"], options.split)).to_numpy()
        of_image, of_label = regions["image_id"].to_numpy(), regions["label_id"].to_numpy()
        mine = np.flatnonzero(np.isin(of_image, ids) & np.isin(of_label, self.label_ids))
        self.of_image, self.of_label = of_image[mine], of_label[mine]
        self.within = mine - np.searchsorted(of_image, self.of_image)
        self.image_ids = np.unique(self.of_image) if options.labels else ids

    @property
    def wanted(self) -> dict[int, _Wanted]:
        """What is to be drawn, by image."""
        wanted: dict[int, _Wanted] = {}
        for image_id in self.image_ids[self._some(len(self.image_ids), self._options.count)].tolist():
            wanted[image_id] = _Wanted(whole=True)
        for label_id in self.label_ids:
            rows = np.flatnonzero(self.of_label == label_id)
            for row in rows[self._some(len(rows), self._options.crops)].tolist():
                wanted.setdefault(int(self.of_image[row]), _Wanted()).regions.append(int(self.within[row]))
        return wanted

    def counts(self, label_id: int) -> dict[str, int]:
        """All regions of a label, and all images that have one."""
        of_image = self.of_image[self.of_label == label_id]
        return {"regions": len(of_image), "images": len(np.unique(of_image))}

    def _some(self, there_are: int, count: int) -> Ints:
        """Positions, in order: evenly from the first to the last, or at random by the seed."""
        if there_are <= count:
            return np.arange(there_are)
        if self._options.seed is None:
            return np.linspace(0, there_are - 1, count).round().astype(np.int64)
        return np.sort(np.random.default_rng(self._options.seed).choice(there_are, count, replace=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class _DrawnImage:
    """The image itself, or nothing, and close-ups of its regions with their label ids."""

    whole: tuple[Shown, ...]
    crops: tuple[tuple[int, Shown], ...]


class _Artist:
    """Draws images in the colours of the dataset's labels."""

    def __init__(self, labels: Sequence[LabelInfo], label_ids: Sequence[int], max_pixels: int) -> None:
        self._labels = labels
        self._label_ids = frozenset(label_ids)
        self._max_pixels = max_pixels

    def draw(self, image: SnapshotImage, wanted: _Wanted) -> _DrawnImage | str:
        """What is wanted of an image, or why it cannot be had."""
        try:
            pixels, _ = read(image.path, max_pixels=self._max_pixels)
        except BadImage as error:
            return str(error)
        shapes, label_ids = image.shapes, image.label_ids.tolist()
        whole: tuple[Shown, ...] = ()
        if wanted.whole:
            drawn = [
                self._drawn(shape, label_id, with_caption=True)
                for shape, label_id in zip(shapes, label_ids, strict=True)
                if label_id in self._label_ids
            ]
            said = f"{len(drawn)} region{'' if len(drawn) == 1 else 's'}, {image.size_wh[0]} x {image.size_wh[1]} px"
            whole = (_shown(thumbnail(pixels, drawn, PICTURE_PX), image.filename, said),)
        crops = tuple((label_ids[i], self._crop(pixels, image, i, shapes[i])) for i in wanted.regions)
        return _DrawnImage(whole=whole, crops=crops)

    def _crop(self, pixels: Pixels, image: SnapshotImage, i: int, shape: Shape) -> Shown:
        if isinstance(shape, WholeImage):
            return _shown(thumbnail(pixels, (), CROP_PX), image.filename, "whole image")
        _, _, width, height = image.boxes_xywh_px[i].tolist()
        said = f"{width:.0f} x {height:.0f} px{', crowd' if image.is_crowd[i] else ''}"
        drawn = self._drawn(shape, int(image.label_ids[i]), with_caption=False)
        return _shown(close_up(pixels, drawn, CROP_PX), image.filename, said)

    def _drawn(self, shape: Shape, label_id: int, *, with_caption: bool) -> Drawn:
        label = self._labels[label_id]
        return Drawn(shape=shape, caption=label.name if with_caption else "", color=label.color)


def _shown(pixels: Pixels, name: str, said: str) -> Shown:
    return Shown(jpeg=encode_jpeg(pixels, JPEG_QUALITY), name=name, said=said)
