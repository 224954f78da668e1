"""Two networks are the same one when they find the same."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from teppr.geometry import mask_of_shape
from teppr.tasks._box_parity import BoxParity, matched
from teppr.types import Detections, Rect


def found(boxes: list[list[float]], scores: list[float], label_ids: list[int] | None = None) -> Detections:
    masks = tuple(mask_of_shape(Rect(x0, y0, x1 - x0, y1 - y0), (100, 100)) for x0, y0, x1, y1 in boxes)
    return Detections(
        size_wh=(100, 100),
        boxes_xyxy_px=np.array(boxes, np.float32).reshape(-1, 4),
        scores_0_1=np.array(scores, np.float32),
        label_ids=np.array(label_ids or [0] * len(boxes), np.int64),
        masks=masks,
    )


TWO = found([[10, 10, 50, 50], [60, 60, 90, 95]], [0.9, 0.4], [1, 0])


def parity_of(trained: Detections, exported: Detections) -> BoxParity:
    parity = BoxParity()
    parity.add(trained, exported)
    return parity


def test_the_same_detections_agree() -> None:
    parity = parity_of(TWO, TWO)
    assert (parity.compared, parity.agreed, parity.holds) == (4, 4, True)
    assert parity.as_dict()["smallest_mask_iou"] == 1.0


def test_another_order_agrees_too() -> None:
    near = replace(TWO, scores_0_1=np.array([0.9, 0.899], np.float32))
    assert parity_of(near, near.take(np.array([1, 0]))).holds


def test_another_label_box_or_score_does_not_agree() -> None:
    assert not parity_of(TWO, replace(TWO, label_ids=np.array([0, 0]))).holds
    assert not parity_of(TWO, replace(TWO, boxes_xyxy_px=TWO.boxes_xyxy_px + 3)).holds
    off = parity_of(TWO, replace(TWO, scores_0_1=np.array([0.9, 0.37], np.float32)))
    assert not off.holds
    assert off.agreed == 2
    assert round(off.largest_score_difference, 2) == 0.03


def test_another_mask_does_not_agree() -> None:
    assert TWO.masks is not None
    other = replace(TWO, masks=(TWO.masks[0], mask_of_shape(Rect(60, 60, 30, 20), (100, 100))))
    assert not parity_of(TWO, other).holds


def test_what_one_side_alone_finds_does_not_agree_unless_it_is_weak() -> None:
    one = TWO.take(np.array([0]))
    assert not parity_of(TWO, one).holds
    assert not parity_of(one, TWO).holds
    weak = replace(TWO, scores_0_1=np.array([0.9, 0.06], np.float32))
    assert parity_of(weak, one).holds


def test_nothing_found_proves_nothing() -> None:
    nothing = found([], [])
    assert not parity_of(nothing, nothing).holds


corner = st.integers(0, 60).map(float)
box = st.tuples(corner, corner, st.integers(5, 40), st.integers(5, 40)).map(
    lambda row: [row[0], row[1], row[0] + row[2], row[1] + row[3]]
)


@given(st.lists(st.tuples(box, st.sampled_from([0.9, 0.6, 0.3]), st.integers(0, 2)), max_size=8))
def test_pairs_are_one_to_one_and_of_one_label(rows: list[tuple[list[float], float, int]]) -> None:
    rows = sorted(rows, key=lambda row: -row[1])
    one = found([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])
    pairs = matched(one, one)
    assert len(pairs) == len(rows)  # everything finds itself, or one that lies in the same place
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(one.label_ids[i] == one.label_ids[j] for i, j in pairs)
