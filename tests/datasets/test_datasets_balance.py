"""Proportions: as near as whole groups allow."""

from itertools import product

import numpy as np
import pytest

from teppr.datasets.matrix import LabelMatrix
from teppr.datasets.split import split
from teppr.errors import BadInput

SHARES = np.array([6, 2, 2])


def tight_case(seed: int) -> list[set[int]]:
    """Eight images with three labels, each of them on at least three."""
    random = np.random.default_rng(seed)
    while True:
        groups = [set(np.flatnonzero(random.random(3) < 0.5).tolist()) for _ in range(8)]
        if all(sum(label in group for group in groups) >= 3 for label in range(3)):
            return groups


def deviation(groups: list[set[int]], at: tuple[int, ...]) -> float:
    """Squares of what is too much or too little, by what should be there; sizes count as all labels together."""
    carried = np.array([[label in group for label in range(3)] + [True] for group in groups], float)
    wanted = SHARES[:, None] / SHARES.sum() * carried.sum(axis=0)
    have = np.array([carried[np.array(at) == place].sum(axis=0) for place in range(3)])
    return float(((have - wanted) ** 2 / np.maximum(wanted, 1e-9) * [1, 1, 1, 4]).sum())


def complete(groups: list[set[int]], at: tuple[int, ...]) -> bool:
    present = {(place, label) for group, place in zip(groups, at, strict=True) for label in group}
    return len(present) == 9


@pytest.mark.parametrize("seed", range(8))
def test_no_complete_split_of_a_tight_case_is_nearer(seed: int) -> None:
    groups = tight_case(seed)
    every = [at for at in product(range(3), repeat=8) if complete(groups, at)]
    if not every:
        pytest.skip("this case has no complete split")
    matrix = LabelMatrix.of([dict.fromkeys(("abc"[label] for label in sorted(group)), 1) for group in groups], "abc")

    assignment = split(np.ones(8, np.int64), matrix, {"train": 6, "val": 2, "test": 2}, seed)

    best = min(deviation(groups, at) for at in every)
    assert deviation(groups, tuple(assignment.split_of_group.tolist())) == pytest.approx(best)


def test_groups_of_several_images_balance_their_images() -> None:
    # One label; groups of 1 to 10 images, 55 in all.
    sizes = np.arange(1, 11)
    matrix = LabelMatrix.of([{"a": int(size)} for size in sizes], ("a",))

    assignment = split(sizes, matrix, {"train": 8, "val": 2, "test": 1})

    assert np.bincount(assignment.split_of_group, weights=sizes).tolist() == [40, 10, 5]


def test_many_batches_are_dealt_whole_and_evenly() -> None:
    random = np.random.default_rng(3)
    sizes = random.integers(1, 200, 4000)
    matrix = LabelMatrix.of([{"a": int(size), "b": int(size // 2 + 1)} for size in sizes], ("a", "b"))

    assignment = split(sizes, matrix, {"train": 7, "val": 2, "test": 1})

    got = np.bincount(assignment.split_of_group, weights=sizes) / sizes.sum()
    assert np.abs(got - [0.7, 0.2, 0.1]).max() < 200 / sizes.sum()


def test_labels_and_counts_of_a_matrix_must_fit() -> None:
    starts = np.array([0, 1])
    with pytest.raises(BadInput, match="a count for each of its 1 labels, got 2"):
        LabelMatrix(labels=("a",), starts=starts, label_ids=np.array([0]), counts=np.array([1, 1]))
    with pytest.raises(BadInput, match=r"label ids must be in 0\.\.0, got up to 1"):
        LabelMatrix(labels=("a",), starts=starts, label_ids=np.array([1]), counts=np.array([1]))


def test_rows_and_columns_of_a_matrix() -> None:
    matrix = LabelMatrix.of([{"b": 2}, {}, {"a": 1, "b": 3}], ("a", "b"))

    assert matrix.degrees.tolist() == [1, 2]
    assert matrix.totals.tolist() == [1, 5]
    assert matrix.groups_of(1).tolist() == [0, 2]
    turned = matrix.take(np.array([2, 0]))
    assert turned.starts.tolist() == [0, 2, 3]
    assert turned.label_ids.tolist() == [0, 1, 1]
    assert turned.counts.tolist() == [1, 3, 2]
