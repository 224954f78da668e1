"""What a dataset holds, measured split by split: sizes, shapes and places of boxes, images, and labels together.

All is worked out on whole columns of the tables: a million regions take a second.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from teppr.charts import binned, count_bins
from teppr.datasets.snapshot import Snapshot
from teppr.datasets.tables import ANNOTATION_SCHEMA, ANNOTATIONS, read_table
from teppr.files import whole_file
from teppr.types import Ints, LabelInfo, WholeImage

Floats = npt.NDArray[np.float64]

ALL = "all"
"""Stands for all splits together."""
SMALL_PX2, MEDIUM_PX2 = 32.0**2, 96.0**2
"""COCO's bounds: smaller regions are small, smaller than the second medium, all others large."""
LEAST_PX2 = 1e-9
"""What is smaller has no area."""
RATIO_EDGES = tuple(round(2 ** (k / 2), 4) for k in range(-8, 9))
SHARE_EDGES = tuple(round(k / 20, 2) for k in range(21))
QUANTILES_0_1 = (0.05, 0.25, 0.5, 0.75, 0.95)
GRID = 24
"""The map of places has so many cells along each side of the images."""
MOST_SIZES = 20
CELLS_AT_ONCE = 8_000_000
"""Of the table of images and labels, so that memory does not grow with the dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many values lie between each edge and the next; the outer bins hold what lies beyond them as well."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, values: Floats, edges: Sequence[float]) -> Histogram:
        """Of these values."""
        counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
        return cls(edges=tuple(edges), counts=tuple(counts.tolist()))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelStatistics:
    """One label in one split; `small`, `medium` and `large` are regions by COCO's areas."""

    label: str
    images: int
    regions: int
    median_width_px: float
    median_height_px: float
    small: int
    medium: int
    large: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSize:
    """How many images have this size."""

    width: int
    height: int
    images: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SplitStatistics:
    """One split, or all together.

    small, medium, large: regions by COCO's areas; lines, points and labels of whole images have none
    per_image: {number of regions: images that have so many}
    sides_px, sides_0_1: of the square that is as large as the box; in pixels, and by the image's
    ratios: width by height of the box; these three, and quantiles, are of boxes that have both
    quantiles: {measure: {"5%": value ...}}
    centres: int64 [24, 24], how many boxes have their centre in each part of the images, from the top left; labels of
        whole images are not among them
    together: int64 [labels, labels], images that have both; the diagonal: images that have the label
    image_sizes: the most frequent ones; other_sizes: images of none of these
    """

    split: str
    images: int
    regions: int
    crowds: int
    small: int
    medium: int
    large: int
    per_image: Mapping[int, int]
    sides_px: Histogram
    sides_0_1: Histogram
    ratios: Histogram
    quantiles: Mapping[str, Mapping[str, float]]
    centres: Ints
    together: Ints
    labels: tuple[LabelStatistics, ...]
    image_sizes: tuple[ImageSize, ...]
    other_sizes: int

    @property
    def mean_per_image(self) -> float:
        """Regions an image."""
        return self.regions / self.images if self.images else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For machines: the fields, tables as lists."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "split"}
        histograms = {name: asdict(plain[name]) for name in ("sides_px", "sides_0_1", "ratios")}
        rows = {name: [asdict(row) for row in plain[name]] for name in ("labels", "image_sizes")}
        tables = {name: plain[name].tolist() for name in ("centres", "together")}
        return plain | histograms | rows | tables


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DatasetStatistics:
    """A dataset split by split; `splits` in the dataset's order, `all` is all of them together."""

    dataset: str
    labels: tuple[LabelInfo, ...]
    splits: tuple[SplitStatistics, ...]
    all: SplitStatistics

    def as_dict(self) -> dict[str, Any]:
        """The object that `teppr dataset stats --json` prints: {"dataset", "labels", "splits": {split: ...}, "all"}."""
        return {
            "dataset": self.dataset,
            "labels": [label.name for label in self.labels],
            "splits": {one.split: one.as_dict() for one in self.splits},
            ALL: self.all.as_dict(),
        }


def statistics_of(snapshot: Snapshot) -> DatasetStatistics:
    """Measure a dataset by its tables; images are not opened."""
    images, regions = _Images.of(snapshot), _Regions.of(snapshot)
    place = np.searchsorted(images.ids, regions.image_ids)
    longest = regions.sides_px.max(initial=0)
    names = [label.name for label in snapshot.labels]

    def measured(split: str | None) -> SplitStatistics:
        kept = np.ones(len(images.ids), np.bool_) if split is None else images.splits == split
        # Images are numbered anew within the split.
        number = np.cumsum(kept) - 1
        mine = kept[place]
        return _measured(split or ALL, images.some(kept), regions.some(mine), number[place[mine]], names, longest)

    splits = tuple(measured(split) for split in snapshot.splits)
    return DatasetStatistics(dataset=snapshot.reference, labels=snapshot.labels, splits=splits, all=measured(None))


