"""Conditions as people write them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.datasets.where import Condition, parse_where
from teppr.errors import BadInput, TepprError, UnknownName


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("", []),
        ("  ", []),
        ("annotator!=AT3", [("annotator", False, ("AT3",))]),
        ("label = door", [("label", True, ("door",))]),
        ("label==door", [("label", True, ("door",))]),
        ("annotator!=AT3 and label=door|hood", [("annotator", False, ("AT3",)), ("label", True, ("door", "hood"))]),
        ("batch=images-p1*, file!=old.json", [("batch", True, ("images-p1*",)), ("file", False, ("old.json",))]),
        (
            "filename='a, b and c.jpg' AND shape=rect",
            [("filename", True, ("a, b and c.jpg",)), ("shape", True, ("rect",))],
        ),
        ("label=sand and annotator=andy", [("label", True, ("sand",)), ("annotator", True, ("andy",))]),
        ("label=traffic light", [("label", True, ("traffic light",))]),
    ],
)
def test_conditions_are_read(text: str, conditions: list[tuple[str, bool, tuple[str, ...]]]) -> None:
    assert [(item.field, item.equal, item.patterns) for item in parse_where(text)] == conditions


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("annotator", r"cannot read 'annotator' at character 1"),
        ("annotator=", r"cannot read 'annotator=' at character 1"),
        ("label=a, >3", r"cannot read '>3' at character 9"),
        ("label='a", r"cannot read"),
        ("=x", r"cannot read"),
    ],
)
def test_what_cannot_be_read_is_shown_with_its_place(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        parse_where(text)


def test_an_unknown_field_is_named_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"'annotatr'; did you mean 'annotator'\?; known: annotator, batch"):
        parse_where("annotatr=AT1")


@pytest.mark.parametrize(
    ("pattern", "equal", "value", "holds"),
    [
        ("AT1", True, "AT1", True),
        ("AT*", True, "AT1", True),
        ("AT1", False, "AT1", False),
        ("AT1", False, None, True),
        ("unknown", True, None, True),
        ("at1", True, "AT1", False),
    ],
)
def test_a_condition_holds(pattern: str, equal: bool, value: str | None, holds: bool) -> None:
    assert Condition(field="annotator", equal=equal, patterns=(pattern,)).holds(value) is holds


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(TepprError):
        parse_where(text)
