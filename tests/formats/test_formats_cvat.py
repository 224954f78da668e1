"""CVAT's XML: what its exports say, what broken ones say, and what is said of them."""

import json
from collections import Counter
from dataclasses import replace
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teppr.errors import BadFile
from teppr.formats import FORMATS, ReadOptions, format_of
from teppr.formats.cvat import PLUGIN as CVAT
from teppr.geometry import bitmap_of_mask, mask_of_bitmap
from teppr.types import (
    Circle,
    Ellipse,
    ImageRecord,
    Mask,
    Polygon,
    Polyline,
    Rect,
    Region,
    Shape,
    Spot,
    Unread,
    WholeImage,
)

PLAIN = ReadOptions()
BOX = (
    '<box label="car" occluded="0" source="manual" xtl="10.10" ytl="20.00" xbr="52.32" ybr="60.50" z_order="0">{}</box>'
)
TWICE = '<attribute name="a"/><attribute name="a"/>'
CORNERS = 'xtl="1" ytl="2" xbr="4" ybr="6"'


def document(folder: Path, *elements: str, image: str = 'id="0" name="a.jpg" width="8" height="6"') -> Path:
    path = folder / "annotations.xml"
    inner = "\n    ".join(elements)
    path.write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta><task/></meta>\n'
        f"  <image {image}>\n    {inner}\n  </image>\n</annotations>\n",
        encoding="utf-8",
    )
    return path


def records(path: Path, options: ReadOptions = PLAIN) -> list[ImageRecord | Unread]:
    return list(CVAT.read(path, options).records)


def record(path: Path, options: ReadOptions = PLAIN) -> ImageRecord:
    (found,) = records(path, options)
    assert isinstance(found, ImageRecord)
    return found


def region(folder: Path, element: str) -> Region:
    (found,) = record(document(folder, element)).regions
    assert isinstance(found, Region)
    return found


def unread(folder: Path, element: str, **options: str) -> Unread:
    (found,) = record(document(folder, element, **options)).regions
    assert isinstance(found, Unread)
    return found


def there_and_back(folder: Path, *regions: Region) -> tuple[ImageRecord, dict[str, int]]:
    """A record of an image of 8 x 6 pixels as it is read again, and what the writing told."""
    path = folder / "out.xml"
    attributes = regions[0].attributes
    one = ImageRecord(filename="a.jpg", where="[0]", regions=regions, size_wh=(8, 6), attributes=attributes)
    report = CVAT.write([one], path)
    return record(path), report.not_said


def a_region(shape: Shape, label: str | None = "car", **attributes: object) -> Region:
    return Region(shape=shape, label=label, index=0, where="regions[0]", attributes=attributes)


@pytest.mark.parametrize(
    ("element", "shape"),
    [
        (BOX.format(""), Rect(10.1, 20, 42.22, 40.5)),
        ('<polygon label="a" points="1.00,2.50;3.00,4.00;5.00,0.00"/>', Polygon((((1, 2.5), (3, 4), (5, 0)),))),
        ('<polygon label="a" points="1,2;3,4;1,2"/>', Polygon((((1, 2), (3, 4)),), closed_in_file=True)),
        ('<polyline label="a" points="1.00,2.00;3.00,4.00"/>', Polyline(((1, 2), (3, 4)))),
        ('<points label="a" points="1.00,-2.00"/>', Spot(1, -2)),
        ('<ellipse label="a" cx="5" cy="6" rx="3" ry="2"/>', Ellipse(5, 6, 3, 2)),
        ('<ellipse label="a" cx="5" cy="6" rx="3" ry="2" rotation="90.00"/>', Ellipse(5, 6, 3, 2, pi / 2)),
        ('<tag label="a" source="manual"></tag>', WholeImage()),
    ],
)
def test_every_kind_of_element_is_read(tmp_path: Path, element: str, shape: Shape) -> None:
    assert region(tmp_path, element).shape == shape


