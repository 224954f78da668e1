"""`teppr problems` as people and programs use it, and every other command that takes --problem."""

import shutil
from pathlib import Path

import pytest

from teppr.cli.main import run
from teppr.problems.contract import PROBLEMS
from teppr.problems.document import parse_problem, text_of
from teppr.testing.commands import Cli
from teppr.testing.deliveries import Delivery, rect
from teppr.testing.problems import ROADWORKS


def _keep(roadworks: Path, home: Path) -> Path:
    (home / "problems").mkdir(parents=True)
    return Path(shutil.copy(roadworks, home / "problems"))


def test_all_problems_are_listed_with_where_a_teams_own_is(cli: Cli, roadworks: Path, home: Path) -> None:
    kept = _keep(roadworks, home)
    assert cli("problems", "list", "--json") == 0
    rows = {row["id"]: row for row in cli.json}
    assert {"cls", "ods", "rbd", "rld", "roadworks"} <= set(rows)
    assert rows["roadworks"] == {
        "id": "roadworks",
        "title": "Roadworks",
        "shapes": ["rect", "polygon"],
        "labels": ["cone", "barrier"],
        "open": False,
        "metric": "map_75",
        "file": str(kept),
    }
    assert (rows["ods"]["open"], rows["ods"]["file"]) == (True, None)
    assert cli("problems", "list") == 0
    assert "Road-lane detection" in cli.out
    assert "2 labels" in cli.out


def test_a_faulty_file_is_named_and_the_others_are_listed(cli: Cli, roadworks: Path, home: Path) -> None:
    kept = _keep(roadworks, home)
    kept.with_name("faulty.yml").write_text("id: faulty", encoding="utf-8")
    assert cli("problems", "list", "--json") == 2
    assert "roadworks" in [row["id"] for row in cli.json]
    assert f"error: {kept.with_name('faulty.yml')}:1: title: is missing" in cli.err


def test_a_problem_is_shown_with_what_differs_from_the_usual(cli: Cli, roadworks: Path) -> None:
    assert cli("problems", "show", roadworks) == 0
    shown = " ".join(cli.out.split())
    for said in ("Roadworks", "pylon, traffic cone", "#ff7f00", "███", "DR14 error", "side (one of left, right)"):
        assert said in shown
    for said in ("rect, polygon", "map_75", "test/map_75 >= 0.5", "label attributes: kind"):
        assert said in shown
    assert cli("problems", "show", "cls") == 0
    assert "labels per image: 1" in cli.out
    assert "severity" not in cli.out


def test_a_problem_is_shown_for_programs_with_every_key(cli: Cli, roadworks: Path) -> None:
    assert cli("problems", "show", roadworks, "--json") == 0
    assert cli.json["labels"][1] == {"name": "barrier", "aliases": [], "color": None, "supercategory": None}
    assert cli.json["severities"] == {"DR14": "error", "DR16": "error", "DR07": "error"}
    assert cli("problems", "show", "ods", "--json", "--yaml") == 2


def test_a_shipped_problem_is_edited_into_a_teams_own(cli: Cli, tmp_path: Path) -> None:
    assert cli("problems", "show", "ods", "--yaml") == 0
    assert parse_problem(cli.out, name="printed") == PROBLEMS.load("ods")
    mine = tmp_path / "mine.yml"
    mine.write_text(cli.out, encoding="utf-8")
    assert cli("problems", "check", mine) == 2
    assert "mine.yml:2: id: 'ods' is the id of a problem of teppr" in cli.err
    mine.write_text(mine.read_text(encoding="utf-8").replace("id: ods", "id: mine"), encoding="utf-8")
    assert cli("problems", "check", mine) == 0


def test_a_sound_file_is_said_to_be_and_how_to_use_it(cli: Cli, roadworks: Path, home: Path) -> None:
    assert cli("problems", "check", roadworks) == 0
    assert f"{roadworks} is sound: roadworks, Roadworks, 2 labels" in cli.out
    assert f"--problem roadworks once it lies in {home / 'problems'}" in cli.out
    assert cli("problems", "check", _keep(roadworks, home)) == 0
    assert "once it lies" not in cli.out
    assert cli("problems", "check", roadworks, "--json") == 0
    assert (cli.json["path"], cli.json["problem"]["id"]) == (str(roadworks), "roadworks")


def test_a_faulty_file_is_exit_code_2_with_its_lines(cli: Cli, roadworks: Path) -> None:
    roadworks.write_text(ROADWORKS.replace("rect", "rct").replace("DR14", "DR99"), encoding="utf-8")
    assert cli("problems", "check", roadworks, "--json") == 2
    assert cli.json["error"] == "BadProblem"
    assert [line.split(": ")[0] for line in cli.json["detail"].splitlines()] == [f"{roadworks}:3", f"{roadworks}:14"]


@pytest.fixture
def delivered(delivery: Delivery) -> Path:
    """Twelve cones and a file that says so."""
    images = [f"{number}.png" for number in range(12)]
    for name in images:
        delivery.image(name)
    return delivery.via({name: [rect(label="pylon", side="left")] for name in images})


def test_every_command_takes_a_file_as_well_as_an_id(
    cli: Cli, roadworks: Path, delivered: Path, home: Path, tmp_path: Path
) -> None:
    assert cli("annotations", "ingest", delivered, "--problem", roadworks, "--json") == 0
    assert cli.json["labels"] == {"cone": 12}
    for name in (roadworks, "roadworks"):
        for command in (["files"], ["findings"], ["stats"], ["verify"], ["export", "--force", tmp_path / "out.json"]):
            assert cli("annotations", *command, "--problem", name, "--json") == 0
            assert cli.json
    assert cli("annotations", "files", "--problem", "ods", "--json") == 0
    assert cli.json == []
    assert cli("annotations", "findings", "--problem", roadworks.with_name("none.yml")) == 2
    assert "cannot read the problem file" in cli.err
    assert cli("annotations", "rules", "--problem", roadworks, "--json") == 0
    assert {row["rule"]: row["severity"] for row in cli.json}["DR14"] == "error"
    assert cli("dataset", "create", "cones", "--problem", "roadworks") == 2
    assert f"found by its id in {home / 'problems'}" in cli.err
    assert cli("dataset", "create", "cones", "--problem", roadworks, "--json") == 0
    by_file = cli.json
    _keep(roadworks, home)
    assert cli("dataset", "create", "cones", "--problem", "roadworks", "--json") == 0
    assert {**cli.json, "seconds": 0} == {**by_file, "seconds": 0}
    assert (by_file["problem"], by_file["labels"]) == ("roadworks", ["cone"])


def test_a_problems_colours_are_the_datasets(cli: Cli, roadworks: Path, delivered: Path, home: Path) -> None:
    from teppr.datasets.snapshot import find_snapshot

    cli("annotations", "ingest", delivered, "--problem", roadworks)
    assert cli("dataset", "create", "cones", "--problem", roadworks) == 0
    assert [(label.name, label.color) for label in find_snapshot(home, "cones").labels] == [("cone", "#ff7f00")]


def test_help_is_given_without_a_home(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["problems", "--help"]) == 0
    assert "check" in capsys.readouterr().out


def test_text_of_every_problem_is_what_is_shown(cli: Cli) -> None:
    for problem in PROBLEMS.all():
        assert cli("problems", "show", problem.id, "--yaml") == 0
        assert cli.out == text_of(problem)
