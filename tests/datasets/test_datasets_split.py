"""The splitter against brute force over all assignments, and its promises as properties."""

import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from teppr.datasets.matrix import LabelMatrix
from teppr.datasets.split import Assignment, folds_of, shares_of, split
from teppr.errors import BadInput, SplitRefused, UnknownName
from teppr.testing.datasets import HALVES
from teppr.testing.examples import examples
from teppr.types import Ints

LABELS = ("a", "b", "c", "d")
THIRDS = {"train": 1, "val": 1, "test": 1}

Carried = frozenset[int]
groups_of_labels = st.lists(st.frozensets(st.integers(0, 3)), min_size=3, max_size=7)


def matrix_of(groups: list[Carried], labels: tuple[str, ...] = LABELS) -> LabelMatrix:
    return LabelMatrix.of([{labels[label]: 1 for label in group} for group in groups], labels)


def ones(groups: list[Carried]) -> Ints:
    return np.ones(len(groups), np.int64)


def serves(groups: list[Carried], at: tuple[int, ...], split_count: int, required: set[int]) -> bool:
    return all(
        required <= frozenset().union(*(group for group, place in zip(groups, at, strict=True) if place == s))
        for s in range(split_count)
    )


def possible(groups: list[Carried], split_count: int, required: set[int]) -> bool:
    return any(serves(groups, at, split_count, required) for at in product(range(split_count), repeat=len(groups)))


def occurring(groups: list[Carried]) -> set[int]:
    return set(frozenset().union(*groups))


def conflict_of(refused: SplitRefused) -> set[int]:
    return {LABELS.index(str(row["label"])) for row in refused.conflicts}


def tried(
    groups: list[Carried], shares: dict[str, int], required: set[int], seed: int = 0, kept: Ints | None = None
) -> Assignment | SplitRefused:
    missing = [label for i, label in enumerate(LABELS) if i not in required]
    try:
        return split(ones(groups), matrix_of(groups), shares, seed, missing, kept)
    except SplitRefused as refused:
        return refused


def split_ids(assignment: Assignment) -> tuple[int, ...]:
    return tuple(assignment.split_of_group.tolist())


@settings(max_examples=examples(1.5))
@given(groups=groups_of_labels, split_count=st.integers(2, 3), seed=st.integers(0, 3))
def test_every_label_is_in_every_split_if_and_only_if_an_assignment_exists(
    groups: list[Carried], split_count: int, seed: int
) -> None:
    shares = dict(list({"train": 7, "val": 2, "test": 1}.items())[:split_count])
    missing = [LABELS[i] for i in range(4) if i not in occurring(groups)]
    try:
        assignment = split(ones(groups), matrix_of(groups), shares, seed, missing)
    except SplitRefused as refused:
        conflict = conflict_of(refused)
        assert not possible(groups, split_count, conflict)
        assert all(possible(groups, split_count, conflict - {label}) for label in conflict)
    else:
        assert serves(groups, split_ids(assignment), split_count, occurring(groups))


groups_of_images = st.lists(st.dictionaries(st.integers(0, 3), st.integers(1, 9)), min_size=2, max_size=7)
"""Groups of several images: how many of them have each label."""
uneven = st.sampled_from([{"train": 7, "val": 2, "test": 1}, {"train": 997, "val": 2, "test": 1}, THIRDS, HALVES])


@settings(max_examples=examples(1.5))
@given(groups=groups_of_images, more=st.lists(st.integers(0, 5), min_size=7, max_size=7), shares=uneven)
def test_whole_groups_of_several_images_are_covered_if_and_only_if_that_is_possible(
    groups: list[dict[int, int]], more: list[int], shares: dict[str, int]
) -> None:
    sizes = np.array([max(group.values(), default=1) + extra for group, extra in zip(groups, more, strict=False)])
    matrix = LabelMatrix.of([{LABELS[label]: count for label, count in group.items()} for group in groups], LABELS)
    carried = [frozenset(group) for group in groups]
    missing = [LABELS[i] for i in range(4) if i not in occurring(carried)]
    if len(groups) < len(shares):
        with pytest.raises(BadInput, match="at least as many groups"):
            split(sizes, matrix, shares, 0, missing)
        return
    try:
        assignment = split(sizes, matrix, shares, 0, missing)
    except SplitRefused as refused:
        conflict = conflict_of(refused)
        assert not possible(carried, len(shares), conflict)
        assert all(possible(carried, len(shares), conflict - {label}) for label in conflict)
    else:
        assert serves(carried, split_ids(assignment), len(shares), occurring(carried))
        assert set(split_ids(assignment)) == set(range(len(shares)))


