"""`teppr annotations ...` as people and programs call it."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from teppr.cli.main import run
from teppr.testing.deliveries import Delivery, rect

NAME = "images-p1-230119_AT1_via205_010219.json"


class Cli:
    """Calls the command line with a home of its own."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._home = home
        self._capsys = capsys
        self.out = ""
        self.err = ""

    def __call__(self, *words: object) -> int:
        code = run(["--home", str(self._home), "annotations", *map(str, words)])
        self.out, self.err = self._capsys.readouterr()
        return code

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever was printed
        return json.loads(self.out)


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(home, capsys)


@pytest.fixture
def faulty(delivery: Delivery) -> Path:
    delivery.image("a.png")
    return delivery.via({"a.png": [rect(), rect(x=90)]}, name=NAME)


def test_ingest_shows_the_accounting_and_the_rules(cli: Cli, faulty: Path) -> None:
    assert cli("ingest", faulty) == 1
    assert "rejected" in cli.out
    assert "DR12" in cli.out
    assert "the label is attribute 'label'" in cli.err


def test_ingest_counts_the_findings_of_a_rule_by_how_they_weigh(cli: Cli, delivery: Delivery) -> None:
    delivery.image("a.png")
    boxes = [rect(x=90), rect(x=80.5), rect(x=80.5, y=30)]
    assert cli("ingest", delivery.via({"a.png": boxes}, name=NAME)) == 1
    (row,) = [line.split("│") for line in cli.out.splitlines() if "DR12" in line]
    assert [cell.strip() for cell in row[1:3]] == ["DR12", "1 error, 2 note"]


def test_ingest_prints_one_object_for_programs(cli: Cli, faulty: Path) -> None:
    assert cli("ingest", faulty, "--clip-tolerance", 20, "--json") == 0
    report = cli.json
    assert list(report) == [
        "files",
        "entries",
        "regions",
        "images",
        "labels",
        "shapes",
        "findings",
        "refused",
        "seconds",
    ]
    assert report["regions"] == {"read": 2, "accepted": 2, "rejected": 0}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["none.json"], 2, "is not there"),
        (["FILE", "--problem", "odd"], 2, "did you mean 'ods'"),
        (["FILE", "--format", "cocoa"], 2, "known: coco"),
        (["FILE", "--label-attribute", "lable"], 2, "lable"),
        (["FILE", "--released", "yesterday"], 2, "yesterday"),
        (["FILE", "--workers", "0"], 2, "workers"),
    ],
)
def test_wrong_words_are_refused_with_what_is_known(
    cli: Cli, faulty: Path, words: list[str], code: int, says: str
) -> None:
    assert cli("ingest", *(faulty if word == "FILE" else word for word in words)) == code
    assert says in cli.err
    assert "Traceback" not in cli.err


def test_a_file_that_cannot_be_read_is_exit_code_2(cli: Cli, faulty: Path) -> None:
    faulty.write_text("{", encoding="utf-8")
    assert cli("ingest", faulty, "--json") == 2
    assert cli("files", "--json") == 0
    assert cli.json[0]["state"] == "rejected"


def test_provenance_is_given_where_the_name_says_nothing(cli: Cli, faulty: Path) -> None:
    path = faulty.rename(faulty.parent / "any.json")
    cli("ingest", path, "--annotator", "AT7", "--tool", "VIA", "--batch", "b", "--released", "2026-01-15")
    cli("files", "--json")
    (row,) = cli.json
    assert (row["annotator"], row["batch"], row["released"]) == ("AT7", "b", "2026-01-15")
    assert row["findings"] == {"DR12": 1}