def write_csv(statistics: DatasetStatistics, path: Path) -> int:
    """Write all counts as one table, a row a bin; returns how many rows."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("split", "measure", "label", "from", "to", "count"))
    rows = [row for one in (*statistics.splits, statistics.all) for row in _rows(one)]
    writer.writerows(rows)
    with whole_file(path) as file:
        file.write(text.getvalue().encode("utf-8", "replace"))
    return len(rows)


def side_edges(longest_px: float) -> tuple[float, ...]:
    """Bounds of sides in pixels, two to a doubling, up to the longest."""
    edges = [0.0, 4.0]
    while edges[-1] < longest_px:
        edges.append(float(round(2 ** ((len(edges) + 3) / 2))))
    return tuple(edges)


@dataclass(frozen=True, slots=True, eq=False)
class _Images:
    ids: Ints
    splits: npt.NDArray[np.object_]
    sizes_wh: Ints

    @classmethod
    def of(cls, snapshot: Snapshot) -> _Images:
        table = snapshot.images_table
        sizes = np.stack([table[name].to_numpy() for name in ("width", "height")], axis=1)
        return cls(table["image_id"].to_numpy(), table["split"].to_numpy(), sizes.astype(np.int64))

    def some(self, kept: npt.NDArray[np.bool_]) -> _Images:
        return _Images(self.ids[kept], self.splits[kept], self.sizes_wh[kept])


@dataclass(frozen=True, slots=True, eq=False)
class _Regions:
    image_ids: Ints
    label_ids: Ints
    boxes_xywh_px: Floats
    areas_px: Floats
    is_crowd: npt.NDArray[np.bool_]
    is_whole: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, snapshot: Snapshot) -> _Regions:
        columns = ["image_id", "label_id", "box_xywh_px", "area_px", "is_crowd", "shape"]
        table = read_table(snapshot.path / ANNOTATIONS, ANNOTATION_SCHEMA, columns)
        boxes = pa.concat_arrays(
            [chunk.flatten() for chunk in table["box_xywh_px"].chunks] or [pa.array([], pa.float64())]
        )
        return cls(
            table["image_id"].to_numpy(),
            table["label_id"].to_numpy().astype(np.int64),
            boxes.to_numpy().reshape(-1, 4),
            table["area_px"].to_numpy(),
            table["is_crowd"].to_numpy(),
            pc.equal(table["shape"], WholeImage.kind).to_numpy(),
        )

    @property
    def sides_px(self) -> Floats:
        sides: Floats = np.sqrt(self.boxes_xywh_px[:, 2] * self.boxes_xywh_px[:, 3])
        return sides

    def some(self, kept: npt.NDArray[np.bool_]) -> _Regions:
        return _Regions(*(getattr(self, name)[kept] for name in self.__slots__))


def _measured(
    split: str, images: _Images, regions: _Regions, image_of: Ints, labels: Sequence[str], longest_px: float
) -> SplitStatistics:
    """image_of: the position in `images` of each region's."""
    sizes_wh = images.sizes_wh[image_of]
    sides_px = regions.sides_px
    boxed = sides_px > 0
    sides_px = sides_px[boxed]
    sides_0_1 = sides_px / np.sqrt(sizes_wh[boxed].prod(axis=1))
    width_px, height_px = regions.boxes_xywh_px[boxed, 2:].T
    ratios = width_px / height_px
    small, medium, large = _by_area(regions.areas_px)
    together = _together(image_of, regions.label_ids, len(labels), len(images.ids))
    counts, times = np.unique(np.bincount(image_of, minlength=len(images.ids)), return_counts=True)
    image_sizes, other_sizes = _image_sizes(images.sizes_wh)
    measures = {
        "width_px": width_px,
        "height_px": height_px,
        "side_px": sides_px,
        "side_0_1": sides_0_1,
        "ratio": ratios,
    }
    return SplitStatistics(
        split=split,
        images=len(images.ids),
        regions=len(image_of),
        crowds=int(regions.is_crowd.sum()),
        small=small,
        medium=medium,
        large=large,
        per_image=MappingProxyType(dict(zip(counts.tolist(), times.tolist(), strict=True))),
        sides_px=Histogram.of(sides_px, side_edges(longest_px)),
        sides_0_1=Histogram.of(sides_0_1, SHARE_EDGES),
        ratios=Histogram.of(ratios, RATIO_EDGES),
        quantiles={name: _quantiles(values) for name, values in measures.items()},
        centres=_centres(regions.boxes_xywh_px[~regions.is_whole], sizes_wh[~regions.is_whole]),
        together=together,
        labels=tuple(_labels(regions, labels, together.diagonal())),
        image_sizes=image_sizes,
        other_sizes=other_sizes,
    )