@given(groups=groups_of_labels, allowed=st.sets(st.sampled_from(LABELS)))
def test_only_labels_that_may_be_missing_are_missing(groups: list[Carried], allowed: set[str]) -> None:
    required = occurring(groups) - {LABELS.index(label) for label in allowed}

    match tried(groups, THIRDS, required):
        case SplitRefused() as refused:
            assert conflict_of(refused) <= required
            assert not possible(groups, 3, required)
        case assignment:
            assert serves(groups, split_ids(assignment), 3, required)


def goes_on(groups: list[Carried], kept: list[int], split_count: int, required: set[int]) -> bool:
    """Whether some assignment of the free groups serves all."""
    choices = [range(split_count) if place < 0 else [place] for place in kept]
    return any(serves(groups, at, split_count, required) for at in product(*choices))


@settings(max_examples=examples(2))
@given(
    groups=groups_of_labels,
    places=st.lists(st.integers(-1, 2), min_size=7, max_size=7),
    split_count=st.integers(2, 3),
    seed=st.integers(0, 3),
)
def test_what_is_kept_stays_and_the_rest_is_covered_if_and_only_if_that_is_possible(
    groups: list[Carried], places: list[int], split_count: int, seed: int
) -> None:
    kept = [min(place, split_count - 1) for place in places[: len(groups)]]
    shares = dict(list({"train": 7, "val": 2, "test": 1}.items())[:split_count])
    required = occurring(groups)
    assume(required)  # else a split may be left empty, see below

    match tried(groups, shares, required, seed, np.array(kept)):
        case SplitRefused() as refused:
            conflict = conflict_of(refused)
            is_reason = possible(groups, split_count, required)
            assert not goes_on(groups, kept, split_count, conflict)
            assert ("the kept assignment is the reason" in str(refused)) == is_reason
            assert ("leave out --extend" in str(refused.conflicts[0]["remedies"])) == is_reason
            if is_reason:
                assert all(goes_on(groups, kept, split_count, conflict - {label}) for label in conflict)
        case assignment:
            at = split_ids(assignment)
            assert serves(groups, at, split_count, required)
            assert all(place in (-1, at[i]) for i, place in enumerate(kept))


def test_a_refused_extension_says_what_the_new_images_lack() -> None:
    groups = [frozenset({0}), frozenset({0}), frozenset[int](), frozenset[int]()]

    with pytest.raises(SplitRefused, match="label a is not in val so far, and 0 new") as caught:
        split(ones(groups), matrix_of(groups, ("a",)), HALVES, 0, (), np.array([0, 0, 1, -1]))

    (row,) = caught.value.conflicts
    assert (row["label"], row["groups"], row["splits"]) == ("a", 2, 2)
    assert "annotate a in at least 1 more image(s)" in str(row["remedies"])


def test_new_images_make_good_what_the_kept_ones_lack_of_their_shares() -> None:
    kept = np.repeat([0, -1], [50, 50])

    assignment = split(np.ones(100, np.int64), matrix_of([frozenset({0})] * 100, ("a",)), HALVES, 0, (), kept)

    assert np.bincount(assignment.split_of_group).tolist() == [50, 50]


def test_a_split_that_no_group_is_left_for_is_wrong_input() -> None:
    with pytest.raises(BadInput, match=r"val would be empty: all but 0 group\(s\) of images keep their split"):
        split(np.ones(2, np.int64), matrix_of([frozenset()] * 2), HALVES, 0, LABELS, np.array([0, 0]))


@settings(max_examples=examples(0.6))
@given(groups=st.lists(st.frozensets(st.integers(0, 3), min_size=1), min_size=4, max_size=6))
def test_a_refusal_names_a_smallest_conflict(groups: list[Carried]) -> None:
    required = occurring(groups)
    try:
        split(ones(groups), matrix_of(groups), HALVES, 0, [LABELS[i] for i in range(4) if i not in required])
    except SplitRefused as refused:
        size = len(refused.conflicts)
        subsets = [{i for i in required if mask >> i & 1} for mask in range(16)]
        assert min(len(subset) for subset in subsets if not possible(groups, 2, subset)) == size


def test_three_labels_over_the_pairs_of_three_images_cannot_be_split_in_two() -> None:
    groups = [frozenset({0, 1}), frozenset({1, 2}), frozenset({0, 2})]

    with pytest.raises(SplitRefused) as caught:
        split(ones(groups), matrix_of(groups, ("a", "b", "c")), HALVES)

    assert [(row["label"], row["groups"], row["splits"]) for row in caught.value.conflicts] == [
        ("a", 2, 2),
        ("b", 2, 2),
        ("c", 2, 2),
    ]


