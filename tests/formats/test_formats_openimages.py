"""OpenImages: the real table to the last row, rows in any order, and the same boxes as in the other formats."""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.errors import BadFile, BadInput
from teppr.formats import FORMATS, Format, ReadOptions, format_of
from teppr.images import encode_png
from teppr.testing.formats import differences, names, numbers
from teppr.types import NOTHING, Circle, ImageRecord, Rect, Region, Shape, Unread, WholeImage

DATABASE = "metrics_100_formats/data/database"
TABLE = f"{DATABASE}/gts/openimages_format/all_bounding_boxes.csv"
HEADER = "ImageID,LabelName,XMin,XMax,YMin,YMax\n"

SAME_BOXES_WITHIN_PX = {
    "gts/pascalvoc_format": 0,
    "gts/imagenet_format": 0,
    "gts/coco_format_v1/instances_default.json": 0,
    "gts/coco_format_v2/instances_v2.json": 0,
    "gts/openimages_format/all_bounding_boxes.csv": 1e-7,
    "gts/yolo_format": 4e-4,
}
"""Whole pixels agree to the last digit; shares have ten decimals in the table and six in the label files, and a corner
is off by 0.75 of a unit of the last: 4e-4 of 500 pixels."""


@pytest.fixture(scope="module")
def openimages() -> Format:
    return FORMATS.load("openimages")


def table_in(folder: Path, text: str, *images: str) -> Path:
    """A table beside images of 100 x 50 pixels."""
    for name in images:
        (folder / name).write_bytes(encode_png(np.zeros((50, 100, 3), np.uint8)))
    (folder / "boxes.csv").write_text(text)
    return folder / "boxes.csv"


def read(plugin: Format, path: Path, *images: Path) -> list[ImageRecord | Unread]:
    return list(plugin.read(path, ReadOptions(images=images)).records)


def named(parts: list[ImageRecord | Unread]) -> list[ImageRecord]:
    assert all(isinstance(part, ImageRecord) for part in parts)
    return [part for part in parts if isinstance(part, ImageRecord)]


def regions_of(records: list[ImageRecord]) -> list[Region]:
    regions = [region for record in records for region in record.regions]
    assert all(isinstance(region, Region) for region in regions)
    return [region for region in regions if isinstance(region, Region)]


def record(*regions: Region, filename: str = "a.jpg", size_wh: tuple[int, int] | None = (100, 50)) -> ImageRecord:
    return ImageRecord(filename=filename, where="[0]", regions=regions, size_wh=size_wh)


def region(
    shape: Shape,
    label: str | None = "cat",
    attributes: Mapping[str, Any] = NOTHING,
    index: int = 0,
    crowd: bool = False,
) -> Region:
    return Region(
        shape=shape, label=label, attributes=attributes, index=index, where=f"regions[{index}]", is_crowd=crowd
    )


def test_the_real_table_is_read_to_the_last_row(data: Path, facts: dict[str, Any]) -> None:
    plugin = format_of(data / TABLE)
    records = named(read(plugin, data / TABLE, data / DATABASE / "images"))
    assert plugin.name == "openimages"
    fact = facts["metrics_100_formats: the same boxes in several formats"]
    assert len(regions_of(records)) == fact["openimages csv rows"]
    assert len(records) == fact["cvat images"]
    assert Counter(region.label for region in regions_of(records)) == facts["metrics_100_formats pascalvoc"]["classes"]
    assert all(record.path and Path(record.path).name == record.filename for record in records)


@pytest.mark.parametrize("name", SAME_BOXES_WITHIN_PX)
def test_the_same_boxes_are_read_from_every_format(data: Path, facts: dict[str, Any], name: str) -> None:
    boxes = boxes_of(data, name)
    expected = boxes_of(data, "gts/pascalvoc_format")
    fact = facts["metrics_100_formats: the same boxes in several formats"]
    assert len(boxes) == len(expected) == fact["pascalvoc"]
    assert [box[:2] for box in boxes] == [box[:2] for box in expected]
    apart = np.abs(np.array([box[2] for box in boxes]) - np.array([box[2] for box in expected]))
    assert apart.max() <= SAME_BOXES_WITHIN_PX[name]


def boxes_of(data: Path, name: str) -> list[tuple[str, str | None, tuple[float, ...]]]:
    """All boxes of a document by image and label, those of equal ones in the order of their corners."""
    path = data / DATABASE / name
    records = named(read(format_of(path), path, data / DATABASE / "images"))
    found = []
    for record in records:
        for region in regions_of([record]):
            box = region.box_xywh_px
            if isinstance(shape := region.shape, Rect):
                box = (shape.x, shape.y, shape.width, shape.height)
            assert box is not None
            found.append((Path(record.filename).name, region.label, box))
    return sorted(found, key=lambda one: (one[0], str(one[1]), tuple(map(round, one[2]))))


