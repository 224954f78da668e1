"""The exact solver and the core it is asked about."""

from collections.abc import Iterable

import numpy as np

from teppr.datasets.coverage import Coverage, Question
from teppr.datasets.matrix import LabelMatrix
from teppr.datasets.solver import Kind, place, smallest_conflict
from teppr.types import Ints


def matrix_of(groups: list[set[int]], labels: int) -> LabelMatrix:
    names = [f"label{i}" for i in range(labels)]
    return LabelMatrix.of([dict.fromkeys((names[label] for label in sorted(group)), 1) for group in groups], names)


def free(groups: int) -> Ints:
    return np.full(groups, -1, np.int64)


def cover(matrix: LabelMatrix, required: Iterable[int], split_count: int) -> Coverage:
    return Question(matrix, list(required), split_count, free(matrix.group_count)).answer()


def all_lacking(labels: Iterable[int], split_count: int) -> dict[int, range]:
    return {label: range(split_count) for label in labels}


def test_the_solver_finds_the_one_way() -> None:
    kinds = [
        Kind(labels=frozenset({0, 1}), count=1),
        Kind(labels=frozenset({0}), count=1),
        Kind(labels=frozenset({1}), count=1),
    ]

    placement = place(kinds, all_lacking([0, 1], 2), 2)

    assert placement is not None
    assert placement[1] == placement[2] != placement[0]


def test_the_solver_says_where_there_is_no_way() -> None:
    kinds = [Kind(labels=frozenset(pair), count=1) for pair in ({0, 1}, {1, 2}, {0, 2})]

    assert place(kinds, all_lacking([0, 1, 2], 2), 2) is None
    assert smallest_conflict(kinds, all_lacking([0, 1, 2], 2), 2) == [0, 1, 2]


def test_the_smaller_of_two_conflicts_is_found() -> None:
    # Labels 0, 1, 2 over pairs of three images, and labels 3, 4 over the same two images with two more splits' needs.
    kinds = [Kind(labels=frozenset(pair), count=1) for pair in ({0, 1}, {1, 2}, {0, 2})]
    kinds += [
        Kind(labels=frozenset({3, 4}), count=1),
        Kind(labels=frozenset({3}), count=1),
        Kind(labels=frozenset({4}), count=2),
    ]

    assert smallest_conflict(kinds, all_lacking(range(5), 2), 2) == [0, 1, 2]


def test_a_label_without_groups_is_a_conflict_of_its_own() -> None:
    assert smallest_conflict([Kind(labels=frozenset({0}), count=2)], all_lacking([0, 1], 2), 2) == [1]


def test_the_core_holds_only_labels_that_could_run_out_of_groups() -> None:
    def core(*degrees: int) -> list[int]:
        groups = [{label for label, degree in enumerate(degrees) if i < degree} for i in range(max(degrees))]
        return list(Question(matrix_of(groups, len(degrees)), range(len(degrees)), 3, free(len(groups))).core)

    assert core(3, 6, 9, 12) == []
    assert core(3, 4, 9, 12) == [0, 1]
    assert core(3, 6, 9, 11, 50, 60) == [0, 1, 2, 3]


def test_what_kept_groups_bring_is_not_asked_for_again() -> None:
    # Label 0 is in split 0 already; label 1 is in both.
    matrix = matrix_of([{0, 1}, {1}, {0}, set()], 2)

    question = Question(matrix, [0, 1], 2, np.array([0, 1, -1, -1]))

    assert question.lacking == {0: (1,)}
    assert question.answer().pins.tolist() == [0, 1, 1, -1]


def test_pins_serve_every_label_in_every_split_when_frequent_labels_share_all_their_groups() -> None:
    groups = [set(range(5))] * 40 + [{4}] * 10

    coverage = cover(matrix_of(groups, 5), range(5), 3)

    pinned = list(enumerate(coverage.pins.tolist()))
    served = [set().union(*(groups[group] for group, split in pinned if split == s)) for s in range(3)]
    assert served == [set(range(5))] * 3


def test_the_solver_settles_what_greed_cannot() -> None:
    # Every random core that can be covered is covered, whichever way it takes.
    random = np.random.default_rng(11)
    solved = refused = 0
    for _ in range(150):
        groups = [set(np.flatnonzero(random.random(9) < 0.3).tolist()) for _ in range(6)]
        matrix = matrix_of(groups, 9)
        required = [label for label in range(9) if matrix.degrees[label] >= 2]
        coverage = cover(matrix, required, 2)
        kinds = [Kind(labels=frozenset(group), count=1) for group in groups]
        if coverage.conflict:
            refused += 1
            assert place(kinds, all_lacking(coverage.conflict, 2), 2) is None
            assert all(place(kinds, all_lacking({*coverage.conflict} - {label}, 2), 2) for label in coverage.conflict)
        else:
            solved += 1
            for split in range(2):
                carried = [groups[group] for group, own in enumerate(coverage.pins.tolist()) if own == split]
                assert set(required) <= set().union(*carried)
    assert solved > 10
    assert refused > 10


def test_labels_without_a_group_to_spare_are_proven_impossible_at_once() -> None:
    # The ten groups of a label have to be one in each split; so many labels get into each other's way.
    random = np.random.default_rng(0)
    groups: list[set[int]] = [set() for _ in range(100)]
    for label in range(60):
        for group in random.choice(100, 10, replace=False).tolist():
            groups[group].add(label)
    kinds = [Kind(labels=frozenset(group), count=1) for group in groups if group]

    assert place(kinds, all_lacking(range(60), 10), 10) is None
