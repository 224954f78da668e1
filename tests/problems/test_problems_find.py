"""Problems are found by id or by file."""

import shutil
from pathlib import Path

import pytest

from teppr.errors import BadProblem, UnknownName
from teppr.problems.contract import PROBLEMS
from teppr.problems.find import FOLDER, colors_named, own_problems, problem_named
from teppr.testing.problems import ROADWORKS


@pytest.fixture
def folder(home: Path) -> Path:
    """The home's folder of problems."""
    path = home / FOLDER
    path.mkdir(parents=True)
    return path


def test_one_of_teppr_is_found_by_its_id(home: Path) -> None:
    assert problem_named("rld", home) is PROBLEMS.load("rld")


def test_a_file_is_found_by_its_path(home: Path, roadworks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert problem_named(str(roadworks), home).id == "roadworks"
    monkeypatch.chdir(roadworks.parent)
    assert problem_named("roadworks.yml", home).id == "roadworks"


def test_a_file_of_the_home_is_found_by_its_id_whatever_its_name(home: Path, roadworks: Path, folder: Path) -> None:
    shutil.copy(roadworks, folder / "of-2026.yaml")
    assert problem_named("roadworks", home).title == "Roadworks"
    assert [own.path.name for own in own_problems(home).sound] == ["of-2026.yaml"]


def test_an_unknown_problem_is_answered_with_the_known_ones_and_what_to_do(
    home: Path, roadworks: Path, folder: Path
) -> None:
    shutil.copy(roadworks, folder)
    with pytest.raises(UnknownName, match=r"did you mean 'roadworks'.*known: cls, ods, rbd, rld, roadworks") as caught:
        problem_named("roadwork", home)
    assert f"found by its id in {folder}" in str(caught.value)


def test_a_faulty_file_of_the_home_is_named_where_a_problem_is_missed_and_else_is_in_nobodys_way(
    home: Path, roadworks: Path, folder: Path
) -> None:
    shutil.copy(roadworks, folder)
    (folder / "half.yml").write_text(ROADWORKS.replace("roadworks", "half").replace("rect", "rct"), encoding="utf-8")
    assert problem_named("roadworks", home).id == "roadworks"
    with pytest.raises(BadProblem, match=r"(?s)there is no problem 'half'.*half\.yml:3: shapes\[0\]"):
        problem_named("half", home)


def test_of_two_files_with_one_id_neither_is_taken(home: Path, roadworks: Path, folder: Path) -> None:
    shutil.copy(roadworks, folder / "a.yml")
    shutil.copy(roadworks, folder / "b.yml")
    with pytest.raises(BadProblem, match=r"a\.yml and .*b\.yml have the same id 'roadworks'"):
        problem_named("roadworks", home)
    assert own_problems(home).sound == []


def test_a_home_without_the_folder_has_none(home: Path) -> None:
    assert own_problems(home).sound == []
    with pytest.raises(UnknownName, match="there is no problem 'roadworks'"):
        problem_named("roadworks", home)


def test_colours_are_those_of_the_problems_that_are_there(home: Path, roadworks: Path, folder: Path) -> None:
    assert colors_named(["roadworks", "ods"], home) == {}
    shutil.copy(roadworks, folder)
    given = problem_named("roadworks", home).colors
    assert given
    assert colors_named(["roadworks", "gone", "ods"], home) == given
