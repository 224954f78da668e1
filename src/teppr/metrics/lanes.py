"""How right lanes are, by the rules of the TuSimple lane benchmark: accuracy, false positives, false negatives.

Lanes are compared by their x at common rows of the image. A point is right if it is nearer to the truth's than a
tolerance, which grows with the lane's slant, or if neither lane has a point at the row. A lane of the truth is found if
85 % of its rows are right in one lane that was found; the accuracy of an image is the mean over its lanes of the best
share. Of more than four lanes the worst does not count, and who names more than two lanes too many has found none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from teppr.geometry import xs_at_rows
from teppr.types import Shape

Array = npt.NDArray[np.float64]

NO_POINT = -2.0
"""Stands for the x of a lane at a row where it has none, as any negative number does."""
FAR_AWAY = -100.0
"""As an x it is right where neither lane has a point, and wrong where one has."""
SIZE_WH = (1280, 720)
"""Of TuSimple's images, in whose pixels rows and tolerance are given."""
ROWS_PX = np.arange(160, 720, 10)
TOLERANCE_PX = 20.0
FOUND_SHARE = 0.85
MOST_LANES = 4
EXTRA_LANES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneScore:
    """How right one image's lanes are.

    accuracy: share of right points, 0..1
    truth, found: numbers of lanes
    missed: lanes of the truth that were not found; spurious: lanes found that are none of the truth
    false_positive, false_negative: the benchmark's shares for this image
    """

    accuracy: float
    truth: int
    found: int
    missed: int
    spurious: int
    false_positive: float
    false_negative: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneMetrics:
    """Means over images, each 0..1; None where there was no image."""

    images: int
    accuracy: float | None
    false_positive: float | None
    false_negative: float | None

    @classmethod
    def of(cls, scores: Sequence[LaneScore]) -> LaneMetrics:
        """The means of the images' figures, as the benchmark takes them."""
        table = np.array([(score.accuracy, score.false_positive, score.false_negative) for score in scores])
        means: list[float | None] = table.mean(axis=0).tolist() if scores else [None] * 3
        return cls(images=len(scores), accuracy=means[0], false_positive=means[1], false_negative=means[2])

    @property
    def f1(self) -> float | None:
        """The harmonic mean of the shares of lanes that are right and that are found."""
        if self.false_positive is None or self.false_negative is None:
            return None
        right, found = 1 - self.false_positive, 1 - self.false_negative
        return 2 * right * found / (right + found) if right + found else 0.0

    def as_dict(self) -> dict[str, float | None]:
        """The figures by name."""
        return {
            "accuracy": self.accuracy,
            "false_positive": self.false_positive,
            "false_negative": self.false_negative,
            "f1": self.f1,
        }


def rows_of(size_wh: tuple[int, int]) -> Array:
    """The benchmark's rows at their places in an image of this height, in its pixels."""
    return np.asarray(ROWS_PX * (size_wh[1] / SIZE_WH[1]), np.float64)


def tolerance_px(size_wh: tuple[int, int]) -> float:
    """How far a point of an upright lane may be off in an image of this width."""
    return TOLERANCE_PX * size_wh[0] / SIZE_WH[0]


def lanes_at_rows(shapes: Iterable[Shape], size_wh: tuple[int, int]) -> Array:
    """The x of each shape at each of the benchmark's rows, [shapes, rows]; `NO_POINT` where it does not reach."""
    xs = xs_at_rows(shapes, rows_of(size_wh))
    return np.where(np.isfinite(xs), xs, NO_POINT)


def score_lanes(
    truth_xs: npt.ArrayLike, found_xs: npt.ArrayLike, rows_px: npt.ArrayLike, tolerance: float
) -> LaneScore:
    """Hold the lanes found in an image [m, rows] against the true ones [n, rows]; a negative x is no point.

    tolerance: pixels that an upright lane may be off
    An image without lanes, of which the benchmark has none, is right if nothing was found in it.
    """
    rows = np.asarray(rows_px, np.float64)
    truth, found = (np.asarray(xs, np.float64).reshape(-1, len(rows)) for xs in (truth_xs, found_xs))
    n, m = len(truth), len(found)
    if not n:
        return _all_wrong(n, m, accuracy=float(not m), false_positive=float(m > 0), false_negative=0.0)
    if m > n + EXTRA_LANES:
        return _all_wrong(n, m, accuracy=0.0, false_positive=0.0, false_negative=1.0)
    shares = shares_right(truth, found, tolerance * _slants(truth, rows))
    best = shares.max(axis=1, initial=0.0)
    missed, counted = int(np.count_nonzero(best < FOUND_SHARE)), min(n, MOST_LANES)
    forgiven = int(n > MOST_LANES and missed > 0)
    return LaneScore(
        accuracy=float((best.sum() - (best.min() if n > MOST_LANES else 0.0)) / counted),
        truth=n,
        found=m,
        missed=missed,
        spurious=int(np.count_nonzero(shares.max(axis=0, initial=0.0) < FOUND_SHARE)),
        # As the benchmark has it: one lane that is near two true ones counts for both.
        false_positive=(m - (n - missed)) / m if m else 0.0,
        false_negative=(missed - forgiven) / counted,
    )


def _all_wrong(n: int, m: int, *, accuracy: float, false_positive: float, false_negative: float) -> LaneScore:
    return LaneScore(
        accuracy=accuracy,
        truth=n,
        found=m,
        missed=n,
        spurious=m,
        false_positive=false_positive,
        false_negative=false_negative,
    )


def shares_right(truth: Array, found: Array, tolerances: Array) -> Array:
    """The share of rows at which each found lane [m, rows] is right about each true one [n, rows], [n, m].

    tolerances: pixels that a found one may be off from each true one, [n]
    """
    wanted, given = (np.where(xs >= 0, xs, FAR_AWAY) for xs in (truth, found))
    right = np.abs(wanted[:, None] - given[None]) < tolerances[:, None, None]
    shares: Array = right.mean(axis=2)
    return shares


def _slants(lanes: Array, rows: Array) -> Array:
    """How many times farther a point of each lane may be off than of an upright one: one over the cosine of the angle
    between the lane's straight fit and the upright.
    """
    there = lanes >= 0
    count = np.maximum(there.sum(axis=1, keepdims=True), 1)
    y = np.where(there, rows - (there * rows).sum(axis=1, keepdims=True) / count, 0.0)
    spread = (y**2).sum(axis=1)
    slope = np.divide((y * lanes).sum(axis=1), spread, out=np.zeros(len(lanes)), where=spread > 0)
    return np.asarray(np.hypot(1.0, slope), np.float64)
