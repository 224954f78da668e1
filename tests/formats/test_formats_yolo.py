"""YOLO: four layouts, images and label files that miss each other, and what lines can say."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from teppr.errors import BadFile
from teppr.formats import FORMATS, Format, ReadOptions, format_of
from teppr.images import encode_png
from teppr.testing.formats import PLAUSIBLE, differences, names, numbers, points
from teppr.types import NOTHING, Circle, ImageRecord, Polygon, Polyline, Rect, Region, Shape, Unread, WholeImage

BOX = "0 0.5 0.5 0.2 0.4\n"
COCO128 = {
    "coco128_train/object_detection": "coco128_train object_detection (YOLO)",
    "coco128_train/instance_segmentation": "coco128_train instance_segmentation (YOLO-seg)",
}


@pytest.fixture(scope="module")
def yolo() -> Format:
    return FORMATS.load("yolo")


def lay_out(folder: Path, files: Mapping[str, Any]) -> Path:
    """A folder of texts, and of images of the sizes given."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content)
        else:
            path.write_bytes(encode_png(np.zeros((content[1], content[0], 3), np.uint8)))
    return folder


def read(plugin: Format, path: Path, *images: Path) -> list[ImageRecord | Unread]:
    return list(plugin.read(path, ReadOptions(images=images)).records)


def named(plugin: Format, path: Path, *images: Path) -> list[ImageRecord]:
    records = [part for part in read(plugin, path, *images) if isinstance(part, ImageRecord)]
    assert len(records) == len(read(plugin, path, *images))
    return records


def regions_of(records: list[ImageRecord]) -> list[Region]:
    return [region for record in records for region in record.regions if isinstance(region, Region)]


def record(*regions: Region, filename: str = "a.jpg", size_wh: tuple[int, int] | None = (100, 50)) -> ImageRecord:
    return ImageRecord(filename=filename, where="[0]", regions=regions, size_wh=size_wh)


def region(shape: Shape, label: str | None = "cat", attributes: Mapping[str, Any] = NOTHING, index: int = 0) -> Region:
    return Region(shape=shape, label=label, attributes=attributes, index=index, where=f"regions[{index}]")


@pytest.mark.parametrize("name", COCO128)
def test_a_real_folder_is_read_to_the_last_line(data: Path, facts: dict[str, Any], name: str) -> None:
    fact = facts[COCO128[name]]
    plugin = format_of(data / name)
    parts = read(plugin, data / name)
    records = [part for part in parts if isinstance(part, ImageRecord)]
    unread = [part for part in parts if isinstance(part, Unread)]
    regions = regions_of(records)
    labelled = {region.where.split(":")[0] for region in regions}

    assert plugin.name == "yolo"
    assert len(records) == fact["images"]
    assert len(regions) + sum(part.index is not None for part in unread) == fact["lines"]
    assert sum(part.index is None for part in unread) == fact["label files without an image"]
    assert {part.rule for part in unread} <= {"DR03"}
    without = sorted(Path(record.filename).stem for record in records if not record.regions)
    assert len(without) == fact["images without a label file"] + fact["empty label files"]
    assert set(fact["list"]) <= set(without)
    assert len(labelled) == fact["label files"] - fact["empty label files"] - fact["label files without an image"]
    assert sum(region.shape.kind == "polygon" for region in regions) == fact["polygon lines"]
    assert all(region.label and not region.label.isdigit() for region in regions)
    assert all(record.path and Path(record.path).is_file() for record in records)


def test_darknet_is_read_in_the_order_of_its_list(data: Path, facts: dict[str, Any]) -> None:
    folder = data / "metrics_100_formats/data/database"
    plugin = format_of(folder / "gts/yolo_format")
    records = named(plugin, folder / "gts/yolo_format", folder / "images")
    listed = (folder / "gts/yolo_format/train.txt").read_text().split()

    assert plugin.name == "yolo"
    assert [record.filename for record in records] == [Path(line).name for line in listed]
    fact = facts["metrics_100_formats: the same boxes in several formats"]
    assert len(regions_of(records)) == fact["yolo lines"]
    assert Counter(region.label for region in regions_of(records)) == facts["metrics_100_formats pascalvoc"]["classes"]


def test_a_real_folder_comes_back_without_its_images(data: Path, tmp_path: Path, yolo: Format) -> None:
    records = named(yolo, data / "coco128_train/instance_segmentation")
    report = yolo.write(records, tmp_path / "set")
    assert report.not_said == {}
    assert report.regions == len(regions_of(records))
    assert differences(records, named(yolo, tmp_path / "set"), yolo.precision_px) == []


