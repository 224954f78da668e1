"""The checks of regions, each at its border."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.annotations.checks import Subject, Surroundings, as_kept, check, subject_of
from teppr.annotations.rules import RULES, Broken, severity_of
from teppr.geometry import area
from teppr.measures import measure
from teppr.problems import PROBLEMS, Label, Problem
from teppr.problems.contract import RequiredAttribute
from teppr.types import Circle, Ellipse, Mask, Polygon, Polyline, Rect, Region, Severity, Shape, Spot, WholeImage

SIZE_WH = (100, 80)
INSIDE = Rect(10, 10, 20, 20)
ALL_SHAPES = ("rect", "polygon", "circle", "ellipse", "mask", "polyline", "point", "image")


def _problem(**changes: Any) -> Problem:  # noqa: ANN401
    return replace(PROBLEMS.load("ods"), shapes=ALL_SHAPES, **changes)


def _around(problem: Problem | None = None, size_wh: tuple[int, int] | None = SIZE_WH) -> Surroundings:
    return Surroundings(problem=problem or _problem(), size_wh=size_wh, clip_tolerance_px=2)


def _region(shape: Shape = INSIDE, label: str | None = "car", **changes: Any) -> Region:  # noqa: ANN401
    return Region(shape=shape, label=label, index=0, where="regions[0]", **changes)


def _subject(region: Region, around: Surroundings | None = None) -> Subject:
    return subject_of(region, measure([region.shape])[0], around or _around())


def _broken(region: Region, around: Surroundings | None = None) -> list[tuple[str, Severity]]:
    """What is wrong with a region; as the first of an entry, unless `around` knows of others."""
    around = around or _around()
    alone = replace(around, firsts=dict(around.firsts), image_labels=dict(around.image_labels))
    return [(found.rule, severity_of(found, around.problem)) for found in check(_subject(region, alone))]


def test_a_sound_region_breaks_nothing() -> None:
    assert _broken(_region()) == []


def test_every_rule_has_a_scope_a_severity_and_a_remedy() -> None:
    assert list(RULES) == [f"DR{number:02d}" for number in range(1, 19)]
    assert all(rule.checks and rule.remedy.endswith(".") for rule in RULES.values())


def test_a_shape_must_be_allowed() -> None:
    around = _around(replace(_problem(), shapes=("rect",)))
    assert _broken(_region(Circle(50, 40, 10)), around) == [("DR09", Severity.ERROR)]


@pytest.mark.parametrize("label", [None, "", "  "])
def test_a_region_must_be_labelled(label: str | None) -> None:
    assert _broken(_region(label=label)) == [("DR10", Severity.ERROR)]


def test_a_label_must_be_in_a_closed_list_aliases_applied() -> None:
    around = _around(_problem(labels=(Label(name="car", aliases=("automobile",)), Label(name="sign"))))
    assert _broken(_region(label="sign"), around) == []
    assert _broken(_region(label="bird"), around) == [("DR11", Severity.ERROR)]
    alias = _region(label="automobile")
    assert _broken(alias, around) == []
    assert as_kept(_subject(alias, around))[0].label == "car"


@pytest.mark.parametrize(
    ("shape", "severities"),
    [
        pytest.param(Rect(0, 0, 100, 80), [], id="the whole image"),
        pytest.param(Rect(90, 10, 10.001, 10), [Severity.NOTE], id="a trace beyond"),
        pytest.param(Rect(-2, 10, 20, 10), [Severity.NOTE], id="as far as is tolerated"),
        pytest.param(Rect(-2.001, 10, 20, 10), [Severity.ERROR], id="farther"),
        pytest.param(Circle(95, 40, 6), [Severity.NOTE], id="circle"),
        pytest.param(Ellipse(50, 40, 60, 10), [Severity.ERROR], id="ellipse"),
        pytest.param(Ellipse(50, 40, 10, 60, 1.5707963267948966), [Severity.ERROR], id="turned ellipse"),
        pytest.param(Polyline(((0, 0), (101, 80))), [Severity.NOTE], id="line"),
        pytest.param(Spot(100, 80), [], id="point in the corner"),
        pytest.param(Spot(50, 99), [Severity.ERROR], id="point below"),
        pytest.param(Mask("04L4", (4, 4)), [Severity.ERROR], id="mask of another image"),
    ],
)
def test_a_shape_lies_inside_its_image(shape: Shape, severities: list[Severity]) -> None:
    assert _broken(_region(shape)) == [("DR12", severity) for severity in severities]


def test_without_a_size_nothing_is_outside() -> None:
    assert _broken(_region(Rect(-50, 0, 20, 20)), _around(size_wh=None)) == []


def test_a_mask_of_another_image_is_an_error_whatever_the_problem_says() -> None:
    around = _around(_problem(severities={"DR12": Severity.WARNING}))
    assert _broken(_region(Mask("04L4", (4, 4))), around) == [("DR12", Severity.ERROR)]


def test_a_clipped_region_is_inside_and_states_nothing_of_the_old_shape() -> None:
    region = _region(Rect(-1, 70, 20, 11.5), box_xywh_px=(-1, 70, 20, 11.5), area_px=230)
    kept, _ = as_kept(_subject(region))
    assert kept == _region(Rect(0, 70, 19, 10))


def test_what_the_problem_tolerates_outside_is_clipped_all_the_same() -> None:
    around = _around(_problem(severities={"DR12": Severity.WARNING}))
    region = _region(Rect(90, 10, 50, 10))
    assert _broken(region, around) == [("DR12", Severity.WARNING)]
    assert as_kept(_subject(region, around))[0].shape == Rect(90, 10, 10, 10)


@pytest.mark.parametrize(
    "shape",
    [
        Rect(5, 5, 0, 10),
        Rect(5, 5, 10, -1),
        Circle(50, 40, 0),
        Ellipse(50, 40, 5, 0),
        Polygon(((),)),
        Polygon((((1, 1), (5, 5)),)),
        Polygon((((1, 1), (5, 5), (1, 1), (5, 5)),)),
        Polygon((((1, 1), (5, 5), (9, 9)),)),
        Polyline(((3, 3), (3, 3))),
        Polyline(()),
        Mask("P`1", (100, 80)),
    ],
    ids=str,
)
def test_a_degenerate_shape_is_an_error(shape: Shape) -> None:
    assert ("DR13", Severity.ERROR) in _broken(_region(shape))


def test_a_shape_that_is_clipped_away_is_degenerate() -> None:
    assert _broken(_region(Rect(100, 10, 1, 10))) == [("DR12", Severity.NOTE), ("DR13", Severity.ERROR)]


def test_flat_rings_are_left_out_of_a_sound_polygon() -> None:
    sound = ((10, 10), (20, 10), (20, 20))
    region = _region(Polygon((((1, 1), (2, 2)), sound)))
    assert _broken(region) == [("DR13", Severity.WARNING)]
    assert as_kept(_subject(region))[0].shape == Polygon((sound,))


def test_a_polygon_that_crosses_itself_is_warned_of() -> None:
    bowtie = Polygon((((10, 10), (30, 30), (30, 10), (10, 35)),))
    assert _broken(_region(bowtie)) == [("DR14", Severity.WARNING)]


def test_a_repetition_is_the_same_shape_and_label() -> None:
    first = _region(Polygon((((1, 1), (5, 1), (5, 5)),)))
    again = replace(first, shape=Polygon((((1.0, 1), (5, 1), (5, 5)),), closed_in_file=True), index=1)
    problem = _problem(labels=(Label(name="car", aliases=("automobile",)), Label(name="sign")))
    for label, broken in {"car": ["DR15"], "automobile": ["DR15"], "sign": []}.items():
        around = _around(problem)
        _subject(first, around)
        assert [rule for rule, _ in _broken(replace(again, label=label), around)] == broken


@pytest.mark.parametrize(
    ("label", "most", "rules"),
    [
        pytest.param("bee", 1, [], id="the one that the image has"),
        pytest.param("ant", 1, ["DR10"], id="another"),
        pytest.param("ant", None, [], id="another where any number is allowed"),
        pytest.param("ant", 2, [], id="the second of two"),
        pytest.param(" ", 1, ["DR10"], id="none"),
    ],
)
def test_an_image_has_no_more_labels_than_the_problem_allows(label: str, most: int | None, rules: list[str]) -> None:
    around = replace(_around(_problem(labels_per_image=most)), image_labels={"bee": 0})
    assert [rule for rule, _ in _broken(_region(WholeImage(), label), around)] == rules
    assert _broken(_region(INSIDE, label="ant"), around) == []


def test_labels_beyond_those_that_an_image_may_have_make_no_room() -> None:
    around = replace(_around(_problem(labels_per_image=2)), image_labels={"bee": 0, "ant": 1, "fly": 2})
    assert _broken(_region(WholeImage(), "ant"), around) == []
    (found,) = check(_subject(_region(WholeImage(), "fly"), around))
    assert found.message == "the image is labelled 'fly', and by region 0 'bee' already; ods allows 2 labels an image"


def test_required_attributes_are_given_with_allowed_values() -> None:
    required = (RequiredAttribute(name="side", values=("left", "right")), RequiredAttribute(name="kind"))
    around = _around(_problem(required_attributes=required))
    assert _broken(_region(attributes={"side": "left"}, label_attribute="kind"), around) == []
    assert _broken(_region(attributes={"side": "up", "kind": "x"}), around) == [("DR16", Severity.WARNING)]
    assert _broken(_region(attributes={"side": "left", "kind": " "}), around) == [("DR16", Severity.WARNING)]


@pytest.mark.parametrize(
    ("value", "sound"),
    [
        pytest.param("true", True, id="text"),
        pytest.param(True, True, id="a truth value"),
        pytest.param(1, True, id="a number"),
        pytest.param(2, False, id="another number"),
        pytest.param({"true": True, "0.5": False}, True, id="a checkbox"),
        pytest.param({"true": True, "0.5": True}, False, id="a checkbox with a wrong tick"),
        pytest.param({"true": False}, False, id="a checkbox without a tick"),
        pytest.param(["true", 1], True, id="a list"),
        pytest.param([], False, id="an empty list"),
    ],
)
def test_an_attributes_value_is_compared_as_text(value: object, *, sound: bool) -> None:
    around = _around(_problem(required_attributes=(RequiredAttribute(name="occluded", values=("true", "1")),)))
    assert _broken(_region(attributes={"occluded": value}), around) == ([] if sound else [("DR16", Severity.WARNING)])


def test_a_problem_sets_severities_but_makes_no_mild_case_worse() -> None:
    problem = _problem(severities={"DR12": Severity.ERROR, "DR14": Severity.ERROR})
    assert severity_of(Broken(rule="DR14", message=""), problem) is Severity.ERROR
    assert severity_of(Broken(rule="DR12", message="", severity=Severity.NOTE), problem) is Severity.NOTE


numbers = st.integers(-10, 120) | st.floats(-1e308, 1e308)
points = st.tuples(numbers, numbers)
shapes = st.one_of(
    st.builds(Rect, numbers, numbers, numbers, numbers),
    st.builds(Circle, numbers, numbers, numbers),
    st.builds(Ellipse, numbers, numbers, numbers, numbers, st.floats(-7, 7)),
    st.builds(Polygon, st.lists(st.lists(points, max_size=7).map(tuple), min_size=1, max_size=3).map(tuple)),
    st.builds(Polyline, st.lists(points, max_size=5).map(tuple)),
    st.builds(Spot, numbers, numbers),
)


@given(shapes, st.sampled_from([Severity.ERROR, Severity.WARNING]))
def test_whatever_is_kept_is_inside_its_image(shape: Shape, severity: Severity) -> None:
    around = _around(_problem(severities={"DR12": severity}))
    subject = _subject(_region(shape), around)
    broken = list(check(subject))
    if all(severity_of(found, around.problem) is not Severity.ERROR for found in broken):
        kept, measured = as_kept(subject)[0].shape, as_kept(subject)[1]
        reach = measure([kept])[0]
        assert measured[:4] == reach[:4]
        assert measured.area_px2 == pytest.approx(reach.area_px2)
        beyond_px = max(-reach.x0, -reach.y0, reach.x1 - SIZE_WH[0], reach.y1 - SIZE_WH[1])
        assert beyond_px == pytest.approx(0, abs=1e-9) or beyond_px < 0
        assert area(kept) >= 0
