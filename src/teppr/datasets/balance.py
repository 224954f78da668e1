"""Whole groups put into splits so that each label's shares, and the splits' sizes, come near to what was asked.

First all groups at once: label by label from the rarest, the groups that have it and are not yet placed go where the
label is missing most. That leaves each label within a few groups of its shares, which `teppr.datasets.refine` settles.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from teppr.datasets.matrix import LabelMatrix
from teppr.datasets.refine import Refined, refine
from teppr.types import Ints


def balance(
    matrix: LabelMatrix, sizes: Ints, shares: Sequence[int], pins: Ints, kept: Ints, required: Sequence[int]
) -> Refined:
    """Put each group into a split.

    sizes: images in each group
    shares: whole numbers in the ratio of the splits
    pins: where groups are placed at first, so that every required label is in every split; -1 for all others
    kept: where groups have to be, -1 for those that are free; `pins` says the same of them
    required: labels that must stay in every split
    """
    at = _deal(matrix, sizes, np.array(shares, np.int64), pins)
    return refine(matrix, sizes, np.array(shares, np.int64), at, kept < 0, required)


def _deal(matrix: LabelMatrix, sizes: Ints, shares: Ints, pins: Ints) -> Ints:
    split_count, label_count = len(shares), len(matrix.labels)
    at = pins.copy()
    have = matrix.spread(np.flatnonzero(at >= 0), at, split_count)
    for label in np.lexsort((np.arange(label_count), matrix.totals)).tolist():
        entries = matrix.entries_of(label)
        entries = entries[at[matrix.rows[entries]] < 0]
        if not len(entries):
            continue
        missing = shares * matrix.totals[label] - shares.sum() * have[:, label]
        free = matrix.rows[entries]
        at[free] = _shared_out(matrix.counts[entries], missing)
        have += matrix.spread(free, at, split_count)
    free = np.flatnonzero(at < 0)
    placed = np.flatnonzero(at >= 0)
    images = np.bincount(at[placed], weights=sizes[placed], minlength=split_count).astype(np.int64)
    at[free] = _shared_out(sizes[free], shares * sizes.sum() - shares.sum() * images)
    return at


def _shared_out(counts: Ints, missing: Ints) -> Ints:
    """A split for each item, so that the sums of their counts are as `missing` (where that is positive)."""
    wanted = np.maximum(missing, 0)
    if not wanted.any():
        wanted = missing - missing.min() + 1
    total = int(counts.sum())
    # Whole-number halves: item i covers (before, after] of the total; its middle says whose it is.
    bounds = 2 * total * np.cumsum(wanted)
    middles = (2 * np.cumsum(counts) - counts) * int(wanted.sum())
    return np.minimum(np.searchsorted(bounds, middles, side="left"), len(wanted) - 1)
