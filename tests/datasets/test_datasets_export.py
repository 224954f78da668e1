"""The splits of a dataset as other programs read them."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pycocotools.coco import COCO
from tfrecord.reader import tfrecord_loader

from teppr.cli.main import run
from teppr.datasets.document import SplitRecord
from teppr.datasets.export import RENAMED, ExportOptions, export, formats_for
from teppr.datasets.snapshot import Snapshot
from teppr.datasets.tables import ImageRow, RegionRow
from teppr.datasets.write import Content, write_snapshot
from teppr.errors import AlreadyThere, BadInput, Corrupt, UnknownName
from teppr.formats import FORMATS
from teppr.formats.contract import ReadOptions
from teppr.geometry import box_xywh
from teppr.testing.datasets import small_snapshot
from teppr.types import ImageRecord, Polyline, Region, Shape, WholeImage

SPLITS = ("train", "val", "test")


@pytest.fixture
def snapshot(home: Path) -> Snapshot:
    """Ten images; every split has circles, squares and triangles."""
    return small_snapshot(home)


def relabelled(snapshot: Snapshot, home: Path, shape: Shape) -> Snapshot:
    """A dataset of the same images, each with one region of this shape."""
    return with_rows(
        home,
        [
            replace(
                row, regions=(RegionRow(shape=shape, label=f"kind {i % 2}", box_xywh_px=box_xywh(shape), area_px=0),)
            )
            for i, row in enumerate(rows_of(snapshot))
        ],
    )


def rows_of(snapshot: Snapshot) -> list[ImageRow]:
    """The images of a dataset without their regions."""
    return [
        ImageRow(
            path=str(image.path),
            filename=image.filename,
            sha256=image.sha256,
            size_wh=image.size_wh,
            split=split,
            regions=(),
        )
        for split in snapshot.splits
        for image in snapshot.images(split)
    ]


def with_rows(home: Path, rows: list[ImageRow]) -> Snapshot:
    labels = tuple(sorted({region.label for row in rows for region in row.regions}))
    record = SplitRecord(method="files", files={row.split: ["generated"] for row in rows})
    return write_snapshot(home, Content(name="other", problem="ods", labels=labels, rows=rows, split=record))


def read(format_name: str, path: Path) -> Iterator[ImageRecord]:
    for record in FORMATS.load(format_name).read(path, ReadOptions(image_labels=True)).records:
        assert isinstance(record, ImageRecord)
        yield record


def labels_of(snapshot: Snapshot) -> list[str]:
    return [label.name for label in snapshot.labels]


def boxes(record: ImageRecord) -> list[tuple[str | None, list[float]]]:
    regions = [region for region in record.regions if isinstance(region, Region)]
    return [(region.label, [round(value, 2) for value in box_xywh(region.shape)]) for region in regions]


def drawn(snapshot: Snapshot, split: str) -> dict[str, list[tuple[str | None, list[float]]]]:
    names = labels_of(snapshot)
    return {
        image.filename: [
            (names[label], [round(value, 2) for value in box])
            for label, box in zip(image.label_ids.tolist(), image.boxes_xywh_px.tolist(), strict=True)
        ]
        for image in snapshot.images(split)
    }


def test_each_split_is_a_coco_document_with_the_same_categories(snapshot: Snapshot, tmp_path: Path) -> None:
    reports = export(snapshot, "coco", tmp_path / "out")

    for split in SPLITS:
        coco, table = COCO(tmp_path / "out" / f"{split}.json"), snapshot.document.splits[split]
        assert len(coco.getImgIds()) == table.images == reports[split].images
        assert len(coco.getAnnIds()) == table.regions == reports[split].regions
        assert [(each["id"], each["name"]) for each in coco.loadCats(coco.getCatIds())] == list(
            enumerate(labels_of(snapshot), 1)
        )
        counts = {label: len(coco.getAnnIds(catIds=[number])) for number, label in enumerate(labels_of(snapshot), 1)}
        assert counts == {label: count.regions for label, count in table.per_label.items()}
        assert all(
            (tmp_path / "out" / "images" / each["file_name"]).is_file() for each in coco.loadImgs(coco.getImgIds())
        )


def test_yolo_is_one_folder_that_is_read_again_with_the_same_boxes(snapshot: Snapshot, tmp_path: Path) -> None:
    out = tmp_path / "out"

    export(snapshot, "yolo", out)

    found = {record.filename: record for record in read("yolo", out)}
    for split in SPLITS:
        for name, regions in drawn(snapshot, split).items():
            record = found.pop(f"{split}/{name}")
            assert record.path == str(out / "images" / split / name)
            for (label, box), (got_label, got) in zip(regions, boxes(record), strict=True):
                assert got_label == label
                assert got == pytest.approx(box, abs=0.6)  # circles come as polygons
    assert found == {}
    assert yaml.safe_load((out / "data.yaml").read_text()) == {
        **{split: f"images/{split}" for split in SPLITS},
        "names": dict(enumerate(labels_of(snapshot))),
    }


def test_boxes_of_yolo_are_the_same_to_the_last_digit_that_is_written(home: Path, tmp_path: Path) -> None:
    snapshot = small_snapshot(home, boxes_only=True)

    export(snapshot, "yolo", tmp_path / "out", ExportOptions(images="none"))

    got = {record.filename: boxes(record) for record in read("yolo", tmp_path / "out")}
    assert got == {f"{split}/{name}": found for split in SPLITS for name, found in drawn(snapshot, split).items()}
    assert not (tmp_path / "out" / "images").exists()


def test_voc_lists_the_images_of_each_split(snapshot: Snapshot, tmp_path: Path) -> None:
    export(snapshot, "voc", tmp_path / "out")

    for split in SPLITS:
        listed = (tmp_path / "out" / "ImageSets" / "Main" / f"{split}.txt").read_text().split()
        assert listed == [Path(image.filename).stem for image in snapshot.images(split)]
        assert all((tmp_path / "out" / "JPEGImages" / f"{name}.png").is_file() for name in listed)
    assert len(list(read("voc", tmp_path / "out"))) == 10


def names_in_shard(file: Path) -> Iterator[str]:
    for example in tfrecord_loader(str(file), None, {"image/filename": "byte"}):
        yield bytes(example["image/filename"]).decode()


@pytest.mark.parametrize("shards", [1, 3, 4])
def test_shards_of_tfrecord_part_the_images(snapshot: Snapshot, tmp_path: Path, shards: int) -> None:
    out = tmp_path / "out"

    export(snapshot, "tfrecord", out, ExportOptions(shards=shards))

    for split in SPLITS:
        files = [out / f"{split}-{i:05d}-of-{shards:05d}.tfrecord" for i in range(shards)]
        parts = [[*names_in_shard(file)] for file in files]
        names = [image.filename for image in snapshot.images(split)]
        assert sorted(name for part in parts for name in part) == sorted(names)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert len(list(out.glob("*.tfrecord"))) == 3 * shards
    assert [line.split('"')[1] for line in (out / "label_map.pbtxt").read_text().splitlines() if "name" in line] == (
        labels_of(snapshot)
    )


def test_shards_of_the_usual_size_are_as_many_as_it_takes(snapshot: Snapshot, tmp_path: Path) -> None:
    export(snapshot, "tfrecord", tmp_path / "out")

    assert sorted(path.name for path in (tmp_path / "out").glob("*.tfrecord")) == [
        f"{split}-00000-of-00001.tfrecord" for split in sorted(SPLITS)
    ]
    assert len(list(read("tfrecord", tmp_path / "out"))) == 10


@pytest.mark.parametrize("images", ["copy", "link"])
def test_image_folders_are_a_folder_a_label_in_each_split(
    snapshot: Snapshot, home: Path, tmp_path: Path, images: str
) -> None:
    classified = relabelled(snapshot, home, WholeImage())

    export(classified, "imagefolder", tmp_path / "out", ExportOptions(images=images))  # type: ignore[arg-type]

    for split in SPLITS:
        for image in classified.images(split):
            label = labels_of(classified)[image.label_ids[0]]
            written = tmp_path / "out" / split / label / image.filename
            assert written.samefile(image.path) is (images == "link")
            assert written.read_bytes() == image.path.read_bytes()


SHAPES_OF: dict[str, Shape] = {"tusimple": Polyline(((10, 20), (30, 40), (50, 60))), "imagefolder": WholeImage()}
ONE_FOLDER = {"yolo", "voc", "tfrecord", "imagefolder"}
NO_BACKGROUND = {"openimages"}


@pytest.mark.parametrize("name", FORMATS.names())
def test_every_format_holds_the_images_of_its_splits(snapshot: Snapshot, home: Path, tmp_path: Path, name: str) -> None:
    format_ = FORMATS.load(name)
    dataset = relabelled(snapshot, home, SHAPES_OF[name]) if name in SHAPES_OF else snapshot
    assert name in formats_for(dataset)
    out = tmp_path / "out"

    reports = export(dataset, name, out)

    assert list(reports) == list(SPLITS)
    for split, report in reports.items():
        empty = sum(not len(image.label_ids) for image in dataset.images(split)) if name in NO_BACKGROUND else 0
        assert report.images + empty == dataset.document.splits[split].images
        assert report.regions == dataset.document.splits[split].regions
    written = sum(report.images for report in reports.values())
    ending = "" if format_.layout == "folder" else format_.suffixes[0]
    documents = [out] if name in ONE_FOLDER else [out / f"{split}{ending}" for split in SPLITS]
    assert sum(len(list(read(name, document))) for document in documents) == written
    if not format_.embeds_images:
        laid = [
            out / format_.images_of_split(split) / image.filename for split in SPLITS for image in dataset.images(split)
        ]
        assert all(path.is_file() for path in laid)


def test_one_split_may_be_written_alone(snapshot: Snapshot, tmp_path: Path) -> None:
    reports = export(snapshot, "coco", tmp_path / "out", ExportOptions(splits=("val",), images="none"))

    assert list(reports) == ["val"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["val.json"]


def test_attributes_crowds_and_stated_boxes_are_written(snapshot: Snapshot, home: Path, tmp_path: Path) -> None:
    rows = rows_of(snapshot)
    region = RegionRow(
        shape=Polyline(((1, 1), (9, 9))),
        label="edge",
        box_xywh_px=(0, 0, 20, 20),
        area_px=7.5,
        is_crowd=True,
        attributes={"kind": "kerb"},
    )
    dataset = with_rows(home, [replace(rows[0], regions=(region,)), *rows[1:]])

    export(dataset, "coco", tmp_path / "out", ExportOptions(images="none"))

    (annotation,) = json.loads((tmp_path / "out" / "train.json").read_text())["annotations"]
    assert (annotation["bbox"], annotation["area"], annotation["iscrowd"]) == ([0, 0, 20, 20], 7.5, 1)
    assert annotation["attributes"] == {"kind": "kerb"}


def test_images_of_one_name_are_told_apart(snapshot: Snapshot, home: Path, tmp_path: Path) -> None:
    rows = rows_of(snapshot)
    names = ["a/1.png", "b/1.png", "B/1.PNG", "../2.png", "2.jpeg", "three"]
    dataset = with_rows(home, [*map(lambda row, name: replace(row, filename=name), rows, names), *rows[len(names) :]])

    reports = export(dataset, "yolo", tmp_path / "out")

    laid = {
        path.relative_to(tmp_path / "out" / "images" / "train").as_posix()
        for path in (tmp_path / "out" / "images" / "train").rglob("*.*")
    }
    digits = [row.sha256[:8] for row in rows]
    assert laid == {
        "a/1.png",
        f"b/1-{digits[1]}.png",
        f"B/1-{digits[2]}.PNG",
        f"2-{digits[3]}.png",
        f"2-{digits[4]}.jpeg",
        "three.png",
    }
    assert reports["train"].not_said[RENAMED] == 5
    assert reports["train"].images == 6


def test_names_in_image_folders_are_told_apart_without_their_folders(
    snapshot: Snapshot, home: Path, tmp_path: Path
) -> None:
    classified = relabelled(snapshot, home, WholeImage())
    rows = [
        replace(
            row,
            filename=f"{i}/1.png",
            regions=(RegionRow(shape=WholeImage(), label="a", box_xywh_px=(0, 0, 0, 0), area_px=0),),
        )
        for i, row in enumerate(rows_of(classified))
    ]

    reports = export(with_rows(home, rows), "imagefolder", tmp_path / "out")

    assert sum(report.images for report in reports.values()) == 10
    assert len(list((tmp_path / "out" / "train" / "a").iterdir())) == 6
    assert reports["train"].not_said == {RENAMED: 6, "folder of an image, which its label takes the place of": 6}


def test_images_in_the_folder_of_their_label_keep_their_names(snapshot: Snapshot, home: Path, tmp_path: Path) -> None:
    whole = RegionRow(shape=WholeImage(), label="a", box_xywh_px=(0, 0, 0, 0), area_px=0)
    rows = [replace(row, filename=f"a/{row.filename}", regions=(whole,)) for row in rows_of(snapshot)]

    reports = export(with_rows(home, rows), "imagefolder", tmp_path / "out")

    assert [report.not_said for report in reports.values()] == [{}, {}, {}]


def test_links_are_the_images_themselves(snapshot: Snapshot, tmp_path: Path) -> None:
    export(snapshot, "voc", tmp_path / "out", ExportOptions(images="link"))

    image = snapshot.images("train")[0]
    assert (tmp_path / "out" / "JPEGImages" / image.filename).samefile(image.path)


@pytest.mark.parametrize("format_name", ["coco", "tfrecord"])
def test_an_image_that_was_changed_is_refused_and_nothing_written(
    snapshot: Snapshot, tmp_path: Path, format_name: str
) -> None:
    snapshot.images("test")[0].path.write_bytes(b"other")

    with pytest.raises(Corrupt, match="another image than was ingested"):
        export(snapshot, format_name, tmp_path / "out")

    assert list(tmp_path.glob("*out*")) == []


def test_a_folder_that_is_there_is_not_touched(snapshot: Snapshot, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()

    with pytest.raises(AlreadyThere):
        export(snapshot, "coco", tmp_path / "out")


@pytest.mark.parametrize(
    ("format_name", "options", "says"),
    [
        ("imagefolder", ExportOptions(), r"imagefolder holds image, and shapes@\w+ has circle, polygon, rect: nothing"),
        ("imagefolder", ExportOptions(images="none"), "nothing but images, got --images none"),
        ("coco", ExportOptions(shards=2), "coco has none; leave out --shards"),
        ("tfrecord", ExportOptions(shards=0), "1 to 500 shards, got 0"),
        ("tfrecord", ExportOptions(shards=501), "1 to 500 shards, got 501"),
    ],
)
def test_what_a_format_cannot_do_is_refused(
    snapshot: Snapshot, tmp_path: Path, format_name: str, options: ExportOptions, says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        export(snapshot, format_name, tmp_path / "out", options)


def test_unknown_names_are_told(snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"no split of .* 'trian'; did you mean 'train'"):
        export(snapshot, "coco", tmp_path / "out", ExportOptions(splits=("trian",)))
    with pytest.raises(UnknownName, match="no format 'cocoa'"):
        export(snapshot, "cocoa", tmp_path / "out")


def test_real_splits_come_back_from_coco_as_they_were(data: Path, home: Path, tmp_path: Path) -> None:
    file = data / "via_car_damage" / "train" / "train_multiclass.json"
    assert run(["--home", str(home), "annotations", "ingest", str(file)]) == 0
    assert run(["--home", str(home), "dataset", "create", "cars", "--split", "80/20", "--json"]) == 0

    assert run(["--home", str(home), "dataset", "export", "cars", str(tmp_path / "out"), "--json"]) == 0

    snapshot = Snapshot.open(next((home / "datasets" / "cars").glob("*/dataset.json")).parent)
    for split in snapshot.splits:
        got = {record.filename: boxes(record) for record in read("coco", tmp_path / "out" / f"{split}.json")}
        assert got == drawn(snapshot, split)


def test_the_command_answers_machines_and_people(
    snapshot: Snapshot, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--home", str(home), "dataset", "export", snapshot.name, "--format", "yolo", "--images", "none"]

    assert run([*command, str(tmp_path / "a"), "--split", "train", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert run([*command, str(tmp_path / "b")]) == 0
    shown = capsys.readouterr()

    assert list(told) == ["dataset", "format", "path", "splits", "seconds"]
    assert told["splits"]["train"]["images"] == 6
    assert told["splits"]["train"]["not_said"]["circle, as a polygon"] > 0
    assert f"{snapshot.reference} as yolo in {tmp_path / 'b'}" in shown.out
    assert "circle, as a polygon" in shown.err
    assert run([*command, str(tmp_path / "b")]) == 1


def test_links_are_said_not_to_be_compared(
    snapshot: Snapshot, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--home", str(home), "dataset", "export", snapshot.name]
    said = f"linked images are not compared with their checksums, .*: teppr --home {home} dataset verify shapes\n"

    assert run([*command, str(tmp_path / "a"), "--images", "link", "--json"]) == 0
    assert re.search(said, capsys.readouterr().err)
    assert run([*command, str(tmp_path / "b")]) == 0
    assert "not compared" not in capsys.readouterr().err


def test_measures_that_follow_from_the_shape_are_not_stated(snapshot: Snapshot, tmp_path: Path) -> None:
    reports = export(snapshot, "voc", tmp_path / "out", ExportOptions(images="none"))

    assert not any("as stated" in what for report in reports.values() for what in report.not_said)
