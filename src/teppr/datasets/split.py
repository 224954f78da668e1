"""Groups put into splits: every label in every split whenever that is possible, else the reason why not.

A pure function of its arguments: the same groups, shares and seed give the same splits on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import cycle, permutations
from math import gcd, lcm

import numpy as np

from teppr.datasets.balance import balance
from teppr.datasets.coverage import Question
from teppr.datasets.document import FIRST_SPLITS
from teppr.datasets.matrix import LabelMatrix
from teppr.datasets.refine import Refined
from teppr.datasets.refusal import Explanation
from teppr.errors import BadInput, SplitRefused, UnknownName
from teppr.types import Ints

FEW_GROUPS, STARTS = 300, 12
"""So few groups are balanced from so many starts, of which the best is taken: a single one may end in a dead end."""
MOST_FOLDS = 99
SPLIT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
PERCENTAGE = re.compile(r"\d{1,3}(\.\d)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The split of each group, as a position in `splits`."""

    splits: tuple[str, ...]
    split_of_group: Ints


def split(
    group_sizes: Ints,
    matrix: LabelMatrix,
    shares: Mapping[str, int],
    seed: int = 0,
    allow_missing: Collection[str] = (),
    kept: Ints | None = None,
) -> Assignment:
    """Assign whole groups.

    group_sizes: int64 [groups], images in each
    shares: {split: whole number in the ratio of the splits}, see `shares_of`
    allow_missing: labels that need not be in every split
    kept: int64 [groups], the split (position in `shares`) of groups that stay where they are, -1 for all others
    Raises SplitRefused with a smallest set of labels that cannot all be in every split, BadInput where a split would
    have no group.
    """
    if unknown := set(allow_missing).difference(matrix.labels):
        raise UnknownName.of("label", min(unknown), matrix.labels)
    if len(group_sizes) < len(shares):
        raise BadInput(f"{len(shares)} splits need at least as many groups of images, got {len(group_sizes)}")
    required = [i for i, label in enumerate(matrix.labels) if label not in allow_missing]
    if kept is None:
        kept = np.full(len(group_sizes), -1, np.int64)
    task = _Task(sizes=group_sizes, matrix=matrix, shares=shares, required=required, kept=kept)
    starts = STARTS if len(group_sizes) <= FEW_GROUPS else 1
    orders = _shuffled(len(group_sizes), seed, starts)
    tries = [task.solve(*start) for start in zip(orders, task.roles(), strict=False)]
    best = min(tries, key=lambda refined: refined.deviation)
    return Assignment(splits=tuple(shares), split_of_group=best.split_of_group)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What `split` was asked, checked."""

    sizes: Ints
    matrix: LabelMatrix
    shares: Mapping[str, int]
    required: Sequence[int]
    kept: Ints

    def solve(self, order: Ints, roles: Ints) -> Refined:
        """From one start: groups in `order`, and what is found to cover split i taken for split `roles[i]`."""
        matrix, kept = self.matrix.take(order), self.kept[order]
        coverage = Question(matrix, self.required, len(self.shares), kept).answer()
        if coverage.conflict:
            raise self._refusal(coverage.conflict)
        pins = np.append(roles, -1)[self._without_empty(coverage.pins)]
        shares = tuple(self.shares.values())
        refined = balance(matrix, self.sizes[order], shares, pins, kept, self.required)
        split_of_group = np.empty_like(refined.split_of_group)
        split_of_group[order] = refined.split_of_group
        return replace(refined, split_of_group=split_of_group)

    def roles(self) -> Iterator[Ints]:
        """Splits in all orders, again and again; only in their own where groups are in them already."""
        splits = range(len(self.shares))
        orders = [tuple(splits)] if (self.kept >= 0).any() else permutations(splits)
        return (np.array(order, np.int64) for order in cycle(orders))

    def _without_empty(self, pins: Ints) -> Ints:
        """A group for each split that has none yet."""
        empty = np.setdiff1d(np.arange(len(self.shares)), pins)
        free = np.flatnonzero(pins < 0)
        if len(free) < len(empty):
            names = " and ".join(tuple(self.shares)[place] for place in empty.tolist())
            raise BadInput(f"{names} would be empty: all but {len(free)} group(s) of images keep their split")
        pins = pins.copy()
        pins[free[: len(empty)]] = empty
        return pins

    def _refusal(self, conflict: Sequence[int]) -> SplitRefused:
        afresh = self._question(np.full_like(self.kept, -1))
        if (self.kept >= 0).any():
            if afresh.is_settled():
                return self._explanation(self._question(self.kept), conflict).refusal_of_extension()
            conflict = afresh.answer().conflict
        return self._explanation(afresh, conflict).refusal()

    def _question(self, kept: Ints) -> Question:
        return Question(self.matrix, self.required, len(self.shares), kept)

    def _explanation(self, question: Question, conflict: Sequence[int]) -> Explanation:
        unit = "image(s)" if self.sizes.max() == 1 else "group(s) of images"
        return Explanation(
            matrix=self.matrix, question=question, conflict=conflict, splits=tuple(self.shares), unit=unit
        )


def shares_of(text: str) -> dict[str, int]:
    """{split: share} of "70/20/10" (train, val, test), "80/20" (train, val) or "train=70,val=20,holdout=10".

    Percentages with at most one decimal that sum to 100; given back as the smallest whole numbers in that ratio.
    """
    named = "=" in text
    parts = [part.strip() for part in text.split("," if named else "/")]
    pairs = [part.partition("=")[::2] for part in parts] if named else list(zip(FIRST_SPLITS, parts, strict=False))
    shares = {name.strip(): _percentage(value, text) for name, value in pairs}
    if len(shares) != len(parts) or not all(map(SPLIT_NAME.fullmatch, shares)):
        raise BadInput(f'a split is "70/20/10", "80/20" or "train=70,val=20,other=10" with a name once, got {text!r}')
    if sum(shares.values()) != 100:
        raise BadInput(f"the shares of a split sum to 100, got {text!r} = {float(sum(shares.values())):g}")
    scale = lcm(*(share.denominator for share in shares.values()))
    whole = {name: int(share * scale) for name, share in shares.items()}
    common = gcd(*whole.values())
    return {name: share // common for name, share in whole.items()}


def folds_of(count: int) -> dict[str, int]:
    """Equal shares of so many folds, {"fold1": 1, "fold2": 1 ...}; numbers have leading zeros from ten folds on."""
    if not 2 <= count <= MOST_FOLDS:
        raise BadInput(f"there are 2 to {MOST_FOLDS} folds, got {count}")
    return {f"fold{i:0{len(str(count))}}": 1 for i in range(1, count + 1)}


def _percentage(value: str, text: str) -> Fraction:
    if not PERCENTAGE.fullmatch(value.strip()) or not float(value):
        raise BadInput(f"a share is a percentage above 0 with at most one decimal, got {value!r} in {text!r}")
    return Fraction(value.strip())


def _shuffled(count: int, seed: int, times: int) -> list[Ints]:
    # The raw stream of a bit generator never changes; what `permutation` makes of it might.
    stream = np.random.PCG64(seed)
    return [np.argsort(stream.random_raw(count), kind="stable") for _ in range(times)]
