"""Conditions as people write them."""

from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.datasets.conditions import IMAGE_FIELDS, REGION_FIELDS, SHAPES, All, Condition, Either, Not, Tree
from teppr.datasets.where import LEVELS, parse_where
from teppr.errors import BadInput, TepprError, UnknownName


def condition(field: str, sign: str, *operands: str | float | date) -> Condition:
    return Condition(field=field, sign=sign, operands=operands)  # type: ignore[arg-type]


A, B, C = condition("batch", "=", "a"), condition("batch", "=", "b"), condition("batch", "=", "c")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", All()),
        ("  ", All()),
        ("annotator!=AT3", condition("annotator", "!=", "AT3")),
        ("label = door", condition("label", "=", "door")),
        ("label==door", condition("label", "=", "door")),
        ("label=door|hood", condition("label", "=", "door", "hood")),
        ("label=traffic light", condition("label", "=", "traffic light")),
        ("filename='a, b and c.jpg'", condition("filename", "=", "a, b and c.jpg")),
        ("filename=photo (1).jpg", condition("filename", "=", "photo (1).jpg")),
        ("label=sand", condition("label", "=", "sand")),
        ('label=""', condition("label", "=", "")),
        ("area>=64", condition("area", ">=", 64.0)),
        ("width=640|1280", condition("width", "=", 640.0, 1280.0)),
        ("released>2019-02-01", condition("released", ">", date(2019, 2, 1))),
        ("released=2019-02-*|unknown", condition("released", "=", "2019-02-*", "unknown")),
        ("region.occluded=yes", condition("region.occluded", "=", "yes")),
        ("region.'is hidden'=yes", condition("region.is hidden", "=", "yes")),
        ("image.speed<30", condition("image.speed", "<", 30.0)),
        ("batch=a, batch=b", All((A, B))),
        ("batch=a AND batch=b and batch=c", All((A, B, C))),
        ("batch=a or batch=b, batch=c", Either((A, All((B, C))))),
        ("(batch=a or batch=b), batch=c", All((Either((A, B)), C))),
        ("(batch=a)or(batch=b)", Either((A, B))),
        ("not batch=a or batch=b", Either((Not(A), B))),
        ("not (batch=a or NOT batch=b)", Not(Either((A, Not(B))))),
    ],
)
def test_conditions_are_read(text: str, tree: Tree) -> None:
    assert parse_where(text) == tree


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("annotator", r"a condition is a field, one of = .*; cannot read the end at character 10"),
        ("annotator=", r"a value ends at .*; cannot read the end at character 11"),
        ("label=a, >3", r"begins with the name of a field; cannot read '>3' at character 10"),
        ("label=a,", r"cannot read the end at character 9 of 'label=a,'"),
        ("label='a", r"cannot read \"'a\" at character 7"),
        ("=x", r"cannot read '=x' at character 1"),
        ("label=door area>=64", r"one with any of , \( \) = < > is quoted; cannot read 'door area>=64' at character 7"),
        ("(label=a", r"a bracket that opens must close; cannot read the end at character 9"),
        ("label=a) or label=b", r"joined by 'and', 'or' or commas; cannot read '\) or label=b' at character 8"),
        ("label=a and", r"cannot read the end at character 12"),
        ("not", r"no field in conditions 'not'"),
        ("area>=abc", r"area is compared with a number, got 'abc'; cannot read 'abc' at character 7"),
        ("area=1|big", r"area is compared with a number, got 'big'"),
        ("width>nan", r"width is compared with a number, got 'nan'"),
        ("region.score>high", r"region\.score is compared with a number, got 'high'"),
        ("released>=spring", r"released is compared with a day as in 2019-02-01, got 'spring'"),
        ("released=1.2.2019", r"released is compared with a day"),
        ("label>door", r"label is a text, to be compared by = or !=, got >"),
    ],
)
def test_what_cannot_be_read_is_shown_with_the_rule_and_its_place(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        parse_where(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("annotatr=AT1", r"'annotatr'; did you mean 'annotator'\?; known: annotator, area, batch.*at character 1 "),
        ("batch=a or colour=red", r"no field in conditions 'colour'.*at character 12 "),
        ("regoin.occluded=yes", r"'regoin.occluded'.*known: .*region\.NAME"),
        ("shape=rect|polygn", r"no shape 'polygn'; did you mean 'polygon'\?"),
    ],
)
def test_an_unknown_name_is_told_with_the_known_ones_and_its_place(text: str, says: str) -> None:
    with pytest.raises(UnknownName, match=says):
        parse_where(text)


