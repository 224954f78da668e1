"""Folds: equal parts of a dataset, and the dataset as one who trains on all but one of them sees it."""

import json
from pathlib import Path

import pytest

from teppr.cli.main import run
from teppr.datasets.snapshot import Snapshot, find_snapshot
from teppr.errors import BadInput, UnknownName
from teppr.store.open import open_store
from teppr.testing.datasets import put_file, small_snapshot, stored_image
from teppr.types import Rect


@pytest.fixture
def folded(home: Path, capsys: pytest.CaptureFixture[str]) -> Snapshot:
    """Twenty images with a door, five with a hood as well, in five folds."""
    home.mkdir()
    with open_store(f"sqlite:///{home / 'store.db'}") as store:
        box = Rect(1, 1, 2, 2)
        hoods = [stored_image(f"hood{i}", ("hood", box), ("door", box)) for i in range(5)]
        put_file(store, "a.json", [*hoods, *(stored_image(f"door{i}", ("door", box)) for i in range(15))])
    assert run(["--home", str(home), "dataset", "create", "parts", "--folds", "5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {fold: split["images"] for fold, split in told["splits"].items()} == {f"fold{i}": 4 for i in range(1, 6)}
    return find_snapshot(home, "parts")


def test_every_fold_has_every_label(folded: Snapshot) -> None:
    tables = folded.document.splits.values()

    assert [table.per_label["hood"].images for table in tables] == [1] * 5
    assert [table.per_label["door"].images for table in tables] == [4] * 5


def test_one_fold_is_val_and_all_others_are_train(folded: Snapshot, home: Path) -> None:
    fold = find_snapshot(home, "parts#fold2")

    assert fold.splits == ("train", "val")
    assert fold.reference == f"{folded.reference}#fold2"
    assert [image.sha256 for image in fold.images("val")] == [image.sha256 for image in folded.images("fold2")]
    rest = [image.sha256 for name in folded.splits if name != "fold2" for image in folded.images(name)]
    assert [image.sha256 for image in fold.images("train")] == rest
    assert all(image.label_ids.tolist() in ([0], [1], [0, 1], [1, 0]) for image in fold.images("train"))


def test_a_fold_is_found_by_what_it_is_called_wherever_the_dataset_lies(folded: Snapshot, home: Path) -> None:
    fold = folded.fold("fold3")

    for reference in (fold.reference, f"{folded.path}#fold3", f"parts@{folded.version[:6]}#fold3"):
        assert find_snapshot(home, reference).reference == fold.reference


def test_a_fold_counts_what_it_holds(folded: Snapshot) -> None:
    document = folded.fold("fold1").document

    assert (document.splits["train"].images, document.splits["val"].images) == (16, 4)
    assert document.splits["train"].per_label["hood"].regions == 4
    assert sum(table.regions for table in document.splits.values()) == document.regions


def test_verifying_a_fold_verifies_the_dataset(home: Path) -> None:
    snapshot = small_snapshot(home)
    fold = snapshot.fold("test")
    assert fold.verify() == []

    snapshot.images("train")[0].path.write_bytes(b"other")

    assert len(fold.verify()) == 1


def test_a_fold_is_shown_like_a_dataset(folded: Snapshot, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--home", str(home), "dataset", "show", "parts#fold2", "--json"]) == 0

    assert list(json.loads(capsys.readouterr().out)["splits"]) == ["train", "val"]
    assert folded.name == "parts"


@pytest.mark.usefixtures("folded")
def test_a_fold_that_there_is_not_is_named(home: Path) -> None:
    with pytest.raises(UnknownName, match=r"no split of parts@\w+ 'fold6'; did you mean 'fold\d'"):
        find_snapshot(home, "parts#fold6")
    with pytest.raises(UnknownName, match=r"no dataset 'part'"):
        find_snapshot(home, "part#fold6")


@pytest.mark.usefixtures("folded")
def test_a_dataset_of_one_split_has_nothing_left_to_train_on(home: Path) -> None:
    assert run(["--home", str(home), "dataset", "create", "whole", "--split", "100"]) == 0

    with pytest.raises(BadInput, match="nothing would be left to train on"):
        find_snapshot(home, "whole#train")


def test_a_dataset_of_folds_says_how_one_is_held_out(folded: Snapshot) -> None:
    hint = r"known: fold1, .*, fold5; parts#fold1 is fold1 as val and all others as train$"
    with pytest.raises(UnknownName, match=rf"no split of parts@\w+ 'val'.*; {hint}"):
        folded.images("val")
    with pytest.raises(UnknownName, match=r"known: fold1, fold2, fold3, fold4, fold5$"):
        folded.images("test")


@pytest.mark.usefixtures("folded")
def test_many_folds_are_shown_one_below_the_other(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--home", str(home), "dataset", "create", "many", "--folds", "19", "--allow-missing", "hood"]
    assert run(command) == 0

    shown = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines()]
    assert max(map(len, shown.splitlines()[:30])) < 80
    assert "many@" in shown
    assert "19 splits, 5.3% of the images asked for each" in " ".join(shown.split())
    folds = [row for row in rows if row and row[0].startswith("fold")]
    assert [row[0] for row in folds] == [f"fold{i:02}" for i in range(1, 20)]
    assert sum(int(row[1]) for row in folds) == 20
    assert sum(int(row[2]) for row in folds) == 25
    assert ["all", "20", "25", "2"] in rows
    assert ["hood", "5", "5", "0", "1"] in rows


def test_what_is_done_next_is_said_with_a_fold(
    home: Path, folded: Snapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--home", str(home), "dataset", "create", folded.name, "--folds", "12", "--labels", "door"]) == 0

    assert "next: an experiment file that says 'dataset: parts#fold01'" in capsys.readouterr().out
