"""Every problem that is found keeps the contract, and so does a team's own; what breaks its rules is never made."""

from dataclasses import replace
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from teppr.annotations.rules import RULES
from teppr.metrics.detection import STATS
from teppr.problems.contract import ALWAYS_ERRORS, DESIGN_RULES, METRICS, PROBLEMS, SHAPES, Label, Problem
from teppr.problems.document import parse_problem
from teppr.testing.problems import ONE_OF_EACH, ROADWORKS, ProblemContract
from teppr.types import Severity, Shape

EVERY_KEY = """\
id: all_2
title: Everything that can be said
shapes: [image, mask]
labels: [{name: bee, aliases: [Bee, "bee "], color: "#FFCC00", supercategory: insect}, ant]
open_labels: true
labels_per_image: 2
category_attributes: [kind, type]
required_attributes: [who, {name: occluded, values: ["true", "false"]}]
severities: {DR07: error, DR15: note}
metric: f1
accept: {test/f1: "> 0.5", latency_ms_p95: "<= 120"}
"""


class TestEveryProblem(ProblemContract):
    @pytest.fixture(params=PROBLEMS.names())
    def problem(self, request: pytest.FixtureRequest) -> Problem:
        return PROBLEMS.load(request.param)

    def test_it_is_found_by_its_id(self, problem: Problem) -> None:
        assert PROBLEMS.load(problem.id) == problem


class TestATeamsOwn(ProblemContract):
    @pytest.fixture(params=[ROADWORKS, EVERY_KEY], ids=["roadworks", "every key"])
    def problem(self, request: pytest.FixtureRequest) -> Problem:
        return parse_problem(request.param, name="own.yml")


def test_the_problems_of_the_package_are_found() -> None:
    assert {"cls", "ods", "rbd", "rld"} <= set(PROBLEMS.names())


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("ods", {"rect", "polygon", "circle", "ellipse", "mask"}),
        ("rld", {"polyline"}),
        ("rbd", {"polyline", "polygon"}),
        ("cls", {"image"}),
    ],
)
def test_the_problems_of_the_package_take_any_label_on_their_shapes(name: str, shapes: set[str]) -> None:
    problem = PROBLEMS.load(name)
    assert problem.is_open
    assert set(problem.shapes) == shapes


def test_what_a_problem_may_name_is_what_there_is() -> None:
    assert set(SHAPES) == set(ONE_OF_EACH) == {kind.kind for kind in get_args(Shape)}
    assert tuple(RULES) == DESIGN_RULES
    assert set(ALWAYS_ERRORS) < set(DESIGN_RULES)
    assert set(STATS) < set(METRICS)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"id": "road-works"}, "part of release keys, got 'road-works'"),
        ({"id": ""}, "part of release keys, got ''"),
        ({"title": " "}, "without blanks around it, got ' '"),
        ({"shapes": ()}, "at least 1 item"),
        ({"shapes": ("rect", "line")}, "there is no shape 'line'; known: rect, circle"),
        ({"shapes": ("rect", "rect")}, "'rect' stands twice"),
        ({"labels": (Label(name="a", aliases=("b",)), Label(name="b"))}, "'b' is a spelling of 'a' already"),
        ({"labels": (Label(name="a", aliases=("a",)),)}, "'a' is a spelling of 'a' already"),
        ({"labels_per_image": 1}, "only where shapes hold 'image', got 1"),
        ({"labels_per_image": 0, "shapes": ("image",)}, "greater than or equal to 1"),
        ({"severities": {"DR19": Severity.NOTE}}, "there is no design rule 'DR19'; known: DR01 to DR18"),
        (
            {"severities": {"DR08": Severity.NOTE}},
            "is always an error, for nothing is there to be accepted, got 'note'",
        ),
        ({"metric": "map_5"}, "map_50"),
        ({"accept": {"test/map": "0.5"}}, 'like ">= 0.60" or "<= 120", got \'0.5\''),
    ],
    ids=str,
)
def test_a_problem_that_breaks_a_rule_is_never_made(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        replace(PROBLEMS.load("ods"), **changes)
    assert says in str(caught.value)


def test_what_is_always_an_error_may_be_said_to_be_one() -> None:
    assert replace(PROBLEMS.load("ods"), severities=dict.fromkeys(ALWAYS_ERRORS, Severity.ERROR)).severities