@pytest.mark.parametrize(
    ("files", "image"),
    [
        ({"data.yaml": "names: [cat]", "labels/val/a.txt": BOX, "images/val/a.png": (100, 50)}, "val/a.png"),
        ({"data.yaml": "names: {0: cat}", "val/labels/a.txt": BOX, "val/images/a.png": (100, 50)}, "val/images/a.png"),
        ({"obj.names": "cat", "obj_train_data/a.txt": BOX, "obj_train_data/a.png": (100, 50)}, "a.png"),
        ({"classes.txt": "cat\n", "a.txt": BOX, "a.png": (100, 50)}, "a.png"),
        ({"labels/classes.txt": "cat\n", "labels/a.txt": BOX, "labels/a.png": (100, 50)}, "a.png"),
    ],
    ids=["ultralytics", "roboflow", "darknet", "bare", "labelimg"],
)
def test_every_layout_is_known_and_read(tmp_path: Path, files: dict[str, Any], image: str) -> None:
    folder = lay_out(tmp_path, files)
    plugin = format_of(folder)
    (record,) = named(plugin, folder)
    (region,) = record.regions
    assert plugin.name == "yolo"
    assert (record.filename, record.size_wh) == (image, (100, 50))
    assert isinstance(region, Region)
    assert (region.shape, region.label) == (Rect(40, 15, 20, 20), "cat")
    assert any((images / image).is_file() for images in plugin.image_folders(folder))


def test_images_and_label_files_that_miss_each_other_are_all_told(tmp_path: Path, yolo: Format) -> None:
    files: dict[str, Any] = {
        "labels/a.txt": BOX,
        "labels/b.txt": BOX + BOX,
        "labels/c.txt": "",
        "images/a.png": (100, 50),
    }
    folder = lay_out(tmp_path, files | {"images/d.png": (100, 50), "images/c.png": (100, 50)})
    first, lost, one, two, empty, background = read(yolo, folder)
    assert isinstance(lost, Unread)
    assert (lost.rule, lost.where, lost.index) == ("DR03", "labels/b.txt", None)
    places = [(part.where, part.index, part.shape_kind) for part in (one, two) if isinstance(part, Unread)]
    assert places == [("labels/b.txt:1", 0, "rect"), ("labels/b.txt:2", 1, "rect")]
    images = [part for part in (first, empty, background) if isinstance(part, ImageRecord)]
    assert [(image.filename, len(image.regions)) for image in images] == [("a.png", 1), ("c.png", 0), ("d.png", 0)]


def test_an_image_that_is_none_has_no_size(tmp_path: Path, yolo: Format) -> None:
    folder = lay_out(tmp_path, {"labels/a.txt": BOX, "images/a.png": "no image"})
    entry, region = read(yolo, folder)
    assert isinstance(entry, Unread)
    assert isinstance(region, Unread)
    assert (entry.rule, entry.index, region.rule, region.index) == ("DR04", None, "DR04", 0)


def test_a_list_says_which_images_belong_and_which_are_missing(tmp_path: Path, yolo: Format) -> None:
    lines = "/data/images/b.png\n\n./images/gone.png\nimages/b.png\n"
    files: dict[str, Any] = {"train.txt": lines, "classes.txt": "cat", "labels/a.txt": BOX, "labels/x.txt": BOX}
    images = {f"images/{name}.png": (100, 50) for name in "abc"}
    b, gone, a, x, of_x = read(yolo, lay_out(tmp_path, files | images))
    assert [part.filename for part in (b, a) if isinstance(part, ImageRecord)] == ["b.png", "a.png"]
    assert [part.where for part in (gone, x, of_x) if isinstance(part, Unread)] == [
        "train.txt:3",
        "labels/x.txt",
        "labels/x.txt:1",
    ]


def test_two_images_of_one_stem_share_their_label_file(tmp_path: Path, yolo: Format) -> None:
    folder = lay_out(tmp_path, {"labels/a.txt": BOX, "images/a.png": (100, 50), "images/a.jpg": (10, 10)})
    records = named(yolo, folder)
    assert [(record.filename, len(record.regions)) for record in records] == [("a.jpg", 1), ("a.png", 1)]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("0 0.5 0.5 0.2", "DR08"),
        ("0 0.5 0.5 0.2 wide", "DR08"),
        ("0 0.5 0.5 0.2 nan", "DR08"),
        ("0 0.5 0.5 0.2 1e999", "DR08"),
        ("0 1 2 3 4 5 6 7", "DR08"),
        ("-1 0.5 0.5 0.2 0.4", "DR17"),
        ("0.5 0.5 0.5 0.2 0.4", "DR17"),
        ("0", "DR08"),
    ],
)
def test_a_line_that_says_no_region_is_told_with_file_and_line(
    tmp_path: Path, yolo: Format, line: str, rule: str
) -> None:
    folder = lay_out(tmp_path, {"labels/a.txt": f"{BOX}\n{line}\n{BOX}", "images/a.png": (100, 50)})
    (record,) = named(yolo, folder)
    first, unread, last = record.regions
    assert isinstance(unread, Unread)
    assert (unread.rule, unread.where, unread.index) == (rule, "labels/a.txt:3", 1)
    assert isinstance(first, Region)
    assert isinstance(last, Region)


