"""Figures of classification, held against numbers worked out by hand and against what must always hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from teppr.metrics.classification import (
    Calibration,
    LabelScore,
    OneLabel,
    SeveralLabels,
    average_precision,
    precision_curve,
)

FOUR = OneLabel(
    truth=np.array([0, 0, 1, 2]),
    scores=np.array([[0.8, 0.2, 0.0], [0.3, 0.6, 0.1], [0.1, 0.9, 0.0], [0.6, 0.0, 0.4]]),
)
"""Right, wrong, right, wrong: of label 0 one of two is found, 1 is given twice and right once, 2 is never given."""


def test_one_label_by_hand() -> None:
    figures = FOUR.as_dict()
    assert figures["accuracy"] == 0.5
    assert figures["macro_precision"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert figures["macro_recall"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert figures["macro_f1"] == pytest.approx((2 / 4 + 2 / 3 + 0) / 3)
    assert figures["top_k"] is None
    assert FOUR.confusion.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]]


def test_calibration_by_hand() -> None:
    # 0.8 right; 0.6 and 0.6 wrong; 0.9 right.
    error = (1 * 0.2 + 2 * 0.6 + 1 * 0.1) / 4
    assert FOUR.as_dict()["calibration_error"] == pytest.approx(error)
    assert [(one.score_0_1, one.right_0_1, one.count) for one in FOUR.calibration.bins] == [
        (0.6, 0.0, 2),
        (0.8, 1.0, 1),
        (0.9, 1.0, 1),
    ]


@pytest.mark.parametrize(("labels", "k"), [(2, None), (3, None), (4, 2), (8, 4), (10, 5), (100, 5)])
def test_top_k_looks_at_half_of_few_labels_and_at_five_of_many(labels: int, k: int | None) -> None:
    scores = np.linspace(0.5, 0.1, labels)[None]
    truths = [OneLabel(truth=np.array([i]), scores=scores) for i in range(labels)]
    right = [one.as_dict()["top_k"] for one in truths]
    assert right == ([None] * labels if k is None else [1.0] * k + [0.0] * (labels - k))


def test_an_image_without_an_answer_is_wrong_and_counts_in_no_label_as_given() -> None:
    silent = OneLabel(truth=np.array([0, 1]), scores=np.array([[0.0, 0.0], [0.0, 1.0]]))
    assert silent.as_dict()["accuracy"] == 0.5
    assert silent.confusion.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert silent.label_scores()[0] == LabelScore(precision=0.0, recall=0.0, f1=0.0)


def test_nothing_defines_nothing() -> None:
    none = OneLabel(truth=np.zeros(0, np.int64), scores=np.zeros((0, 4))).as_dict()
    several = SeveralLabels(truth=np.zeros((0, 4), bool), scores=np.zeros((0, 4))).as_dict()
    assert set(none.values()) == set(several.values()) == {None}


def test_average_precision_by_hand() -> None:
    # By falling score: right, wrong, right, wrong: precision 1 at recall 1/2, 2/3 at recall 1.
    scores, truth = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    assert average_precision(scores, truth) == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)
    assert precision_curve(scores, truth, points=5) == pytest.approx([1, 1, 1, 2 / 3, 2 / 3])
    assert average_precision(scores, np.zeros(4, bool)) is None
    assert precision_curve(scores, np.zeros(4, bool)) == []


def test_equal_scores_are_one_step() -> None:
    assert average_precision(np.full(4, 0.5), np.array([True, False, False, False])) == 0.25


def test_several_labels_by_hand() -> None:
    several = SeveralLabels(
        truth=np.array([[True, True, False], [False, True, False], [False, False, False]]),
        scores=np.array([[0.9, 0.4, 0.0], [0.1, 0.8, 0.0], [0.7, 0.0, 0.0]]),
    )
    figures = several.as_dict()
    assert figures["map"] == 1.0
    assert figures["exact_match"] == pytest.approx(1 / 3)
    assert figures["micro_f1"] == pytest.approx(2 * 2 / (3 + 3))
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)  # the third label is nowhere
    assert several.label_scores()[2] == LabelScore(precision=None, recall=None, f1=None)
    assert several.average_precisions()[2] is None
    # 0.9 right, 0.4 right, 0.1 wrong, 0.8 right, 0.7 wrong; what has no score is no answer.
    assert figures["calibration_error"] == pytest.approx((0.1 + 0.6 + 0.1 + 0.2 + 0.7) / 5)


shares = st.floats(0, 1, allow_nan=False)
answers = st.integers(1, 12).flatmap(
    lambda n: st.tuples(arrays(np.float64, (n, 4), elements=shares), arrays(np.int64, n, elements=st.integers(0, 3)))
)


@given(answers)
def test_one_label_keeps_its_bounds(pair: tuple[np.ndarray, np.ndarray]) -> None:
    one = OneLabel(truth=pair[1], scores=pair[0])
    figures = one.as_dict()
    assert all(value is None or 0 <= value <= 1 for value in figures.values())
    assert one.confusion.sum() == len(pair[1])
    assert figures["accuracy"] == pytest.approx(np.trace(one.confusion) / len(pair[1]))
    assert figures["top_k"] >= figures["accuracy"]
    assert sum(each.count for each in one.calibration.bins) == len(pair[1])


@given(answers)
def test_the_truth_itself_is_perfect(pair: tuple[np.ndarray, np.ndarray]) -> None:
    perfect = np.eye(4)[pair[1]]
    figures = OneLabel(truth=pair[1], scores=perfect).as_dict()
    assert figures.pop("calibration_error") == 0
    assert set(figures.values()) == {1.0}
    figures = SeveralLabels(truth=perfect > 0, scores=perfect).as_dict()
    assert figures.pop("calibration_error") == 0
    assert set(figures.values()) == {1.0}


@given(answers)
def test_average_precision_knows_the_order_only(pair: tuple[np.ndarray, np.ndarray]) -> None:
    # Sixteenths, so that squares of different scores differ.
    scores, truth = np.round(pair[0][:, 0] * 16) / 16, pair[1] == 1
    first, second = average_precision(scores, truth), average_precision(scores**2, truth)
    assert first == second
    assert first is None or 0 < first <= 1


@given(arrays(np.float64, 30, elements=shares), arrays(np.bool_, 30))
def test_calibration_error_is_at_least_the_distance_of_the_means(scores: np.ndarray, right: np.ndarray) -> None:
    error = Calibration.of(scores, right).error
    assert error is not None
    assert abs(scores.mean() - right.mean()) - 1e-9 <= error <= 1
