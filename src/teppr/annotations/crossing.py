"""Whether an outline crosses itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely
from shapely import STRtree

from teppr.geometry import Array
from teppr.types import Ring

EDGES_AT_ONCE = 64
"""Edges whose neighbours are looked up together: bounds the memory for outlines that cross themselves everywhere."""


def crosses_itself(ring: Ring) -> tuple[int, int] | None:
    """The first pair of edges that cross properly (each has the other's ends on both sides), or None.

    Edge `i` runs from corner `i` to the next. Edges that merely touch do not cross.
    """
    if len(ring) < 4:
        return None
    with np.errstate(all="ignore"):  # products of coordinates beyond all images overflow: no crossing is seen there
        return _first_crossing(ring)


def _first_crossing(ring: Ring) -> tuple[int, int] | None:
    corners = np.asarray(ring, dtype=np.float64)
    if shapely.is_simple(shapely.linearrings(np.vstack([corners, corners[:1]]))):
        return None
    ends = np.roll(corners, -1, axis=0)
    edges: npt.NDArray[np.object_] = np.asarray(shapely.linestrings(np.stack([corners, ends], axis=1)))
    tree = STRtree(edges)
    for start in range(0, len(edges), EDGES_AT_ONCE):
        near = tree.query(edges[start : start + EDGES_AT_ONCE])
        first, second = near[0] + start, near[1]
        later = first < second
        first, second = first[later], second[later]
        crossing = np.flatnonzero(_cross(corners[first], ends[first], corners[second], ends[second]))
        if len(crossing):
            found = crossing[np.lexsort((second[crossing], first[crossing]))[0]]
            return int(first[found]), int(second[found])
    return None


def _cross(a: Array, b: Array, c: Array, d: Array) -> npt.NDArray[np.bool_]:
    """Whether the segments a-b and c-d [n, 2] cross properly."""
    crossing: npt.NDArray[np.bool_] = (_side(a, b, c) * _side(a, b, d) < 0) & (_side(c, d, a) * _side(c, d, b) < 0)
    return crossing


def _side(a: Array, b: Array, c: Array) -> Array:
    """The side of the line a-b on which c lies, as a sign."""
    turn: Array = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    return np.sign(turn)
