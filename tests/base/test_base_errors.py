"""The tree of errors."""

import inspect

import pytest

from teppr import errors
from teppr.errors import TepprError, UnknownName

ALL = [found for _, found in inspect.getmembers(errors, inspect.isclass) if found.__module__ == errors.__name__]


@pytest.mark.parametrize("error", ALL)
def test_every_error_can_be_caught_as_one(error: type[BaseException]) -> None:
    assert issubclass(error, TepprError)


@pytest.mark.parametrize("error", ALL)
def test_the_picture_of_the_tree_names_every_error(error: type[BaseException]) -> None:
    assert errors.__doc__ is not None
    assert error.__name__ in errors.__doc__


@pytest.mark.parametrize("error", [found for found in ALL if issubclass(found, TepprError)])
def test_every_error_says_how_the_command_line_ends(error: type[TepprError]) -> None:
    assert error.exit_code in {1, 2, 3}


def test_an_unknown_name_is_answered_with_the_nearest_and_all_others() -> None:
    message = str(UnknownName.of("format", "viaa", ["coco", "via"]))
    assert message == "there is no format 'viaa'; did you mean 'via'?; known: coco, via"


def test_an_unknown_name_among_none_says_so() -> None:
    assert str(UnknownName.of("dataset", "a", [])).endswith("known: none yet")
