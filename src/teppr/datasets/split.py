"""Groups put into splits: every label in every split whenever that is possible, else the reason why not.

A pure function of its arguments: the same groups, shares and seed give the same splits on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import cycle, permutations
from math import gcd, lcm

import numpy as np

from teppr.datasets.balance import Balanced, balance
from teppr.datasets.coverage import cover, coverable
from teppr.datasets.document import FIRST_SPLITS
from teppr.datasets.matrix import LabelMatrix
from teppr.errors import BadInput, SplitRefused, UnknownName
from teppr.types import Ints

FEW_GROUPS, STARTS = 300, 12
"""So few groups are balanced from so many starts, of which the best is taken: a single one may end in a dead end."""
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
) -> Assignment:
    """Assign whole groups.

    group_sizes: int64 [groups], images in each
    shares: {split: whole number in the ratio of the splits}, see `shares_of`
    allow_missing: labels that need not be in every split
    Raises SplitRefused with a smallest set of labels that cannot all be in every split.
    """
    if unknown := set(allow_missing).difference(matrix.labels):
        raise UnknownName.of("label", min(unknown), matrix.labels)
    if len(group_sizes) < len(shares):
        raise BadInput(f"{len(shares)} splits need at least as many groups of images, got {len(group_sizes)}")
    required = [i for i, label in enumerate(matrix.labels) if label not in allow_missing]
    starts = STARTS if len(group_sizes) <= FEW_GROUPS else 1
    orders = _shuffled(len(group_sizes), seed, starts)
    roles = cycle(permutations(range(len(shares))))
    tries = [_try(group_sizes, matrix, shares, required, *start) for start in zip(orders, roles, strict=False)]
    best = min(tries, key=lambda balanced: balanced.deviation)
    return Assignment(splits=tuple(shares), split_of_group=best.split_of_group)


def _try(
    group_sizes: Ints,
    matrix: LabelMatrix,
    shares: Mapping[str, int],
    required: Sequence[int],
    order: Ints,
    roles: Sequence[int],
) -> Balanced:
    """Balance from one start: groups in `order`, and what is found to cover split i taken for split `roles[i]`."""
    shuffled = matrix.take(order)
    coverage = cover(shuffled, required, len(shares))
    if coverage.conflict:
        raise refusal(matrix, coverage.conflict, required, tuple(shares))
    pins = coverage.pins or {i: i for i in range(len(shares))}  # no split is ever empty
    pins = {group: roles[place] for group, place in pins.items()}
    balanced = balance(shuffled, group_sizes[order], tuple(shares.values()), pins, required)
    split_of_group = np.empty_like(balanced.split_of_group)
    split_of_group[order] = balanced.split_of_group
    return replace(balanced, split_of_group=split_of_group)


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


def _percentage(value: str, text: str) -> Fraction:
    if not PERCENTAGE.fullmatch(value.strip()) or not float(value):
        raise BadInput(f"a share is a percentage above 0 with at most one decimal, got {value!r} in {text!r}")
    return Fraction(value.strip())


def _shuffled(count: int, seed: int, times: int) -> list[Ints]:
    # The raw stream of a bit generator never changes; what `permutation` makes of it might.
    stream = np.random.PCG64(seed)
    return [np.argsort(stream.random_raw(count), kind="stable") for _ in range(times)]


def refusal(
    matrix: LabelMatrix, conflict: Collection[int], required: Collection[int], splits: Collection[str]
) -> SplitRefused:
    """The error that explains a conflict, a row a label."""
    fewer = next((n for n in range(len(splits) - 1, 1, -1) if coverable(matrix, required, n)), 0)
    rows = [_row(matrix, label, conflict, len(splits), fewer) for label in conflict]
    alone = [matrix.labels[label] for label in required if matrix.degrees[label] < len(splits)]
    names = ", ".join(str(row["label"]) for row in rows)
    if len(rows) == 1:
        reason = f"label {names} is in {rows[0]['groups']} group(s) of images, fewer than the {len(splits)} splits"
    else:
        reason = f"labels {names} share so few groups of images that they cannot all be in {len(splits)} splits"
    others = ", ".join(sorted(set(alone) - {str(row["label"]) for row in rows}))
    also = f"; once that is settled, also too rare: {others}" if others else ""
    return SplitRefused(f"no split has every label in {', '.join(splits)}: {reason}{also}", conflicts=rows)


def _row(matrix: LabelMatrix, label: int, conflict: Collection[int], splits: int, fewer: int) -> dict[str, object]:
    name, groups = matrix.labels[label], int(matrix.degrees[label])
    if len(conflict) == 1:
        more = f"annotate {name} in at least {splits - groups} more image(s)"
    else:
        more = f"annotate {name} in images that have none of the other {len(conflict) - 1}"
    remedies = [
        more,
        f"merge it into another label: --rename {name}=OTHER",
        "drop it: leave it out of --labels",
        f"let it be missing: --allow-missing {name}",
    ]
    if fewer:
        remedies.insert(3, f"ask for {fewer} splits only")
    return {"label": name, "groups": groups, "splits": splits, "remedies": remedies}
