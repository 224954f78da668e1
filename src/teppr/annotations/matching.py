"""Which region of one annotator is which of another's: one to one, as well as can be for the image as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from teppr.annotations.similarity import similarities
from teppr.geometry import Array
from teppr.types import Region

STEPS = 1_000_000
"""Similarities are told apart to this fraction: the solver counts in whole numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Two regions that are one object, by their positions in the lists; similarity as in `similarities`."""

    first: int
    second: int
    similarity_0_1: float


def match(
    first: Sequence[Region], second: Sequence[Region], size_wh: tuple[int, int], least_0_1: float = 0.5
) -> list[Match]:
    """Pairs whose similarity is at least `least_0_1`, of all choices the one with the largest sum of similarities.

    Labels say nothing, but where similarities are equal the pair with equal labels is taken. Neither the order of the
    regions nor which annotator is called the first changes the outcome.
    """
    # The solver's choice among equals hangs on the order in which it is told: so there is one order only.
    orders = [sorted(range(len(regions)), key=lambda i: _content(regions[i])) for regions in (first, second)]
    sides = [(regions, order) for regions, order in zip((first, second), orders, strict=True)]
    turned = [_content(first[i]) for i in orders[0]] > [_content(second[i]) for i in orders[1]]
    (a, order_a), (b, order_b) = reversed(sides) if turned else sides
    table = similarities([a[i].shape for i in order_a], [b[j].shape for j in order_b], size_wh)
    same = np.array([[a[i].label == b[j].label for j in order_b] for i in order_a]).reshape(table.shape)
    pairs = [(order_a[i], order_b[j], float(table[i, j])) for i, j in _assigned(table, same, least_0_1)]
    matches = [Match(first=j if turned else i, second=i if turned else j, similarity_0_1=s) for i, j, s in pairs]
    return sorted(matches, key=lambda one: one.first)


def _content(region: Region) -> tuple[str, str]:
    return repr(region.shape), region.label or ""


def _assigned(
    table: Array, same_label: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], least: float
) -> list[list[int]]:
    """Rows and columns of the best one-to-one choice of cells that are at least `least`.

    The solver wants a complete assignment: every row has a stand-in that it may take instead of a column, and every
    column one that may take it; two stand-ins go together where their row and column do. Exact (cost scaling).
    """
    cells = np.argwhere((table >= least) & (table > 0)).tolist()
    if not cells:
        return []
    from ortools.graph.python.linear_sum_assignment import SimpleLinearSumAssignment

    rows, columns = ({k: n for n, k in enumerate(sorted({cell[side] for cell in cells}))} for side in (0, 1))
    n, m = len(rows), len(columns)
    alone = 2 * STEPS + 1
    solver = SimpleLinearSumAssignment()
    for i, j in cells:
        worth = 2 * round(table[i, j] * STEPS) + int(same_label[i, j])
        solver.add_arc_with_cost(rows[i], columns[j], 2 * alone - worth)
        solver.add_arc_with_cost(n + columns[j], m + rows[i], 0)
    for i in range(n):
        solver.add_arc_with_cost(i, m + i, alone)
    for j in range(m):
        solver.add_arc_with_cost(n + j, j, alone)
    solver.solve()
    return [cell for cell in cells if solver.right_mate(rows[cell[0]]) == columns[cell[1]]]


def groups(
    regions: Mapping[str, Sequence[Region]], matches: Mapping[tuple[str, str], Sequence[Match]]
) -> list[tuple[dict[str, Region], float | None]]:
    """The objects of an image: for each the region of every annotator who has it, and their least similarity.

    Pairs are merged from the most similar on, unless an annotator would have two regions of one object. An object that
    only one annotator has comes with None. In the order of the annotators and their regions.

    regions: {annotator: regions}; matches: {(annotator, another): pairs}
    """
    members = {(name, i): {name: i} for name, listed in regions.items() for i in range(len(listed))}
    least: dict[int, float] = {}
    pairs = [
        (one.similarity_0_1, (a, one.first), (b, one.second)) for (a, b), found in matches.items() for one in found
    ]

    def order(pair: tuple[float, tuple[str, int], tuple[str, int]]) -> tuple[float, list[tuple[str, tuple[str, str]]]]:
        return -pair[0], sorted((name, _content(regions[name][i])) for name, i in pair[1:])

    for similarity, a, b in sorted(pairs, key=order):
        one, other = members[a], members[b]
        if one is not other and one.keys().isdisjoint(other):
            lowest = min(similarity, *(least.pop(id(group), 1.0) for group in (one, other)))
            one |= other
            least[id(one)] = lowest
            for name, i in other.items():
                members[name, i] = one
    distinct = {id(group): group for group in members.values()}
    return [
        ({name: regions[name][i] for name, i in sorted(group.items())}, least.get(key))
        for key, group in distinct.items()
    ]


def pairs_of(names: Sequence[str]) -> list[tuple[str, str]]:
    """Every two annotators, in the order of their names."""
    return list(combinations(sorted(names), 2))
