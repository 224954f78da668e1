"""Moves of one or two groups at a time, while they bring labels and sizes nearer to their shares.

No move takes the last group of a label out of a split, nor the last group at all.

All arithmetic is on whole numbers (held in floats, below 2**53), so that every machine comes to the same splits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isqrt
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from teppr.datasets.matrix import LabelMatrix
from teppr.types import Ints

Array = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]

UNIT = 1_000_000
"""Precision of the weights."""
EXACT = 2.0**52
CANDIDATES, CELLS = 5_000, 2_000_000
"""Groups that may be moved, and numbers to describe them; where there are no more groups, all of them."""
FEWEST = 3
"""Groups of a label in a split that may be moved at least, if any of the label may."""
LOOKED_AT = 2_000
"""Groups of each label among which those that may be moved are chosen."""
STEPS = 600
PUSHES, PUSHED = 16, 64
"""How often, and up to which weight, something counts more that no move brings nearer; what is best so far is kept."""
PAIRED, MULTIPLIED = 256, 2**23
"""Groups that come into a split, and groups that leave it, that are tried with each other; fewer of many labels."""

ONE_THREAD = 2**18
"""Multiplications that BLAS does not share out among threads, which would wait for each other on a busy machine."""

Move: TypeAlias = tuple[int, int]
"""An item and the split that it is moved to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """The split of each group, and how far off it is: comparable between refinements of the same groups."""

    split_of_group: Ints
    deviation: int


def refine(
    matrix: LabelMatrix, sizes: Ints, shares: Ints, at: Ints, movable: Truths, required: Sequence[int]
) -> Refined:
    """Improve the splits `at` until nothing helps any more, at most so often; only `movable` groups change theirs."""
    chosen = _candidates(matrix, sizes, shares, at, movable)
    ledger = _Ledger(matrix, sizes, shares, at, chosen, required)
    best = ledger.standing()
    for _ in range(STEPS if len(chosen) else 0):
        moves = _Step(ledger).best_moves()
        for item, split in moves:
            ledger.move(item, split)
        if not moves:
            best = min(best, ledger.standing(), key=_deviation)
            if not ledger.push():
                break
    return min(best, ledger.standing(), key=_deviation)


def _deviation(refined: Refined) -> int:
    return refined.deviation


