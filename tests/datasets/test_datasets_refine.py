"""The last moves: as near to the shares as images allow, without touching what has to stay."""

import numpy as np
import pytest

from teppr.datasets.matrix import LabelMatrix
from teppr.datasets.refine import CANDIDATES, refine
from teppr.datasets.split import split
from teppr.types import Ints

SHARES = {"train": 7, "val": 2, "test": 1}


def crowded(images: int, labels: int, labels_of_image: int, seed: int = 0) -> LabelMatrix:
    """Images with many labels each, which cannot be moved for the sake of one label alone."""
    random = np.random.default_rng(seed)
    frequency = np.minimum(labels_of_image / np.arange(1, labels + 1) / 2, 0.7)
    rows, columns = np.nonzero(random.random((images, labels)) < frequency)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=images))])
    names = tuple(f"label {i}" for i in range(labels))
    return LabelMatrix(labels=names, starts=starts, label_ids=columns, counts=np.ones(len(columns), np.int64))


def deviation(matrix: LabelMatrix, at: Ints, shares: Ints) -> float:
    """In images, at most, of any label in any split."""
    have = matrix.spread(np.arange(matrix.group_count), at, len(shares))
    return float(np.abs(have - shares[:, None] / shares.sum() * matrix.totals).max())


@pytest.mark.parametrize("seed", range(3))
def test_labels_of_crowded_images_come_within_an_image_of_their_shares(seed: int) -> None:
    matrix = crowded(12_000, 40, 8, seed)
    assert matrix.group_count > CANDIDATES

    assignment = split(np.ones(12_000, np.int64), matrix, SHARES, seed)

    assert deviation(matrix, assignment.split_of_group, np.array([7, 2, 1])) < 2
    assert np.bincount(assignment.split_of_group).tolist() == [8_400, 2_400, 1_200]


@pytest.mark.parametrize("shares", [[7, 2, 1], [333, 333, 334], [997, 2, 1]])
def test_moves_only_ever_bring_splits_nearer_and_what_they_say_is_true(shares: list[int]) -> None:
    matrix = crowded(400, 12, 4)
    random = np.random.default_rng(1)
    at = random.integers(0, 3, 400)
    sizes = np.ones(400, np.int64)

    def refined(start: Ints) -> tuple[Ints, int]:
        result = refine(matrix, sizes, np.array(shares), start, np.ones(400, np.bool_), range(12))
        return result.split_of_group, result.deviation

    nothing_movable = np.zeros(400, np.bool_)
    before = refine(matrix, sizes, np.array(shares), at, nothing_movable, range(12))
    after, left = refined(at)
    again, left_again = refined(after)

    assert before.split_of_group.tolist() == at.tolist()
    assert left < before.deviation
    assert (again.tolist(), left_again) == (after.tolist(), left)


def test_what_may_not_move_stays() -> None:
    matrix = crowded(12_000, 20, 4)
    random = np.random.default_rng(3)
    at = random.integers(0, 3, 12_000)
    movable = random.random(12_000) < 0.5

    result = refine(matrix, np.ones(12_000, np.int64), np.array([7, 2, 1]), at, movable, range(20))

    assert result.split_of_group[~movable].tolist() == at[~movable].tolist()
    assert (result.split_of_group != at).any()


def test_a_label_never_leaves_a_split_for_the_sake_of_shares() -> None:
    # One image of the rare label in each split, though by its share two would be in train.
    groups = [{"common": 1, "rare": 1}] * 3 + [{"common": 1}] * 97
    matrix = LabelMatrix.of(groups, ("common", "rare"))
    at = np.append([0, 1, 2], np.zeros(97, np.int64))

    result = refine(matrix, np.ones(100, np.int64), np.array([98, 1, 1]), at, np.ones(100, np.bool_), [0, 1])

    assert sorted(result.split_of_group[:3].tolist()) == [0, 1, 2]


def test_a_long_tail_of_labels_keeps_sizes_and_no_label_is_missing() -> None:
    matrix = crowded(20_000, 700, 6)
    rare = [label for label, total in zip(matrix.labels, matrix.totals.tolist(), strict=True) if total < 3]

    assignment = split(np.ones(20_000, np.int64), matrix, SHARES, 0, rare)

    have = matrix.spread(np.arange(20_000), assignment.split_of_group, 3)
    assert (have[:, matrix.totals >= 3] > 0).all()
    assert np.bincount(assignment.split_of_group).tolist() == [14_000, 4_000, 2_000]
