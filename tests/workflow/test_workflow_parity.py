"""Networks are compared on as many pictures as it takes to know, and timed."""

from collections.abc import Callable

import numpy as np

from teppr.images import Pixels
from teppr.tasks.contract import TASKS
from teppr.types import Detections
from teppr.workflow.latency import latency_ms, machine
from teppr.workflow.parity import ENOUGH_FOUND, compare

PICTURE: Pixels = np.zeros((100, 100, 3), np.uint8)


def found(boxes: list[list[float]], scores: list[float]) -> Detections:
    return Detections(
        size_wh=(100, 100),
        boxes_xyxy_px=np.array(boxes, np.float32).reshape(-1, 4),
        scores_0_1=np.array(scores, np.float32),
        label_ids=np.zeros(len(boxes), np.int64),
    )


TWO = found([[10, 10, 50, 50], [60, 60, 90, 95]], [0.9, 0.4])


def counting(answers: list[Detections]) -> Callable[[Pixels], Detections]:
    left = iter(answers)
    return lambda _: next(left)


def test_more_pictures_are_compared_until_there_is_enough_to_judge_by() -> None:
    nothing, images = found([], []), 30
    answers = [nothing] * 12 + [TWO] * 18
    parity = compare(
        TASKS.load("detect").parity(), counting(answers), counting(answers), [PICTURE] * images, at_least=4
    )
    assert parity.compared == ENOUGH_FOUND
    assert parity.images == 12 + ENOUGH_FOUND // 4


def test_latency_is_measured_over_all_pictures() -> None:
    seen: list[int] = []

    def find(pixels: Pixels) -> Detections:
        seen.append(pixels.shape[0])
        return TWO

    result = latency_ms(find, [np.zeros((side, 9, 3), np.uint8) for side in (3, 5, 7)], threads=1)
    assert set(seen) == {3, 5, 7}
    assert 0 <= result["p50"] <= result["p95"]
    assert result["predictions"] == len(seen)
    assert result["machine"] == machine()
