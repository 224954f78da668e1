"""Intervals by drawing images again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.metrics.bootstrap import drawn_indices, interval_of


@given(images=st.integers(1, 40), draws=st.integers(1, 30), seed=st.integers(0, 2**32 - 1))
def test_a_draw_has_as_many_images_as_there_are_and_is_the_same_again(images: int, draws: int, seed: int) -> None:
    drawn = drawn_indices(images, draws, seed)
    assert drawn.shape == (draws, images)
    assert drawn.min() >= 0
    assert drawn.max() < images
    assert (drawn == drawn_indices(images, draws, seed)).all()


def test_the_interval_of_a_mean_is_that_of_the_normal_law() -> None:
    sample = np.random.default_rng(1).normal(5.0, 2.0, 400)
    means = [float(sample[drawn].mean()) for drawn in drawn_indices(400, 2000, seed=2)]
    interval = interval_of(means)
    assert interval is not None
    half = 1.96 * sample.std() / 20
    assert interval == pytest.approx((sample.mean() - half, sample.mean() + half), abs=0.03)


def test_the_interval_holds_95_of_100() -> None:
    assert interval_of([float(i) for i in range(101)]) == pytest.approx((2.5, 97.5))


def test_what_is_mostly_not_defined_has_no_interval() -> None:
    assert interval_of([None, None, 0.5]) is None
    assert interval_of([None, 0.5, 0.5]) == (0.5, 0.5)
    assert interval_of([]) is None
