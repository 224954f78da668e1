import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from teppr.anatomy.weights import BINS, figures_of

FLOATS = st.floats(-1e6, 1e6, width=32)


@given(np_st.arrays(np.float32, np_st.array_shapes(min_dims=1, max_dims=4, max_side=5), elements=FLOATS))
def test_figures_are_those_of_the_numbers(values: np.ndarray) -> None:
    figures = figures_of("w", values)
    assert figures.count == values.size == sum(figures.histogram)
    assert len(figures.histogram) == BINS
    assert figures.least <= figures.mean + 1e-6 * abs(figures.mean) + 1e-12
    assert figures.norm == pytest.approx(np.linalg.norm(values.astype(np.float64).ravel()), rel=1e-6, abs=1e-12)
    assert 0 <= figures.near_zero_0_1 <= 1
    assert 0 <= figures.dead <= figures.channels


def test_numbers_that_are_none_are_counted_and_left_out() -> None:
    figures = figures_of("w", np.array([[1.0, np.nan], [np.inf, 3.0]]))
    assert (figures.not_finite, figures.mean, figures.least, figures.most) == (2, 2.0, 1.0, 3.0)
    assert figures.flaws == ("2 not finite",)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_channel_without_weights_is_dead(axis: int) -> None:
    values = np.random.default_rng(3).normal(size=(6, 6, 3, 3))
    values[(slice(None),) * axis + (slice(2, 4),)] = 1e-9
    assert figures_of("w", values, axis).dead == 2
    assert figures_of("w", values, 1 - axis).dead == 0
