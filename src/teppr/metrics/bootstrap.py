"""The bootstrap: how far figures would wander, had other images of the same kind been taken.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993: images are drawn from those that are there, with
repetition, and the figures taken again; the middle 95 % of what comes out is the interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from teppr.types import Ints

COVERAGE = 0.95
LEAST_DEFINED = 0.5
"""A figure that fewer of the draws define has no interval."""

Interval: TypeAlias = tuple[float, float]


def drawn_indices(images: int, draws: int, seed: int) -> Ints:
    """Which images are taken, int64 [draws, images]; the same for the same seed."""
    return np.random.default_rng(seed).integers(0, images, (draws, images))


def interval_of(values: Sequence[float | None]) -> Interval | None:
    """The middle 95 % of a figure's values, None among them where it was not defined; None where it mostly was not."""
    defined = [value for value in values if value is not None]
    if not values or len(defined) < LEAST_DEFINED * len(values):
        return None
    low, high = np.quantile(defined, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)
