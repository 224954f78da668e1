"""When requests of an open loop are due."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.stress.arrivals import due_times
from teppr.stress.plan import Stage


@given(rate=st.floats(0.5, 200), seconds=st.floats(0.1, 5), of=st.integers(1, 5))
def test_even_arrivals_of_all_processes_together_are_evenly_apart(rate: float, seconds: float, of: int) -> None:
    stage = Stage(seconds=seconds, rate_per_s=rate, arrivals="even")
    due = sorted(due_s for index in range(of) for due_s in due_times(stage, index, of))
    assert due == pytest.approx([i / rate for i in range(len(due))])
    assert all(due_s < seconds for due_s in due)
    assert len(due) / rate >= seconds - 1e-9  # the next one is due after the end


@given(rate=st.floats(0.5, 200), of=st.integers(1, 5), seed=st.integers(0, 99))
def test_poisson_arrivals_rise_stay_within_the_stage_and_can_be_repeated(rate: float, of: int, seed: int) -> None:
    stage = Stage(seconds=3, rate_per_s=rate)
    due = list(due_times(stage, 0, of, seed))
    assert due == sorted(due)
    assert all(0 <= due_s < 3 for due_s in due)
    assert due == list(due_times(stage, 0, of, seed))


@pytest.mark.parametrize("of", [1, 4])
def test_poisson_arrivals_keep_the_rate_and_vary_as_chance_does(of: int) -> None:
    stage = Stage(seconds=400, rate_per_s=50)
    sources = [list(due_times(stage, index, of)) for index in range(of)]
    due = sorted(due_s for some in sources for due_s in some)
    apart = [later - earlier for earlier, later in pairwise(due)]
    mean = sum(apart) / len(apart)
    deviation = (sum((one - mean) ** 2 for one in apart) / len(apart)) ** 0.5
    assert len(due) == pytest.approx(20_000, rel=0.03)
    assert deviation == pytest.approx(mean, rel=0.05)  # of exponential times the two are the same
    assert of == 1 or sources[0] != sources[1]
