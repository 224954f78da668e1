"""An image over all releases, and releases taken back."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from teppr.annotations.history import history_of, withdraw, write_page
from teppr.annotations.report import IngestReport
from teppr.cli.main import run
from teppr.errors import BadInput, Refused, UnknownName
from teppr.problems import Problem
from teppr.store import Store
from teppr.testing.deliveries import Delivery, rect

Take = Callable[..., IngestReport]
OLD, NEW, OTHER = (
    "images-p1-230119_AT1_via205_010219.json",
    "images-p1-230119_AT1_via205_020319.json",
    "images-p1-230119_AT2_via205_010219.json",
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def files(delivery: Delivery) -> dict[str, Path]:
    """Two releases of AT1 and one of AT2, about one image."""
    delivery.image("a.png")
    return {
        NEW: delivery.via({"a.png": [rect(), rect(x=95), rect(x=50, label="sign")]}, name=NEW),
        OLD: delivery.via({"a.png": [rect()]}, name=OLD),
        OTHER: delivery.via({"a.png": []}, name=OTHER),
    }


@pytest.fixture
def on_record(files: dict[str, Path], take: Take) -> dict[str, Path]:
    take(*files.values())
    return files


@pytest.mark.usefixtures("on_record")
def test_the_history_of_an_image_has_past_releases_the_oldest_first(store: Store) -> None:
    versions = history_of(store, "a.png")
    assert [(Path(one.release.file.path).name, len(one.image.regions), one.state) for one in versions] == [
        (OLD, 1, f"superseded by {NEW}"),
        (OTHER, 0, "current"),
        (NEW, 2, "current"),
    ]
    last = versions[-1].as_dict()
    assert {
        "annotator": "AT1",
        "released": date(2019, 3, 2),
        "tool": "VIA 2.05",
        "problem": "ods",
    }.items() <= last.items()
    assert {
        "regions": 2,
        "regions_rejected": 1,
        "labels": {"car": 1, "sign": 1},
        "state": "current",
    }.items() <= last.items()


@pytest.mark.usefixtures("on_record")
def test_an_image_is_found_by_its_bytes_under_any_name(delivery: Delivery, store: Store, take: Take) -> None:
    (delivery.folder / "copy.png").write_bytes((delivery.folder / "a.png").read_bytes())
    take(delivery.via({"copy.png": []}, name="copy.json"))
    sha256 = history_of(store, "copy.png")[0].image.sha256
    assert {version.image.filename for version in history_of(store, sha256)} == {"a.png", "copy.png"}
    assert len(history_of(store, "copy.png")) == 4


def test_an_image_that_was_not_opened_is_found_by_its_name(files: dict[str, Path], store: Store, take: Take) -> None:
    path = files[OLD].with_name("coco.json")
    path.write_text(
        json.dumps(
            {"images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}], "annotations": [], "categories": []}
        ),
        encoding="utf-8",
    )
    take(path, open_images=False, label_attribute=None)
    (version,) = history_of(store, "a.png")
    assert version.image.sha256 == ""


@pytest.mark.usefixtures("on_record")
def test_every_problem_has_its_entries(files: dict[str, Path], store: Store, take: Take, ods: Problem) -> None:
    take(files[OTHER], problem=replace(ods, id="cls"))
    assert [one.release.file.problem for one in history_of(store, "a.png")].count("cls") == 1
    assert [one.release.file.problem for one in history_of(store, "a.png", "cls")] == ["cls"]


@pytest.mark.usefixtures("on_record")
def test_an_image_that_nobody_annotated_is_refused(store: Store) -> None:
    for name in ("b.png", "0" * 64):
        with pytest.raises(UnknownName, match="no accepted entry of an image"):
            history_of(store, name)


@pytest.mark.usefixtures("on_record")
def test_the_page_draws_every_version(store: Store, tmp_path: Path) -> None:
    page = write_page("a.png", history_of(store, "a.png"), tmp_path / "h.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 3
    assert f"superseded by {NEW}" in page
    assert "1 further regions were" in page


def test_a_withdrawn_release_makes_way_for_the_one_before(on_record: dict[str, Path], store: Store) -> None:
    done = withdraw(store, str(on_record[NEW]), " wrong labels ", NOON)
    assert done.current_again == (str(on_record[OLD]),)
    assert done.as_dict()["state"] == "withdrawn"
    states = {Path(one.release.file.path).name: one.state for one in history_of(store, "a.png")}
    assert states == {OLD: "current", OTHER: "current", NEW: "withdrawn on 2026-03-01: wrong labels"}


def test_what_cannot_be_withdrawn_is_refused(
    on_record: dict[str, Path], store: Store, take: Take, ods: Problem
) -> None:
    path = str(on_record[OTHER])
    with pytest.raises(BadInput, match="for a reason"):
        withdraw(store, path, " ", NOON)
    with pytest.raises(UnknownName, match="no annotation file on record"):
        withdraw(store, "/none.json", "why", NOON)
    take(on_record[OTHER], problem=replace(ods, id="cls"))
    with pytest.raises(BadInput, match="say which with --problem: cls, ods"):
        withdraw(store, path, "why", NOON)
    withdraw(store, path, "why", NOON, "cls")
    with pytest.raises(Refused):
        withdraw(store, path, "why", NOON, "cls")


def test_the_commands_print_for_people_and_programs(
    files: dict[str, Path], home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*words: object, code: int = 0) -> str:
        assert run(["--home", str(home), "annotations", *map(str, words)]) == code
        return capsys.readouterr().out

    call("ingest", *files.values(), code=1)
    assert f"withdrawn: {NEW}\ncurrent again: {OLD}" in call("withdraw", files[NEW], "--why", "wrong")
    versions: list[dict[str, Any]] = json.loads(call("history", "a.png", "--json"))
    assert [version["state"] for version in versions] == ["current", "current", "withdrawn"]
    assert versions[-1]["withdrawn"]["why"] == "wrong"
    assert "AT2" in call("history", "a.png", "--html", tmp_path / "h.html")
    assert (tmp_path / "h.html").is_file()
    done = json.loads(call("withdraw", versions[0]["file_sha256"], "--why", "also wrong", "--json"))
    assert (done["state"], done["current_again"]) == ("withdrawn", [])
    assert call("history", "b.png", code=2) == ""
    assert call("withdraw", "none.json", "--why", "x", code=2) == ""


@pytest.mark.usefixtures("on_record")
def test_the_page_has_the_colours_that_are_given(store: Store, tmp_path: Path) -> None:
    page = write_page("a.png", history_of(store, "a.png"), tmp_path / "h.html", {"car": "#123456"})
    assert "background: #123456" in page.read_text(encoding="utf-8")
