"""What every annotation specification must do. Authors of a problem inherit `ProblemContract` and supply a fixture.

class TestMyProblem(ProblemContract):
    @pytest.fixture
    def problem(self) -> Problem:
        return PLUGIN

"""

from __future__ import annotations

import string
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import strategies as st

from teppr.annotations.checks import Surroundings, as_kept, check, subject_of
from teppr.annotations.rules import RULES
from teppr.colors import rgb_of
from teppr.geometry import mask_of_bitmap
from teppr.measures import measure
from teppr.problems.contract import (
    ALWAYS_ERRORS,
    DESIGN_RULES,
    METRICS,
    SHAPES,
    Label,
    Problem,
    RequiredAttribute,
)
from teppr.problems.document import parse_problem, text_of
from teppr.registry.acceptance import Criterion
from teppr.types import (
    Circle,
    Ellipse,
    Polygon,
    Polyline,
    Rect,
    Region,
    Release,
    Severity,
    Shape,
    Spot,
    WholeImage,
)

SIZE_WH = (100, 80)
ONE_OF_EACH: Mapping[str, Shape] = {
    shape.kind: shape
    for shape in (
        Rect(10, 10, 20, 20),
        Polygon((((10, 10), (30, 10), (30, 30)),)),
        Circle(50, 40, 10),
        Ellipse(50, 40, 10, 5),
        Polyline(((10, 70), (50, 10))),
        Spot(50, 40),
        mask_of_bitmap(np.pad(np.ones((20, 20), np.uint8), ((10, 50), (10, 70)))),
        WholeImage(),
    )
}
"""A sound shape of each kind, inside an image of `SIZE_WH`."""

ROADWORKS = """\
id: roadworks
title: Roadworks
shapes: [rect, polygon]
labels:
  - name: cone
    aliases: [pylon, traffic cone]
    color: "#ff7f00"
    supercategory: barrier
  - barrier
category_attributes: [kind]
required_attributes:
  - name: side
    values: [left, right]
severities: {DR14: error, DR16: error, DR07: error}
metric: map_75
accept: {test/map_75: ">= 0.5"}
"""
"""A team's own problem, as its file says it."""

_texts = st.text(min_size=1, max_size=12)
names = _texts.map(str.strip).filter(lambda text: bool(text) and text.isprintable())
"""Any name that a label, an attribute or a title may have."""
spellings = _texts.filter(lambda text: bool(text.strip()))
"""Any other spelling that a label may have."""
_colors = st.from_regex(r"#[0-9a-f]{6}", fullmatch=True)
_accept = st.dictionaries(names, st.sampled_from([">= 0.6", "<=120", "> 1e-3", "< -0.5"]), max_size=2)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Any problem."""
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, unique=True))
    spelled = draw(st.lists(names, unique=True, max_size=4))
    others = draw(st.lists(spellings.filter(lambda text: text not in spelled), unique=True, max_size=4))
    required = draw(st.lists(names, unique=True, max_size=2))
    softened = st.sampled_from([rule for rule in DESIGN_RULES if rule not in ALWAYS_ERRORS])
    return Problem(
        id=draw(st.text(string.ascii_lowercase + string.digits + "_", min_size=1, max_size=8)),
        title=draw(names),
        shapes=tuple(shapes),
        labels=tuple(
            Label(
                name=name,
                aliases=tuple(others[i :: len(spelled)]),
                color=draw(st.none() | _colors),
                supercategory=draw(st.none() | names),
            )
            for i, name in enumerate(spelled)
        ),
        open_labels=draw(st.booleans()),
        labels_per_image=draw(st.none() | st.integers(1, 5)) if WholeImage.kind in shapes else None,
        category_attributes=tuple(draw(st.lists(names, unique=True, max_size=2))),
        required_attributes=tuple(
            RequiredAttribute(name=name, values=tuple(draw(st.lists(names, max_size=2)))) for name in required
        ),
        severities=draw(st.dictionaries(softened, st.sampled_from(Severity), max_size=3)),
        metric=draw(st.sampled_from(METRICS)),
        accept=draw(_accept),
    )


class ProblemContract:
    """Every problem passes these; subclass and supply the fixture `problem`."""

    def test_its_id_is_part_of_release_keys(self, problem: Problem) -> None:
        assert Release.parse(f"acme-{problem.id}-8").problem == problem.id

    def test_its_file_says_the_same(self, problem: Problem) -> None:
        assert parse_problem(text_of(problem), name="problem.yml") == problem

    def test_every_spelling_of_its_labels_is_taken_as_the_label(self, problem: Problem) -> None:
        for label in problem.labels:
            for spelling in (label.name, *label.aliases):
                assert problem.label_of(spelling) == label.name
                assert problem.knows(problem.label_of(spelling))

    def test_other_labels_are_taken_where_the_list_is_open(self, problem: Problem) -> None:
        other = "".join(problem.label_names) + "?"
        assert problem.label_of(other) == other
        assert problem.knows(other) == problem.is_open

    def test_its_colors_are_colors(self, problem: Problem) -> None:
        assert set(problem.colors) <= set(problem.label_names)
        assert all(len(rgb_of(color)) == 3 for color in problem.colors.values())

    @pytest.mark.parametrize("kind", SHAPES)
    def test_of_sound_regions_those_of_its_shapes_are_accepted(self, problem: Problem, kind: str) -> None:
        region = _region(problem, ONE_OF_EACH[kind])
        around = Surroundings(problem=problem, size_wh=SIZE_WH, clip_tolerance_px=0)
        subject = subject_of(region, measure([region.shape])[0], around)
        assert [found.rule for found in check(subject)] == ([] if kind in problem.shapes else ["DR09"])
        assert as_kept(subject)[0] == region

    def test_its_severities_are_of_design_rules(self, problem: Problem) -> None:
        for rule, severity in problem.severities.items():
            assert rule in RULES
            assert severity is Severity.ERROR or rule not in ALWAYS_ERRORS

    def test_its_criteria_can_be_judged(self, problem: Problem) -> None:
        for figure, wanted in problem.accept.items():
            assert Criterion.parse(figure, wanted).figure == figure


def _region(problem: Problem, shape: Shape) -> Region:
    attributes = {required.name: (*required.values, "any")[0] for required in problem.required_attributes}
    label = problem.label_names[0] if problem.labels else "any"
    return Region(shape=shape, label=label, index=0, where="regions[0]", attributes=attributes)
