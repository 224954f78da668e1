"""The page of a dataset's statistics: charts with the splits side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from teppr.charts import HALF_WIDTH_PX, ColumnChart, Series, bin_name, binned, column_chart, count_bins
from teppr.datasets.statistics import DatasetStatistics, Histogram, SplitStatistics
from teppr.pages import write_page
from teppr.types import Ints

PALETTE = ("#4c8bb5", "#d9822b", "#3a9d6c", "#9b6bc4", "#c2577a", "#7d8794")
"""A colour for each split in turn, readable on light and dark ground."""
MOST_LABELS = 40
"""So many labels, the most frequent ones, are in the matrix of labels together."""
COUNTS_UP_TO = 20
"""With so many labels there is room for counts in the matrix."""
PAGE = "statistics.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Titled:
    """A chart with what stands above it."""

    title: str
    said: str
    noun: str
    chart: ColumnChart


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Images with both labels: how many, and their share of the images with the first."""

    first: str
    second: str
    images: int
    share_0_1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Labels together: a row and a column for each of `labels`; `left_out` labels have no room."""

    labels: tuple[str, ...]
    rows: tuple[tuple[Pair, ...], ...]
    left_out: int

    @property
    def with_counts(self) -> bool:
        """Whether there is room for counts."""
        return len(self.labels) <= COUNTS_UP_TO


def write_statistics_page(statistics: DatasetStatistics, folder: Path) -> Path:
    """Write a page that needs nothing beside it."""
    splits = [one for one in statistics.splits if one.images]
    colors = {one.split: PALETTE[i % len(PALETTE)] for i, one in enumerate(statistics.splits)}
    values = {
        "statistics": statistics,
        "splits": splits,
        "colors": colors,
        "charts": list(charts_of(splits, colors)),
        "places": {one.split: _shares(one.centres) for one in splits if one.centres.any()},
        "matrix": matrix_of(statistics.all.together, [label.name for label in statistics.labels]),
        "rows": list(zip(statistics.labels, *(one.labels for one in splits), strict=True)),
    }
    return write_page(folder / PAGE, "teppr.datasets", PAGE, values, {})


def charts_of(splits: Sequence[SplitStatistics], colors: Mapping[str, str]) -> Iterator[Titled]:
    """The histograms, in each the splits side by side."""

    def chart(names: Sequence[str], counts: Mapping[str, Sequence[int]]) -> ColumnChart:
        series = [Series(name=split, counts=some, color=colors[split]) for split, some in counts.items()]
        return column_chart(names, series, width_px=HALF_WIDTH_PX)

    def histogram(title: str, said: str, name: str) -> Titled:
        found: dict[str, Histogram] = {one.split: getattr(one, name) for one in splits}
        edges = next(iter(found.values())).edges if found else ()
        names = [f"{_short(low)}-{_short(high)}" for low, high in pairwise(edges)]
        counts = {split: one.counts for split, one in found.items()}
        return Titled(title=title, said=said, noun="regions", chart=chart(names, counts))

    side = "Side of the square that is as large as the box"
    if any(sum(one.sides_px.counts) for one in splits):
        yield histogram("Size of boxes", f"{side}, in pixels.", "sides_px")
        yield histogram("Size of boxes in their images", f"{side}; of the image's likewise, = 1.", "sides_0_1")
        yield histogram("Aspect ratio of boxes", "Width by height; more than 1 is wide.", "ratios")
    bins = count_bins(max((count for one in splits for count in one.per_image), default=0))
    counts = {one.split: binned(one.per_image, bins) for one in splits}
    per_image = chart([bin_name(*one) for one in bins], counts)
    yield Titled(title="Regions per image", said="How many images have so many.", noun="images", chart=per_image)


def _shares(cells: Ints) -> list[list[float]]:
    """Of the fullest cell."""
    shares: list[list[float]] = (cells / cells.max()).round(3).tolist()
    return shares


def _short(value: float) -> str:
    return f"{value:.2f}" if 0 < value < 1 else f"{value:.1f}" if value < 10 and value % 1 else f"{value:.0f}"


def matrix_of(together: Ints, labels: Sequence[str]) -> Matrix:
    """The most frequent labels, in the dataset's order."""
    images = together.diagonal()
    kept = np.sort(np.argsort(-images, kind="stable")[:MOST_LABELS]).tolist()
    rows = tuple(
        tuple(
            Pair(
                first=labels[i],
                second=labels[j],
                images=int(together[i, j]),
                share_0_1=float(together[i, j] / max(images[i], 1)),
            )
            for j in kept
        )
        for i in kept
    )
    return Matrix(labels=tuple(labels[i] for i in kept), rows=rows, left_out=len(labels) - len(kept))
