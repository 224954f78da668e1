"""Whole groups put into splits so that each label's shares, and the splits' sizes, come near to what was asked.

First all groups at once: label by label from the rarest, the groups that have it and are not yet placed go where the
label is missing most. That leaves each label within a few groups of its shares. Then single moves and swaps of some
groups settle these few, as long as they help and leave no label without its split.

All arithmetic is on whole numbers (held in floats, below 2**53), so that every machine comes to the same splits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from teppr.datasets.matrix import LabelMatrix
from teppr.types import Ints

Array = npt.NDArray[np.float64]

UNIT = 1_000_000
"""Precision of the weights."""
CANDIDATES = 3_000
"""Groups that may be moved in the end; below it all of them."""
STEPS = 600
SWAPPED = 48
"""Groups of each of two splits that are tried against each other when no single move helps."""


def balance(
    matrix: LabelMatrix, sizes: Ints, shares: Sequence[int], pins: Mapping[int, int], required: Sequence[int]
) -> Ints:
    """The split of each group.

    sizes: images in each group
    shares: whole numbers in the ratio of the splits
    pins: groups that are placed at first, so that every required label is in every split
    required: labels that must stay in every split
    """
    at = _deal(matrix, sizes, np.array(shares, np.int64), pins)
    refiner = _Refiner(matrix, sizes, np.array(shares, np.int64), at, required)
    refiner.run(STEPS)
    return refiner.splits()


def _deal(matrix: LabelMatrix, sizes: Ints, shares: Ints, pins: Mapping[int, int]) -> Ints:
    split_count, label_count = len(shares), len(matrix.labels)
    at = np.full(matrix.group_count, -1, np.int64)
    at[list(pins)] = list(pins.values())
    have = _have(matrix, np.array(list(pins), np.int64), at, split_count)
    for label in np.lexsort((np.arange(label_count), matrix.totals)).tolist():
        entries = matrix.entries_of(label)
        entries = entries[at[matrix.rows[entries]] < 0]
        if not len(entries):
            continue
        missing = shares * matrix.totals[label] - shares.sum() * have[:, label]
        free = matrix.rows[entries]
        at[free] = _shared_out(matrix.counts[entries], missing)
        have += _have(matrix, free, at, split_count)
    free = np.flatnonzero(at < 0)
    placed = np.flatnonzero(at >= 0)
    images = np.bincount(at[placed], weights=sizes[placed], minlength=split_count).astype(np.int64)
    at[free] = _shared_out(sizes[free], shares * sizes.sum() - shares.sum() * images)
    return at


def _have(matrix: LabelMatrix, groups: Ints, at: Ints, split_count: int) -> Ints:
    """Images with each label that `groups` bring to each split, [splits, labels]."""
    entries = matrix.entries_in(groups)
    places = at[matrix.rows[entries]] * len(matrix.labels) + matrix.label_ids[entries]
    counts = np.bincount(places, weights=matrix.counts[entries], minlength=split_count * len(matrix.labels))
    return counts.astype(np.int64).reshape(split_count, -1)


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


class _Refiner:
    """Moves and swaps of some groups while the weighted square deviation falls.

    Columns are the labels and, last, the images themselves. With T the sum of the shares, the deviation of a column in
    a split is T * have - share * total; its weight is the inverse of what the split should have.
    """

    def __init__(self, matrix: LabelMatrix, sizes: Ints, shares: Ints, at: Ints, required: Sequence[int]) -> None:
        split_count, label_count = len(shares), len(matrix.labels)
        self._at = at
        self._chosen = _candidates(matrix)
        self._unit = float(shares.sum())
        every = np.arange(matrix.group_count)
        have = np.zeros((split_count, label_count + 1))
        have[:, :-1] = _have(matrix, every, at, split_count)
        have[:, -1] = np.bincount(at, weights=sizes, minlength=split_count)
        totals = np.append(matrix.totals, sizes.sum()).astype(np.float64)
        self._deviation = self._unit * have - shares[:, None] * totals
        wanted = np.maximum(shares[:, None] * totals, 1)
        self._weight = np.maximum(np.rint(UNIT * self._unit / wanted), 1)
        self._weight[:, -1] *= label_count + 1  # sizes count as much as all labels together
        few = matrix.take(self._chosen)
        self._counts = np.zeros((len(self._chosen), label_count + 1))
        self._counts[few.rows, few.label_ids] = few.counts
        self._has = (self._counts[:, :-1] > 0).astype(np.float64)
        self._counts[:, -1] = sizes[self._chosen]
        self._place = at[self._chosen]
        self._groups = np.zeros((split_count, label_count))
        np.add.at(self._groups, (at[matrix.rows], matrix.label_ids), 1)
        self._needed = np.zeros(label_count, np.bool_)
        self._needed[list(required)] = True
        self._residents = np.bincount(at, minlength=split_count).astype(np.float64)

    def splits(self) -> Ints:
        """The split of each group."""
        result = self._at.copy()
        result[self._chosen] = self._place
        return result

    def run(self, steps: int) -> None:
        """Improve until nothing helps, at most so often."""
        squares = self._unit**2 * (self._counts**2 @ self._weight.T)
        for _ in range(steps):
            change = self._changes(squares)
            best = int(change.argmin())
            item, split = divmod(best, change.shape[1])
            if change[item, split] < 0:
                self._move(item, split)
            elif not self._swap(change):
                return

    def _changes(self, squares: Array) -> Array:
        """What moving each item to each split changes, [items, splits]; infinite where it may not."""
        items = np.arange(len(self._place))
        slope = 2 * self._unit * (self._counts @ (self._weight * self._deviation).T)
        leave = squares[items, self._place] - slope[items, self._place]
        change: Array = leave[:, None] + squares + slope
        last = (self._groups == 1) & self._needed
        stuck = (self._has @ last.T.astype(np.float64))[items, self._place] > 0
        stuck |= self._residents[self._place] == 1
        change[stuck] = np.inf
        change[items, self._place] = np.inf
        return change

    def _move(self, item: int, split: int) -> None:
        old = self._place[item]
        self._place[item] = split
        for place, sign in ((old, -1), (split, 1)):
            self._deviation[place] += sign * self._unit * self._counts[item]
            self._groups[place] += sign * self._has[item]
            self._residents[place] += sign

    def _swap(self, change: Array) -> bool:
        """Exchange the two items of different splits that help most; False where none do."""
        best: tuple[float, int, int] = (0.0, -1, -1)
        split_count = change.shape[1]
        for a in range(split_count):
            for b in range(a + 1, split_count):
                best = min(best, self._best_swap(change, a, b))
        gain, first, second = best
        if gain < 0:
            a, b = int(self._place[first]), int(self._place[second])
            self._move(first, b)
            self._move(second, a)
        return gain < 0

    def _best_swap(self, change: Array, a: int, b: int) -> tuple[float, int, int]:
        there, back = _cheapest(change[:, b], self._place == a), _cheapest(change[:, a], self._place == b)
        if not len(there) or not len(back):
            return 0.0, -1, -1
        together = (self._counts[there] * (self._weight[a] + self._weight[b])) @ self._counts[back].T
        gain = change[there, b][:, None] + change[back, a][None, :] - 2 * self._unit**2 * together
        i, j = divmod(int(gain.argmin()), len(back))
        return float(gain[i, j]), int(there[i]), int(back[j])


def _cheapest(change: Array, eligible: npt.NDArray[np.bool_]) -> Ints:
    items = np.flatnonzero(eligible & np.isfinite(change))
    return items[np.argsort(change[items], kind="stable")[:SWAPPED]]


def _candidates(matrix: LabelMatrix) -> Ints:
    """Groups that may be moved: all, or of each label the first few and some without a label."""
    if matrix.group_count <= CANDIDATES:
        return np.arange(matrix.group_count)
    each = CANDIDATES // (len(matrix.labels) + 1)
    bare = np.flatnonzero(np.diff(matrix.starts) == 0)[:each]
    of_labels = [matrix.groups_of(label)[:each] for label in range(len(matrix.labels))]
    return np.unique(np.concatenate([bare, *of_labels]))
