"""What `verify` finds, and what it says to do."""

import json
import shutil
from pathlib import Path

import pytest

from teppr.datasets.document import parse_document
from teppr.datasets.pack import pack
from teppr.datasets.snapshot import Snapshot
from teppr.datasets.tables import IMAGE_SCHEMA, IMAGES, put_table, read_table
from teppr.datasets.unpack import unpack
from teppr.errors import Corrupt
from teppr.testing.datasets import small_snapshot


@pytest.fixture
def packed(home: Path, tmp_path: Path) -> Snapshot:
    return unpack(pack(small_snapshot(home, images=5), tmp_path / "shapes.tar").path, tmp_path / "other")


def test_a_packed_dataset_may_be_moved(packed: Snapshot, tmp_path: Path) -> None:
    shutil.move(packed.path, tmp_path / "moved")

    assert Snapshot.open(tmp_path / "moved").verify() == []


def test_a_dataset_whose_images_lie_elsewhere_may_be_moved_but_not_they(home: Path, tmp_path: Path) -> None:
    snapshot = small_snapshot(home, images=5)
    shutil.move(snapshot.path, tmp_path / "moved")
    moved = Snapshot.open(tmp_path / "moved")
    assert moved.verify() == []

    (home / "pictures").rename(tmp_path / "pictures")

    findings = moved.verify()
    assert len(findings) == 5
    assert all("put the image back" in found and "--again" in found for found in findings)


def test_a_changed_and_a_lost_image_of_a_packed_dataset_are_named(packed: Snapshot) -> None:
    changed, lost = (item.path for item in packed.images("train")[:2])
    changed.write_bytes(b"other")
    lost.unlink()

    findings = packed.verify()

    assert len(findings) == 2
    assert any(f"{changed} is another image than was written" in found for found in findings)
    assert any(str(lost) in found for found in findings)
    assert all("bring the folder back from a copy" in found for found in findings)


def test_what_lies_among_packed_images_and_does_not_belong_there_is_named(packed: Snapshot) -> None:
    (packed.path / "images" / "stranger.jpg").write_bytes(b"?")

    (found,) = packed.verify()

    assert "stranger.jpg is no image of the dataset" in found
    assert "remove it" in found


def test_an_image_that_is_named_in_another_place_is_found(packed: Snapshot, tmp_path: Path) -> None:
    table = packed.images_table
    column = table.schema.get_field_index("path")
    paths = [str(tmp_path / "elsewhere.png"), *table["path"].to_pylist()[1:]]
    with (packed.path / IMAGES).open("wb") as file:
        put_table(table.set_column(column, table.schema.field(column), [paths]), file)

    findings = Snapshot.open(packed.path).verify()

    assert "images may be named in other places" in findings[0]
    assert read_table(packed.path / IMAGES, IMAGE_SCHEMA)["path"][0].as_py() == paths[0]


def test_a_lost_table_is_named_and_the_images_are_looked_at_all_the_same(home: Path) -> None:
    snapshot = small_snapshot(home, images=5)
    (snapshot.path / "annotations.parquet").unlink()
    lost = Path(snapshot.images_table["path"][0].as_py())
    lost.unlink()

    findings = snapshot.verify()

    assert any("annotations.parquet is gone" in found for found in findings)
    assert any(str(lost) in found for found in findings)


@pytest.mark.parametrize(
    "change", [{"images": 99}, {"left_out": {"all": 1}}, {"problem": "rld"}, {"version": "0" * 12}]
)
def test_an_edited_summary_says_what_to_do(home: Path, change: dict[str, object]) -> None:
    path = small_snapshot(home, images=5).path / "dataset.json"
    edited = json.dumps({**json.loads(path.read_bytes()), **change}).encode()

    with pytest.raises(Corrupt, match=r"dataset\.json was changed: .*bring the folder back from a copy"):
        parse_document(edited, str(path))


def test_a_summary_with_the_same_meaning_in_other_bytes_is_found(home: Path) -> None:
    snapshot = small_snapshot(home, images=5)
    path = snapshot.path / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_bytes())))

    (found,) = Snapshot.open(snapshot.path).verify()

    assert "not byte for byte what was written" in found


def test_a_summary_that_says_another_place_is_packed_is_found(home: Path) -> None:
    """Whether images are packed is not part of the version."""
    snapshot = small_snapshot(home, images=5)
    path = snapshot.path / "dataset.json"
    path.write_bytes(path.read_bytes().replace(b'"packed": false', b'"packed": true'))

    findings = Snapshot.open(snapshot.path).verify()

    assert len(findings) == 5
    assert all("is not in the dataset's own folder, though dataset.json says so" in found for found in findings)
