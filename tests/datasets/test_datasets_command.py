"""`teppr dataset` as people and machines use it."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from teppr.cli.main import run
from teppr.store.open import open_store
from teppr.testing.datasets import put_file, small_snapshot, stored_image
from teppr.types import Rect

SMALL = Rect(1, 1, 2, 2)


@pytest.fixture
def filled(home: Path) -> Path:
    """A home whose database has ten doors, ten hoods and a single mirror."""
    home.mkdir()
    with open_store(f"sqlite:///{home / 'store.db'}") as store:
        doors = [stored_image(f"door{i}", ("door", SMALL)) for i in range(10)]
        hoods = [stored_image(f"hood{i}", ("hood", SMALL), ("hood", Rect(5, 5, 9, 9))) for i in range(10)]
        put_file(store, "a.json", doors, annotator="AT1")
        put_file(store, "b.json", [*hoods, stored_image("mirror", ("mirror", SMALL))], annotator="AT2")
    return home


def call(home: Path, *arguments: str) -> int:
    return run(["--home", str(home), "dataset", *arguments])


def answer(capsys: pytest.CaptureFixture[str]) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(capsys.readouterr().out)


def test_create_answers_as_specified(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = call(filled, "create", "parts", "--labels", "hood,door", "--split", "70/20/10", "--json")

    told = answer(capsys)
    assert code == 0
    assert list(told) == ["name", "version", "problem", "labels", "splits", "seconds"]
    assert (told["name"], told["problem"], told["labels"]) == ("parts", "ods", ["hood", "door"])
    assert list(told["splits"]) == ["train", "val", "test"]
    assert told["splits"]["train"]["per_label"] == {
        "hood": {"images": 7, "regions": 14},
        "door": {"images": 7, "regions": 7},
    }
    assert sum(split["images"] for split in told["splits"].values()) == 21
    assert 0 < told["seconds"] < 60


def test_show_answers_like_create(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(filled, "create", "parts", "--labels", "door", "--json")
    created = answer(capsys)

    assert call(filled, "show", "parts", "--json") == 0

    shown = answer(capsys)
    assert {**shown, "seconds": 0} == {**created, "seconds": 0}


def test_people_see_a_table_what_was_left_out_and_the_folder(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(filled, "create", "parts", "--labels", "door,hood") == 0

    told = capsys.readouterr()
    assert "door" in told.out
    assert "█ train ▓ val ▒ test" in told.out
    assert str(filled / "datasets" / "parts") in told.out
    assert "regions left out by --labels: 1" in told.err


def test_an_impossible_split_is_refused_for_machines(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(filled, "create", "parts", "--json") == 1

    (row,) = answer(capsys)["refused"]
    assert (row["label"], row["groups"], row["splits"]) == ("mirror", 1, 3)
    assert "let it be missing: --allow-missing mirror" in row["remedies"]
    assert not (filled / "datasets").exists()


def test_an_impossible_split_is_explained_to_people(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(filled, "create", "parts") == 1

    told = capsys.readouterr()
    assert "Labels in conflict" in told.out
    assert "--rename mirror=OTHER" in told.out
    assert "label mirror is in 1 group(s) of images, fewer than the 3 splits" in told.err


def test_what_the_table_advises_helps(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(filled, "create", "parts", "--allow-missing", "mirror") == 0
    assert call(filled, "create", "parts", "--rename", "mirror=door") == 0
    assert call(filled, "create", "parts", "--labels", "door", "--labels", "hood") == 0
    assert call(filled, "create", "parts", "--where", "label!=mirror", "--no-background") == 0
    assert "images left out by --no-background: 1" in capsys.readouterr().err


def test_labels_that_are_too_rare_are_advised_on_together_in_words_to_paste(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    with open_store(f"sqlite:///{home / 'store.db'}") as store:
        doors = [stored_image(f"door{i}", ("door", SMALL)) for i in range(10)]
        rare = [stored_image(name, (name, SMALL)) for name in ("rear mirror", "driver's door")]
        put_file(store, "a.json", [*doors, *rare])

    assert call(home, "create", "parts", "--json") == 1

    (row,) = answer(capsys)["refused"]
    options = [shlex.split(remedy.partition(": ")[2]) for remedy in row["remedies"]]
    together = ["--allow-missing", "driver's door,rear mirror"]
    one = row["label"]
    assert one in {"rear mirror", "driver's door"}
    assert [words for words in options if words] == [
        ["--rename", f"{one}=OTHER"],
        ["--drop", one],
        ["--allow-missing", one],
        together,
    ]
    assert row["remedies"][-1].startswith("let all 2 that are too rare be missing: ")
    assert call(home, "create", "parts", *together) == 0


def test_shares_that_could_not_be_met_are_told_with_the_reason(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.mkdir()
    with open_store(f"sqlite:///{home / 'store.db'}") as store:
        for batch, count in (("p1", 15), ("p2", 5)):
            images = [stored_image(f"{batch}-{i}", ("door", SMALL)) for i in range(count)]
            put_file(store, f"{batch}.json", images, batch=batch)

    assert call(home, "create", "whole", "--split", "50/50", "--by", "batch") == 0
    told = capsys.readouterr().err
    assert call(home, "create", "even", "--split", "50/50") == 0

    assert "has 75.0% of the images, asked was 50.0%: groups stay whole (--by, --near-duplicates)" in told
    assert "has 25.0% of the images, asked was 50.0%" in told
    assert "asked was" not in capsys.readouterr().err


def test_given_splits_are_taken_from_files(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--assign", "train=a.json", "--assign", "val=b.json"]
    for label in ("door", "hood", "mirror"):
        options += ["--allow-missing", label]

    assert call(filled, "create", "parts", *options, "--json") == 0

    assert {name: split["images"] for name, split in answer(capsys)["splits"].items()} == {"train": 10, "val": 11}


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--split", "70/20"], 2, "sum to 100"),
        (["--split", "80/20", "--assign", "train=a.json"], 2, "give --split or --assign"),
        (
            ["--split", "80/20", "--folds", "3"],
            2,
            "give --split or --assign or --folds, got --split 80/20 and --folds 3",
        ),
        (["--folds", "1"], 2, "2 to 99 folds, got 1"),
        (["--extend", "6ae2"], 2, "no dataset '6ae2'"),
        (["--assign", "train"], 2, "--assign wants SPLIT=FILE, got 'train'"),
        (["--rename", "=b"], 2, "--rename wants OLD=NEW"),
        (["--labels", "dor"], 2, "did you mean 'door'"),
        (["--where", "colour=red"], 2, "no field in conditions 'colour'"),
        (["--problem", "odds"], 2, "no problem 'odds'"),
        (["--by", "moon"], 2, "no attribute of images to group by 'moon'; known: annotator, batch"),
    ],
)
def test_wrong_input_is_told_in_a_sentence(
    filled: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, says: str
) -> None:
    assert call(filled, "create", "parts", *options) == code

    assert says in capsys.readouterr().err


def test_a_version_goes_on_from_an_older_one(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(filled, "create", "parts", "--labels", "door", "--json")
    version = answer(capsys)["version"]

    assert call(filled, "create", "parts", "--labels", "door,hood", "--extend", version[:6], "--json") == 0

    told = answer(capsys)
    document = json.loads((filled / "datasets" / "parts" / told["version"] / "dataset.json").read_text())
    assert document["split"]["extends"] == f"parts@{version}"


def test_images_that_are_no_frames_are_counted(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(filled, "create", "parts", "--labels", "door", "--split", "100", "--by", "video") == 0

    assert "images that lack what the others are grouped by, each a group of its own: 1" in capsys.readouterr().err


def test_list_names_all_versions(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = small_snapshot(home, seed=1), small_snapshot(home, seed=2)

    assert call(home, "list", "--json") == 0
    listed = {row["version"]: row for row in answer(capsys)}
    assert call(home, "list") == 0

    assert set(listed) == {first.version, second.version}
    assert [listed[one.version]["latest"] for one in (first, second)] == [False, True]
    assert listed[first.version]["labels"] == ["circle", "square", "triangle"]
    assert first.version in capsys.readouterr().out.replace("│", "")


def test_a_home_without_datasets_lists_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(home, "list", "--json") == 0

    assert answer(capsys) == []


def test_verify_says_what_has_changed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = small_snapshot(home)
    assert call(home, "verify", "shapes") == 0
    assert "is intact" in capsys.readouterr().out

    changed = snapshot.images("test")[0].path
    changed.write_bytes(b"other")

    assert call(home, "verify", "shapes", "--json") == 1
    told = answer(capsys)
    assert (told["dataset"], told["intact"], len(told["changed"])) == (snapshot.reference, False, 1)
    assert str(changed) in told["changed"][0]


def test_verify_finds_an_edited_summary(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = small_snapshot(home).path / "dataset.json"
    path.write_text(path.read_text().replace('"ods"', '"rld"'))

    assert call(home, "verify", "shapes") == 1

    assert "dataset.json was changed" in capsys.readouterr().out


def test_path_prints_the_folder_and_nothing_else(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = small_snapshot(home)

    assert call(home, "path", "shapes") == 0
    assert capsys.readouterr().out == f"{snapshot.path}\n"
    assert call(home, "path", str(snapshot.path), "--json") == 0
    assert answer(capsys) == {"dataset": snapshot.reference, "path": str(snapshot.path)}


def test_an_unknown_dataset_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(home, "show", "shapes") == 2

    assert "no dataset 'shapes'; known: none yet" in capsys.readouterr().err
