"""VIA's CSV exports: real ones, and rows that contradict each other."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from teppr.errors import BadFile
from teppr.formats import FORMATS, ReadOptions, format_of
from teppr.formats.via_csv import COLUMNS
from teppr.types import Circle, Ellipse, ImageRecord, Polygon, Rect, Region, Unread, WholeImage

CSV = FORMATS.load("via_csv")
SAMPLES = "via_tool_samples"
TWINS: dict[str, dict[str, Any]] = {
    f"{SAMPLES}/face_track_annotation/sherlock_ep01_tracks_FRCNN": {},
    f"{SAMPLES}/testdata/sample_img5_region_data": {"label_attribute": "shape"},
}
"""Exports that are there as CSV and as JSON, with the options that they need."""


def records_of(path: Path, **options: Any) -> list[ImageRecord]:  # noqa: ANN401
    records = list(CSV.read(path, ReadOptions(**options)).records)
    assert all(isinstance(record, ImageRecord) for record in records)
    return [record for record in records if isinstance(record, ImageRecord)]


def regions_of(records: list[ImageRecord]) -> list[Region]:
    return [region for record in records for region in record.regions if isinstance(region, Region)]


@pytest.mark.parametrize("name", TWINS)
def test_a_csv_says_what_its_json_says(data: Path, name: str) -> None:
    options = TWINS[name]
    fact = json.loads((data / "FACTS.json").read_bytes())[f"{name}.json"]
    records = records_of(data / f"{name}.csv", **options)
    regions = regions_of(records)
    assert format_of(data / f"{name}.csv").name == "via_csv"
    assert len(regions) == sum(len(record.regions) for record in records) == fact["regions"]
    assert Counter(region.shape.kind for region in regions) == fact["shapes"]
    # Images without regions are not in a CSV of early versions.
    assert len(records) == fact["entries"] - fact["entries without regions"]
    json_records = FORMATS.load("via").read(data / f"{name}.json", ReadOptions(**options)).records
    wanted = {record.filename: record for record in json_records if isinstance(record, ImageRecord)}
    for record in records:
        twin = wanted[record.filename]
        assert [(each.shape, each.label) for each in regions_of([record])] == [
            (each.shape, each.label) for each in regions_of([twin])
        ]
        assert record.size_bytes == twin.size_bytes


def test_unusual_texts_are_read_as_they_are(data: Path) -> None:
    records = records_of(data / f"{SAMPLES}/unit_test/unit_test_annotation1.csv")
    labels = {region.label for region in regions_of(records)}
    assert len(regions_of(records)) == 12
    assert 'ellipse "red"' in labels


def test_other_tables_are_no_annotations(data: Path, tmp_path: Path) -> None:
    assert not CSV.sniff(data / f"{SAMPLES}/testdata/sample_attributes1.csv")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadFile, match="'filename'"):
        CSV.read(tmp_path / "a.csv", ReadOptions())


def table(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("\n".join((",".join(COLUMNS), *rows)) + "\n", encoding="utf-8")
    return path


RECT = '"{""name"":""rect"",""x"":1,""y"":2,""width"":3,""height"":4}"'
LABEL = '"{""label"":""a""}"'


def test_rows_of_an_image_may_stand_anywhere(tmp_path: Path) -> None:
    path = table(
        tmp_path, f"a.jpg,5,{{}},2,0,{RECT},{LABEL}", "b.jpg,6,{},0,0,{},{}", f"a.jpg,5,{{}},2,1,{RECT},{LABEL}"
    )
    first, second = records_of(path)
    assert [region.where for region in regions_of([first])] == ["row 2", "row 4"]
    assert (second.filename, second.regions, second.size_bytes) == ("b.jpg", (), 6)


def test_fewer_rows_than_regions_are_told(tmp_path: Path) -> None:
    (record,) = records_of(table(tmp_path, f"a.jpg,5,{{}},3,0,{RECT},{LABEL}"))
    good, *missing = record.regions
    assert isinstance(good, Region)
    assert [(part.rule, part.index) for part in missing if isinstance(part, Unread)] == [("DR01", 1), ("DR01", 2)]


@pytest.mark.parametrize(
    ("shape", "where"),
    [
        pytest.param("{", "row 2", id="half a JSON"),
        pytest.param('"{""name"":""rect"",""x"":""a""}"', "row 2, region_shape_attributes.x", id="no number"),
        pytest.param("name=circle;cx=a;cy=1;r=2;", "row 2, region_shape_attributes.cx", id="early, no number"),
        pytest.param("", "row 2, region_shape_attributes.name", id="nothing"),
    ],
)
def test_a_cell_that_cannot_be_read_is_told_with_its_row(tmp_path: Path, shape: str, where: str) -> None:
    (record,) = records_of(table(tmp_path, f"a.jpg,5,{{}},1,0,{shape},{LABEL}"))
    (region,) = record.regions
    assert isinstance(region, Unread)
    assert (region.rule, region.where) == ("DR08", where)


def test_early_words_become_shapes(tmp_path: Path) -> None:
    rows = (
        "a.jpg,5,,4,0,name=circle;cx=5;cy=6.5;r=2;,kind=x;",
        "a.jpg,5,,4,1,name=ellipse;cx=5;cy=6;rx=2;ry=3;,kind=x;",
        "a.jpg,5,,4,2,name=polygon;all_points_x=[1:5:5:1];all_points_y=[1:1:4:1];,kind=x;",
        "a.jpg,5,,4,3,name=rect;x=1;y=2;width=3;height=4;,kind=x;",
    )
    assert [region.shape for region in regions_of(records_of(table(tmp_path, *rows)))] == [
        Circle(5, 6.5, 2),
        Ellipse(5, 6, 2, 3),
        Polygon((((1, 1), (5, 1), (5, 4)),), closed_in_file=True),
        Rect(1, 2, 3, 4),
    ]


def test_a_quote_that_is_never_closed_and_other_text_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, f'"a.jpg,5,{{}},1,0,{RECT},{LABEL}')
    with pytest.raises(BadFile, match="row 2"):
        CSV.read(path, ReadOptions())
    path.write_bytes(",".join(COLUMNS).encode() + b"\n\xff,1,2,3,4,5,6\n")
    with pytest.raises(BadFile, match="row 2 is no UTF-8"):
        CSV.read(path, ReadOptions())


@pytest.mark.parametrize("name", ["via", "via_csv"])
def test_labels_of_whole_images_are_attributes_of_them(tmp_path: Path, name: str) -> None:
    plugin = FORMATS.load(name)
    labels = (("a.jpg", "ant"), ("b.jpg", "bee"))
    records = [
        ImageRecord(
            filename=filename,
            where="",
            regions=(Region(shape=WholeImage(), label=label, index=0, where=""),),
            attributes={"caption": "x"},
        )
        for filename, label in labels
    ]
    path = tmp_path / f"a{plugin.suffixes[0]}"
    report = plugin.write(records, path)
    assert report.not_said == {"that an attribute of an image is its label": 2}
    read = list(plugin.read(path, ReadOptions(image_labels=True)).records)
    for record, (filename, label) in zip(read, labels, strict=True):
        assert isinstance(record, ImageRecord)
        assert (record.filename, dict(record.attributes)) == (filename, {"caption": "x"})
        assert [(region.shape, region.label) for region in regions_of([record])] == [(WholeImage(), label)]
    as_attributes = list(plugin.read(path, ReadOptions()).records)
    assert all(isinstance(record, ImageRecord) and not record.regions for record in as_attributes)
