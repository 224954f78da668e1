"""A problem's file: the same problem again, or a sentence with the line of what is wrong."""

from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from teppr.errors import BadProblem
from teppr.problems.contract import PROBLEMS, Label, Problem, RequiredAttribute
from teppr.problems.document import parse_problem, read_problem, text_of
from teppr.testing.problems import ROADWORKS, problems
from teppr.types import Severity


def test_a_file_says_all_that_a_problem_is() -> None:
    assert parse_problem(ROADWORKS, name="roadworks.yml") == Problem(
        id="roadworks",
        title="Roadworks",
        shapes=("rect", "polygon"),
        labels=(
            Label(name="cone", aliases=("pylon", "traffic cone"), color="#ff7f00", supercategory="barrier"),
            Label(name="barrier"),
        ),
        category_attributes=("kind",),
        required_attributes=(RequiredAttribute(name="side", values=("left", "right")),),
        severities={"DR14": Severity.ERROR, "DR16": Severity.ERROR, "DR07": Severity.ERROR},
        metric="map_75",
        accept={"test/map_75": ">= 0.5"},
    )


@given(problems())
def test_a_problem_written_and_read_is_the_same(problem: Problem) -> None:
    assert parse_problem(text_of(problem), name="any.yml") == problem


def test_what_is_written_has_every_key_below_its_meaning() -> None:
    text = text_of(PROBLEMS.load("ods"))
    keys = [line.split(":")[0] for line in text.splitlines() if line[0:1].isalpha()]
    assert keys == list(yaml.safe_load(text))
    assert text.count("\n\n# ") == len(keys) - 1
    assert text.startswith("# Letters a-z, digits and _: part of release keys.\nid: ods\n")


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("metric:", "metrics:"), 15, "metrics: unknown key; did you mean 'metric'?; known: id, title, shapes, labels"),
        (("color:", "colour:"), 7, "labels[0].colour: unknown key; did you mean 'color'?; known: name, aliases, color"),
        (("    values:", "    among:"), 13, "required_attributes[0].among: unknown key; known: name, values"),
        (("title: Roadworks", ""), 1, "title: is missing"),
        (("id: roadworks", "id: road works"), 1, "id: an id has the letters a-z, digits and _ only"),
        (("polygon", "polygons"), 3, "shapes[1]: there is no shape 'polygons'; known: rect, circle"),
        (("- barrier", "- 7"), 9, "labels[1]: input should be"),
        (("- barrier", "- pylon"), 9, "labels[1]: 'pylon' is a spelling of 'cone' already"),
        (('"#ff7f00"', "orange"), 7, "labels[0].color: a colour is like \"#ff7f00\", in quotes, got 'orange'"),
        (('"#ff7f00"', "#ff7f00"), 7, "labels[0].color: a colour stands in quotes"),
        (("DR14", "DR41"), 14, "severities.DR41: there is no design rule 'DR41'; known: DR01 to DR18"),
        (
            ("DR14: error", "DR14: fatal"),
            14,
            "severities.DR14: input should be 'error', 'warning' or 'note', got 'fatal'",
        ),
        (("DR14: error", "DR01: warning"), 14, "severities.DR01: is always an error"),
        (("map_75\n", "maps\n"), 15, "metric: input should be 'map', 'map_50'"),
        (('">= 0.5"', "0.5"), 16, "accept.test/map_75: input should be a valid string, got 0.5"),
        (('">= 0.5"', '"=> 0.5"'), 16, 'accept.test/map_75: a criterion is like ">= 0.60" or "<= 120", got \'=> 0.5\''),
        (("metric:", "labels_per_image: 1\nmetric:"), 15, "only where shapes hold 'image', got 1"),
        (("metric:", "title: Other\nmetric:"), 15, "key 'title' stands twice"),
        (("[rect", "[[rect"), 4, "not valid YAML"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_wrong_is_said_with_its_line(change: tuple[str, str], line: int, says: str) -> None:
    with pytest.raises(BadProblem) as caught:
        parse_problem(ROADWORKS.replace(*change), name="own.yml")
    assert says in str(caught.value)
    assert f"own.yml:{line}:" in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(BadProblem) as caught:
        parse_problem("{id: A, title: '', shapes: [], label: [], metric: 3}", name="own.yml")
    assert len(str(caught.value).splitlines()) == 5


@pytest.mark.parametrize(
    "text", ["", "just words", "- a\n- b", "\x00", "!!python/object:os.system {}", "{a: b: c}", "[" * 5000, "{1: 2}"]
)
def test_what_is_no_problem_is_refused(text: str) -> None:
    with pytest.raises(BadProblem, match=r"own\.yml"):
        parse_problem(text, name="own.yml")


def test_a_document_that_grows_without_end_is_refused_in_a_short_sentence() -> None:
    doubled = "\n".join(f"- &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))
    with pytest.raises(BadProblem) as caught:
        parse_problem(f"- &a0 lol\n{doubled}", name="own.yml")
    assert len(str(caught.value)) < 1000


@given(st.text(max_size=60))
def test_any_text_is_a_problem_or_refused_with_a_sentence(text: str) -> None:
    with suppress(BadProblem):
        assert isinstance(parse_problem(text, name="own.yml"), Problem)


def test_a_teams_own_hides_none_of_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(text_of(PROBLEMS.load("ods")), encoding="utf-8")
    with pytest.raises(BadProblem, match=r"mine\.yml:2: id: 'ods' is the id of a problem of teppr"):
        read_problem(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadProblem, match=r"cannot read the problem file .*none\.yml"):
        read_problem(tmp_path / "none.yml")
    (tmp_path / "latin.yml").write_bytes(b"id: stra\xdfe")
    with pytest.raises(BadProblem, match=r"cannot read the problem file .*latin\.yml"):
        read_problem(tmp_path / "latin.yml")