def test_findings_are_listed_filtered_and_written(cli: Cli, faulty: Path, tmp_path: Path) -> None:
    cli("ingest", faulty)
    assert cli("findings") == 0
    assert "10 px beyond" in " ".join(cli.out.split())
    assert cli("findings", "--json", "--rule", "DR12", "--severity", "error", "--annotator", "AT1") == 0
    assert [(found["rule"], found["region_index"], found["file"]) for found in cli.json] == [("DR12", 1, str(faulty))]
    assert cli("findings", "--file", faulty, "--csv", tmp_path / "f.csv", "--html", tmp_path / "html") == 0
    assert len(list(csv.DictReader((tmp_path / "f.csv").read_text(encoding="utf-8").splitlines()))) == 1
    assert (tmp_path / "html" / "findings-AT1.html").is_file()
    cli("findings", "--rule", "DR18")
    assert "no findings" in cli.out


def test_an_unknown_rule_is_refused(cli: Cli) -> None:
    assert cli("findings", "--rule", "DR99") == 2
    assert "DR09" in cli.err


def test_the_rules_are_listed_with_their_severity(cli: Cli) -> None:
    assert cli("rules", "--json") == 0
    assert {row["rule"]: row["severity"] for row in cli.json}["DR14"] == "warning"
    assert cli("rules") == 0
    assert "DR18" in cli.out


def test_statistics_are_shown_and_written(cli: Cli, faulty: Path, tmp_path: Path) -> None:
    cli("ingest", faulty)
    assert cli("stats") == 0
    assert "By label" in cli.out
    assert cli("stats", "--problem", "ods", "--json", "--csv", tmp_path / "s.csv", "--html", tmp_path / "s.html") == 0
    assert cli.json["by_label"][0]["regions"] == 1
    assert (tmp_path / "s.csv").is_file()
    assert (tmp_path / "s.html").is_file()


def test_export_and_verify_and_convert(cli: Cli, faulty: Path, tmp_path: Path) -> None:
    cli("ingest", faulty)
    assert cli("export", tmp_path / "coco.json", "--annotator", "AT1", "--json") == 0
    assert (cli.json["images"], cli.json["regions"]) == (1, 1)
    assert cli("export", tmp_path / "all.json", "--file", faulty, "--format", "via", "--json") == 0
    assert cli.json["regions"] == 1
    assert cli("export", tmp_path / "all.json", "--file", "other.json") == 2
    assert str(faulty) in cli.err
    assert cli("convert", tmp_path / "coco.json", tmp_path / "via.json", "--format", "via", "--json") == 0
    assert (cli.json["from"], cli.json["to"]) == ("coco", "via")
    assert cli("verify") == 0
    assert "as they were ingested" in cli.out
    (faulty.parent / "a.png").unlink()
    assert cli("verify", "--json") == 1
    assert [row["problem"] for row in cli.json["differences"]] == ["missing"]


def test_files_are_listed_for_people(cli: Cli, faulty: Path) -> None:
    cli("ingest", faulty)
    assert cli("files", "--current") == 0
    assert "AT1" in cli.out
    assert "2019-02-01" in cli.out


def test_a_store_that_is_none_is_said_in_a_sentence(cli: Cli, home: Path, faulty: Path) -> None:
    home.mkdir()
    (home / "store.db").write_bytes(b"no database" * 500)
    assert cli("ingest", faulty) == 2
    assert "not a sound SQLite database" in cli.err


@pytest.mark.parametrize(
    "command", ["", "ingest", "findings", "stats", "files", "export", "convert", "verify", "rules"]
)
def test_every_command_has_help_with_examples(cli: Cli, command: str) -> None:
    assert cli(*command.split(), "--help") == 0
    assert not command or f"teppr annotations {command}" in cli.out


@pytest.mark.parametrize(("kind", "images"), [("street", 48), ("road", 24)])
def test_the_planted_faults_of_the_samples_are_found(cli: Cli, tmp_path: Path, kind: str, images: int) -> None:
    from teppr.scenes.delivery import deliver
    from teppr.scenes.road_delivery import deliver_roads

    write, problem = {"street": (deliver, "ods"), "road": (deliver_roads, "rld")}[kind]
    made = write(tmp_path / "job", images=images, samples=0, seed=7)
    expected = json.loads((tmp_path / "job" / "EXPECTED.json").read_text(encoding="utf-8"))
    assert cli("ingest", made.job, "--problem", problem, "--json") == 1
    assert cli.json["findings"] == expected["findings"]
    cli("findings", "--json")
    found = {(Path(each["file"]).name, each["image"], each["region_index"], each["rule"]) for each in cli.json}
    assert found == {(each["file"], each["image"], each["region_index"], each["rule"]) for each in expected["planted"]}


