"""YOLO: real folders in their several layouts, and what is wrong in others."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from teppr.errors import BadFile
from teppr.formats import FORMATS, ReadOptions, format_of
from teppr.types import ImageRecord, Polygon, Rect, Region, Unread

YOLO = FORMATS.load("yolo")
GTS = "metrics_100_formats/data/database/gts"


def read(path: Path, *images: Path) -> tuple[list[ImageRecord], list[Unread]]:
    parts = list(YOLO.read(path, ReadOptions(images=images)).records)
    return [part for part in parts if isinstance(part, ImageRecord)], [
        part for part in parts if isinstance(part, Unread)
    ]


def regions_of(records: list[ImageRecord]) -> list[Region]:
    return [region for record in records for region in record.regions if isinstance(region, Region)]


def facts_of(data: Path, name: str) -> dict[str, Any]:
    fact: dict[str, Any] = json.loads((data / "FACTS.json").read_bytes())[name]
    return fact


def test_boxes_of_coco128_are_read_and_images_without_labels_are_background(data: Path) -> None:
    folder, fact = data / "coco128_train/object_detection", facts_of(data, "coco128_train object_detection (YOLO)")
    records, unread = read(folder, data / "coco128_train/images")
    regions = regions_of(records)
    assert format_of(folder).name == "yolo"
    assert len(records) == fact["images"]
    assert sum(not record.regions for record in records) == fact["images without a label file"]
    lost = [part for part in unread if part.index is None]
    assert len(lost) == fact["label files without an image"]
    assert {part.rule for part in unread} == {"DR03"}
    assert len(regions) + sum(part.index is not None for part in unread) == fact["lines"]
    assert {"person", "car"} <= {region.label for region in regions}
    assert all(isinstance(region.shape, Rect) for region in regions)


def test_polygons_of_coco128_are_read_and_what_its_file_leaves_out_is_noted(data: Path) -> None:
    folder = data / "coco128_train/instance_segmentation"
    fact = facts_of(data, "coco128_train instance_segmentation (YOLO-seg)")
    reading = YOLO.read(folder, ReadOptions(images=(data / "coco128_train/images",)))
    records = [part for part in reading.records if isinstance(part, ImageRecord)]
    regions = regions_of(records)
    assert len(records) == fact["label files"]
    assert len(regions) == fact["lines"] == sum(isinstance(region.shape, Polygon) for region in regions)
    assert sum(not record.regions for record in records) == fact["empty label files"]
    assert len({region.label for region in regions}) == fact["distinct classes"]
    assert str(fact["images without a label file"]) in reading.notes[0]


def test_the_same_boxes_as_in_coco(data: Path) -> None:
    images = data / "metrics_100_formats/data/database/images"
    records, unread = read(data / GTS / "yolo_format", images)
    assert not unread
    coco = FORMATS.load("coco").read(data / GTS / "coco_format_v1/instances_default.json", ReadOptions()).records
    wanted = {record.filename: record for record in coco if isinstance(record, ImageRecord)}
    assert len(regions_of(records)) == 273
    for record in records:
        ours = sorted((region.label or "", *_corners(region)) for region in regions_of([record]))
        theirs = sorted((region.label or "", *_corners(region)) for region in regions_of([wanted[record.filename]]))
        assert [row[0] for row in ours] == [row[0] for row in theirs]
        for one, other in zip(ours, theirs, strict=True):
            # Six decimals of images of at most 500 pixels.
            assert one[1:] == pytest.approx(other[1:], abs=5e-4)


def _corners(region: Region) -> tuple[float, float, float, float]:
    assert isinstance(region.shape, Rect)
    return region.shape.x, region.shape.y, region.shape.width, region.shape.height


def layout(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def picture(path: Path, size_wh: tuple[int, int] = (100, 50)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size_wh).save(path)


def test_ultralytics_and_darknet_and_bare_folders_are_read(tmp_path: Path) -> None:
    line = "1 0.5 0.5 0.2 0.4\n"
    folders = [
        layout(tmp_path / "u", **{"data.yaml": "names: [cat, dog]", "labels__train__a.txt": line}),
        layout(tmp_path / "d", **{"obj.names": "cat\ndog\n", "obj_train_data__a.txt": line}),
        layout(tmp_path / "b", **{"classes.txt": "cat\ndog\n", "a.txt": line}),
    ]
    for folder, name in zip(folders, ("images/train/a.jpg", "obj_train_data/a.jpg", "a.jpg"), strict=True):
        picture(folder / name)
        records, unread = read(folder)
        assert not unread
        (region,) = regions_of(records)
        assert (region.shape, region.label) == (Rect(40, 15, 20, 20), "dog")


@pytest.mark.parametrize(
    ("line", "rule", "message"),
    [
        pytest.param("0 0.5 0.5 0.2", "DR08", "4 numbers of a box", id="too few"),
        pytest.param("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "DR08", "4 numbers of a box", id="half a corner"),
        pytest.param("cat 0.5 0.5 0.2 0.1", "DR08", "must hold numbers, got 'cat'", id="a word"),
        pytest.param("0 nan 0.5 0.2 0.1", "DR08", "finite", id="no number"),
        pytest.param("0.5 0.5 0.5 0.2 0.1", "DR08", "number of a class", id="half a class"),
        pytest.param("7 0.5 0.5 0.2 0.1", "DR17", "must have a name, got 7", id="a class without a name"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_with_its_number(tmp_path: Path, line: str, rule: str, message: str) -> None:
    folder = layout(tmp_path, **{"classes.txt": "cat", "a.txt": f"0 0.5 0.5 0.1 0.1\n\n{line}\n"})
    picture(folder / "a.jpg")
    ((record,), _) = read(folder)
    good, bad = record.regions
    assert isinstance(good, Region)
    assert isinstance(bad, Unread)
    assert (bad.rule, bad.where, bad.index) == (rule, "a.txt:3", 1)
    assert message in bad.message


def test_a_sixth_number_is_a_score(tmp_path: Path) -> None:
    folder = layout(tmp_path, **{"a.txt": "3 0.5 0.5 0.1 0.1 0.75\n"})
    picture(folder / "a.jpg")
    (region,) = regions_of(read(folder)[0])
    assert (region.label, region.attributes) == ("3", {"score": 0.75})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param({"data.yaml": "names: [a", "a.txt": "0 1 1 1 1"}, "as YAML", id="broken yaml"),
        pytest.param({"data.yaml": "names: {x: a}", "a.txt": "0 1 1 1 1"}, "numbers for keys", id="named names"),
        pytest.param({"sizes.csv": "a,b\n", "a.txt": "0 1 1 1 1"}, "columns filename,width,height", id="columns"),
        pytest.param({"sizes.csv": "filename,width,height\na.jpg,0,1\n", "a.txt": ""}, "every row", id="no side"),
        pytest.param({}, "holds none", id="no label files"),
    ],
)
def test_a_folder_that_contradicts_itself_is_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(BadFile, match=message):
        read(layout(tmp_path, **files))


def test_labels_are_counted_by_their_names(data: Path) -> None:
    records, _ = read(data / GTS / "yolo_format", data / "metrics_100_formats/data/database/images")
    wanted = facts_of(data, "metrics_100_formats pascalvoc")["classes"]
    assert Counter(region.label for region in regions_of(records)) == wanted