def test_a_mask_is_runs_along_the_rows_of_its_box(tmp_path: Path) -> None:
    found = region(tmp_path, '<mask label="a" rle="1, 2, 0, 1, 2" left="4" top="3" width="3" height="2" z_order="0"/>')
    expected = np.zeros((6, 8), np.uint8)
    expected[3:5, 4:7] = [[0, 1, 1], [1, 0, 0]]
    assert isinstance(found.shape, Mask)
    assert np.array_equal(bitmap_of_mask(found.shape), expected)


def test_a_mask_is_written_in_the_smallest_box_and_read_again(tmp_path: Path) -> None:
    bitmap = np.zeros((6, 8), np.uint8)
    bitmap[3:5, 4:7] = [[1, 0, 1], [0, 1, 1]]
    mask = mask_of_bitmap(bitmap)
    back, told = there_and_back(tmp_path, a_region(mask))
    assert 'rle="0, 1, 1, 1, 1, 2" left="4" top="3" width="3" height="2"' in (tmp_path / "out.xml").read_text()
    assert told == {}
    assert [found.shape for found in back.regions if isinstance(found, Region)] == [mask]


def test_masks_that_cannot_be_said_are_told(tmp_path: Path) -> None:
    empty, other = mask_of_bitmap(np.zeros((6, 8), np.uint8)), mask_of_bitmap(np.ones((2, 2), np.uint8))
    back, told = there_and_back(tmp_path, a_region(empty), a_region(other))
    assert back.regions == ()
    assert told == {"mask without pixels": 1, "mask of another size than its image": 1}


def test_what_cvat_says_of_a_region_itself_are_attributes_and_written_as_such(tmp_path: Path) -> None:
    words = f'label="a" source="auto" occluded="1" {CORNERS} z_order="2" group_id="7"'
    found = region(tmp_path, f'<box {words}><attribute name="colour">red &amp; blue</attribute></box>')
    own = {"source": "auto", "occluded": True, "z_order": 2, "group_id": 7, "colour": "red & blue"}
    assert found.attributes == own
    back, told = there_and_back(tmp_path, found)
    assert told == {}
    assert [one.attributes for one in back.regions if isinstance(one, Region)] == [own]
    written = (tmp_path / "out.xml").read_text()
    assert 'occluded="1" z_order="2" source="auto" group_id="7"' in written
    assert '<attribute name="colour">red &amp; blue</attribute>' in written


def test_defaults_of_cvat_are_no_attributes_but_are_written(tmp_path: Path) -> None:
    found = region(tmp_path, f'<box label="a" occluded="0" z_order="0" {CORNERS}/>')
    assert found.attributes == {}
    there_and_back(tmp_path, found)
    assert 'occluded="0" z_order="0"' in (tmp_path / "out.xml").read_text()


def test_an_attribute_of_the_same_name_hides_no_word_of_cvat(tmp_path: Path) -> None:
    found = region(tmp_path, f'<box label="a" source="auto" {CORNERS}><attribute name="source">sky</attribute></box>')
    assert found.attributes == {"@source": "auto", "source": "sky"}
    back, _ = there_and_back(tmp_path, found)
    assert [one.attributes for one in back.regions if isinstance(one, Region)] == [found.attributes]


@pytest.mark.parametrize("value", [True, False, 0, 3, 0.5, None, "", "0", " a\n b\r", ["x", {"y": 1}]])
@pytest.mark.parametrize("name", ["occluded", "z_order", "source", "points", "any name"])
def test_attributes_of_any_type_come_back(tmp_path: Path, name: str, value: object) -> None:
    back, told = there_and_back(tmp_path, replace(a_region(Rect(1, 2, 3, 4)), attributes={name: value}))
    (found,) = back.regions
    assert isinstance(found, Region)
    assert told == {}
    assert json.dumps([dict(found.attributes), dict(back.attributes)]) == json.dumps([{name: value}] * 2)


