"""Pascal VOC: real folders, and what files in the wild hold."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from teppr.errors import BadFile
from teppr.formats import FORMATS, ReadOptions, format_of
from teppr.types import ImageRecord, Polygon, Rect, Region, Unread, WholeImage

VOC = FORMATS.load("voc")
FOLDERS = {
    "voc_kangaroo/annots": "voc_kangaroo",
    "voc_bccd/BCCD": "voc_bccd",
    "metrics_100_formats/data/database/gts/pascalvoc_format": "metrics_100_formats pascalvoc",
    "metrics_100_formats/data/database/gts/imagenet_format": "metrics_100_formats pascalvoc",
    "metrics_100_formats/toyexample/gts_vocpascal_format": "metrics_100_formats toyexample",
}


def records_of(path: Path, **options: Any) -> list[ImageRecord]:  # noqa: ANN401
    records = list(VOC.read(path, ReadOptions(**options)).records)
    assert all(isinstance(record, ImageRecord) for record in records)
    return [record for record in records if isinstance(record, ImageRecord)]


def regions_of(records: list[ImageRecord]) -> list[Region]:
    return [region for record in records for region in record.regions if isinstance(region, Region)]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_is_read_to_the_last_object(data: Path, name: str) -> None:
    fact = json.loads((data / "FACTS.json").read_bytes())[FOLDERS[name]]
    records = records_of(data / name)
    regions = regions_of(records)
    assert format_of(data / name).name == "voc"
    assert len(records) == fact["xml"]
    assert sum(len(record.regions) for record in records) == len(regions) == fact["objects"]
    assert Counter(region.label for region in regions) == fact["classes"]
    assert sum(not record.regions for record in records) == fact["xml without objects"]
    shapes = [region.shape for region in regions]
    flat = [shape for shape in shapes if isinstance(shape, Rect) and min(shape.width, shape.height) <= 0]
    assert len(flat) == fact["degenerate boxes (xmin>=xmax or ymin>=ymax)"]
    if "imagenet" not in name:  # there it is left out
        assert sum(region.attributes.get("truncated") == 1 for region in regions) == fact["truncated"]


def test_images_are_found_where_voc_has_them(data: Path) -> None:
    for name in FOLDERS:
        folders = VOC.image_folders(data / name)
        if "metrics_100_formats/data" not in name:
            assert all(
                any((folder / record.filename).is_file() for folder in folders) for record in records_of(data / name)
            )


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def one(tmp_path: Path, inside: str, **options: Any) -> ImageRecord:  # noqa: ANN401
    path = write(tmp_path, "a.xml", f"<annotation><filename>a.jpg</filename>{inside}</annotation>")
    return records_of(path, **options)[0]


BOX = "<bndbox><xmin>1</xmin><ymin>2.5</ymin><xmax>11</xmax><ymax>22.5</ymax></bndbox>"


def test_an_object_keeps_all_that_it_says(tmp_path: Path) -> None:
    record = one(
        tmp_path,
        "<folder>f</folder><source><database>d</database></source><size><width>40</width><height>30</height>"
        "<depth>1</depth></size><object><name>cat</name><pose>Left</pose><difficult>1</difficult>"
        f"<truncated>maybe</truncated><part><name>head</name>{BOX}</part><part><name>tail</name></part>{BOX}"
        "<attributes><attribute><name>color</name><value>red</value></attribute></attributes></object>",
    )
    assert record.size_wh == (40, 30)
    assert record.attributes == {"folder": "f", "source": {"database": "d"}, "depth": "1"}
    (region,) = regions_of([record])
    assert region.shape == Rect(1, 2.5, 10, 20)
    assert region.label == "cat"
    corners = {"xmin": "1", "ymin": "2.5", "xmax": "11", "ymax": "22.5"}
    assert region.attributes == {
        "pose": "Left",
        "difficult": 1,
        "truncated": "maybe",
        "part": [{"name": "head", "bndbox": corners}, {"name": "tail"}],
        "color": "red",
    }


@pytest.mark.parametrize(
    ("inside", "where"),
    [
        pytest.param("<bndbox><xmin>1</xmin></bndbox>", "object[0].bndbox.ymin", id="a corner that is not there"),
        pytest.param(BOX.replace("2.5", "nan", 1), "object[0].bndbox.ymin", id="no number"),
        pytest.param(BOX.replace("2.5", "1e999", 1), "object[0].bndbox.ymin", id="beyond all numbers"),
        pytest.param("", "object[0].bndbox", id="no box"),
        pytest.param("<polygon><x1>1</x1><y2>3</y2></polygon>", "object[0].polygon.y1", id="half a corner"),
    ],
)
def test_an_object_without_a_whole_shape_is_told_with_its_place(tmp_path: Path, inside: str, where: str) -> None:
    (region,) = one(tmp_path, f"<object><name>cat</name>{inside}</object>").regions
    assert isinstance(region, Unread)
    assert (region.rule, region.where, region.index) == ("DR08", where, 0)


def test_an_object_without_a_box_labels_the_image_where_images_are_labelled(tmp_path: Path) -> None:
    record = one(tmp_path, "<object><name>cat</name></object>", image_labels=True)
    assert [(region.shape, region.label) for region in regions_of([record])] == [(WholeImage(), "cat")]


def test_polygons_are_read_in_both_spellings(tmp_path: Path) -> None:
    numbered = "".join(f"<x{i}>{x}</x{i}><y{i}>{y}</y{i}>" for i, (x, y) in enumerate(((0, 0), (4, 0), (4, 3)), 1))
    points = "<pt><x>0</x><y>0</y></pt><pt><x>4</x><y>0</y></pt><pt><x>4</x><y>3</y></pt>"
    for inside in (numbered, points):
        record = one(tmp_path, f"<object><name>a</name><polygon>{inside}</polygon>{BOX}</object>")
        assert regions_of([record])[0].shape == Polygon((((0, 0), (4, 0), (4, 3)),))


def test_a_name_without_its_ending_is_found_among_the_images(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(folder / "Annotations", "n1.xml", "<annotation><filename>n1</filename></annotation>")
    write(folder / "Annotations", "n2.xml", "<annotation></annotation>")
    write(folder / "JPEGImages", "n1.JPEG", "x")
    assert [record.filename for record in records_of(folder)] == ["n1.JPEG", "n2"]


def test_a_broken_file_is_an_entry_that_cannot_be_read_and_the_others_go_on(tmp_path: Path) -> None:
    write(tmp_path, "a.xml", "<annotation><filename>a.jpg</filename></annotation>")
    write(tmp_path, "b.xml", "<annotation>\n<filename>b.jpg</filename>")
    write(tmp_path, "c.xml", '<!DOCTYPE x [<!ENTITY a "b">]><annotation>&a;</annotation>')
    write(tmp_path, "d.xml", "<other/>")
    first, *broken = VOC.read(tmp_path, ReadOptions()).records
    assert isinstance(first, ImageRecord)
    assert [(part.where, part.rule) for part in broken if isinstance(part, Unread)] == [
        ("b.xml", "DR01"),
        ("c.xml", "DR01"),
        ("d.xml", "DR01"),
    ]
    assert "line 2, column" in str(broken[0])
    with pytest.raises(BadFile, match="entities"):
        list(VOC.read(tmp_path / "c.xml", ReadOptions()).records)


def test_a_folder_without_xml_is_no_voc(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="holds none"):
        VOC.read(tmp_path, ReadOptions())