def test_the_fano_plane_cannot_be_split_in_two_while_any_six_of_its_lines_can() -> None:
    lines = [(0, 1, 2), (0, 3, 4), (0, 5, 6), (1, 3, 5), (1, 4, 6), (2, 3, 6), (2, 4, 5)]
    groups = [frozenset(i for i, line in enumerate(lines) if point in line) for point in range(7)]
    labels = tuple("abcdefg")

    with pytest.raises(SplitRefused) as caught:
        split(ones(groups), matrix_of(groups, labels), HALVES)
    assert len(caught.value.conflicts) == 7

    split(ones(groups), matrix_of(groups, labels), HALVES, 0, ["d"])


def test_a_refusal_says_what_would_help_and_which_others_are_too_rare() -> None:
    groups = [frozenset({0, 1}), *[frozenset({0})] * 5, frozenset({2, 0}), frozenset({2, 0})]

    with pytest.raises(SplitRefused, match="also too rare: c") as caught:
        split(ones(groups), matrix_of(groups, ("a", "b", "c")), THIRDS)

    (row,) = caught.value.conflicts
    assert (row["label"], row["groups"], row["splits"]) == ("b", 1, 3)
    assert "annotate b in at least 2 more image(s)" in str(row["remedies"])
    assert "--allow-missing b" in str(row["remedies"])


def test_fewer_splits_are_offered_where_they_would_do() -> None:
    groups = [frozenset({0})] * 2 + [frozenset[int]()] * 4

    with pytest.raises(SplitRefused) as caught:
        split(ones(groups), matrix_of(groups, ("a",)), THIRDS)

    assert "ask for 2 splits only" in str(caught.value.conflicts[0]["remedies"])


def test_a_label_may_be_missing_where_that_is_allowed() -> None:
    groups = [frozenset({0, 1}), *[frozenset({0})] * 5]

    assignment = split(ones(groups), matrix_of(groups, ("a", "b")), THIRDS, 0, ["b"])

    assert serves(groups, split_ids(assignment), 3, {0})


def test_an_unknown_label_to_be_missing_is_named() -> None:
    with pytest.raises(UnknownName, match="doorr"):
        split(np.ones(3, np.int64), matrix_of([frozenset({0})] * 3, ("door",)), THIRDS, 0, ["doorr"])


@settings(max_examples=examples(0.3))
@given(seed=st.integers(0, 2**32 - 1), groups=st.lists(st.frozensets(st.integers(0, 3)), min_size=30, max_size=60))
def test_the_same_seed_gives_the_same_splits(seed: int, groups: list[Carried]) -> None:
    allowed = LABELS

    first = split(ones(groups), matrix_of(groups), THIRDS, seed, allowed)
    second = split(ones(groups), matrix_of(groups), THIRDS, seed, allowed)

    assert split_ids(first) == split_ids(second)


IN_ANOTHER_PROCESS = """
import sys
import numpy as np
from teppr.datasets.matrix import LabelMatrix
from teppr.datasets.split import split
groups = [{"abcdefgh"[label]: 1 for label in range(8) if (i * 2654435761 >> label) % 3 == 0} for i in range(40)]
matrix = LabelMatrix.of(groups, "abcdefgh")
print(*split(np.ones(40, np.int64), matrix, {"train": 7, "val": 2, "test": 1}, 3).split_of_group, sep="")
"""


def test_the_order_of_sets_in_a_process_does_not_matter() -> None:
    answers = set()
    for hash_seed in ("0", "1", "77"):
        command = [sys.executable, "-c", IN_ANOTHER_PROCESS]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        answers.add(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)

    (answer,) = answers
    assert len(answer.strip()) == 40


def test_another_seed_gives_other_splits() -> None:
    groups = [frozenset({i % 4}) for i in range(60)]

    assert len({split_ids(split(ones(groups), matrix_of(groups), THIRDS, seed)) for seed in range(5)}) == 5


@settings(max_examples=examples(0.3))
@given(sizes=st.lists(st.integers(1, 5), min_size=12, max_size=60))
def test_split_sizes_are_within_one_group_of_what_was_asked(sizes: list[int]) -> None:
    shares = {"train": 7, "val": 2, "test": 1}
    empty = matrix_of([frozenset()] * len(sizes))

    assignment = split(np.array(sizes), empty, shares, 0, LABELS)

    for i, share in enumerate(shares.values()):
        images = sum(size for size, place in zip(sizes, split_ids(assignment), strict=True) if place == i)
        assert abs(images - sum(sizes) * share / 10) <= max(sizes)


def test_no_split_is_ever_empty() -> None:
    assignment = split(
        np.ones(3, np.int64), matrix_of([frozenset()] * 3), {"train": 98, "val": 1, "test": 1}, 0, LABELS
    )

    assert sorted(split_ids(assignment)) == [0, 1, 2]


def test_more_splits_than_groups_are_wrong_input() -> None:
    with pytest.raises(BadInput, match="3 splits need at least as many groups of images, got 2"):
        split(np.ones(2, np.int64), matrix_of([frozenset({0})] * 2, ("a",)), THIRDS)