@pytest.mark.parametrize("text", ["(" * 5000, "not " * 5000, "(" * (LEVELS + 1) + "batch=a" + ")" * (LEVELS + 1)])
def test_what_is_too_deep_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=f"at most {LEVELS} deep"):
        parse_where(text)


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("annotator=AT1", "AT1", True),
        ("annotator=AT*", "AT1", True),
        ("annotator!=AT1", "AT1", False),
        ("annotator!=AT1", None, True),
        ("annotator=unknown", None, True),
        ("annotator=at1", "AT1", False),
        ("area>=64", 64.0, True),
        ("area>64", 64.0, False),
        ("width<=640", 640, True),
        ("width=640", 640, True),
        ("width!=640|1280", 1280, False),
        ("released>=2019-02-01", date(2019, 2, 1), True),
        ("released<2019-02-01", date(2019, 2, 1), False),
        ("released<2019-02-01", None, False),
        ("not released<2019-02-01", None, True),
        ("released=2019-02-*", date(2019, 2, 1), True),
        ("region.a=yes", "yes", True),
        ("region.a=true", True, True),
        ("region.a=3", 3, True),
        ("region.a=3", 3.0, True),
        ("region.a=dent", {"dent": True, "rust": False}, True),
        ("region.a=rust", {"dent": True, "rust": False}, False),
        ("region.a=b", ["a", "b"], True),
        ("region.a>=0.5", 0.75, True),
        ("region.a>=0.5", "0.75", True),
        ("region.a>=0.5", "much", False),
        ("region.a>=0.5", True, False),
        ("region.a=unknown", None, True),
    ],
)
def test_a_condition_holds(text: str, value: object, holds: bool) -> None:
    assert parse_where(text).holds(lambda _: value) is holds


KINDS = {**IMAGE_FIELDS, **REGION_FIELDS}
TEXTS = st.text("ab *?()=<>,.'-", max_size=6).map(str.strip)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.sampled_from(["image", "region"]).flatmap(
    lambda of: st.text("ab .'-", max_size=4).map(lambda n: f"{of}.{n}")
)


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    field = draw(st.one_of(st.sampled_from(sorted(KINDS)), NAMES))
    kind = KINDS.get(field, "attribute")
    signs = ["=", "!="] if kind in ("text", "shape") else ["=", "!=", "<", "<=", ">", ">="]
    sign = draw(st.sampled_from(signs))
    if sign not in ("=", "!="):
        bounds: st.SearchStrategy[Any] = st.dates() if kind == "date" else NUMBERS
        return condition(field, sign, draw(bounds))
    days = st.dates().map(str) | st.just("unknown")
    of_kind: dict[str, st.SearchStrategy[Any]] = {"number": NUMBERS, "date": days, "shape": st.sampled_from(SHAPES)}
    operands: list[Any] = draw(st.lists(of_kind.get(kind, TEXTS), min_size=1, max_size=3))
    return condition(field, sign, *operands)


def joined(parts: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return several.map(All) | several.map(Either) | parts.map(Not)


TREES: st.SearchStrategy[Tree] = st.recursive(conditions(), joined, max_leaves=8)
RECORDS = st.fixed_dictionaries(
    {
        "annotator": st.sampled_from([None, "a", "b"]),
        "released": st.none() | st.dates(),
        "area": st.floats(0, 1e6),
        "region.a": st.one_of(st.none(), st.booleans(), st.integers(), st.text("ab", max_size=2)),
    }
)


@given(TREES)
def test_a_tree_is_written_as_it_is_read(tree: Tree) -> None:
    assert parse_where(str(tree)) == tree


@given(st.lists(TREES, min_size=2, max_size=3), RECORDS)
def test_de_morgan_holds_for_all_records(parts: list[Tree], record: dict[str, object]) -> None:
    trees, denied = tuple(parts), tuple(map(Not, parts))

    assert Not(All(trees)).holds(record.get) is Either(denied).holds(record.get)
    assert Not(Either(trees)).holds(record.get) is All(denied).holds(record.get)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(TepprError):
        parse_where(text)


@given(
    st.lists(st.sampled_from(["label", "=", "a", "(", ")", " and ", " or ", "not ", ",", "'", "|", " "]), max_size=20)
)
def test_any_row_of_words_is_read_or_refused(words: list[str]) -> None:
    with suppress(TepprError):
        assert parse_where(str(parse_where("".join(words)))) == parse_where("".join(words))
