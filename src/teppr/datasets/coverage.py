"""Whether every label can be in every split, and if so, groups that make it so.

Putting groups into splits so that every label is in every split is polychromatic colouring of a hypergraph: hard in
general, easy where labels are frequent. Some groups may have their split already; the other groups then have to bring
a label to the splits that lack it, which are all of them where nothing is kept. Only a core of rare labels is ever
searched:

- Sort labels by the free groups that have them. Those before a label take at most as many groups as they lack splits,
  all together. If a label has so many groups and one more for each split that it lacks itself, it can always be served
  after them. The core ends with the last label of which this is not true, and the whole can be covered if and only if
  the core can.
- Within the core, groups with the same labels are alike, and more of a kind than there are splits are of no use.
- A greedy pass settles most cores; what it cannot settle goes to an exact solver.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

import numpy as np

from teppr.datasets.matrix import LabelMatrix
from teppr.datasets.solver import Kind, Lacking, Placement, place, smallest_conflict
from teppr.types import Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Either groups that have to be in a split each, or a smallest set of labels that no assignment serves.

    pins: int64 [groups], their splits, and -1 for the rest: wherever these go, every label is in every split
    conflict: labels that cannot all be in every split, while any of them could be left out to make it possible
    """

    pins: Ints
    conflict: tuple[int, ...] = ()


class Question:
    """What is asked: which labels lack which splits, and which free groups could bring them.

    kept: int64 [groups], the split that a group has already, -1 for those that are free
    lacking: {label: splits that no kept group brings it to}, labels with the fewest free groups first
    too_rare: labels that have fewer free groups than they lack splits
    core: of `lacking` the labels that cannot be left to be served last
    """

    def __init__(self, matrix: LabelMatrix, required: Collection[int], split_count: int, kept: Ints) -> None:
        self._matrix = matrix
        self._required = required
        self._kept = kept
        self._split_count = split_count
        present = matrix.spread(np.flatnonzero(kept >= 0), kept, split_count) > 0
        free = np.bincount(matrix.label_ids[kept[matrix.rows] < 0], minlength=len(matrix.labels)).tolist()
        self.free_groups = dict(enumerate(free))
        self.lacking: Lacking = {
            label: splits
            for label in sorted(required, key=lambda label: (free[label], label))
            if (splits := tuple(np.flatnonzero(~present[:, label]).tolist()))
        }
        self.too_rare = tuple(label for label, splits in self.lacking.items() if free[label] < len(splits))
        hard = [rank for rank, (label, taken) in enumerate(self._taken(), 1) if free[label] < taken]
        self.core = dict(islice(self.lacking.items(), hard[-1] if hard else 0))

    def with_splits(self, split_count: int) -> Question:
        """The same question about fewer splits; only where nothing is kept."""
        return Question(self._matrix, self._required, split_count, self._kept)

    def is_settled(self) -> bool:
        """Whether there is an assignment that has each required label in each split."""
        return not self.too_rare and self._placement(self._kinds()[1]) is not None

    def answer(self) -> Coverage:
        """The groups that make it so, or the conflict; earlier groups are preferred."""
        if self.too_rare:
            return Coverage(pins=self._kept, conflict=self.too_rare[:1])
        members, kinds = self._kinds()
        placed = self._placement(kinds)
        if placed is None:
            return Coverage(pins=self._kept, conflict=tuple(smallest_conflict(kinds, self.core, self._split_count)))
        pins = self._kept.copy()
        _pin_witnesses(pins, members, kinds, placed, self.core)
        for label, enough in islice(self._taken(), len(self.core), None):
            self._serve(label, pins, enough)
        return Coverage(pins=pins)

    def _taken(self) -> Iterable[tuple[int, int]]:
        """For each label the groups that it and those before it take at most."""
        return zip(self.lacking, accumulate(map(len, self.lacking.values())), strict=True)

    def _kinds(self) -> tuple[list[list[int]], list[Kind]]:
        """Free groups with the same core labels together: the groups of each kind, and the kinds."""
        carried: dict[int, set[int]] = {}
        for label in self.core:
            for group in self._free_groups_of(label).tolist():
                carried.setdefault(group, set()).add(label)
        alike: dict[frozenset[int], list[int]] = {}
        for group in sorted(carried):
            alike.setdefault(frozenset(carried[group]), []).append(group)
        kinds = [Kind(labels=labels, count=min(len(groups), self._split_count)) for labels, groups in alike.items()]
        return list(alike.values()), kinds

    def _placement(self, kinds: Sequence[Kind]) -> Placement | None:
        placed = _greedy(kinds, self.core, self._split_count)
        return place(kinds, self.core, self._split_count) if placed is None else placed

    def _free_groups_of(self, label: int) -> Ints:
        groups = self._matrix.groups_of(label)
        return groups[self._kept[groups] < 0]

    def _serve(self, label: int, pins: Ints, enough: int) -> None:
        """Pin a frequent label where it is missing; among its first `enough` groups enough are free."""
        groups = self._free_groups_of(label)
        has = set(pins[groups].tolist())
        missing = [split for split in self.lacking[label] if split not in has]
        free = [group for group in groups[:enough].tolist() if pins[group] < 0]
        pins[free[: len(missing)]] = missing


def _greedy(kinds: Sequence[Kind], core: Lacking, split_count: int) -> Placement | None:
    """Serve labels from the rarest by the kind that serves most at once; None where a label finds no group left."""
    carriers = _carriers(kinds, core)
    placed: Placement = [set() for _ in kinds]
    # How many kinds bring a label to a split; what kept groups bring counts once.
    served = [Counter(label for label, lacking in core.items() if split not in lacking) for split in range(split_count)]
    for label, lacking in core.items():
        for split in lacking:
            if served[split][label]:
                continue
            fitting = [i for i in carriers[label] if len(placed[i]) < kinds[i].count]
            fitting = fitting or _repair(kinds, placed, carriers[label], served)
            if not fitting:
                return None
            best = max(fitting, key=lambda i: sum(not served[split][carried] for carried in kinds[i].labels))
            placed[best].add(split)
            served[split].update(kinds[best].labels)
    return placed


def _carriers(kinds: Sequence[Kind], core: Iterable[int]) -> dict[int, list[int]]:
    """The kinds that have each label."""
    carriers: dict[int, list[int]] = {label: [] for label in core}
    for i, kind in enumerate(kinds):
        for label in kind.labels:
            carriers[label].append(i)
    return carriers


def _repair(
    kinds: Sequence[Kind], placed: Placement, carriers: Iterable[int], served: Sequence[Counter[int]]
) -> list[int]:
    """Take one of `carriers` out of a split in which all its labels are served by others; empty if there is none."""
    for i in carriers:
        for split in sorted(placed[i]):
            if all(served[split][label] > 1 for label in kinds[i].labels):
                placed[i].remove(split)
                served[split].subtract(kinds[i].labels)
                return [i]
    return []


def _pin_witnesses(
    pins: Ints, members: Sequence[Sequence[int]], kinds: Sequence[Kind], placed: Placement, core: Lacking
) -> None:
    """One group for each label and split that needs one; all others stay free to balance proportions."""
    carriers = _carriers(kinds, core)
    served: set[tuple[int, int]] = set()
    used = [0] * len(kinds)
    for label, lacking in core.items():
        for i in carriers[label]:
            for split in sorted(placed[i].intersection(lacking)):
                if (label, split) not in served:
                    pins[members[i][used[i]]] = split
                    used[i] += 1
                    served |= {(carried, split) for carried in kinds[i].labels}