def test_lines_are_boxes_scores_and_polygons(tmp_path: Path, yolo: Format) -> None:
    lines = "7 0.5 0.5 0.2 0.4 0.75\n1 0 0 0.5 0 0.5 1\n1.0 0 0 0.5 0 0.5 1 0 0\n"
    folder = lay_out(tmp_path, {"labels/a.txt": lines, "data.yaml": "names: [a, no]", "images/a.png": (100, 50)})
    scored, polygon, closed = regions_of(named(yolo, folder))
    ring = ((0, 0), (50, 0), (50, 50))
    assert (scored.label, scored.attributes) == ("7", {"score": 0.75})
    assert (polygon.label, polygon.shape) == ("no", Polygon((ring,)))
    assert (closed.label, closed.shape) == ("no", Polygon((ring,), closed_in_file=True))


def test_classes_without_names_are_called_by_their_numbers_and_it_is_said(tmp_path: Path, yolo: Format) -> None:
    folder = lay_out(tmp_path, {"labels/a.txt": BOX, "images/a.png": (100, 50)})
    reading = yolo.read(folder, ReadOptions())
    assert [region.label for region in regions_of([r for r in reading.records if isinstance(r, ImageRecord)])] == ["0"]
    assert reading.notes == ("nothing names the classes: labels are their numbers",)


@pytest.mark.parametrize(
    "config",
    [
        "names: [a",
        "names: [[a]]",
        "names: {x: a}",
        "names: cat",
        "names: [a]\nkpt_shape: [17, 3]",
        "names: " + "[" * 5000,
    ],
    ids=["broken", "nested", "no number", "text", "key points", "deep"],
)
def test_a_configuration_that_is_none_is_refused(tmp_path: Path, yolo: Format, config: str) -> None:
    folder = lay_out(tmp_path, {"labels/a.txt": BOX, "data.yaml": config})
    with pytest.raises(BadFile, match=r"data\.yaml"):
        read(yolo, folder)


def test_folders_that_hold_several_documents_are_none(data: Path, yolo: Format) -> None:
    assert not yolo.sniff(data / "coco128_train")
    assert not yolo.sniff(data / "coco128_train/semantic_segmentation")


def test_what_yolo_cannot_say_is_told(tmp_path: Path, yolo: Format) -> None:
    ring = ((1, 1), (9, 1), (9, 9))
    shapes: list[Shape] = [
        Circle(50, 25, 10),
        Polyline(((0, 0), (10, 5))),
        Polygon((ring, ring)),
        WholeImage(),
        Polygon((ring[:2],)),
    ]
    regions = [region(shape, index=i) for i, shape in enumerate(shapes)]
    extra = [region(Rect(1, 1, 1, 1), label=None, index=5), region(Rect(1, 1, 1, 1), attributes={"far": True}, index=6)]
    unsized = record(region(Rect(1, 1, 1, 1)), filename="b.jpg", size_wh=None)
    images = [record(*regions, *extra), record(filename="a.png"), unsized, record(filename="../c.jpg")]
    report = yolo.write(images, tmp_path / "set")
    (again,) = named(yolo, tmp_path / "set")
    assert [one.shape.kind for one in regions_of([again])] == ["polygon", "rect", "polygon", "polygon", "rect", "rect"]
    assert (report.images, report.regions) == (1, 6)
    assert report.not_said == {
        "circle, as a polygon": 1,
        "polyline, as its box": 1,
        "that several rings are one polygon: each is a region of its own": 1,
        "label of a whole image": 1,
        "polygon, as its box": 1,
        "region without a label": 1,
        "attributes of a region": 1,
        "image whose label file is another's, by its name without the suffix": 1,
        "image of unknown width and height": 1,
        "region of an image that was left out": 1,
        "image whose name leads out of the folder": 1,
    }


def test_a_mask_becomes_polygons(tmp_path: Path, yolo: Format) -> None:
    report = yolo.write([record(region(PLAUSIBLE["mask"]), size_wh=(640, 480))], tmp_path / "set")
    (again,) = regions_of(named(yolo, tmp_path / "set"))
    assert report.not_said == {"mask, as polygons around its parts": 1}
    assert again.shape.kind == "polygon"


