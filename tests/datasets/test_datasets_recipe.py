"""The command that made a dataset, read off its document, makes the same version again."""

from pathlib import Path

import pytest

from teppr.cli.main import run
from teppr.datasets.recipe import recipe
from teppr.datasets.snapshot import find_snapshot

OPTIONS = [
    (),
    ("--split", "80/20", "--seed", "5"),
    ("--split", "train=60,holdout=40", "--no-background"),
    ("--folds", "3"),
    ("--labels", "door,hood", "--other", "part", "--max-per-label", "20", "--seed", "2"),
    ("--drop", "hood", "--rename", "front_bumper=bumper", "--rename", "rear_bumper=bumper", "--min-area", "64.5"),
    ("--where", 'label=door|headlamp and not (filename="1*.jpg" or area<100)', "--max-background", "10%"),
    ("--by", "folder", "--split", "50/50", "--allow-missing", "hood,door"),
    ("--near-duplicates", "6", "--pack"),
    ("--assign", "train=train_multiclass.json", "--assign", "val=val_multiclass.json", "--where", "filename!=25.jpg"),
]


@pytest.fixture(scope="module")
def ingested(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("recipes")
    documents = sorted((data / "via_car_damage").glob("*/*_multiclass.json"))
    assert run(["--home", str(home), "annotations", "ingest", *map(str, documents)]) == 0
    return home


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_a_recipe_makes_the_same_version(ingested: Path, options: tuple[str, ...]) -> None:
    assert run(["--home", str(ingested), "dataset", "create", "cars", *options]) == 0
    made = find_snapshot(ingested, "cars")
    words = recipe(made.document)
    assert run(["--home", str(ingested), *words]) == 0
    assert find_snapshot(ingested, "cars").version == made.version
    assert ("--pack" in words) == made.document.packed


def test_a_recipe_with_near_duplicates_keeps_all_else(ingested: Path) -> None:
    assert run(["--home", str(ingested), "dataset", "create", "even", "--split", "50/50", "--labels", "door,hood"]) == 0
    words = recipe(find_snapshot(ingested, "even").document, near_duplicates=6)
    assert words == (
        *("dataset", "create", "even", "--problem", "ods", "--labels", "door,hood"),
        *("--split", "50/50", "--near-duplicates", "6"),
    )
    assert run(["--home", str(ingested), *words]) == 0
    assert find_snapshot(ingested, "even").document.split.group_by == "image and near-duplicates within 6 bits"