def test_a_turned_box_is_the_polygon_that_it_covers(tmp_path: Path) -> None:
    found = region(tmp_path, '<box label="a" xtl="10" ytl="20" xbr="30" ybr="24" rotation="90.00"/>')
    assert found.shape == Polygon((((22, 12), (22, 32), (18, 32), (18, 12)),))
    assert found.attributes == {"rotation": 90}


def test_a_turned_box_is_written_as_one(tmp_path: Path) -> None:
    found = region(tmp_path, '<box label="a" xtl="10" ytl="20" xbr="30.5" ybr="24" rotation="33.21"/>')
    back, told = there_and_back(tmp_path, found)
    written = (tmp_path / "out.xml").read_text()
    (again,) = back.regions
    assert isinstance(again, Region)
    assert told == {}
    assert '<box label="a"' in written
    assert "<attribute " not in written
    assert 'xtl="10" ytl="20" xbr="30.5" ybr="24" rotation="33.21"' in written
    assert again.attributes == found.attributes
    assert isinstance(again.shape, Polygon)
    assert isinstance(found.shape, Polygon)
    assert np.allclose(again.shape.rings, found.shape.rings, atol=CVAT.precision_px, rtol=0)


def test_a_polygon_with_a_rotation_that_is_no_box_stays_a_polygon(tmp_path: Path) -> None:
    told_turn = a_region(Polygon((((0, 0), (9, 1), (4, 4), (0, 3)),)), rotation=10)
    back, _ = there_and_back(tmp_path, told_turn)
    assert [(one.shape, one.attributes) for one in back.regions if isinstance(one, Region)] == [
        (told_turn.shape, {"rotation": 10})
    ]


def test_a_polygon_of_several_rings_is_a_polygon_for_each_and_told(tmp_path: Path) -> None:
    rings = (((1, 2), (3, 4), (5, 0)), ((7, 7), (8, 8)), ())
    back, told = there_and_back(tmp_path, a_region(Polygon(rings)))
    assert [one.shape for one in back.regions if isinstance(one, Region)] == [Polygon((ring,)) for ring in rings[:2]]
    assert told == {
        "that several rings are one polygon: each is a region of its own": 1,
        "polygon without points": 1,
    }


def test_a_circle_becomes_an_ellipse_and_that_is_told(tmp_path: Path) -> None:
    back, told = there_and_back(tmp_path, a_region(Circle(5, 6, 2)))
    assert [one.shape for one in back.regions if isinstance(one, Region)] == [Ellipse(5, 6, 2, 2)]
    assert told == {"that an ellipse is a circle": 1}


def test_what_xml_cannot_hold_is_replaced_and_told(tmp_path: Path) -> None:
    back, told = there_and_back(tmp_path, a_region(WholeImage(), "a\x07b", more=["\uffff"]))
    (found,) = back.regions
    assert isinstance(found, Region)
    assert (found.label, found.attributes) == ("a\ufffdb", {"more": ["\uffff"]})
    assert told == {"character that XML cannot hold": 2}


def test_labels_stand_before_the_images_once_each(tmp_path: Path) -> None:
    regions = [a_region(WholeImage(), label) for label in ("b", "<a>", "b", None)]
    there_and_back(tmp_path, *regions)
    head = (tmp_path / "out.xml").read_text().partition("<image")[0]
    assert [part.partition("</name>")[0] for part in head.split("<name>")[1:]] == ["b", "&lt;a&gt;"]


def test_an_image_keeps_its_id_size_and_further_attributes(tmp_path: Path) -> None:
    image = r'id="12" name="day\a.jpg" subset="Train" width="640" height="480" task_id="5"'
    found = record(document(tmp_path, image=image))
    assert found == ImageRecord(
        filename="day/a.jpg",
        where="image[0]",
        regions=(),
        size_wh=(640, 480),
        source_id=12,
        attributes={"subset": "Train", "task_id": "5"},
    )


