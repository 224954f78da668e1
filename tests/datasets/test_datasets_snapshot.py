"""Dataset versions on disk: found by name, the same for the same content, and never believed when changed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teppr.datasets.document import SplitRecord, read_document
from teppr.datasets.snapshot import Snapshot, dataset_names, dataset_versions, find_snapshot, latest_version
from teppr.datasets.tables import ImageRow, RegionRow
from teppr.datasets.write import Content, write_snapshot
from teppr.errors import BadFile, BadInput, Corrupt, UnknownName
from teppr.files import HALF_WRITTEN, sha256_of
from teppr.geometry import box_xywh
from teppr.testing.datasets import LABELS, small_snapshot
from teppr.testing.examples import examples
from teppr.testing.killing import run_killed
from teppr.types import Circle, Mask, Polygon, Rect, Shape


def content_of(*images: ImageRow, name: str = "doors") -> Content:
    record = SplitRecord(method="files", files={"train": ["a.json"]})
    return Content(name=name, problem="ods", labels=("door",), rows=images, split=record)


def image(folder: Path, name: str, *shapes: Shape, split: str = "train") -> ImageRow:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(name.encode())
    return ImageRow(
        path=str(path),
        filename=name,
        sha256=sha256_of(path),
        size_wh=(100, 50),
        split=split,
        regions=tuple(
            RegionRow(
                shape=shape, label="door", box_xywh_px=box_xywh(shape), area_px=7.5, is_crowd=isinstance(shape, Mask)
            )
            for shape in shapes
        ),
    )


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_images_come_back_with_their_regions(home: Path) -> None:
    shapes: list[Shape] = [Rect(1, 2, 3, 4), Polygon((((0, 0), (9, 0), (9, 9)),)), Mask("PPY12", (100, 50))]
    written = image(home / "pictures", "a.jpg", *shapes)
    snapshot = write_snapshot(
        home, content_of(written, image(home / "pictures", "b.jpg"), image(home, "c", split="val"))
    )

    first, second = snapshot.images("train")

    assert (first.image_id, first.path, first.size_wh, first.filename) == (1, Path(written.path), (100, 50), "a.jpg")
    assert first.sha256 == written.sha256
    assert first.shapes == tuple(shapes)
    assert first.boxes_xywh_px.tolist() == [list(box_xywh(shape)) for shape in shapes]
    dtypes = (first.boxes_xywh_px.dtype, first.areas_px.dtype, first.label_ids.dtype, first.is_crowd.dtype)
    assert [dtype.name for dtype in dtypes] == ["float64", "float64", "int64", "bool"]
    assert first.areas_px.tolist() == [7.5] * 3
    assert first.is_crowd.tolist() == [False, False, True]
    assert (second.shapes, second.boxes_xywh_px.shape, second.label_ids.shape) == ((), (0, 4), (0,))
    assert [item.filename for item in snapshot.images("val")] == ["c"]


def test_a_snapshot_says_what_it_holds(home: Path) -> None:
    snapshot = small_snapshot(home)

    assert (snapshot.name, snapshot.problem, snapshot.splits) == ("shapes", "ods", ("train", "val", "test"))
    assert [label.name for label in snapshot.labels] == list(LABELS)
    assert snapshot.has_masks
    assert snapshot.document.splits["train"].images == len(snapshot.images("train")) == 6
    for split in snapshot.splits:
        table = snapshot.document.splits[split]
        for label_id, label in enumerate(LABELS):
            counts = [int((item.label_ids == label_id).sum()) for item in snapshot.images(split)]
            assert table.per_label[label].regions == sum(counts)
            assert table.per_label[label].images == sum(count > 0 for count in counts)


def test_rectangles_only_need_no_masks(home: Path) -> None:
    assert not small_snapshot(home, boxes_only=True).has_masks


def test_an_unknown_split_is_named(home: Path) -> None:
    with pytest.raises(UnknownName, match=r"no split of shapes@.* 'trian'; did you mean 'train'"):
        small_snapshot(home).images("trian")


def test_the_same_content_is_the_same_version_and_the_same_bytes(home: Path, tmp_path: Path) -> None:
    rows = [image(tmp_path / "pictures", name, Circle(5, 5, 2)) for name in ("a", "b", "c")]

    first = write_snapshot(home, content_of(*rows))
    again = write_snapshot(home, content_of(*rows))
    elsewhere = write_snapshot(tmp_path / "other", content_of(*reversed(rows)))

    assert first.path == again.path
    assert files_of(first.path) == files_of(elsewhere.path)


def test_images_that_lie_elsewhere_give_the_same_version_which_knows_where(home: Path, tmp_path: Path) -> None:
    here = write_snapshot(home, content_of(image(tmp_path / "here", "a.jpg")))
    there = write_snapshot(home, content_of(image(tmp_path / "there", "a.jpg")))

    assert here.version == there.version
    assert [item.path for item in there.images("train")] == [tmp_path / "there" / "a.jpg"]
    assert there.verify() == []
    assert not list(home.rglob(f"{HALF_WRITTEN}*"))


@pytest.mark.parametrize("change", ["label", "shape", "split", "name"])
def test_other_content_is_another_version(home: Path, tmp_path: Path, change: str) -> None:
    before = write_snapshot(home, content_of(image(tmp_path, "a", Rect(1, 1, 2, 2)), image(tmp_path, "b")))
    row = image(
        tmp_path, "a", Rect(1, 1, 2, 3 if change == "shape" else 2), split="val" if change == "split" else "train"
    )
    content = content_of(row, image(tmp_path, "b"), name="other" if change == "name" else "doors")
    if change == "label":
        content = Content(name="doors", problem="ods", labels=("door", "hood"), rows=content.rows, split=content.split)

    assert write_snapshot(home, content).version != before.version


def test_a_packed_dataset_travels(home: Path, tmp_path: Path) -> None:
    row = image(tmp_path / "pictures", "a.JPG", Rect(1, 1, 2, 2))
    packed = write_snapshot(home, content_of(row), pack=True)
    shutil.move(packed.path, tmp_path / "taken")
    shutil.rmtree(tmp_path / "pictures")

    snapshot = Snapshot.open(tmp_path / "taken")

    assert snapshot.images("train")[0].path.read_bytes() == b"a.JPG"
    assert snapshot.verify() == []


def test_packing_later_keeps_the_version_and_stays_packed(home: Path, tmp_path: Path) -> None:
    content = content_of(image(tmp_path / "pictures", "a.jpg", Rect(1, 1, 2, 2)))

    referenced, packed, again = (write_snapshot(home, content, pack=pack) for pack in (False, True, False))

    assert referenced.version == packed.version == again.version
    assert (referenced.document.packed, packed.document.packed, again.document.packed) == (False, True, True)


def test_a_version_that_was_about_to_be_replaced_when_the_writer_was_killed_comes_back(
    home: Path, tmp_path: Path
) -> None:
    first = write_snapshot(home, content_of(image(tmp_path, "a.jpg")))
    first.path.rename(first.path.parent / f"{HALF_WRITTEN}replaced-{first.version}")

    write_snapshot(home, content_of(image(tmp_path, "b.jpg")))

    assert find_snapshot(home, first.reference).verify() == []
    assert not list(home.rglob(f"{HALF_WRITTEN}*"))


def test_packing_a_changed_image_is_refused_and_leaves_nothing(home: Path, tmp_path: Path) -> None:
    row = image(tmp_path, "a.jpg")
    (tmp_path / "a.jpg").write_bytes(b"other")

    with pytest.raises(Corrupt, match=r"a\.jpg is another image than was ingested"):
        write_snapshot(home, content_of(row), pack=True)

    assert dataset_names(home) == []


def test_a_missing_image_cannot_be_packed(home: Path, tmp_path: Path) -> None:
    row = image(tmp_path, "a.jpg")
    (tmp_path / "a.jpg").unlink()

    with pytest.raises(BadFile, match=r"cannot pack .*a\.jpg: No such file"):
        write_snapshot(home, content_of(row), pack=True)


@pytest.mark.parametrize("name", ["", "a b", "../x", "a/b", "a@b", ".hidden", "-x"])
def test_a_name_that_is_no_folder_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="a dataset's name"):
        content_of(ImageRow(path="", filename="a", sha256="", size_wh=(1, 1), split="train", regions=()), name=name)


def test_a_dataset_is_found_by_name_version_beginning_and_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = small_snapshot(home, seed=1), small_snapshot(home, seed=2)
    monkeypatch.chdir(second.path.parent)

    assert find_snapshot(home, "shapes").version == second.version
    assert find_snapshot(home, f"shapes@{first.version}").version == first.version
    assert find_snapshot(home, f"shapes@{first.version[:8]}").version == first.version
    assert find_snapshot(home, str(first.path)).version == first.version
    assert find_snapshot(home, f"./{first.version}").version == first.version
    assert dataset_versions(home, "shapes") == sorted([first.version, second.version])
    assert latest_version(home, "shapes") == second.version


def test_creating_again_makes_a_version_the_latest(home: Path) -> None:
    first, _, again = small_snapshot(home, seed=1), small_snapshot(home, seed=2), small_snapshot(home, seed=1)

    assert find_snapshot(home, "shapes").version == again.version == first.version


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("shape", "no dataset 'shape'; did you mean 'shapes'"),
        ("shapes@0000", "no dataset version 'shapes@0000'; .*known: shapes@"),
        ("*", "no dataset"),
        ("../datasets", "no dataset"),
    ],
)
def test_an_unknown_reference_lists_what_there_is(home: Path, reference: str, says: str) -> None:
    small_snapshot(home)

    with pytest.raises(UnknownName, match=says):
        find_snapshot(home, reference)


def test_without_a_record_of_the_latest_a_version_must_be_named(home: Path) -> None:
    snapshot = small_snapshot(home, seed=1)
    small_snapshot(home, seed=2)
    (snapshot.path.parent / "LATEST").unlink()

    with pytest.raises(UnknownName, match=f"known: .*shapes@{snapshot.version}"):
        find_snapshot(home, "shapes")


def test_a_folder_without_a_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"is no dataset version: it has no dataset\.json"):
        Snapshot.open(tmp_path)


@settings(max_examples=examples(0.3), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    where=st.floats(0, 1, exclude_max=True),
    name=st.sampled_from(["images.parquet", "annotations.parquet", "dataset.json"]),
)
def test_a_changed_byte_anywhere_is_found_and_its_file_named(tmp_path: Path, where: float, name: str) -> None:
    snapshot = small_snapshot(tmp_path)
    file = snapshot.path / name
    whole = file.read_bytes()
    position = int(where * len(whole))
    file.write_bytes(whole[:position] + bytes([whole[position] ^ 0x11]) + whole[position + 1 :])
    try:
        findings = Snapshot.open(snapshot.path).verify()
    except Corrupt as error:
        findings = [str(error)]
    finally:
        file.write_bytes(whole)

    assert any(name in finding for finding in findings)


def test_changed_and_lost_images_are_named(home: Path) -> None:
    snapshot = small_snapshot(home)
    changed, lost = (item.path for item in snapshot.images("val"))
    changed.write_bytes(b"other")
    lost.unlink()

    findings = snapshot.verify()

    assert len(findings) == 2
    assert f"{changed} is another image than was written" in findings[0]
    assert str(lost) in findings[1]


def test_a_changed_table_is_not_taken_for_the_version_when_creating_again(home: Path) -> None:
    snapshot = small_snapshot(home)
    (snapshot.path / "images.parquet").write_bytes(b"PAR1")

    with pytest.raises(Corrupt, match=r"images\.parquet was changed since; remove the folder"):
        small_snapshot(home)


def test_a_summary_that_was_edited_is_refused(home: Path) -> None:
    path = small_snapshot(home).path / "dataset.json"
    document = json.loads(path.read_bytes())
    document["images"] += 1
    path.write_text(json.dumps(document))

    with pytest.raises(Corrupt, match=r"dataset\.json was changed: its content makes version"):
        read_document(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema_version": 2}'])
def test_what_is_no_summary_is_refused_by_name(home: Path, text: str) -> None:
    path = small_snapshot(home).path / "dataset.json"
    path.write_text(text)

    with pytest.raises(Corrupt, match=r"dataset\.json is not what was written"):
        read_document(path)


def test_nobody_else_writes_while_one_does(home: Path) -> None:
    # Two processes at once make the same version: both end well, and there is one.
    program = "import sys, pathlib, teppr.testing.datasets as t; t.small_snapshot(pathlib.Path(sys.argv[1]))"
    small_snapshot(home)
    shutil.rmtree(home / "datasets")
    running = [subprocess.Popen([sys.executable, "-c", program, str(home)]) for _ in range(2)]

    assert [process.wait(timeout=60) for process in running] == [0, 0]
    assert len(dataset_versions(home, "shapes")) == 1
    assert find_snapshot(home, "shapes").verify() == []


WRITER = """
import sys
from pathlib import Path
from test_datasets_snapshot import content_of, image
from teppr.datasets.write import write_snapshot
from teppr.testing.killing import die_at

home, moment, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
content = content_of(*(image(home / "pictures", f"{i}.jpg") for i in range(5)))
die_at(moment, count, about="datasets")
write_snapshot(home, content, pack=True)
"""
MOMENTS = [("open", 2), ("open", 5), ("open", 12), ("os.rename", 1), ("os.rename", 3), ("os.mkdir", 1)]


@pytest.mark.slow
@pytest.mark.parametrize(("moment", "count"), MOMENTS)
def test_a_killed_writer_leaves_nothing_that_is_believed(home: Path, moment: str, count: int) -> None:
    run_killed(WRITER, home, moment, count, folder=Path(__file__).parent)

    assert dataset_names(home) == []
    with pytest.raises(UnknownName):
        find_snapshot(home, "doors")

    # The next start clears up and does the same again.
    rows = [image(home / "pictures", f"{i}.jpg") for i in range(5)]
    assert write_snapshot(home, content_of(*rows), pack=True).verify() == []
    assert not list(home.rglob(f"{HALF_WRITTEN}*"))