def test_the_real_table_comes_back_without_its_images(data: Path, tmp_path: Path, openimages: Format) -> None:
    records = named(read(openimages, data / TABLE, data / DATABASE / "images"))
    report = openimages.write(records, tmp_path / "again.csv")
    assert report.not_said == {}
    assert differences(records, read(openimages, tmp_path / "again.csv"), openimages.precision_px) == []


def test_rows_of_an_image_may_stand_anywhere(tmp_path: Path, openimages: Format) -> None:
    rows = "b.png,x,0,1,0,1\na.png,cat,0,.5,0,1\n\nb.png,y,0,1,0,1\na.png,dog,0,1,0,1\n"
    records = named(read(openimages, table_in(tmp_path, HEADER + rows, "a.png", "b.png")))
    assert [record.filename for record in records] == ["b.png", "a.png"]
    assert [(region.label, region.index) for region in regions_of(records)] == [
        ("x", 0),
        ("y", 1),
        ("cat", 0),
        ("dog", 1),
    ]


@pytest.mark.parametrize(
    "text",
    [
        'ImageID,LabelName,XMin,XMax,YMin,YMax\na.png,cat,"0,1","0,3","0,2","0,6"\n',
        "ImageID;LabelName;XMin;XMax;YMin;YMax\na.png;cat;0,1;0,3;0,2;0,6\n",
        "\ufeffImageID\tLabelName\tXMin\tXMax\tYMin\tYMax\r\na.png\tcat\t.1\t.3\t.2\t.6\r\n",
    ],
    ids=["quoted commas", "semicolons", "tabs"],
)
def test_numbers_and_cells_are_as_spreadsheets_write_them(tmp_path: Path, openimages: Format, text: str) -> None:
    (region,) = regions_of(named(read(openimages, table_in(tmp_path, text, "a.png"))))
    assert differences([record(region_like(region, Rect(10, 10, 20, 20)))], [record(region)], 1e-9) == []


def region_like(other: Region, shape: Shape) -> Region:
    return Region(shape=shape, label="cat", index=other.index, where=other.where)


def test_columns_become_attributes_and_crowds(tmp_path: Path, openimages: Format) -> None:
    header = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsGroupOf,IsInside,XClick\n"
    rows = "a,xclick,/m/0k4j,0.9,0,1,0,1,1,1,-1,0.25\na,,,,0,1,0,1,,-1,,\n"
    first, second = regions_of(named(read(openimages, table_in(tmp_path, header + rows, "a.png"))))
    attributes = {"source": "xclick", "score": 0.9, "occluded": 1, "inside": -1, "XClick": 0.25}
    assert (first.label, first.is_crowd, first.attributes) == ("/m/0k4j", True, attributes)
    assert (second.label, second.is_crowd, second.attributes) == (None, False, {"IsGroupOf": -1})


def test_a_name_without_a_suffix_is_completed_from_the_image(tmp_path: Path, openimages: Format) -> None:
    (record,) = named(read(openimages, table_in(tmp_path, HEADER + "a,cat,0,1,0,1\n", "a.png")))
    assert (record.filename, record.size_wh, record.path) == ("a.png", (100, 50), str(tmp_path / "a.png"))


def test_rows_without_an_image_are_told_one_by_one(tmp_path: Path, openimages: Format) -> None:
    rows = "gone.png,cat,0,1,0,1\n,cat,0,1,0,1\ngone.png,cat,0,1,0,1\na.png,cat,0,1,0,1\n"
    *unread, last = read(openimages, table_in(tmp_path, HEADER + rows, "a.png"))
    assert [(part.rule, part.where, part.index) for part in unread if isinstance(part, Unread)] == [
        ("DR03", "row 2", None),
        ("DR03", "row 2", 0),
        ("DR03", "row 4", 1),
        ("DR17", "row 3", 1),
    ]
    assert isinstance(last, ImageRecord)


@pytest.mark.parametrize(
    ("row", "where"),
    [
        ("a.png,cat,left,1,0,1", "row 2 XMin"),
        ("a.png,cat,0,1,0", "row 2 YMax"),
        ("a.png,cat,0,1,nan,1", "row 2 YMin"),
        ("a.png,cat,0,1,0,9,0,1", "row 2"),
    ],
)
def test_a_row_without_a_box_is_told(tmp_path: Path, openimages: Format, row: str, where: str) -> None:
    (record,) = named(read(openimages, table_in(tmp_path, f"{HEADER}{row}\n", "a.png")))
    (unread,) = record.regions
    assert isinstance(unread, Unread)
    assert (unread.rule, unread.where, unread.shape_kind) == ("DR08", where, "rect")


