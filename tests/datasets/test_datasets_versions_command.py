"""`teppr dataset` about versions, as people and machines use it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from teppr.cli.main import run
from teppr.datasets.document import SplitRecord
from teppr.datasets.snapshot import Snapshot, dataset_versions
from teppr.datasets.tables import ImageRow, RegionRow
from teppr.datasets.write import Content, write_snapshot
from teppr.store.open import open_store
from teppr.testing.datasets import put_file, small_snapshot, stored_image
from teppr.testing.releases import small_release
from teppr.types import Rect
from teppr.workflow.experiment import parse_experiment
from teppr.workflow.run import create_run

NOWHERE = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50"
SMALL = Rect(1, 1, 2, 2)


def call(home: Path, *arguments: str) -> int:
    return run(["--home", str(home), "dataset", *arguments])


def answer(capsys: pytest.CaptureFixture[str]) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def street(home: Path) -> Callable[..., Snapshot]:
    """Makes versions of a dataset of ten doors by AT1 and ten hoods by AT2."""
    home.mkdir()
    with open_store(f"sqlite:///{home / 'store.db'}") as store:
        doors = [stored_image(f"door{i}", ("door", SMALL)) for i in range(10)]
        hoods = [stored_image(f"hood{i}", ("hood", SMALL)) for i in range(10)]
        put_file(store, "a.json", doors, annotator="AT1", batch="p1", released=date(2026, 1, 20))
        put_file(store, "b.json", hoods, annotator="AT2", batch="p2")

    def make(*options: str) -> Snapshot:
        before = set(dataset_versions(home, "street"))
        assert call(home, "create", "street", *options) == 0
        (version,) = set(dataset_versions(home, "street")) - before
        return Snapshot.open(home / "datasets" / "street" / version)

    return make


def release_of(home: Path, snapshot: Snapshot) -> str:
    """A run that was begun on the dataset and a release of it; the run's id."""
    made = create_run(home, parse_experiment(f"name: street\ndataset: {snapshot.reference}\n", name="street.yml"))
    small_release(home, "acme-ods-8", run=made.id, dataset=snapshot.reference)
    return made.id


def test_diff_tells_people_and_machines_the_same(
    home: Path, street: Callable[..., Snapshot], capsys: pytest.CaptureFixture[str]
) -> None:
    one = street("--split", "80/20", "--seed", "1")
    other = street("--split", "80/20", "--seed", "2", "--labels", "door")
    capsys.readouterr()

    assert call(home, "diff", one.reference, other.reference, "--json") == 0
    told = answer(capsys)
    assert call(home, "diff", one.reference, "street") == 0
    shown = capsys.readouterr().out

    assert (told["one"], told["other"], told["same"]) == (one.reference, other.reference, False)
    assert told["counts"]["regions"]["removed"] == len(told["regions"]["removed"]) == 10
    assert told["labels"] == {"added": [], "removed": ["hood"]}
    assert told["settings"]["split.seed"] == {"before": 1, "after": 2}
    assert told["counts"]["images"]["moved"] == len(told["images"]["moved"]) > 0
    assert "labels removed: hood" in shown
    assert "split.seed" in shown
    assert f"image moved: {told['images']['moved'][0]['filename']} (" in shown


def test_a_difference_is_an_exit_code_only_where_that_is_asked_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = small_snapshot(home, seed=1, images=5), small_snapshot(home, seed=2, images=5)

    assert call(home, "diff", one.reference, other.reference) == 0
    assert call(home, "diff", one.reference, other.reference, "--exit-code") == 1
    assert call(home, "diff", str(one.path), one.reference, "--exit-code") == 0
    assert "no difference" in capsys.readouterr().out


def test_lineage_goes_both_ways(
    home: Path, street: Callable[..., Snapshot], capsys: pytest.CaptureFixture[str]
) -> None:
    made = release_of(home, street("--split", "80/20"))
    capsys.readouterr()

    assert call(home, "lineage", "street", "--json") == 0
    (dataset,) = answer(capsys)
    assert call(home, "lineage", "AT1", "--json") == 0
    (annotator,) = answer(capsys)
    assert call(home, "lineage", "acme-ods-8") == 0
    shown = capsys.readouterr().out

    assert [(one["name"], one["annotator"], one["batch"], one["released"]) for one in dataset["from"]] == [
        ("a.json", "AT1", "p1", "2026-01-20"),
        ("b.json", "AT2", "p2", None),
    ]
    assert [(one["kind"], one["name"]) for one in dataset["made"]] == [("run", made)]
    assert dataset["made"][0]["made"][0]["name"] == "acme-ods-8"
    assert annotator["made"][0]["made"][0]["made"][0]["made"][0]["name"] == "acme-ods-8"
    for name in (made, "street@", "a.json (AT1, p1, released 2026-01-20)", "annotator AT2"):
        assert name in shown


