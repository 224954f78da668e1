"""TuSimple's figures on lanes whose results are known by hand."""

import numpy as np
import pytest

from teppr.metrics.lanes import (
    NO_POINT,
    ROWS_PX,
    LaneMetrics,
    lanes_at_rows,
    rows_of,
    score_lanes,
    tolerance_px,
)
from teppr.types import Polyline

ROWS = np.arange(20) * 10.0
"""Twenty, so that one row is 5 %."""
UPRIGHT = np.full((4, 20), [[100.0], [300.0], [500.0], [700.0]])


def test_the_truth_itself_is_all_right() -> None:
    score = score_lanes(UPRIGHT, UPRIGHT, ROWS, 20)
    assert (score.accuracy, score.false_positive, score.false_negative) == (1, 0, 0)
    assert (score.truth, score.found, score.missed, score.spurious) == (4, 4, 0, 0)


def test_the_order_of_lanes_does_not_matter() -> None:
    assert score_lanes(UPRIGHT, UPRIGHT[::-1], ROWS, 20) == score_lanes(UPRIGHT, UPRIGHT, ROWS, 20)


@pytest.mark.parametrize(("off_px", "accuracy"), [(19.9, 1.0), (20.0, 0.0), (-19.9, 1.0)])
def test_a_point_is_right_below_the_tolerance(off_px: float, accuracy: float) -> None:
    assert score_lanes(UPRIGHT, UPRIGHT + off_px, ROWS, 20).accuracy == accuracy


def test_a_slanted_lane_may_be_off_by_more() -> None:
    # 3 pixels aside for 4 down: the cosine is 0.8, so 25 pixels instead of 20.
    lane = (100 + ROWS * 0.75)[None]
    assert score_lanes(lane, lane + 24.9, ROWS, 20).accuracy == 1
    assert score_lanes(lane, lane + 25.1, ROWS, 20).accuracy == 0


def test_the_slant_is_that_of_the_points_there_are() -> None:
    lane = (100 + ROWS * 0.75)[None].copy()
    lane[0, :10] = NO_POINT
    off = np.where(lane >= 0, lane + 24.9, NO_POINT)
    assert score_lanes(lane, off, ROWS, 20).accuracy == 1


def test_rows_without_a_point_in_both_are_right_and_in_one_wrong() -> None:
    lane = UPRIGHT[:1].copy()
    lane[0, :5] = NO_POINT
    longer, shorter = lane.copy(), lane.copy()
    longer[0, 4] = 100
    shorter[0, 5:7] = NO_POINT
    assert score_lanes(lane, lane, ROWS, 20).accuracy == 1
    assert score_lanes(lane, longer, ROWS, 20).accuracy == pytest.approx(0.95)
    assert score_lanes(lane, shorter, ROWS, 20).accuracy == pytest.approx(0.90)


def test_a_lane_is_found_from_85_percent_on() -> None:
    found = UPRIGHT[:2].copy()
    found[0, :3] += 50  # 17 of 20
    found[1, :4] += 50  # 16 of 20
    score = score_lanes(UPRIGHT[:2], found, ROWS, 20)
    assert score.accuracy == pytest.approx((0.85 + 0.80) / 2)
    assert (score.missed, score.spurious) == (1, 1)
    assert (score.false_positive, score.false_negative) == (0.5, 0.5)


def test_a_missed_and_an_invented_lane() -> None:
    missed = score_lanes(UPRIGHT, UPRIGHT[:3], ROWS, 20)
    assert (missed.accuracy, missed.false_positive, missed.false_negative) == (0.75, 0, 0.25)
    invented = score_lanes(UPRIGHT[:3], UPRIGHT, ROWS, 20)
    assert (invented.accuracy, invented.false_positive, invented.false_negative) == (1, 0.25, 0)


def test_nothing_found_is_all_missed() -> None:
    score = score_lanes(UPRIGHT, np.zeros((0, 20)), ROWS, 20)
    assert (score.accuracy, score.false_positive, score.false_negative) == (0, 0, 1)


def test_more_than_two_lanes_too_many_find_nothing() -> None:
    extra = np.full((3, 20), [[900.0], [1000.0], [1100.0]])
    two, three = np.concatenate([UPRIGHT, extra[:2]]), np.concatenate([UPRIGHT, extra])
    assert score_lanes(UPRIGHT, two, ROWS, 20).accuracy == 1
    score = score_lanes(UPRIGHT, three, ROWS, 20)
    assert (score.accuracy, score.false_positive, score.false_negative) == (0, 0, 1)


def test_of_five_lanes_the_worst_is_forgiven() -> None:
    five = np.concatenate([UPRIGHT, np.full((1, 20), 900.0)])
    one_lost = score_lanes(five, UPRIGHT, ROWS, 20)
    assert (one_lost.accuracy, one_lost.false_negative, one_lost.missed) == (1, 0, 1)
    two_lost = score_lanes(five, UPRIGHT[:3], ROWS, 20)
    assert (two_lost.accuracy, two_lost.false_negative, two_lost.missed) == (0.75, 0.25, 2)


def test_an_image_without_lanes_is_right_if_nothing_is_found() -> None:
    none = np.zeros((0, 20))
    assert score_lanes(none, none, ROWS, 20).accuracy == 1
    wrong = score_lanes(none, UPRIGHT, ROWS, 20)
    assert (wrong.accuracy, wrong.false_positive, wrong.spurious) == (0, 1, 4)


def test_figures_of_a_set_are_means_over_images() -> None:
    scores = [score_lanes(UPRIGHT, UPRIGHT, ROWS, 20), score_lanes(UPRIGHT, UPRIGHT[:2], ROWS, 20)]
    metrics = LaneMetrics.of(scores)
    assert metrics.as_dict() == {
        "accuracy": 0.75,
        "false_positive": 0,
        "false_negative": 0.25,
        "f1": pytest.approx(2 * 0.75 / 1.75),
    }
    assert metrics.images == 2


def test_no_images_give_no_figures() -> None:
    assert set(LaneMetrics.of([]).as_dict().values()) == {None}


def test_rows_and_tolerance_scale_with_the_image() -> None:
    np.testing.assert_array_equal(rows_of((1280, 720)), ROWS_PX)
    np.testing.assert_array_equal(rows_of((512, 288)), np.arange(64, 288, 4))
    assert (tolerance_px((1280, 720)), tolerance_px((640, 360))) == (20, 10)


def test_lanes_are_taken_at_the_rows_of_their_image() -> None:
    # 4 pixels apart in an image 288 high, the first at 64.
    lanes = lanes_at_rows([Polyline(((10, 70), (40, 100)))], (512, 288))
    assert lanes.shape == (1, 56)
    assert lanes[0, :11].tolist() == [NO_POINT] * 2 + [12, 16, 20, 24, 28, 32, 36, 40, NO_POINT]
    assert set(lanes[0, 11:].tolist()) == {NO_POINT}


def test_no_shapes_are_no_lanes() -> None:
    assert lanes_at_rows([], (512, 288)).shape == (0, 56)
