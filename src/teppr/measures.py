"""Shapes measured many at a time: what the design rules and the store ask of every region, at the speed of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely

from teppr.geometry import Array, area, points_of, ring_area
from teppr.types import Polygon, Ring, Shape

LEAST_CORNERS = 4
"""A triangle cannot cross itself."""


class Measure(NamedTuple):
    """What is measured of one shape.

    x0, y0, x1, y1: its bounds in pixels, the very coordinates of its outermost points; all 0 where it has no points
    area_px2: as `teppr.geometry.area`, to the rounding of sums
    flat_rings: positions of a polygon's rings that enclose nothing
    may_cross: whether a ring of a polygon touches or crosses itself somewhere, so that it is worth looking where
    """

    x0: float
    y0: float
    x1: float
    y1: float
    area_px2: float
    flat_rings: tuple[int, ...] = ()
    may_cross: bool = False

    @property
    def box_area_px2(self) -> float:
        """Area of the box around the shape."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)


def measure(shapes: Sequence[Shape], *, crossings: bool = True) -> list[Measure]:
    """Every shape's measure, in order; quick for many polygons of one ring, right for all.

    crossings: whether `may_cross` is wanted; it takes a third of the time
    """
    plain: list[Ring] = []
    measured: list[Measure | None] = []
    for shape in shapes:
        if isinstance(shape, Polygon) and len(shape.rings) == 1 and len(shape.rings[0]) >= LEAST_CORNERS:
            plain.append(shape.rings[0])
            measured.append(None)
        else:
            measured.append(_one(shape))
    of_plain = iter(_of_rings(plain, crossings))
    return [next(of_plain) if found is None else found for found in measured]


def _of_rings(rings: Sequence[Ring], crossings: bool) -> list[Measure]:
    if not rings:
        return []
    counts = np.fromiter(map(len, rings), np.int64, len(rings))
    numbers = chain.from_iterable(chain.from_iterable(rings))
    corners: Array = np.fromiter(numbers, np.float64, 2 * int(counts.sum())).reshape(-1, 2)
    starts = np.cumsum(counts) - counts
    low = np.minimum.reduceat(corners, starts)
    high = np.maximum.reduceat(corners, starts)
    with np.errstate(over="ignore", invalid="ignore"):  # of coordinates beyond all images
        areas = _areas(corners, starts, counts)
    crossing = _may_cross(corners, counts) if crossings else np.zeros(len(rings), bool)
    rows = zip(low.tolist(), high.tolist(), areas.tolist(), crossing.tolist(), strict=True)
    return [
        # What has an area has three corners: between two, every turn is undone exactly.
        Measure(x0, y0, x1, y1, area_px2, () if area_px2 > 0 else (0,), may_cross)
        for (x0, y0), (x1, y1), area_px2, may_cross in rows
    ]


def _areas(corners: Array, starts: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> Array:
    """By the shoelace formula,."""
    before = np.arange(len(corners)) - 1
    before[starts] = starts + counts - 1
    x, y = corners[:, 0], corners[:, 1]
    turns = x[before] * y - x * y[before]
    areas: Array = np.abs(np.add.reduceat(turns, starts)) / 2
    return areas


def _may_cross(corners: Array, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    owners = np.repeat(np.arange(len(counts)), counts)
    with np.errstate(all="ignore"):
        simple = np.asarray(shapely.is_simple(shapely.linearrings(corners, indices=owners)), bool)
    return ~simple


def _one(shape: Shape) -> Measure:
    points = points_of(shape) or ((0.0, 0.0),)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    flat: tuple[int, ...] = ()
    may_cross = False
    if isinstance(shape, Polygon):
        flat = tuple(i for i, ring in enumerate(shape.rings) if ring_area(ring) == 0)
        may_cross = any(len(ring) >= LEAST_CORNERS for ring in shape.rings)
    return Measure(min(xs), min(ys), max(xs), max(ys), area(shape), flat, may_cross)