def test_a_region_without_a_label_gets_the_one_that_is_given(tmp_path: Path) -> None:
    path = document(tmp_path, '<tag label=""/>', '<tag label="a"/>')
    labels = {
        option: [one.label for one in record(path, ReadOptions(label=option)).regions if isinstance(one, Region)]
        for option in (None, "b")
    }
    assert labels == {None: [None, "a"], "b": ["b", "a"]}


@pytest.mark.parametrize(
    ("element", "where", "message"),
    [
        (f"<box {CORNERS.replace('xtl', 'x')}/>", "box[0]@xtl", "needs a number as xtl, got None"),
        (f"<box {CORNERS.replace('4', 'nan')}/>", "box[0]@xbr", "got 'nan'"),
        (f"<box {CORNERS.replace('4', '1_0')}/>", "box[0]@xbr", "got '1_0'"),
        (f"<box {CORNERS.replace('4', '1e999')}/>", "box[0]", "finite"),
        (f'<box {CORNERS} rotation="left"/>', "box[0]@rotation", "got 'left'"),
        ("<polygon/>", "polygon[0]@points", "needs points"),
        ('<polygon points="1,2;3"/>', "polygon[0]@points", "got '3' as point 1"),
        ('<polyline points="1,2;3,x"/>', "polyline[0]@points", "got '3,x' as point 1"),
        ('<points points="1,2;3,4"/>', "points[0]@points", "must be one point to be read, got 2"),
        ('<mask rle="1" left="0" top="0" width="1" height="2"/>', "mask[0]@rle", "must cover 1 x 2 = 2 pixels, got 1"),
        ('<mask rle="1, -1" left="0" top="0" width="1" height="1"/>', "mask[0]@rle", "whole numbers in rle, got '-1'"),
        ('<mask rle="0, 4" left="7" top="0" width="2" height="2"/>', "mask[0]@rle", "must lie inside its image of 8"),
        ('<mask rle="4" left="0.5" top="0" width="2" height="2"/>', "mask[0]@left", "whole number as left, got 0.5"),
        ('<mask rle="4" left="0" top="0" width="99999" height="99999"/>', "mask[0]@rle", "got 99999 x 99999"),
        ('<cuboid label="a" xtl1="1"/>', "cuboid[0]", "must be one of box, ellipse"),
        ('<skeleton label="a"/>', "skeleton[0]", "got 'skeleton'"),
        (f"<box {CORNERS}><attribute>a</attribute></box>", "box[0].attribute[0]", "attributes with a name"),
        (f"<box {CORNERS}><part/></box>", "box[0].part[0]", "got <'part'>"),
        (f"<box {CORNERS}>{TWICE}</box>", "box[0].attribute[1]", "got 'a' twice"),
    ],
)
def test_a_broken_element_is_unread_and_says_where(tmp_path: Path, element: str, where: str, message: str) -> None:
    found = unread(tmp_path, element)
    assert (found.rule, found.where, found.index) == ("DR08", where, 0)
    assert message in found.message
    assert found.shape_kind == element[1:].replace("/", " ").replace(">", " ").split()[0]


def test_places_count_among_the_elements_of_a_name(tmp_path: Path) -> None:
    regions = record(document(tmp_path, "<box/>", '<tag label="a"/>', "<box/>")).regions
    assert [found.where for found in regions] == ["box[0]@xtl", "tag[0]", "box[1]@xtl"]
    assert [found.index for found in regions] == [0, 1, 2]


def test_a_mask_in_an_image_of_unknown_size_is_unread(tmp_path: Path) -> None:
    mask = '<mask rle="0, 4" left="0" top="0" width="2" height="2"/>'
    assert "needs width and height of its image" in unread(tmp_path, mask, image='name="a.jpg" width="8"').message


def test_an_image_without_a_name_is_unread_with_all_its_regions(tmp_path: Path) -> None:
    found = records(document(tmp_path, '<tag label="a"/>', '<tag label="b"/>', image='id="3" name=" "'))
    assert [(one.rule, one.where, one.index) for one in found if isinstance(one, Unread)] == [
        ("DR01", "image[0]@name", None),
        ("DR01", "image[0].tag[0]", 0),
        ("DR01", "image[0].tag[1]", 1),
    ]