def many(images: int, labels: int) -> LabelMatrix:
    """Two labels an image, frequencies by a power law, ten rare labels of three to ten images."""
    random = np.random.default_rng(5)
    common = 1 / np.arange(1, labels - 9)
    counts = random.poisson(2, images)
    rows = [np.repeat(np.arange(images), counts)]
    columns = [random.choice(labels - 10, counts.sum(), p=common / common.sum())]
    for label in range(labels - 10, labels):
        rows.append(random.choice(images, random.integers(3, 11), replace=False))
        columns.append(np.full(len(rows[-1]), label))
    entries = np.unique(np.concatenate(rows) * labels + np.concatenate(columns))
    starts = np.concatenate([[0], np.cumsum(np.bincount(entries // labels, minlength=images))])
    names = tuple(f"label{i:03d}" for i in range(labels))
    return LabelMatrix(labels=names, starts=starts, label_ids=entries % labels, counts=np.ones(len(entries), np.int64))


def test_a_hundred_labels_of_a_hundred_thousand_images_keep_their_shares() -> None:
    matrix = many(100_000, 100)
    shares = np.array([7, 2, 1])

    assignment = split(np.ones(100_000, np.int64), matrix, {"train": 7, "val": 2, "test": 1})

    at = assignment.split_of_group
    have = np.bincount(at[matrix.rows] * 100 + matrix.label_ids, minlength=300).reshape(3, 100)
    deviation = np.abs(have / matrix.totals - shares[:, None] / 10) * 100
    assert have.min() >= 1
    assert np.bincount(at).tolist() == [70_000, 20_000, 10_000]
    frequent = matrix.totals >= 100
    assert deviation[:, frequent].mean() < 0.044
    assert deviation[:, frequent].max() < 0.22


@given(groups=st.lists(st.frozensets(st.integers(0, 2)), min_size=5, max_size=8), count=st.sampled_from([2, 3, 5]))
def test_every_fold_has_every_label_if_and_only_if_that_is_possible(groups: list[Carried], count: int) -> None:
    frequent = {label for label in range(3) if sum(label in group for group in groups) >= count}

    match tried(groups, folds_of(count), frequent):
        case SplitRefused():
            assert not possible(groups, count, frequent)
        case assignment:
            assert serves(groups, split_ids(assignment), count, frequent)
            assert set(split_ids(assignment)) == set(range(count))


def test_folds_are_equal() -> None:
    matrix = many(20_000, 40)
    rare = [matrix.labels[i] for i in range(40) if matrix.totals[i] < 10]

    assignment = split(np.ones(20_000, np.int64), matrix, folds_of(10), 0, rare)

    have = matrix.spread(np.arange(20_000), assignment.split_of_group, 10)
    assert assignment.splits[0] == "fold01"
    assert np.bincount(assignment.split_of_group).tolist() == [2_000] * 10
    assert np.ptp(have, axis=0).max() <= 1


def test_folds_have_numbers_that_sort_as_text() -> None:
    assert list(folds_of(3)) == ["fold1", "fold2", "fold3"]
    names = list(folds_of(12))
    assert names == sorted(names)
    for wrong in (-1, 0, 1, 100):
        with pytest.raises(BadInput, match=f"2 to 99 folds, got {wrong}"):
            folds_of(wrong)


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("70/20/10", {"train": 7, "val": 2, "test": 1}),
        ("80/20", {"train": 4, "val": 1}),
        ("33.3/33.3/33.4", {"train": 333, "val": 333, "test": 334}),
        ("100", {"train": 1}),
        ("train=60, val=20, holdout=20", {"train": 3, "val": 1, "holdout": 1}),
    ],
)
def test_shares_are_read_from_text(text: str, shares: dict[str, int]) -> None:
    assert shares_of(text) == shares


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("70/20", "sum to 100"),
        ("70/20/20", "sum to 100"),
        ("100/0", "above 0"),
        ("a/b", "above 0"),
        ("", "above 0"),
        ("-50/150", "above 0"),
        ("25/25/25/25", "a name once"),
        ("train=50,train=50", "a name once"),
        ("a b=50,c=50", "a name once"),
        ("33.33/66.67", "one decimal"),
    ],
)
def test_wrong_shares_are_refused_with_a_reason(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        shares_of(text)


def test_splits_stay_what_they_are() -> None:
    # Who creates a dataset again years later, on another machine, gets the same version: this may not change.
    groups = [frozenset({i % 4, i * i % 3}) for i in range(24)]

    assignment = split(ones(groups), matrix_of(groups), {"train": 7, "val": 2, "test": 1}, 7)

    assert "".join(map(str, split_ids(assignment))) == "000000120000010001211000"
