"""Names and numbers that are taken are a set, wherever they lie."""

from collections.abc import Sequence
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teppr.formats._taken import Taken

numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 12)


@settings(deadline=None)
@given(values=st.lists(numbers) | st.lists(st.text(st.characters(), max_size=3)))
def test_what_is_taken_is_taken_once(values: Sequence[int | str]) -> None:
    with Taken() as taken:
        for i, value in enumerate(values):
            was_free = value not in values[:i]
            assert (value in taken) is not was_free
            assert taken.take(value) is was_free
            assert value in taken


@settings(deadline=None)
@given(values=st.lists(numbers))
def test_the_free_numbers_are_all_others_from_1(values: list[int]) -> None:
    with Taken() as taken:
        for value in values:
            taken.take(value)
        expected = [number for number in range(1, 60 + len(values)) if number not in values][:40]
        assert list(islice(taken.free_numbers(), 40)) == expected
        assert list(islice(taken.free_numbers(), 40)) == expected


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "ä"], ids=ascii)
def test_any_name_can_be_taken(name: str) -> None:
    with Taken() as taken:
        assert taken.take(name)
        assert not taken.take(name)
