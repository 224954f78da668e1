"""Run-length codes are pycocotools', but checked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from teppr.errors import BadInput
from teppr.formats._run_lengths import mask_of_runs, mask_of_text, runs_of_text

bitmaps = st.integers(1, 40).flatmap(
    lambda height: st.lists(st.lists(st.integers(0, 1), min_size=height, max_size=height), min_size=1, max_size=40)
)


def runs_of(columns: list[list[int]]) -> list[int]:
    """The runs of a bitmap given by its columns, counted one by one."""
    runs, value = [0], 0
    for pixel in (pixel for column in columns for pixel in column):
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


@given(columns=bitmaps)
def test_runs_and_text_are_the_same_mask_as_pycocotools_makes(columns: list[list[int]]) -> None:
    size_wh = (len(columns), len(columns[0]))
    text = coco_mask.encode(np.asfortranarray(np.array(columns, np.uint8).T))["counts"].decode()
    assert runs_of_text(text) == runs_of(columns)
    assert mask_of_runs(runs_of(columns), size_wh).counts == text
    assert mask_of_text(text, size_wh).counts == text


@pytest.mark.parametrize(
    ("runs", "size_wh"),
    [
        pytest.param([5], (2, 2), id="too many pixels"),
        pytest.param([3], (2, 2), id="too few pixels"),
        pytest.param([], (2, 2), id="no runs"),
        pytest.param([6, -2], (2, 2), id="a negative run"),
        pytest.param([10**18], (10**9, 10**9), id="more pixels than any image has"),
    ],
)
def test_runs_that_do_not_cover_the_image_are_refused(runs: list[int], size_wh: tuple[int, int]) -> None:
    with pytest.raises(BadInput, match=str(size_wh[0]) if runs[-1:] != [-2] else "negative"):
        mask_of_runs(runs, size_wh)


@pytest.mark.parametrize("text", ["", "04", "zzz", "\x01", "oooooooooooooooooooo1", "P", "\N{SNOWMAN}"])
def test_text_that_is_no_code_of_the_image_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        mask_of_text(text, (10, 10))
