"""What is taken for what, on cases that can be counted by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from teppr.geometry import xyxy_of
from teppr.metrics.confusion import ImageFaults, confusion
from teppr.metrics.detection import TruthImage
from teppr.types import Detections

SIGN, LIGHT, BACKGROUND = 0, 1, 2
HERE, THERE, ELSEWHERE = [10.0, 10, 20, 20], [60.0, 60, 20, 20], [10.0, 60, 20, 20]
Row = tuple[list[float], int]


def truth(*rows: Row, crowd: tuple[int, ...] = (), image_id: int = 1) -> TruthImage:
    boxes = np.array([row[0] for row in rows], np.float64).reshape(-1, 4)
    return TruthImage(
        image_id=image_id,
        size_wh=(100, 100),
        boxes_xywh_px=boxes,
        areas_px=boxes[:, 2] * boxes[:, 3],
        label_ids=np.array([row[1] for row in rows], np.int64),
        is_crowd=np.array([i in crowd for i in range(len(rows))], bool),
    )


def found(*rows: Row, scores: list[float] | None = None) -> Detections:
    return Detections(
        size_wh=(100, 100),
        boxes_xyxy_px=xyxy_of([row[0] for row in rows]).astype(np.float32),
        scores_0_1=np.array(scores or [0.9] * len(rows), np.float32),
        label_ids=np.array([row[1] for row in rows], np.int64),
    )


def test_right_confused_missed_and_spurious_are_counted() -> None:
    result = confusion(
        [truth((HERE, SIGN), (THERE, LIGHT), ([80, 5, 15, 15], SIGN))],
        {1: found((HERE, SIGN), (THERE, SIGN), (ELSEWHERE, LIGHT))},
        2,
    )
    assert result.table.tolist() == [[1, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert result.images == (ImageFaults(image_id=1, right=1, confused=1, missed=1, spurious=1),)
    assert result.images[0].wrong == 3


def test_a_second_detection_of_the_same_object_is_not_there() -> None:
    result = confusion([truth((HERE, SIGN))], {1: found((HERE, SIGN), (HERE, SIGN), scores=[0.9, 0.8])}, 2)
    assert (result.table[SIGN, SIGN], result.table[BACKGROUND, SIGN]) == (1, 1)


def test_weak_detections_do_not_count() -> None:
    result = confusion([truth((HERE, SIGN))], {1: found((HERE, SIGN), scores=[0.4])}, 2)
    assert result.table[SIGN, BACKGROUND] == 1
    assert confusion([truth((HERE, SIGN))], {1: found((HERE, SIGN), scores=[0.4])}, 2, score_0_1=0.3).table[0, 0] == 1


def test_crowds_are_neither_found_nor_missed() -> None:
    crowd = truth((HERE, SIGN), crowd=(0,))
    assert confusion([crowd], {}, 2).table.sum() == 0
    assert confusion([crowd], {1: found((HERE, LIGHT))}, 2).table.sum() == 0


def test_images_with_most_faults_come_first() -> None:
    images = [truth(image_id=1), truth((HERE, SIGN), (THERE, SIGN), image_id=2), truth((HERE, SIGN), image_id=3)]
    assert [one.image_id for one in confusion(images, {}, 2).images] == [2, 3, 1]


corner = st.integers(0, 70).map(float)
rows = st.lists(
    st.tuples(st.tuples(corner, corner, st.just(20.0), st.just(20.0)).map(list), st.integers(0, 1)), max_size=6
)


@given(real=rows, guessed=rows)
def test_every_object_and_every_detection_is_counted_once(real: list[Row], guessed: list[Row]) -> None:
    table = confusion([truth(*real)], {1: found(*guessed)}, 2).table
    assert table[:-1].sum() == len(real)
    assert table[:, :-1].sum() == len(guessed)
    assert table[-1, -1] == 0