def test_another_table_is_refused(tmp_path: Path, openimages: Format) -> None:
    path = table_in(tmp_path, "filename,label\na.png,cat\n")
    assert not openimages.sniff(path)
    with pytest.raises(BadFile, match="must have the columns"):
        read(openimages, path)


def test_a_cell_without_an_end_is_refused(tmp_path: Path, openimages: Format) -> None:
    path = table_in(tmp_path, f'{HEADER}a.png,"{"x" * 200_000}')
    with pytest.raises(BadFile, match="field larger"):
        read(openimages, path)


def test_what_the_table_cannot_say_is_told(tmp_path: Path, openimages: Format) -> None:
    regions = (region(Circle(50, 25, 10)), region(WholeImage(), index=1))
    odd = region(Rect(1, 1, 1, 1), attributes={"occluded": True, "far": 1})
    records = [
        record(*regions, odd),
        record(region(Rect(1, 1, 1, 1))),
        record(filename="b.jpg"),
        record(region(Rect(1, 1, 1, 1)), filename="c.jpg", size_wh=None),
        record(region(Rect(1, 1, 1, 1)), filename=" "),
    ]
    report = openimages.write(records, tmp_path / "boxes.csv")
    (again,) = named(read(openimages, tmp_path / "boxes.csv"))
    assert [region.shape.kind for region in regions_of([again])] == ["rect", "rect"]
    assert (report.images, report.regions) == (1, 2)
    assert report.not_said == {
        "circle, as its box": 1,
        "label of a whole image": 1,
        "attributes of a region": 1,
        "image whose name an earlier one has": 1,
        "image without a region": 1,
        "image of unknown width and height": 1,
        "image whose name is blank": 1,
        "region of an image that was left out": 3,
    }


def test_half_a_character_is_refused(tmp_path: Path, openimages: Format) -> None:
    with pytest.raises(BadInput, match="half a character"):
        openimages.write([record(region(Rect(1, 1, 1, 1), label="\ud800"))], tmp_path / "boxes.csv")
    assert list(tmp_path.iterdir()) == []


_cells: st.SearchStrategy[Any] = st.integers(-1, 1) | st.floats(0, 1) | names
_attributes = st.dictionaries(
    st.sampled_from(["source", "score", "occluded", "truncated", "depiction", "inside"]), _cells, max_size=4
)
_regions = st.tuples(st.builds(Rect, numbers, numbers, numbers, numbers), st.none() | names, _attributes, st.booleans())
_images = st.lists(
    st.tuples(
        names, st.tuples(st.integers(1, 20000), st.integers(1, 20000)), st.lists(_regions, min_size=1, max_size=4)
    ),
    max_size=3,
    unique_by=lambda image: image[0],
)


@given(images=_images)
def test_coordinates_and_attributes_come_back(
    images: list[tuple[str, tuple[int, int], list[tuple[Rect, str | None, dict[str, Any], bool]]]],
) -> None:
    plugin = FORMATS.load("openimages")
    records = [
        record(*(region(*given[:3], i, given[3]) for i, given in enumerate(regions)), filename=name, size_wh=size_wh)
        for name, size_wh, regions in images
    ]
    with TemporaryDirectory() as folder:
        report = plugin.write(records, Path(folder) / "boxes.csv")
        again = read(plugin, Path(folder) / "boxes.csv")
    # A text that looks like a number would come back as one.
    assert set(report.not_said) <= {"attributes of a region"}
    if not report.not_said:
        assert differences(records, again, plugin.precision_px) == []


@given(
    rows=st.lists(st.lists(st.text(max_size=6) | st.sampled_from(["a.png", "0.5", "0,5"]), max_size=8), max_size=6),
    raw=st.binary(max_size=30),
)
def test_whatever_a_table_holds_it_is_read_or_refused(rows: list[list[str]], raw: bytes) -> None:
    plugin = FORMATS.load("openimages")
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    with TemporaryDirectory() as folder:
        path = table_in(Path(folder), HEADER, "a.png")
        path.write_bytes(path.read_bytes() + text.getvalue().encode("utf-8", "replace") + raw)
        try:
            found = read(plugin, path)
        except BadFile as error:
            assert "as a table" in str(error)  # noqa: PT017 - it need not be raised
        else:
            regions = sum(
                len(part.regions) if isinstance(part, ImageRecord) else part.index is not None for part in found
            )
            assert regions >= sum(any(row) for row in rows) - 1