def test_a_file_whose_label_is_a_tie_keeps_no_other_back(cli: Cli, delivery: Delivery) -> None:
    delivery.image("a.png")
    delivery.via({"a.png": [rect()]}, name="1.json")
    tied = delivery.via({"a.png": [rect(label="", kind="car", size="big")]}, name="2.json")

    assert cli("ingest", delivery.folder, "--json") == 1

    assert (cli.json["files"]["read"], cli.json["files"]["accepted"]) == (1, 1)
    (refused,) = cli.json["refused"]
    assert refused["file"] == str(tied)
    assert "say which with --label-attribute" in refused["reason"]
    assert cli("ingest", delivery.folder) == 1
    assert f"not ingested: {tied}: the label must be the value of one attribute" in cli.out.replace("\n", " ")
    cli("files", "--json")
    assert [Path(row["path"]).name for row in cli.json] == ["1.json"]


def test_nothing_ingested_at_all_is_wrong_input(cli: Cli, delivery: Delivery) -> None:
    for name in ("1.json", "2.json"):
        delivery.via({"a.png": [rect(label="", kind="car", size=name)]}, name=name)
    assert cli("ingest", delivery.folder, "--json") == 2
    assert len(cli.json["refused"]) == 2


def test_a_rejected_file_says_why_where_it_is_told(cli: Cli, faulty: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"a": ')
    assert cli("ingest", faulty, broken) == 1
    assert f"rejected: {broken}: " in cli.out
    assert "it is not JSON" in cli.out or "JSON" in cli.out.split("rejected: ", 1)[1].splitlines()[0]
    assert "severity" in cli.out


def test_an_annotator_whom_nobody_knows_is_wrong_input(cli: Cli, faulty: Path, tmp_path: Path) -> None:
    cli("ingest", faulty)
    for words in (["findings"], ["export", tmp_path / "out.json"]):
        assert cli(*words, "--annotator", "AT2") == 2
        assert cli.err.endswith("there is no annotator on record 'AT2'; did you mean 'AT1'?; known: AT1\n")
    assert not (tmp_path / "out.json").exists()


def test_an_unknown_annotator_is_nobodys_name(cli: Cli, faulty: Path) -> None:
    cli("ingest", faulty.rename(faulty.parent / "any.json"))
    assert cli("findings", "--annotator", "unknown") == 2
    told = "no annotator on record 'unknown'; known: none yet; files whose annotator is unknown are chosen one by one"
    assert told in cli.err


@pytest.mark.parametrize("command", ["export", "convert"])
def test_a_file_that_is_there_is_overwritten_by_force_only(
    cli: Cli, faulty: Path, tmp_path: Path, command: str
) -> None:
    cli("ingest", faulty)
    target = tmp_path / "mine.json"
    target.write_text("mine")
    words = [command, *([faulty] if command == "convert" else []), target, "--format", "via"]

    assert cli(*words) == 1
    assert "is there already; choose another name, or overwrite it: --force" in cli.err
    assert target.read_text() == "mine"

    assert cli(*words, "--force") == 0
    assert "a.png" in target.read_text()


def test_sizes_that_are_missed_say_what_gives_them(cli: Cli, faulty: Path, tmp_path: Path) -> None:
    assert cli("convert", faulty, tmp_path / "1.json") == 0
    assert "width and height of 1 images are not known; give --images FOLDER" in cli.err
    assert cli("convert", faulty, tmp_path / "2.json", "--images", faulty.parent) == 0
    assert "width and height" not in cli.err


def test_a_folder_of_folders_says_that_they_are_to_be_named(cli: Cli, faulty: Path) -> None:
    assert cli("ingest", faulty.parents[1]) == 2
    assert f"subfolders are not searched: {faulty.parent.name}; name them" in cli.err
