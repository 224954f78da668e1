"""Real annotated sets, ingested and split as a user would: no label is missing, or the refusal says which and why."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from teppr.cli.main import run
from teppr.datasets.snapshot import Snapshot, find_snapshot
from teppr.files import sha256_of

SHARES = pytest.mark.parametrize("shares", ["80/10/10", pytest.param("70/20/10", marks=pytest.mark.slow)])


def created(home: Path, documents: list[Path], *options: str) -> int:
    assert run(["--home", str(home), "annotations", "ingest", *map(str, documents)]) in (0, 1)  # 1: there are findings
    return run(["--home", str(home), "dataset", "create", "real", *options])


def labels_of_split(snapshot: Snapshot, split: str) -> set[str]:
    """By looking at every region, not at the table that the dataset states."""
    return {snapshot.labels[label_id].name for image in snapshot.images(split) for label_id in image.label_ids.tolist()}


def car_damage(data: Path) -> list[Path]:
    return sorted((data / "via_car_damage").glob("*/*_multiclass.json"))


@SHARES
@pytest.mark.parametrize("name", ["via_car_damage", "voc_bccd"])
def test_every_label_is_in_every_split_near_the_asked_share(data: Path, home: Path, name: str, shares: str) -> None:
    documents = car_damage(data) if name == "via_car_damage" else [data / name]
    assert created(home, documents, "--split", shares) == 0
    snapshot = find_snapshot(home, "real")
    asked = dict(zip(("train", "val", "test"), map(int, shares.split("/")), strict=True))
    for split, share in asked.items():
        assert labels_of_split(snapshot, split) == {label.name for label in snapshot.labels}
        for label in snapshot.labels:
            tables = {place: table.per_label[label.name].images for place, table in snapshot.document.splits.items()}
            assert abs(tables[split] - share / 100 * sum(tables.values())) <= 1.5, (label.name, split, tables)


@SHARES
def test_labels_that_too_few_photographs_show_are_refused_by_name(
    data: Path, home: Path, capsys: pytest.CaptureFixture[str], shares: str
) -> None:
    assert created(home, [data / "coco128_train"], "--split", shares) == 1
    capsys.readouterr()
    assert run(["--home", str(home), "dataset", "create", "real", "--split", shares, "--json"]) == 1
    refused: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["refused"]
    assert len(refused) == 1
    assert refused[0]["groups"] < refused[0]["splits"] == 3
    assert not (home / "datasets").exists()


@SHARES
def test_once_the_rare_labels_may_be_missing_all_others_are_everywhere(data: Path, home: Path, shares: str) -> None:
    documents = [data / "coco128_train"]
    assert created(home, documents, "--split", "train=100") == 0
    images = Counter[str]()
    whole = find_snapshot(home, "real")
    for image in whole.images("train"):
        images.update({whole.labels[label_id].name for label_id in image.label_ids.tolist()})
    rare = sorted(label for label, count in images.items() if count < 3)
    assert created(home, documents, "--split", shares, "--allow-missing", ",".join(rare)) == 0
    snapshot = find_snapshot(home, "real")
    for split in snapshot.splits:
        assert labels_of_split(snapshot, split) >= images.keys() - set(rare)


@SHARES
@pytest.mark.parametrize("name", ["via_car_damage", "voc_kangaroo"])
def test_photographs_with_the_same_bytes_are_on_one_side(data: Path, home: Path, name: str, shares: str) -> None:
    facts = json.loads((data / "FACTS.json").read_text(encoding="utf-8"))[f"images {name}"]
    documents = car_damage(data) if name == "via_car_damage" else [data / name]
    assert created(home, documents, "--split", shares) == 0
    snapshot = find_snapshot(home, "real")
    times = Counter(sha256_of(path) for path in (data / name).rglob("*.jpg"))
    copies = {sha256 for sha256, count in times.items() if count > 1}
    assert len(copies) == facts["duplicates"] == 1
    sides = Counter(image.sha256 for split in snapshot.splits for image in snapshot.images(split))
    assert set(sides.values()) == {1}
    assert sides.keys() >= copies
