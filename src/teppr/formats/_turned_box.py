"""Boxes that are turned: as a region they are polygons of four corners with an attribute `rotation`.

The attribute says by how many degrees the box is turned clockwise on the screen; a format with turned boxes finds the
box again by it. The corners are, before the turn, top left, top right, bottom right, bottom left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from teppr.types import Point, Polygon, Rect, Ring, Shape

ROTATION = "rotation"
PRECISION_DIGITS = 9
"""Digits behind the point that a box keeps through a turn and back, or through a sum of origin and size."""
_CORNER_DIGITS = 12
_TOLERANCE_PX = 1e-6


def turned(box: Rect, degrees: float, about: Point) -> Ring:
    """The corners of a box that is turned about a point."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = about
    corners = (
        (box.x, box.y),
        (box.x + box.width, box.y),
        (box.x + box.width, box.y + box.height),
        (box.x, box.y + box.height),
    )
    return tuple(
        (
            round(x + (cx - x) * cos - (cy - y) * sin, _CORNER_DIGITS),
            round(y + (cx - x) * sin + (cy - y) * cos, _CORNER_DIGITS),
        )
        for cx, cy in corners
    )


def centre(box: Rect) -> Point:
    """Where the diagonals of a box meet."""
    return box.x + box.width / 2, box.y + box.height / 2


def turned_box(shape: Shape, attributes: Mapping[str, Any]) -> tuple[Rect, float] | None:
    """The box that a region is, turned about its centre, and by how many degrees; None for any other region."""
    degrees = attributes.get(ROTATION)
    if not isinstance(shape, Polygon) or isinstance(degrees, bool) or not isinstance(degrees, int | float):
        return None
    if len(shape.rings) != 1 or len(shape.rings[0]) != 4 or shape.closed_in_file or not math.isfinite(degrees):
        return None
    ring = shape.rings[0]
    x, y = (ring[0][0] + ring[2][0]) / 2, (ring[0][1] + ring[2][1]) / 2
    width, height = math.dist(ring[0], ring[1]), math.dist(ring[0], ring[3])
    exact = (x - width / 2, y - height / 2, width, height)
    box = Rect(*(round(value, PRECISION_DIGITS) for value in exact))
    again = turned(box, degrees, centre(box))
    return (box, degrees) if max(map(math.dist, ring, again)) <= _TOLERANCE_PX else None
