"""Whole groups put into splits so that each label's shares, and the splits' sizes, come near to what was asked.

First all groups at once: label by label from the rarest, the groups that have it and are not yet placed go where the
label is missing most. That leaves each label within a few groups of its shares. Then moves of one or two groups at a
time settle these few, as long as they help and leave no label without its split.

All arithmetic is on whole numbers (held in floats, below 2**53), so that every machine comes to the same splits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

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
"""Groups of each of two splits that are tried with each other when no single move helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balanced:
    """The split of each group, and how far off it is: comparable between balances of the same groups."""

    split_of_group: Ints
    deviation: float


def balance(
    matrix: LabelMatrix, sizes: Ints, shares: Sequence[int], pins: Mapping[int, int], required: Sequence[int]
) -> Balanced:
    """Put each group into a split.

    sizes: images in each group
    shares: whole numbers in the ratio of the splits
    pins: groups that are placed at first, so that every required label is in every split
    required: labels that must stay in every split
    """
    at = _deal(matrix, sizes, np.array(shares, np.int64), pins)
    refiner = _Refiner(matrix, sizes, np.array(shares, np.int64), at, required)
    refiner.run(STEPS)
    return refiner.balanced()


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
    """Moves of some groups while the weighted square deviation falls.

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

    def balanced(self) -> Balanced:
        """Where everything is by now."""
        result = self._at.copy()
        result[self._chosen] = self._place
        return Balanced(split_of_group=result, deviation=float((self._weight * self._deviation**2).sum()))

    def run(self, steps: int) -> None:
        """Improve until nothing helps, at most so often."""
        squares = self._unit**2 * (self._counts**2 @ self._weight.T)
        for _ in range(steps):
            change = self._changes(squares)
            allowed = np.where(self._stuck()[:, None], np.inf, change)
            item, split = divmod(int(allowed.argmin()), change.shape[1])
            if allowed[item, split] < 0:
                self._move(item, split)
            elif not self._chain(change):
                return

    def _changes(self, squares: Array) -> Array:
        """What moving each item to each split changes, [items, splits]; infinite for where it is."""
        items = np.arange(len(self._place))
        slope = 2 * self._unit * (self._counts @ (self._weight * self._deviation).T)
        leave = squares[items, self._place] - slope[items, self._place]
        change: Array = leave[:, None] + squares + slope
        change[items, self._place] = np.inf
        return change

    def _stuck(self) -> npt.NDArray[np.bool_]:
        """Which items may not leave: their split would lose a label, or be empty."""
        carried = (self._has @ self._last().T)[np.arange(len(self._place)), self._place]
        stuck: npt.NDArray[np.bool_] = (carried > 0) | (self._residents[self._place] == 1)
        return stuck

    def _last(self) -> Array:
        """1 where one group alone has a needed label in a split, [splits, labels]."""
        last: Array = ((self._groups == 1) & self._needed).astype(np.float64)
        return last

    def _move(self, item: int, split: int) -> None:
        old = self._place[item]
        self._place[item] = split
        for place, sign in ((old, -1), (split, 1)):
            self._deviation[place] += sign * self._unit * self._counts[item]
            self._groups[place] += sign * self._has[item]
            self._residents[place] += sign

    def _chain(self, change: Array) -> bool:
        """Move one item on to another split and one from there on, or back, as helps most; False where none helps."""
        best: tuple[float, int, int, int] = (0.0, -1, -1, -1)
        for a, b, c in product(range(change.shape[1]), repeat=3):
            if a != b != c and (a < b or c != a):  # there and back is the same from either end
                gain, first, second = self._best_chain(change, a, b, c)
                best = min(best, (gain, first, second, c))
        gain, first, second, end = best
        if gain < 0:
            self._move(first, int(self._place[second]))
            self._move(second, end)
        return gain < 0

    def _best_chain(self, change: Array, a: int, b: int, c: int) -> tuple[float, int, int]:
        """The best of one item from a to b and another from b to c."""
        there, on = self._cheapest(change, a, b), self._cheapest(change, b, c)
        if not len(there) or not len(on):
            return 0.0, -1, -1
        met = self._weight[b] + (self._weight[a] if c == a else 0)
        together = (self._counts[there] * met) @ self._counts[on].T
        gain = change[there, b][:, None] + change[on, c][None, :] - 2 * self._unit**2 * together
        gain[self._loses(on, there, b).T] = np.inf
        if c == a:
            gain[self._loses(there, on, a)] = np.inf
        else:
            gain[self._stuck()[there]] = np.inf
        i, j = divmod(int(gain.argmin()), len(on))
        return float(gain[i, j]), int(there[i]), int(on[j])

    def _cheapest(self, change: Array, start: int, end: int) -> Ints:
        items = np.flatnonzero(self._place == start)
        return items[np.argsort(change[items, end], kind="stable")[:SWAPPED]]

    def _loses(self, leaving: Ints, coming: Ints, split: int) -> npt.NDArray[np.bool_]:
        """Whether a split loses a label when one leaves and another comes instead, [leaving, coming]."""
        only = self._has[leaving] * self._last()[split]
        lost: npt.NDArray[np.bool_] = only.sum(axis=1)[:, None] > only @ self._has[coming].T
        return lost


def _candidates(matrix: LabelMatrix) -> Ints:
    """Groups that may be moved: all, or of each label the first few and some without a label."""
    if matrix.group_count <= CANDIDATES:
        return np.arange(matrix.group_count)
    each = CANDIDATES // (len(matrix.labels) + 1)
    bare = np.flatnonzero(np.diff(matrix.starts) == 0)[:each]
    of_labels = [matrix.groups_of(label)[:each] for label in range(len(matrix.labels))]
    return np.unique(np.concatenate([bare, *of_labels]))
