"""What is sent to annotators: their page, and the file of what must be done again."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from teppr.annotations.pages import write_findings
from teppr.annotations.redo import FINDING, UNREAD, write_redo
from teppr.annotations.report import IngestReport
from teppr.annotations.told import told
from teppr.cli.main import run
from teppr.errors import BadInput, UnknownName
from teppr.formats import FORMATS, ReadOptions
from teppr.store import FindingQuery, Store
from teppr.testing.deliveries import Delivery, rect
from teppr.types import Finding, ImageRecord, Provenance, Rect, Region, Severity, Tally

Take = Callable[..., IngestReport]

NAME = "images-p1-230119_AT1_via205_010219.json"
BROKEN: dict[str, Any] = {"shape_attributes": {"name": "rect", "x": 5}, "region_attributes": {"label": "car"}}


@pytest.fixture
def faulty(delivery: Delivery, take: Take) -> Path:
    """Rejected: three regions of a.png, one of them unreadable, and all of gone.png."""
    for name in ("a.png", "b.png"):
        delivery.image(name)
    unlabelled = rect(x=50, label="", seen="once")
    bow_tie = {"name": "polygon", "all_points_x": [1, 20, 20, 1], "all_points_y": [1, 20, 5, 20]}
    regions = {
        "a.png": [rect(), rect(x=95, side="left"), BROKEN, unlabelled],
        "b.png": [rect(), rect() | {"shape_attributes": bow_tie}],
        "gone.png": [rect()],
    }
    path = delivery.via(regions, name=NAME)
    assert take(path).regions == Tally(7, 3, 4)
    return path


def written(store: Store, path: Path, format_name: str = "via", **options: Any) -> list[ImageRecord]:  # noqa: ANN401
    write_redo(store.findings(FindingQuery()), format_name, path, **options)
    records = list(FORMATS.load(format_name).read(path, ReadOptions()).records)
    assert all(isinstance(record, ImageRecord) for record in records)
    return [record for record in records if isinstance(record, ImageRecord)]


@pytest.mark.usefixtures("faulty")
def test_what_must_be_done_again_is_what_was_rejected(store: Store, tmp_path: Path) -> None:
    a, gone = written(store, tmp_path / "redo.json")
    outside, unlabelled = a.regions
    assert isinstance(outside, Region)
    assert isinstance(unlabelled, Region)
    assert (a.filename, outside.shape, outside.label) == ("a.png", Rect(95, 10, 20, 20), "car")
    assert outside.attributes["side"] == "left"
    assert str(outside.attributes[FINDING]).startswith("DR12: the shape reaches 15 px")
    assert unlabelled.label is None
    assert dict(unlabelled.attributes) == {"label": "", "seen": "once", FINDING: "DR10: the region has no label"}
    assert str(a.attributes[UNREAD]).startswith("region 2: DR08: a rect needs a number as y")
    assert (gone.filename, gone.regions) == ("gone.png", ())
    assert gone.attributes == {FINDING: "DR03: 'gone.png' is not in the folder of the images"}


def test_the_tool_knows_the_images_by_their_size(delivery: Delivery, faulty: Path, store: Store) -> None:
    a, gone = written(store, faulty.with_name("redo.json"))
    assert (a.size_bytes, gone.size_bytes) == ((delivery.folder / "a.png").stat().st_size, None)


@pytest.mark.usefixtures("faulty")
def test_warnings_are_done_again_on_demand(store: Store, tmp_path: Path) -> None:
    records = written(store, tmp_path / "redo.json", least=Severity.WARNING)
    assert [(record.filename, len(record.regions)) for record in records] == [
        ("a.png", 2),
        ("b.png", 1),
        ("gone.png", 0),
    ]
    with pytest.raises(BadInput, match="error or warning, got 'note'"):
        write_redo([], "via", tmp_path / "none.json", Severity.NOTE)


def test_what_was_mended_is_accepted(delivery: Delivery, faulty: Path, store: Store, take: Take) -> None:
    redo = faulty.with_name("redo.json")
    written(store, redo)
    document = json.loads(redo.read_text(encoding="utf-8"))
    a = next(entry for entry in document.values() if entry["filename"] == "a.png")
    a["regions"][0]["shape_attributes"]["x"] = 70
    a["regions"][1]["region_attributes"]["label"] = "sign"
    redo.write_text(json.dumps(document), encoding="utf-8")
    delivery.image("gone.png")
    report = take(redo, label_attribute=None, given=Provenance(annotator="AT1"))
    assert (report.exit_code, report.regions) == (0, Tally(2, 2, 0))
    assert report.as_dict()["labels"] == {"car": 1, "sign": 1}
    assert all(summary.superseded_by is None for summary in store.files())


@pytest.mark.usefixtures("faulty")
def test_any_format_of_one_file_will_do(store: Store, tmp_path: Path) -> None:
    a, _ = written(store, tmp_path / "redo.json", "coco")
    assert a.size_wh == (100, 80)
    with pytest.raises(UnknownName, match="known: coco"):
        write_redo([], "cocoa", tmp_path / "none.json")
    assert not (tmp_path / "none.json").exists()


def test_a_file_that_is_wrong_as_a_whole_is_named(delivery: Delivery, take: Take, store: Store, tmp_path: Path) -> None:
    path = delivery.via({"a.png": []}, name=NAME)
    path.write_text("{", encoding="utf-8")
    take(path)
    redo = write_redo(store.findings(FindingQuery()), "via", tmp_path / "redo.json")
    assert redo.as_dict() == {
        "images": 0,
        "regions": 0,
        "not_said": {},
        "unread": 0,
        "whole_files": [NAME],
        "nameless": 0,
        "nameless_at": [],
    }


def test_label_files_without_an_image_are_named(
    delivery: Delivery, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery.image("images/a.png")
    (delivery.folder / "labels").mkdir()
    for name, line in (("a", "0 0.9 0.5 0.4 0.2"), ("b", "0 0.5 0.5 0.2 0.2"), ("c", "0 0.5 0.5 0.2 0.2")):
        (delivery.folder / "labels" / f"{name}.txt").write_text(line)
    (delivery.folder / "data.yaml").write_text("names: [car]")
    command = ["--home", str(home), "annotations"]
    assert run([*command, "ingest", str(delivery.folder)]) == 1
    capsys.readouterr()

    assert run([*command, "findings", "--severity", "error"]) == 0
    shown = capsys.readouterr().out
    assert run([*command, "findings", str(tmp_path / "redo.json")]) == 0
    out, err = capsys.readouterr()

    assert all(place in shown for place in ("labels/a.txt:1", "labels/b.txt ", "labels/c.txt "))
    assert "1 images with 1 regions to be done again" in out
    assert "2 entries have no image and so are not in it" in err
    assert "where they are: labels/b.txt, labels/c.txt\n" in err
    assert "wrong as a whole" not in err


def test_the_command_writes_it_and_says_what_is_not_in_it(
    home: Path, faulty: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    path = faulty.with_name("redo.json")
    assert run(["--home", str(home), "annotations", "ingest", str(faulty)]) == 1
    assert run(["--home", str(home), "annotations", "findings", str(path), "--annotator", "AT1", "--as", "via"]) == 0
    out, err = capsys.readouterr()
    assert "2 images with 2 regions to be done again" in out
    assert "1 regions have no readable shape" in err
    written(store, faulty.with_name("same.json"))
    assert path.read_bytes() == faulty.with_name("same.json").read_bytes()
    assert run(["--home", str(home), "annotations", "findings", "--as", "via"]) == 2


def test_a_page_for_sending_says_how_to_mend_and_to_deliver(faulty: Path, store: Store, tmp_path: Path) -> None:
    files = [summary.file for summary in store.files()]
    _, path = write_findings(store.findings(FindingQuery()), tmp_path, files)
    page = path.read_text(encoding="utf-8")
    assert "Findings for AT1" in page
    assert "(ods, images-p1-230119_AT1, VIA 2.05, released 01 February 2019)" in page
    assert "images-p1-230119_AT1_via205_&lt;ddmmyy&gt;.json" in page
    assert "Region 1, labelled <b>car</b>, a rect" in page
    assert "Move the points inside the image." in page
    for anchor in ("DR12", "DR12-1", "again"):
        assert f'id="{anchor}"' in page
    assert str(faulty.parent) not in page


def test_a_page_tells_of_no_other_annotator(delivery: Delivery, take: Take, store: Store, tmp_path: Path) -> None:
    mine, theirs = delivery.image("at1/a.png"), delivery.folder / "at2" / "secret.png"
    theirs.parent.mkdir()
    theirs.write_bytes(mine.read_bytes())
    for folder, name, who in (("at2", "secret.png", "AT2"), ("at1", "a.png", "AT1")):
        path = delivery.via({name: [rect()]}, name=f"{folder}/via.json")
        take(path, given=Provenance(annotator=who, released=date(2026, 1, 15)))
    findings = list(store.findings(FindingQuery(annotator="AT1")))
    assert {"DR06", "DR18"} <= {finding.rule for finding in findings}
    _, path = write_findings(findings, tmp_path)
    page = path.read_text(encoding="utf-8")
    assert "has the same bytes as 1 image(s) elsewhere" in page.replace("&#39;", "'")
    assert "is annotated by others as well" in page
    assert not any(word in page for word in ("AT2", "secret", "at2"))


def finding(**changes: Any) -> Finding:  # noqa: ANN401
    plain = Finding(
        rule="DR06", severity=Severity.WARNING, scope="entry", message="", remedy="", file="/d/v.json", image="a.png"
    )
    return replace(plain, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"values": {"others": ["/d/b.png", "/e/c.png"], "count": 4}, "image_path": "/d/a.png"},
            "'a.png' has the same bytes as 'b.png' and 3 image(s) elsewhere",
        ),
        (
            {"values": {"others": ["b.png at x"], "count": 1}, "image_path": "/d/a.png"},
            "'a.png' has the same bytes as 'b.png at x'",
        ),
        ({"rule": "DR04", "message": "/d/i/a.png is empty (0 bytes)"}, "a.png is empty (0 bytes)"),
        ({"rule": "DR04", "message": "it is no a.png"}, "it is no a.png"),
        ({"rule": "DR03", "values": {"reason": "spelling"}, "message": "in another spelling"}, "in another spelling"),
        ({"rule": "DR18", "message": "AT2"}, "'a.png' is annotated by others as well"),
    ],
    ids=["copies elsewhere", "copies in the file", "folder", "no folder", "spelling", "colleagues"],
)
def test_a_finding_is_told_without_what_concerns_others(changes: dict[str, Any], message: str) -> None:
    assert told(finding(**changes)).message == message