def test_lineage_needs_no_database(
    home: Path,
    street: Callable[..., Snapshot],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    release_of(home, street("--split", "80/20"))
    (home / "store.db").unlink()
    capsys.readouterr()

    assert call(home, "lineage", "AT2") == 0
    told = capsys.readouterr()
    assert "acme-ods-8" in told.out
    assert "the annotation database was not read" in told.err
    monkeypatch.setenv("TEPPR_STORE", NOWHERE)
    assert call(home, "lineage", "AT2") == 0
    assert call(home, "lineage", "AT7") == 2


def test_a_version_that_a_release_was_made_from_is_not_deleted(
    home: Path, street: Callable[..., Snapshot], capsys: pytest.CaptureFixture[str]
) -> None:
    released, other = street("--split", "80/20"), street("--split", "70/30")
    run_id = release_of(home, released)
    later = create_run(home, parse_experiment(f"name: late\ndataset: {other.reference}\n", name="late.yml"))
    capsys.readouterr()

    assert call(home, "delete", released.reference) == 1
    assert "acme-ods-8" in capsys.readouterr().err
    assert call(home, "delete", other.reference) == 0
    told = capsys.readouterr()

    assert f"run {later.id} was made from it" in told.err
    assert run_id not in told.err
    assert told.out == f"deleted: {other.reference}; street is now {released.version}\n"
    assert dataset_versions(home, "street") == [released.version]


def test_delete_answers_machines(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = small_snapshot(home, images=5)

    assert call(home, "delete", f"shapes@{snapshot.version[:6]}", "--json") == 0

    assert answer(capsys) == {"deleted": snapshot.reference, "runs": [], "latest": None}


def test_a_packed_file_arrives_where_there_is_no_database(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = small_snapshot(home, images=5)
    file, there = tmp_path / "shapes.tar", tmp_path / "there"
    monkeypatch.setenv("TEPPR_STORE", NOWHERE)

    assert call(home, "pack", "shapes", str(file), "--json") == 0
    told = answer(capsys)
    assert (told["dataset"], told["images"], told["size_bytes"]) == (snapshot.reference, 5, file.stat().st_size)
    assert call(home, "pack", "shapes", str(file)) == 1
    assert "overwrite it: --force" in capsys.readouterr().err
    assert call(home, "pack", "shapes", str(file), "--force") == 0
    capsys.readouterr()

    assert call(there, "unpack", str(file), "--json") == 0
    assert answer(capsys)["path"] == str(there / "datasets" / "shapes" / snapshot.version)
    assert call(there, "verify", "shapes") == 0
    assert call(there, "list", "--json") == 0
    assert call(there, "unpack", str(tmp_path / "shapes")) == 2


def test_list_tells_size_date_and_whether_it_is_packed(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_snapshot(home, images=5)
    call(home, "pack", "shapes", str(tmp_path / "shapes.tar"))
    call(tmp_path / "there", "unpack", str(tmp_path / "shapes.tar"))
    capsys.readouterr()

    rows = []
    for folder in (home, tmp_path / "there"):
        assert call(folder, "list", "--json") == 0
        rows += answer(capsys)

    assert [row["packed"] for row in rows] == [False, True]
    for row in rows:
        files = [path for path in Path(row["path"]).rglob("*") if path.is_file()]
        assert row["size_bytes"] == sum(path.stat().st_size for path in files)
        assert abs(datetime.now(UTC) - datetime.fromisoformat(row["created"])).days < 1


def test_one_that_cannot_be_read_does_not_hide_the_others(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = small_snapshot(home, seed=1, images=5), small_snapshot(home, seed=2, images=5)
    (first.path / "dataset.json").write_text("{}")

    assert call(home, "list", "--json") == 0

    told = capsys.readouterr()
    assert [row["version"] for row in json.loads(told.out)] == [second.version]
    assert first.version in told.err


def test_show_sets_shares_beside_those_asked_for(
    home: Path, street: Callable[..., Snapshot], capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = street("--split", "80/20", "--where", "annotator!=AT9")
    capsys.readouterr()

    assert call(home, "show", snapshot.reference) == 0

    told = capsys.readouterr().out
    assert "train, 80% asked" in told
    assert "80.0%" in told
    assert "teppr dataset create street --problem ods --where 'annotator!=AT9' --split 80/20" in told
    assert "a.json (AT1, p1, released 2026-01-20)" in told


def test_many_labels_are_shown_by_frequency_and_all_if_asked_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tuple(f"label{i:02d}" for i in range(60))
    region = RegionRow(shape=SMALL, label="", box_xywh_px=(1, 1, 2, 2), area_px=4)
    regions = tuple(replace(region, label=label) for i, label in enumerate(labels) for _ in range(i + 1))
    row = ImageRow(path="/a.jpg", filename="a.jpg", sha256="a" * 64, size_wh=(9, 9), split="train", regions=regions)
    content = Content(name="many", problem="ods", labels=labels, rows=[row], split=SplitRecord(method="files"))
    write_snapshot(home, content)

    assert call(home, "show", "many") == 0
    few = capsys.readouterr().out
    assert call(home, "show", "many", "--all") == 0
    every = capsys.readouterr().out

    assert few.index("label59") < few.index("label58") < few.index("label20")
    assert "label19" not in few
    assert "the 40 most frequent of 60 labels; --all gives all" in few
    assert all(label in every for label in labels)
