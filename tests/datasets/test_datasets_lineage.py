"""Where things come from and what came of them, both ways."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from teppr.datasets.document import Parent, SplitRecord
from teppr.datasets.lineage import Lineage, Product
from teppr.datasets.snapshot import Snapshot
from teppr.datasets.tables import ImageRow
from teppr.datasets.write import Content, write_snapshot
from teppr.errors import UnknownName
from teppr.store.open import open_store
from teppr.testing.datasets import put_file, stored_image
from teppr.types import Rect


def parent(number: int, annotator: str | None) -> Parent:
    name = f"images-p{number}-150126_{annotator}_via205_200126.json"
    return Parent(
        sha256=str(number) * 64,
        name=name,
        format="via",
        annotator=annotator,
        batch=f"p{number}",
        released=date(2026, 1, 20),
    )


def dataset(home: Path, name: str, *parents: Parent) -> Snapshot:
    row = ImageRow(path="/images/a.jpg", filename="a.jpg", sha256="a" * 64, size_wh=(9, 9), split="train", regions=())
    record = SplitRecord(method="files")
    return write_snapshot(
        home, Content(name=name, problem="ods", labels=("door",), rows=[row], split=record, parents=parents)
    )


@pytest.fixture
def known(home: Path) -> Lineage:
    """Two annotators, three files, two datasets, two runs of one of them, a release, and a run that begins from it."""
    one, two, three = parent(1, "AT1"), parent(2, "AT2"), parent(3, "AT1")
    street = dataset(home, "street", one, two)
    road = dataset(home, "road", three)
    lineage = Lineage(home)
    lineage.add_products(
        [
            Product(kind="run", name="street-1", dataset=street.reference),
            Product(kind="run", name="street-2", dataset=str(street.path)),
            Product(
                kind="release",
                name="acme-ods-8",
                dataset=street.reference,
                run="street-1",
                other_names=("acme-ods@production",),
            ),
            Product(kind="run", name="road-1", dataset=road.reference, weights=("release", "acme-ods-8")),
        ]
    )
    return lineage


def names(told: list[dict[str, Any]], direction: str) -> list[Any]:
    """A tree by its names alone."""
    return [(one["name"], names(one[direction], direction)) if one[direction] else one["name"] for one in told]


def test_a_dataset_knows_its_annotators_and_what_was_made_of_it(known: Lineage) -> None:
    (street,) = known.find("street")

    assert names(street.origins(), "from") == [
        (parent(1, "AT1").name, ["AT1"]),
        (parent(2, "AT2").name, ["AT2"]),
    ]
    assert names(street.results(), "made") == [("street-1", [("acme-ods-8", ["road-1"])]), "street-2"]
    first = street.origins()[0]
    assert (first["kind"], first["batch"], first["annotator"], first["released"]) == ("file", "p1", "AT1", "2026-01-20")


def test_a_release_goes_back_to_annotators(known: Lineage) -> None:
    for name in ("acme-ods-8", "acme-ods@production"):
        (release,) = known.find(name)
        ((run, [(reference, files)]),) = names(release.origins(), "from")
        assert run == "street-1"
        assert reference.startswith("street@")
        assert [annotators for _, annotators in files] == [["AT1"], ["AT2"]]


def test_what_came_of_an_annotators_work_and_of_a_file(known: Lineage) -> None:
    (annotator,) = known.find("AT1")
    (file,) = known.find("2" * 8)

    told = names(annotator.results(), "made")

    assert [name for name, _ in told] == [parent(1, "AT1").name, parent(3, "AT1").name]
    assert annotator.origins() == []
    assert file.name == parent(2, "AT2").name
    assert known.find(f"/anywhere/{file.name}") == [file]


def test_weights_that_a_run_began_from_are_of_its_past(known: Lineage) -> None:
    (run,) = known.find("runs/road-1")

    told = run.origins()

    assert [one["kind"] for one in told] == ["dataset", "release"]
    assert names(told, "from")[1][0] == "acme-ods-8"


def test_what_was_shown_above_is_not_unfolded_again(known: Lineage) -> None:
    (run,) = known.find("road-1")

    text = str(run.origins())

    assert text.count("'name': 'AT1'") == 2  # a file each
    assert text.count("'above': True") == 1


def test_a_dataset_that_is_gone_is_still_named(home: Path) -> None:
    lineage = Lineage(home)
    lineage.add_products([Product(kind="release", name="acme-ods-8", dataset="street@123456789012", run="street-1")])

    (release,) = lineage.find("acme-ods-8")

    (run,) = release.origins()
    assert (run["name"], run["here"], run["from"][0]["name"], run["from"][0]["here"]) == (
        "street-1",
        False,
        "street@123456789012",
        False,
    )
    assert [node.name for node in lineage.find("street@1234")] == ["street@123456789012"]


def test_a_dataset_in_a_folder_elsewhere_is_taken_in(home: Path, tmp_path: Path) -> None:
    there = dataset(tmp_path / "other", "yard", parent(4, "AT4"))
    lineage = Lineage(home)
    lineage.add_products([Product(kind="run", name="yard-1", dataset=str(there.path))])

    (found,) = lineage.find(str(there.path))

    assert found.name == there.reference
    assert [node.name for node in lineage.find("AT4")] == ["AT4"]


def test_the_annotation_database_adds_files_that_are_in_no_dataset(home: Path, known: Lineage) -> None:
    home.mkdir(exist_ok=True)
    with open_store(f"sqlite:///{home / 'store.db'}") as store:
        put_file(store, "late.json", [stored_image("a", ("door", Rect(1, 1, 2, 2)))], annotator="AT9")
        known.add_files(store.files())

    (annotator,) = known.find("AT9")

    (late,) = annotator.results()
    assert (late["name"], late["state"], late["made"]) == ("late.json", "current", [])


def test_a_name_of_several_things_gives_all_or_those_of_a_kind(home: Path) -> None:
    dataset(home, "AT1", parent(1, "AT1"))
    lineage = Lineage(home)

    assert [node.kind for node in lineage.find("AT1")] == ["annotator", "dataset"]
    assert [node.kind for node in lineage.find("AT1", "annotator")] == ["annotator"]


def test_what_is_not_known_is_refused_with_what_is_like_it(known: Lineage) -> None:
    with pytest.raises(UnknownName, match=r"no annotator, file, dataset, run, release 'acme-ods-9' .* acme-ods-8"):
        known.find("acme-ods-9")
    with pytest.raises(UnknownName, match="no run 'street' "):
        known.find("street", "run")


def test_a_dataset_that_cannot_be_read_is_said_and_left_out(home: Path) -> None:
    (dataset(home, "street").path / "dataset.json").write_text("{}")
    dataset(home, "road")

    lineage = Lineage(home)

    assert len(lineage.unread) == 1
    assert "dataset.json is not what was written" in lineage.unread[0]
    assert len(lineage.find("road")) == 1
