"""Whether every label can be in every split, and if so, groups that make it so.

Putting groups into splits so that every label is in every split is polychromatic colouring of a hypergraph: hard in
general, easy where labels are frequent. So only a core of rare labels is ever searched:

- Sort labels by the groups that have them. If the i-th (from 1) has at least i times as many as there are splits, it
  can always be served after those before it, for these need at most i - 1 groups a split. The core ends with the last
  label of which this is not true, and the whole can be covered if and only if the core can.
- Within the core, groups with the same labels are alike, and more of a kind than there are splits are of no use.
- A greedy pass settles most cores; what it cannot settle goes to an exact solver.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from teppr.datasets.matrix import LabelMatrix
from teppr.datasets.solver import Kind, Placement, place, smallest_conflict


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Either groups that have to be in a split each, or a smallest set of labels that no assignment serves.

    pins: {group: split}; whatever happens to other groups, every label is in every split
    conflict: labels that cannot all be in every split, while any of them could be left out to make it possible
    """

    pins: dict[int, int]
    conflict: tuple[int, ...] = ()


def cover(matrix: LabelMatrix, required: Collection[int], split_count: int) -> Coverage:
    """Find groups that put each required label into each split; earlier groups are preferred."""
    question = _Question(matrix, required, split_count)
    if question.too_rare:
        return Coverage(pins={}, conflict=question.by_rarity[:1])
    core = question.core
    placed = question.placement()
    if placed is None:
        return Coverage(pins={}, conflict=tuple(smallest_conflict(question.kinds, core, split_count)))
    pins = _witnesses(question.members, question.kinds, placed, core)
    for rank, label in enumerate(question.by_rarity[len(core) :], len(core) + 1):
        _serve(matrix, label, pins, split_count, enough=split_count * rank)
    return Coverage(pins=pins)


def coverable(matrix: LabelMatrix, required: Collection[int], split_count: int) -> bool:
    """Whether there is an assignment that has each required label in each split."""
    question = _Question(matrix, required, split_count)
    return not question.too_rare and question.placement() is not None


class _Question:
    """What is asked of the core: `members` are the groups of each of `kinds`, `too_rare` settles it at once."""

    def __init__(self, matrix: LabelMatrix, required: Collection[int], split_count: int) -> None:
        degrees = matrix.degrees
        self.by_rarity = tuple(sorted(required, key=lambda label: (degrees[label], label)))
        rising = [int(degrees[label]) for label in self.by_rarity]
        self.too_rare = bool(rising) and rising[0] < split_count
        self.core = self.by_rarity[: core_size(rising, split_count)]
        self.members, self.kinds = _alike(matrix, self.core, split_count)
        self._split_count = split_count

    def placement(self) -> Placement | None:
        placed = _greedy(self.kinds, self.core, self._split_count)
        return place(self.kinds, self.core, self._split_count) if placed is None else placed


def core_size(degrees: Sequence[int], split_count: int) -> int:
    """How many of the rarest labels (by rising degrees) cannot be left to be served last."""
    hard = [rank for rank, degree in enumerate(degrees, 1) if degree < split_count * rank]
    return hard[-1] if hard else 0


def _alike(matrix: LabelMatrix, core: Sequence[int], split_count: int) -> tuple[list[list[int]], list[Kind]]:
    """Groups with the same core labels together: the groups of each kind, and the kinds."""
    carried: dict[int, set[int]] = {}
    for label in core:
        for group in matrix.groups_of(label).tolist():
            carried.setdefault(group, set()).add(label)
    alike: dict[frozenset[int], list[int]] = {}
    for group in sorted(carried):
        alike.setdefault(frozenset(carried[group]), []).append(group)
    kinds = [Kind(labels=labels, count=min(len(groups), split_count)) for labels, groups in alike.items()]
    return list(alike.values()), kinds


def _greedy(kinds: Sequence[Kind], core: Sequence[int], split_count: int) -> Placement | None:
    """Serve labels from the rarest by the kind that serves most at once; None where a label finds no group left."""
    carriers = {label: [i for i, kind in enumerate(kinds) if label in kind.labels] for label in core}
    placed: Placement = [set() for _ in kinds]
    served: list[set[int]] = [set() for _ in range(split_count)]
    for label in core:
        for split in range(split_count):
            if label in served[split]:
                continue
            fitting = [i for i in carriers[label] if len(placed[i]) < kinds[i].count]
            if not fitting:
                fitting = _repair(kinds, placed, carriers[label])
            if not fitting:
                return None
            best = max(fitting, key=lambda i: len(kinds[i].labels - served[split]))
            placed[best].add(split)
            served[split] |= kinds[best].labels
    return placed


def _repair(kinds: Sequence[Kind], placed: Placement, carriers: Iterable[int]) -> list[int]:
    """Take one of `carriers` out of a split in which all its labels are served by others; empty if there is none."""
    for i in carriers:
        for split in sorted(placed[i]):
            others = (kinds[j].labels for j, splits in enumerate(placed) if j != i and split in splits)
            if kinds[i].labels <= frozenset().union(*others):
                placed[i].remove(split)
                return [i]
    return []


def _witnesses(
    members: Sequence[Sequence[int]], kinds: Sequence[Kind], placed: Placement, core: Sequence[int]
) -> dict[int, int]:
    """One group for each label and split that needs one; all others stay free to balance proportions."""
    pins: dict[int, int] = {}
    served: set[tuple[int, int]] = set()
    used = [0] * len(kinds)
    for label in core:
        for i, kind in enumerate(kinds):
            for split in sorted(placed[i]) if label in kind.labels else ():
                if (label, split) not in served:
                    pins[members[i][used[i]]] = split
                    used[i] += 1
                    served |= {(carried, split) for carried in kind.labels}
    return pins


def _serve(matrix: LabelMatrix, label: int, pins: dict[int, int], split_count: int, *, enough: int) -> None:
    """Pin a frequent label where it is missing; among its first `enough` groups enough are free."""
    groups = matrix.groups_of(label)
    pinned = np.fromiter(pins, np.int64, len(pins))
    has = {pins[group] for group in groups[np.isin(groups, pinned)].tolist()}
    free = (group for group in groups[:enough].tolist() if group not in pins)
    missing = [split for split in range(split_count) if split not in has]
    pins.update(dict(zip(list(islice(free, len(missing))), missing, strict=True)))
