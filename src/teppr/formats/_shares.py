"""Coordinates as shares of an image's width or height."""

from __future__ import annotations

PRECISION_PX = 1e-6
"""How far a coordinate may be off on an image of 20,000 pixels: a share is off by half a unit of its last decimal, a
width that is the difference of two by a whole one, which is 2e-7 of 20,000 pixels."""
_DECIMALS = 11


def share_of(value_px: float, side_px: int) -> str:
    """The share of `side_px` that `value_px` is, without closing zeros."""
    return f"{value_px / side_px:.{_DECIMALS}f}".rstrip("0").rstrip(".")