def _by_area(areas_px: Floats) -> tuple[int, int, int]:
    none, small, medium = (int((areas_px < bound).sum()) for bound in (LEAST_PX2, SMALL_PX2, MEDIUM_PX2))
    return small - none, medium - small, len(areas_px) - medium


def _quantiles(values: Floats) -> dict[str, float]:
    if not len(values):
        return {}
    found = np.quantile(values, QUANTILES_0_1).tolist()
    return {f"{share:.0%}": round(value, 4) for share, value in zip(QUANTILES_0_1, found, strict=True)}


def _centres(boxes_xywh_px: Floats, sizes_wh: Ints) -> Ints:
    at = (boxes_xywh_px[:, :2] + boxes_xywh_px[:, 2:] / 2) / sizes_wh
    column, row = np.clip((at * GRID).astype(np.int64), 0, GRID - 1).T
    return np.bincount(row * GRID + column, minlength=GRID**2).reshape(GRID, GRID)


def _together(image_of: Ints, label_ids: Ints, label_count: int, image_count: int) -> Ints:
    together = np.zeros((label_count, label_count), np.int64)
    at_once = max(CELLS_AT_ONCE // max(label_count, 1), 1)
    for start in range(0, image_count, at_once):
        first, last = np.searchsorted(image_of, [start, start + at_once])
        has = np.zeros((min(at_once, image_count - start), label_count), np.float32)
        has[image_of[first:last] - start, label_ids[first:last]] = 1
        together += (has.T @ has).astype(np.int64)
    return together


def _labels(regions: _Regions, labels: Sequence[str], images: Ints) -> Iterator[LabelStatistics]:
    order = np.argsort(regions.label_ids, kind="stable")
    bounds = np.searchsorted(regions.label_ids[order], np.arange(len(labels) + 1))
    for i, label in enumerate(labels):
        mine = order[bounds[i] : bounds[i + 1]]
        width_px, height_px = np.median(regions.boxes_xywh_px[mine, 2:], axis=0) if len(mine) else (0.0, 0.0)
        small, medium, large = _by_area(regions.areas_px[mine])
        yield LabelStatistics(
            label=label,
            images=int(images[i]),
            regions=len(mine),
            median_width_px=float(width_px),
            median_height_px=float(height_px),
            small=small,
            medium=medium,
            large=large,
        )


def _image_sizes(sizes_wh: Ints) -> tuple[tuple[ImageSize, ...], int]:
    found, times = np.unique(sizes_wh, axis=0, return_counts=True)
    order = np.argsort(-times, kind="stable")[:MOST_SIZES]
    rows = [(*found[i].tolist(), int(times[i])) for i in order]
    sizes = tuple(ImageSize(width=width, height=height, images=images) for width, height, images in rows)
    return sizes, len(sizes_wh) - sum(size.images for size in sizes)


def _rows(one: SplitStatistics) -> Iterator[tuple[object, ...]]:
    bins = count_bins(max(one.per_image, default=0))
    for (low, high), count in zip(bins, binned(one.per_image, bins), strict=True):
        yield one.split, "regions an image", "", low, high, count
    measures = {"side, px": one.sides_px, "side, share of the image's": one.sides_0_1, "width by height": one.ratios}
    for name, histogram in measures.items():
        for edges, number in zip(pairwise(histogram.edges), histogram.counts, strict=True):
            yield one.split, name, "", *edges, number
    for row in one.labels:
        yield one.split, "images", row.label, "", "", row.images
        bounds = (("", SMALL_PX2), (SMALL_PX2, MEDIUM_PX2), (MEDIUM_PX2, ""))
        for (least_px2, most_px2), count in zip(bounds, (row.small, row.medium, row.large), strict=True):
            yield one.split, "area, px²", row.label, least_px2, most_px2, count
    for size in one.image_sizes:
        yield one.split, f"images of {size.width} x {size.height} px", "", "", "", size.images
