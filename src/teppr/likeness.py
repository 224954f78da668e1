"""Images that look alike: groups of perceptual hashes that differ in few bits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

from teppr.errors import BadInput
from teppr.types import Ints

DEFAULT_WITHIN_BITS = 6
MOST_BITS = 12
"""Beyond it images that have nothing in common come together: bits of a hash are half of each kind."""
HASH_BITS = 64
EQUAL_BANDS = 3
"""So many bands of two hashes must be equal for them to be compared: more make fewer comparisons of more sorts."""

Hashes = npt.NDArray[np.uint64]

_ONES = np.array([byte.bit_count() for byte in range(256)], np.uint8)


def groups_alike(hashes: Iterable[str], within_bits: int = DEFAULT_WITHIN_BITS) -> Ints:
    """The group of each hash (16 hex digits), numbered as they come.

    Two hashes are in one group where they differ in at most `within_bits`, or a chain of such leads from one to the
    other. Cut into `within_bits` + 3 bands, two such hashes have at least 3 bands in common, so only those that agree
    in some 3 bands are compared: near-linear time for hashes that are spread out. Raises BadInput for other numbers.
    """
    check_bits(within_bits)
    distinct, place = distinct_hashes(hashes)
    group = np.arange(len(distinct))
    for one, other, _ in near_pairs(distinct, within_bits):
        group = _joined(group, one, other)
    _, first, found = np.unique(group[place], return_index=True, return_inverse=True)
    as_they_come = np.argsort(np.argsort(first))
    return np.asarray(as_they_come[found], np.int64)


def check_bits(within_bits: int) -> None:
    """Raise BadInput for a distance at which nothing, or everything, would look alike."""
    if not 0 <= within_bits <= MOST_BITS:
        raise BadInput(f"near-duplicates differ in 0 to {MOST_BITS} of {HASH_BITS} bits, got {within_bits}")


def distinct_hashes(hashes: Iterable[str]) -> tuple[Hashes, Ints]:
    """The different ones among hashes (16 hex digits), and the place of each among them."""
    distinct, place = np.unique(np.fromiter((int(text, 16) for text in hashes), np.uint64), return_inverse=True)
    return distinct, np.asarray(place, np.int64)


def near_pairs(distinct: Hashes, within_bits: int) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Places of hashes that differ in 1 to `within_bits` bits, and in how many; pairs side by side, some repeatedly."""
    if not within_bits:
        return
    edges = np.linspace(0, HASH_BITS, within_bits + EQUAL_BANDS + 1).astype(int).tolist()
    bands = [sum(1 << bit for bit in range(low, high)) for low, high in pairwise(edges)]
    for together in combinations(bands, EQUAL_BANDS):
        keys = distinct & np.uint64(sum(together))
        order = np.argsort(keys, kind="stable")
        keys, at, ahead = keys[order], np.arange(len(order) - 1), 1
        while at.size:
            at = at[keys[at] == keys[at + ahead]]
            one, other = order[at], order[at + ahead]
            bits = _differing_bits(distinct[one], distinct[other])
            near = bits <= within_bits
            yield one[near], other[near], bits[near]
            ahead += 1
            at = at[at + ahead < len(order)]


def _joined(group: Ints, one: Ints, other: Ints) -> Ints:
    """The groups, each the position of its first member, with those of the pairs made one."""
    while (apart := group[one] != group[other]).any():
        one, other = one[apart], other[apart]
        low, high = np.minimum(group[one], group[other]), np.maximum(group[one], group[other])
        group = group.copy()
        np.minimum.at(group, high, low)
        while (group[group] != group).any():
            group = group[group]
    return group


def _differing_bits(one: Hashes, other: Hashes) -> Ints:
    counts: Ints = _ONES[(one ^ other).view(np.uint8).reshape(-1, 8)].sum(axis=1, dtype=np.int64)
    return counts
