"""VIA's CSV: what real and broken rows say, and what is said of them."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from teppr.errors import BadFile, BadInput
from teppr.formats import Reading, ReadOptions
from teppr.formats.via_csv import PLUGIN as VIA_CSV
from teppr.types import Circle, Ellipse, ImageRecord, Polygon, Polyline, Rect, Region, Shape, Spot, Unread, WholeImage

PLAIN = ReadOptions()
HEADER = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
RECT = '"{""name"":""rect"",""x"":1,""y"":2,""width"":3,""height"":4}"'


def reading(folder: Path, *rows: str, header: str = HEADER, options: ReadOptions = PLAIN) -> Reading:
    path = folder / "via.csv"
    path.write_bytes("\n".join([header, *rows]).encode("utf-8", "surrogateescape"))
    return VIA_CSV.read(path, options)


def records(folder: Path, *rows: str, options: ReadOptions = PLAIN) -> list[ImageRecord | Unread]:
    return list(reading(folder, *rows, options=options).records)


def row(name: str = "a.jpg", *, count: int | str = 1, number: int | str = 0, shape: str = RECT, said: str = "") -> str:
    return f"{name},7,{{}},{count},{number},{shape},{said}"


def only_region(folder: Path, line: str) -> Region | Unread:
    (record,) = records(folder, line)
    assert isinstance(record, ImageRecord)
    (found,) = record.regions
    return found


@pytest.mark.parametrize(
    ("cell", "shape"),
    [
        (RECT, Rect(1, 2, 3, 4)),
        ('"name=circle;cx=895;cy=10.5;r=97;"', Circle(895, 10.5, 97)),
        ("name=ellipse;cx=1;cy=2;rx=3;ry=4", Ellipse(1, 2, 3, 4)),
        ("name=point;cx=-1;cy=1e2;", Spot(-1, 100.0)),
        ("name=polyline;all_points_x=[1:2];all_points_y=[3:4];", Polyline(((1, 3), (2, 4)))),
        (
            "name=polygon;all_points_x=[1:2:3:1];all_points_y=[3:4:5:3];",
            Polygon((((1, 3), (2, 4), (3, 5)),), closed_in_file=True),
        ),
        ("name=polyline;all_points_x=[];all_points_y=[];", Polyline(())),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else None,
)
def test_shapes_are_read_in_both_forms(tmp_path: Path, cell: str, shape: Shape) -> None:
    found = only_region(tmp_path, row(shape=cell))
    assert isinstance(found, Region)
    assert (found.shape, found.where) == (shape, "row 2")


@pytest.mark.parametrize(
    ("line", "rule", "where"),
    [
        (row(shape="name=circle;cx=5;cy=2;"), "DR08", "row 2, region_shape_attributes.r"),
        (row(shape="name=circle;cx=five;cy=2;r=1;"), "DR08", "row 2, region_shape_attributes.cx"),
        (row(shape="name=circle;cx=nan;cy=2;r=1;"), "DR08", "row 2, region_shape_attributes.cx"),
        (row(shape="name=circle;cx=1e999;cy=2;r=1;"), "DR08", "row 2, region_shape_attributes.cx"),
        (row(shape="name=circle;cx=1_0;cy=2;r=1;"), "DR08", "row 2, region_shape_attributes.cx"),
        (
            row(shape="name=polyline;all_points_x=[1:x];all_points_y=[1:2];"),
            "DR08",
            "row 2, region_shape_attributes.all_points_x[1]",
        ),
        (row(shape=""), "DR08", "row 2, region_shape_attributes.name"),
        (row(shape="circle"), "DR08", "row 2, region_shape_attributes"),
        (row(shape='"{""name"":"'), "DR08", "row 2, region_shape_attributes"),
        (row(said='"{""name"":"'), "DR01", "row 2, region_attributes"),
        (row(count=0, shape="", said="name=car;"), "DR08", "row 2, region_shape_attributes.name"),
    ],
)
def test_a_broken_cell_is_told_with_its_row(tmp_path: Path, line: str, rule: str, where: str) -> None:
    found = only_region(tmp_path, line)
    assert isinstance(found, Unread)
    assert (found.rule, found.where, found.index) == (rule, where, 0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.jpg,7,{}", "7 cells, got 3"),
        (" ,7,{},1,0,x,y", "got a blank filename"),
        ('a.jpg,7,"{},1,0,x,y', "its quotes closed"),
        ("\udcff.jpg,7,{},1,0,x,y", "must be UTF-8"),
    ],
)
def test_a_row_that_cannot_be_read_is_told_and_the_others_are_read(tmp_path: Path, line: str, message: str) -> None:
    first, last, unread = records(tmp_path, row("a.jpg"), line, row("b.jpg"))
    assert [isinstance(record, ImageRecord) and len(record.regions) for record in (first, last)] == [1, 1]
    assert isinstance(unread, Unread)
    assert (unread.rule, unread.where, unread.index) == ("DR01", "row 3", 3)
    assert message in unread.message


def test_an_image_without_regions_is_one_row(tmp_path: Path) -> None:
    bare, other = records(tmp_path, row(count=0, shape='"{}"', said='"{}"'), row("b.jpg"))
    assert isinstance(bare, ImageRecord)
    assert isinstance(other, ImageRecord)
    assert (len(bare.regions), len(other.regions)) == (0, 1)


def test_rows_of_one_image_need_not_stand_together(tmp_path: Path) -> None:
    found = reading(tmp_path, *(row(name, count=2, number=i) for i in range(2) for name in ("b.jpg", "a.jpg")))
    assert found.entries == 2
    images = [record for record in found.records if isinstance(record, ImageRecord)]
    assert [(image.filename, [region.where for region in image.regions]) for image in images] == [
        ("b.jpg", ["row 2", "row 4"]),
        ("a.jpg", ["row 3", "row 5"]),
    ]


def test_rows_that_are_missing_are_told(tmp_path: Path) -> None:
    (record,) = records(tmp_path, row(count=3), row(count=3, number=2))
    assert isinstance(record, ImageRecord)
    missing = record.regions[2]
    assert isinstance(missing, Unread)
    assert (missing.rule, missing.index, missing.where) == ("DR01", 2, "row 2, region_count")
    assert "got region_count=3 and 2 rows" in missing.message


def test_rows_beyond_the_count_are_kept_and_that_is_told(tmp_path: Path) -> None:
    found = reading(tmp_path, row(), row(), row("b.jpg"))
    assert found.notes[-1] == "1 images have more rows than their region_count says; all are kept"
    assert [len(record.regions) for record in found.records if isinstance(record, ImageRecord)] == [2, 1]


def test_blank_rows_are_no_rows_but_count(tmp_path: Path) -> None:
    (record,) = records(tmp_path, "", ",,,,,,", row())
    assert record.where == "row 4"


def test_a_cell_may_hold_line_ends_quotes_and_commas(tmp_path: Path) -> None:
    found = only_region(tmp_path, row(said='"name=a ""b"",\nc;d;"'))
    assert isinstance(found, Region)
    assert found.label == 'a "b",\nc;d'


@pytest.mark.parametrize("header", [HEADER, "#" + HEADER, "\ufeff" + HEADER, HEADER + "\r"])
def test_every_header_of_the_tool_is_known(tmp_path: Path, header: str) -> None:
    assert len(list(reading(tmp_path, row(), header=header).records)) == 1
    assert VIA_CSV.sniff(tmp_path / "via.csv")


@pytest.mark.parametrize("header", ["", "filename", "filename;file_size", HEADER + ",more"])
def test_another_header_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(BadFile, match="must begin with its columns filename, file_size"):
        reading(tmp_path, row(), header=header)
    assert not VIA_CSV.sniff(tmp_path / "via.csv")


def test_the_label_is_chosen_as_in_json(data: Path) -> None:
    path = data / "via_tool_samples/testdata/sample_img5_region_data.csv"
    with pytest.raises(BadInput, match=r"'shape' \(5 of 5 regions\), 'size' \(5 of 5 regions\); .*--label-attribute"):
        VIA_CSV.read(path, PLAIN)
    (record,) = VIA_CSV.read(path, ReadOptions(label_attribute="size")).records
    assert isinstance(record, ImageRecord)
    assert [region.label for region in record.regions if isinstance(region, Region)] == ["1", "2", "3", "4", "5"]


def test_labels_of_whole_images_are_attributes_of_the_image(tmp_path: Path) -> None:
    line = 'a.jpg,7,"{""class"":""cat""}",0,0,"{}","{}"'
    (record,) = records(tmp_path, line, options=ReadOptions(image_labels=True))
    assert isinstance(record, ImageRecord)
    (region,) = record.regions
    assert isinstance(region, Region)
    assert (region.shape, region.label, region.where) == (WholeImage(), "cat", "row 2, file_attributes.class")
    report = VIA_CSV.write([record], tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == f"{HEADER}\n{line}\n"
    assert report.not_said == {"label of a whole image, as an attribute of the image": 1}


# Writing


def record(*shapes: Shape, name: str = "a.jpg") -> ImageRecord:
    regions = tuple(Region(shape=shape, label="car", index=i, where=f"regions[{i}]") for i, shape in enumerate(shapes))
    return ImageRecord(filename=name, where="", regions=regions)


def test_rows_are_written_as_the_tool_writes_them(tmp_path: Path) -> None:
    given = replace(record(Spot(1.0, 2.5)), size_bytes=7, attributes={"caption": "é"})
    VIA_CSV.write([given, record(name="b.jpg")], tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text("utf-8").splitlines() == [
        HEADER,
        'a.jpg,7,"{""caption"":""é""}",1,0,"{""name"":""point"",""cx"":1,""cy"":2.5}","{""label"":""car""}"',
        'b.jpg,-1,"{}",0,0,"{}","{}"',
    ]


def test_another_reader_of_csv_finds_the_same_cells(tmp_path: Path) -> None:
    VIA_CSV.write([record(Spot(1, 2), name='a,"b"\n.jpg')], tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        (found,) = csv.DictReader(file)
    assert found["filename"] == 'a,"b"\n.jpg'
    assert found["region_attributes"] == '{"label":"car"}'
    (again,) = VIA_CSV.read(tmp_path / "out.csv", PLAIN).records
    assert isinstance(again, ImageRecord)
    assert again.filename == found["filename"]


def test_several_entries_of_one_image_become_one_and_that_is_told(tmp_path: Path) -> None:
    report = VIA_CSV.write([record(Spot(1, 2)), record(Spot(3, 4))], tmp_path / "out.csv")
    assert (report.images, report.regions) == (1, 2)
    assert report.not_said == {"that an image has several entries: its regions are in one": 1}
    (again,) = VIA_CSV.read(tmp_path / "out.csv", PLAIN).records
    assert isinstance(again, ImageRecord)
    assert [region.shape for region in again.regions if isinstance(region, Region)] == [Spot(1, 2), Spot(3, 4)]
