"""Figures of a network's weights, tensor by tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 24
NEAR_ZERO_SHARE = 0.01
"""Of the root mean square: what is smaller counts as near zero."""
DEAD_SHARE = 1e-3
"""Of the root mean square: a channel all of whose weights are smaller gives nothing."""
MATRIX_AXES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFigures:
    """What the numbers of one tensor are like; those that are not finite are counted, and else left out.

    near_zero_0_1: share of numbers smaller than a hundredth of the root mean square
    norm: root of the sum of squares
    channels: that it makes, 0 = it is no convolution or matrix; dead: those of them all of whose weights are smaller
        than a thousandth of the root mean square
    histogram: counts in 24 bins of one width from `least` to `most`
    """

    name: str
    shape: tuple[int, ...]
    mean: float
    std: float
    least: float
    most: float
    norm: float
    near_zero_0_1: float
    not_finite: int
    channels: int
    dead: int
    histogram: tuple[int, ...]

    @property
    def count(self) -> int:
        """Numbers in it."""
        return int(np.prod(self.shape))

    @property
    def flaws(self) -> tuple[str, ...]:
        """What is wrong with it, in words."""
        broken = (f"{self.not_finite} not finite",) if self.not_finite else ()
        return (*broken, *((f"{self.dead} of {self.channels} channels dead",) if self.dead else ()))


def figures_of(name: str, values: npt.NDArray[Any], channel_axis: int = 0) -> WeightFigures:
    """The figures of a tensor; channel_axis: which of its axes counts the channels that it makes."""
    numbers = np.asarray(values, np.float64)
    finite = np.isfinite(numbers)
    kept = numbers[finite]
    rms = float(np.sqrt(np.mean(kept**2))) if kept.size else 0.0
    is_matrix = numbers.ndim >= MATRIX_AXES
    largest = np.abs(np.where(finite, numbers, np.inf))
    if is_matrix:
        largest = np.moveaxis(largest, channel_axis, 0).reshape(numbers.shape[channel_axis], -1).max(axis=1, initial=0)
    least, most = (float(kept.min()), float(kept.max())) if kept.size else (0.0, 0.0)
    counts, _ = np.histogram(kept, bins=BINS, range=(least, most) if most > least else (least - 0.5, least + 0.5))
    return WeightFigures(
        name=name,
        shape=numbers.shape,
        mean=float(kept.mean()) if kept.size else 0.0,
        std=float(kept.std()) if kept.size else 0.0,
        least=least,
        most=most,
        norm=rms * float(np.sqrt(kept.size)),
        near_zero_0_1=float(np.mean(np.abs(kept) <= NEAR_ZERO_SHARE * rms)) if kept.size else 0.0,
        not_finite=int(numbers.size - kept.size),
        channels=len(largest) if is_matrix else 0,
        dead=int((largest <= DEAD_SHARE * rms).sum()) if is_matrix else 0,
        histogram=tuple(counts.tolist()),
    )