def test_an_unknown_part_of_the_document_is_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text("<annotations><version>1.1</version><picture/></annotations>")
    (found,) = records(path)
    assert isinstance(found, Unread)
    assert (found.rule, found.where) == ("DR01", "picture[0]")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<annotations>\n  <version>1.1</versio>", "mismatched tag at line 2, column 17"),
        ("<annotations><image name='a'>", "no element found at line 1, column 30"),
        ("", "no element found at line 1, column 1"),
        ("<annotation/>", "must hold <annotations>, got <'annotation'>"),
        ("<annotations><track id='0'><box/></track></annotations>", 'export the task as "CVAT for images 1.1"'),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "must not define entities"),
        ('<?xml version="1.0" encoding="nothing"?><annotations/>', "cannot read as XML"),
    ],
)
def test_a_broken_document_is_refused_and_says_where(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(content)
    with pytest.raises(BadFile) as caught:
        records(path)
    assert message in str(caught.value)


def test_tracks_are_known_for_what_they_are_so_that_the_refusal_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text("<annotations><version>1.1</version><track id='0'/></annotations>")
    assert format_of(path).name == "cvat"


def test_other_xml_is_none_of_cvat(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    for content in ("<annotation><filename>a.jpg</filename></annotation>", "<annotations/>", "<annotations><a/>", "{}"):
        path.write_text(content)
        assert not CVAT.sniff(path)


@pytest.fixture(scope="module")
def gts(data: Path) -> Path:
    return data / "metrics_100_formats/data/database/gts"


def boxes(path: Path) -> dict[str, Counter[tuple[Any, ...]]]:
    """Of every image the labelled boxes that a file gives it."""
    found = {}
    for one in format_of(path).read(path, PLAIN).records:
        assert isinstance(one, ImageRecord)
        regions = [part for part in one.regions if isinstance(part, Region)]
        assert len(regions) == len(one.regions)
        rects = [(part.label, part.shape if isinstance(part.shape, Rect) else part.box_xywh_px) for part in regions]
        found[one.filename] = Counter(
            (label, rect.x, rect.y, rect.width, rect.height) if isinstance(rect, Rect) else (label, *(rect or ()))
            for label, rect in rects
        )
    return found


def test_a_real_file_is_read_to_the_last_box(data: Path, gts: Path) -> None:
    facts = json.loads((data / "FACTS.json").read_bytes())
    same, classes = (
        facts["metrics_100_formats: the same boxes in several formats"],
        facts["metrics_100_formats pascalvoc"],
    )
    found = boxes(gts / "cvat_format/annotations.xml")
    assert format_of(gts / "cvat_format/annotations.xml").name == "cvat"
    assert len(found) == same["cvat images"]
    assert sum(each.total() for each in found.values()) == same["cvat xml"]
    labels = Counter(label for each in found.values() for label, *_ in each.elements())
    assert labels == classes["classes"]


@pytest.mark.parametrize("name", ["coco_format_v1/instances_default.json", "coco_format_v2/instances_v2.json"])
def test_a_real_file_holds_the_boxes_of_the_same_in_coco(gts: Path, name: str) -> None:
    assert boxes(gts / "cvat_format/annotations.xml") == boxes(gts / name)


def test_a_real_file_comes_back_as_it_was(gts: Path, tmp_path: Path) -> None:
    source = gts / "cvat_format/annotations.xml"
    before = records(source)
    report = FORMATS.load("cvat").write((one for one in before if isinstance(one, ImageRecord)), tmp_path / "a.xml")
    assert (report.images, report.regions, report.not_said) == (100, 273, {})
    assert [replace(one, where="") for one in records(tmp_path / "a.xml")] == [replace(one, where="") for one in before]