def test_what_is_written_is_laid_out_as_trainers_expect(tmp_path: Path, yolo: Format) -> None:
    images = [
        record(region(Rect(40, 15, 20, 20), label=label), filename=f"{label}/1.jpg") for label in ("on", "1", "é")
    ]
    yolo.write(images, tmp_path / "set")
    config = yaml.safe_load((tmp_path / "set/data.yaml").read_bytes())
    assert config == {"train": "train.txt", "val": "train.txt", "names": {0: "on", 1: "1", 2: "é"}}
    listed = (tmp_path / "set/train.txt").read_text().splitlines()
    assert listed == ["./images/on/1.jpg", "./images/1/1.jpg", "./images/é/1.jpg"]
    assert (tmp_path / "set/labels/on/1.txt").read_text() == BOX
    assert [path.name for path in sorted((tmp_path / "set").iterdir())] == [
        "data.yaml",
        "labels",
        "sizes.csv",
        "train.txt",
    ]


def test_the_table_of_sizes_goes_before_the_images(tmp_path: Path, yolo: Format) -> None:
    yolo.write([record(region(Rect(40, 15, 20, 20)), filename="a.png")], tmp_path / "set")
    lay_out(tmp_path / "set", {"images/a.png": (10, 10)})
    (again,) = named(yolo, tmp_path / "set")
    assert again.size_wh == (100, 50)
    assert again.path == str(tmp_path / "set/images/a.png")


def test_a_row_of_the_table_that_says_no_size_leaves_it_to_the_image(tmp_path: Path, yolo: Format) -> None:
    yolo.write([record(region(Rect(40, 15, 20, 20)), filename=f"{name}.png") for name in "ab"], tmp_path / "set")
    (tmp_path / "set/sizes.csv").write_text("filename,width,height\na.png,wide,50\n,10,10\n")
    lay_out(tmp_path / "set", {"images/a.png": (10, 10)})
    a, nameless, b, _ = read(yolo, tmp_path / "set")
    assert isinstance(a, ImageRecord)
    assert a.size_wh == (10, 10)
    assert [part.where for part in (nameless, b) if isinstance(part, Unread)] == ["sizes.csv:3", "labels/b.txt"]


_boxes = st.builds(Rect, numbers, numbers, numbers, numbers)
_polygons = st.lists(points, min_size=3, max_size=8, unique=True).map(lambda ring: Polygon((tuple(ring),)))
_closed = _polygons.map(lambda polygon: replace(polygon, closed_in_file=True))
_scores = st.sampled_from([{}, {"score": 0.1}, {"score": 1}, {"score": 1e-9}])
_regions = st.tuples(st.one_of(_boxes, _polygons, _closed), names, _scores)
_sizes = st.tuples(st.integers(1, 20000), st.integers(1, 20000))


@given(images=st.lists(st.tuples(_sizes, st.lists(_regions, max_size=4)), max_size=3))
def test_coordinates_come_back_within_what_is_promised(
    images: list[tuple[tuple[int, int], list[tuple[Rect | Polygon, str, dict[str, float]]]]],
) -> None:
    plugin = FORMATS.load("yolo")
    records = [
        record(
            *(
                region(shape, label, score if isinstance(shape, Rect) else {}, index)
                for index, (shape, label, score) in enumerate(regions)
            ),
            filename=f"{-i}.jpg",
            size_wh=size_wh,
        )
        for i, (size_wh, regions) in enumerate(images)
    ]
    with TemporaryDirectory() as folder:
        report = plugin.write(records, Path(folder) / "set")
        again = read(plugin, Path(folder) / "set")
    assert set(report.not_said) <= {"last corner of a polygon, which is the first when rounded"}
    if not report.not_said:
        assert differences(records, again, plugin.precision_px) == []


@given(
    lines=st.lists(st.text("0123456789.-+e naif\t\r,", max_size=30), max_size=5),
    config=st.text("names:[]{}0a, \n&*!-'\"", max_size=30),
    table=st.text('filename,width height\n"a.png0123', max_size=40),
)
def test_whatever_the_files_say_they_are_read_or_refused(lines: list[str], config: str, table: str) -> None:
    plugin = FORMATS.load("yolo")
    with TemporaryDirectory() as name:
        folder = lay_out(Path(name), {"labels/a.txt": "\n".join(lines), "images/a.png": (100, 50)})
        (record,) = named(plugin, folder)
        assert len(record.regions) == len([line for line in "\n".join(lines).splitlines() if line.strip()])
        lay_out(folder, {"sizes.csv": table})
        assert read(plugin, folder)
        lay_out(folder, {"data.yaml": config})
        try:
            assert read(plugin, folder)
        except BadFile as error:
            message = str(error)
        else:
            message = "data.yaml"
        assert "data.yaml" in message