def _candidates(matrix: LabelMatrix, sizes: Ints, shares: Ints, at: Ints, movable: Truths) -> Ints:
    """Groups that may be moved: all, or of each label in each split those with the fewest labels, for fine steps.

    Where there are too many labels for that, those come first that are farthest from their shares.
    """
    most = min(CANDIDATES, CELLS // (len(matrix.labels) + 1))
    if np.count_nonzero(movable) <= most:
        return np.flatnonzero(movable)
    each = max(most // ((len(matrix.labels) + 1) * len(shares)), FEWEST)
    labels_of_group = np.diff(matrix.starts)
    without = np.flatnonzero(labels_of_group == 0)
    chosen, count = [np.empty(0, np.int64)], 0
    for groups in chain([without], map(matrix.groups_of, _farthest_first(matrix, shares, at))):
        few = groups[movable[groups]][:LOOKED_AT]
        few = few[np.lexsort((sizes[few], labels_of_group[few]))]
        chosen += [few[at[few] == split][:each] for split in range(len(shares))]
        count += sum(map(len, chosen[-len(shares) :]))
        if count >= most:
            break
    return np.unique(np.concatenate(chosen))


def _farthest_first(matrix: LabelMatrix, shares: Ints, at: Ints) -> list[int]:
    wanted = shares[:, None] * matrix.totals
    off = shares.sum() * matrix.spread(np.arange(matrix.group_count), at, len(shares)) - wanted
    by_deviation: list[int] = np.argsort(-(off**2 / np.maximum(wanted, 1)).sum(axis=0), kind="stable").tolist()
    return by_deviation


class _Ledger:
    """Where the groups that may be moved are, and what the splits have; `move` keeps it true.

    Columns are the labels and, last, the images themselves. With T the sum of the shares, the deviation of a column in
    a split is T * have - share * total; its weight is the inverse of what the split should have.

    place: int64 [items], the split of each item
    counts: [items, columns], images that it has; has: [items, labels], 1 where it has any
    """

    def __init__(
        self, matrix: LabelMatrix, sizes: Ints, shares: Ints, at: Ints, chosen: Ints, required: Sequence[int]
    ) -> None:
        split_count, label_count = len(shares), len(matrix.labels)
        self._at, self._chosen = at, chosen
        self._pushes_left = PUSHES
        self.place = at[chosen]
        few = matrix.take(chosen)
        self.counts = np.zeros((len(chosen), label_count + 1))
        self.counts[few.rows, few.label_ids] = few.counts
        self.has = (self.counts[:, :-1] > 0).astype(np.float64)
        self.counts[:, -1] = sizes[chosen]
        self.unit = float(shares.sum())
        have = np.zeros((split_count, label_count + 1))
        have[:, :-1] = matrix.spread(np.arange(matrix.group_count), at, split_count)
        have[:, -1] = np.bincount(at, weights=sizes, minlength=split_count)
        wanted = (shares[:, None] * np.append(matrix.totals, sizes.sum())).astype(np.float64)
        self.deviation = self.unit * have - wanted
        self.weight = self._true_weight = self._weights(wanted, int(shares.min()))
        self._largest = np.maximum(self.counts.max(axis=0, initial=0), 1)
        # Where a split should have less than one, it has one for the sake of coverage.
        self._divisible = (wanted >= self.unit * self._largest).all(axis=0)
        self.squares = self.unit**2 * _product(self.counts**2, self.weight)
        places = at[matrix.rows] * label_count + matrix.label_ids
        groups = np.bincount(places, minlength=split_count * label_count)
        self._groups = groups.reshape(split_count, -1).astype(np.float64)
        self._needed = np.zeros(label_count, np.bool_)
        self._needed[list(required)] = True
        self._residents = np.bincount(at, minlength=split_count).astype(np.float64)

    def _weights(self, wanted: Array, smallest_share: int) -> Array:
        # What a move changes is at most so much times the precision; it has to stay exact.
        carried = self.counts.sum(axis=1) + self.counts[:, -1] * wanted.shape[1]
        largest = 4 * PUSHED * self.unit**3 / smallest_share * float(carried.max(initial=1))
        precision = max(min(UNIT, EXACT // largest), 1)
        weight = np.maximum(np.rint(precision * self.unit / np.maximum(wanted, 1)), 1)
        weight[:, -1] *= wanted.shape[1]  # sizes count as much as all labels together
        return weight

    def last(self) -> Truths:
        """Where one group alone has a needed label in a split, [splits, labels]."""
        last: Truths = (self._groups == 1) & self._needed
        return last

    def alone(self) -> Truths:
        """Which items are the only group of their split."""
        alone: Truths = self._residents[self.place] == 1
        return alone

    def move(self, item: int, split: int) -> None:
        old = self.place[item]
        self.place[item] = split
        for place, sign in ((old, -1), (split, 1)):
            self.deviation[place] += sign * self.unit * self.counts[item]
            self._groups[place] += sign * self.has[item]
            self._residents[place] += sign

    def push(self) -> bool:
        """Let count more from now on what is off by a whole group though it need not be; False where nothing is."""
        off = self._divisible & (np.abs(self.deviation) >= self.unit * self._largest)
        off &= self.weight < PUSHED * self._true_weight
        self._pushes_left -= 1
        if self._pushes_left < 0 or not off.any():
            return False
        self.weight = np.where(off, 2 * self.weight, self.weight)
        self.squares = self.unit**2 * _product(self.counts**2, self.weight)
        return True

    def standing(self) -> Refined:
        """Where everything is by now, and the weighted square deviation of it."""
        split_of_group = self._at.copy()
        split_of_group[self._chosen] = self.place
        deviation = sum(map(int, (self._true_weight * self.deviation**2).flat))
        return Refined(split_of_group=split_of_group, deviation=deviation)


class _Gain(NamedTuple):
    """How moves that are made together change the weighted square deviation."""

    change: float
    moves: tuple[Move, ...]


class _Step:
    """The search for the next moves.

    change: what moving each item to each split changes, [items, splits]; infinite for where it is
    """

    def __init__(self, ledger: _Ledger) -> None:
        self._ledger = ledger
        self._place = place = ledger.place
        items = np.arange(len(place))
        slope = 2 * ledger.unit * _product(ledger.counts, ledger.weight * ledger.deviation)
        leave = ledger.squares[items, place] - slope[items, place]
        self.change = leave[:, None] + ledger.squares + slope
        self.change[items, place] = np.inf
        # Only labels that hang on a single group somewhere can be lost.
        last = ledger.last()
        self._tight = np.flatnonzero(last.any(axis=0))
        self._last = last[:, self._tight].astype(np.float64)
        self._has = ledger.has[:, self._tight]
        self._only = self._has * self._last[place]
        self._stuck = self._only.any(axis=1) | ledger.alone()

    def best_moves(self) -> list[Move]:
        """Single moves, or where none helps such that help two by two; of those for the same splits the best."""
        splits = range(self.change.shape[1])
        allowed = np.where(self._stuck[:, None], np.inf, self.change)
        first = allowed.argmin(axis=0).tolist()
        single = [_Gain(float(allowed[first[split], split]), ((first[split], split),)) for split in splits]
        return self._apart(single) or self._apart([self._best_pair(split) for split in splits])

    def _apart(self, gains: Iterable[_Gain]) -> list[Move]:
        """Moves that help, the best first; later ones only between splits that those before them do not change."""
        changed: set[int] = set()
        chosen: list[Move] = []
        for gain in sorted(gains):
            between = {place for item, split in gain.moves for place in (split, int(self._place[item]))}
            if gain.change < 0 and not between & changed:
                changed |= between
                chosen += gain.moves
        return chosen

    def _best_pair(self, split: int) -> _Gain:
        """The best of one item that comes into `split` and one that leaves it, for the first one's place or another."""
        coming, leaving, ends = self._coming(split), *self._leaving(split)
        if not len(coming) or not len(leaving):
            return _Gain(0.0, ())
        ledger, starts = self._ledger, self._place[coming]
        swapped = starts[:, None] == ends[None, :]
        together = _product(ledger.counts[coming] * ledger.weight[split], ledger.counts[leaving])
        for start in np.unique(starts).tolist():
            one, other = np.flatnonzero(starts == start), np.flatnonzero(ends == start)
            met = _product(ledger.counts[coming[one]] * ledger.weight[start], ledger.counts[leaving[other]])
            together[np.ix_(one, other)] += met
        gain = self.change[coming, split][:, None] + self.change[leaving, ends][None, :] - 2 * ledger.unit**2 * together
        gain[self._lost(leaving, coming).T] = np.inf
        gain[np.where(swapped, self._lost(coming, leaving), self._stuck[coming][:, None])] = np.inf
        i, j = divmod(int(gain.argmin()), len(leaving))
        return _Gain(float(gain[i, j]), ((int(coming[i]), split), (int(leaving[j]), int(ends[j]))))

    def _coming(self, split: int) -> Ints:
        """Of each other split the items that are best moved to this one."""
        others = [other for other in range(self.change.shape[1]) if other != split]
        return np.concatenate([self._cheapest(other, split) for other in others] or [np.empty(0, np.int64)])

    def _leaving(self, split: int) -> tuple[Ints, Ints]:
        """For each other split the items that are best moved there from this one, and the splits."""
        others = [other for other in range(self.change.shape[1]) if other != split]
        items = [self._cheapest(split, other) for other in others]
        ends = np.repeat(np.array(others, np.int64), list(map(len, items)))
        return np.concatenate(items or [ends]), ends

    def _cheapest(self, start: int, end: int) -> Ints:
        items = np.flatnonzero(self._place == start)
        most = min(PAIRED, isqrt(MULTIPLIED // self._ledger.counts.shape[1])) // (self.change.shape[1] - 1)
        return items[np.argsort(self.change[items, end], kind="stable")[:most]]

    def _lost(self, leaving: Ints, coming: Ints) -> Truths:
        """Whether a split loses a label when one leaves and another comes instead, [leaving, coming]."""
        only = self._only[leaving]
        lost: Truths = only.sum(axis=1)[:, None] > _product(only, self._has[coming])
        return lost


def _product(one: Array, other: Array) -> Array:
    """Scalar products of all rows of one with all rows of the other, in blocks that one thread computes."""
    columns = max(one.shape[1], 1)
    across = max(min(len(other), isqrt(ONE_THREAD // columns)), 1)
    down = max(ONE_THREAD // (columns * across), 1)
    result = np.empty((len(one), len(other)))
    for i in range(0, len(one), down):
        for j in range(0, len(other), across):
            result[i : i + down, j : j + across] = one[i : i + down] @ other[j : j + across].T
    return result
