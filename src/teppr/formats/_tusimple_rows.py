"""Lanes as TuSimple has them: an x, or none, at each of an image's rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from teppr.formats._numbers import plain
from teppr.types import Ring

NO_POINT = -2
"""Stands for the x of a lane at a row where it has none."""
_STANDARD_HEIGHT_PX, _STANDARD_ROWS = 720, range(160, 720, 10)
"""Images of TuSimple, and the rows of its longest lists."""
_STEP_PX = 10
_MOST_ROWS = 2000


def points_at(xs: Sequence[float], rows: Sequence[float]) -> Ring:
    """The points of a lane; -2 is none."""
    return tuple((x, y) for x, y in zip(xs, rows, strict=True) if x != NO_POINT)


def exact_xs(lane: Ring, rows: Sequence[float]) -> list[float] | None:
    """The x at each row if the lane's points are at rows and in their order; None where they are not."""
    places = {row: i for i, row in enumerate(rows)}
    found = [places.get(y, -1) for _, y in lane]
    if -1 in found or any(b <= a for a, b in pairwise(found)) or any(x == NO_POINT for x, _ in lane):
        return None
    xs: list[float] = [NO_POINT] * len(rows)
    for i, (x, _) in zip(found, lane, strict=True):
        xs[i] = plain(x)
    return xs


def crossing_xs(lane: Ring, rows: Sequence[float]) -> list[float]:
    """The x at each row where the lane first crosses it."""
    return [_x_at(lane, row) for row in rows]


def common_rows(lanes: Sequence[Ring]) -> list[float] | None:
    """The rows of all points if each lane has a point at every one from its first to its last, else None."""
    rows = sorted({plain(y) for lane in lanes for _, y in lane})
    return rows if all(is_dense(exact_xs(lane, rows)) for lane in lanes) else None


def is_dense(xs: Sequence[float] | None) -> bool:
    """Whether a lane has a point at every row from its first to its last."""
    if xs is None:
        return False
    return all(np.trim_zeros(np.not_equal(xs, NO_POINT)))


def grid(lanes: Sequence[Ring], height_px: int | None) -> list[float]:
    """TuSimple's rows where lanes in an image of its height keep to them, else every tenth that lanes reach."""
    ys = [y for lane in lanes for _, y in lane]
    lowest, highest = min(ys, default=0.0), max(ys, default=0.0)
    if height_px == _STANDARD_HEIGHT_PX and lowest >= _STANDARD_ROWS[0] and highest < height_px:
        return list(_STANDARD_ROWS)
    step = _STEP_PX * max(1, math.ceil((highest - lowest) / (_STEP_PX * _MOST_ROWS)))
    return [row * step for row in range(math.ceil(lowest / step), math.floor(highest / step) + 1)]


def runs_up(lane: Ring) -> bool:
    """Whether each point is above the one before."""
    return len(lane) > 1 and all(b[1] < a[1] for a, b in pairwise(lane))


def _x_at(lane: Ring, row: float) -> float:
    if len(lane) == 1 and lane[0][1] == row:
        return plain(lane[0][0])
    for (x0, y0), (x1, y1) in pairwise(lane):
        if min(y0, y1) <= row <= max(y0, y1):
            return plain(x0 if y0 == y1 else x0 + (x1 - x0) * (row - y0) / (y1 - y0))
    return NO_POINT
