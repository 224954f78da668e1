"""labelme's files: what the tool writes, what broken ones say, and what is said of them."""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from teppr.annotations.convert import convert
from teppr.errors import AlreadyThere, BadFile, BadInput
from teppr.formats import ReadOptions, format_of
from teppr.formats.labelme import PLUGIN as LABELME
from teppr.geometry import Bitmap, bitmap_of_mask, mask_of_bitmap
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
TRIANGLE: list[list[float]] = [[1, 2], [3.5, 4], [5, 0]]
TRIANGLE_2: list[list[float]] = [[11, 2], [13, 4], [15, 0]]


def shape(kind: str | None, points: object, **fields: object) -> dict[str, Any]:
    """A shape as labelme writes it."""
    said = {"label": "car", "points": points, "group_id": None, "description": "", "shape_type": kind, "flags": {}}
    return said | {"mask": None} | fields


def file(*shapes: object, **fields: object) -> dict[str, Any]:
    words: dict[str, Any] = {"version": "6.3.1", "flags": {}, "shapes": list(shapes), "imagePath": "a.jpg"}
    return words | {"imageData": None} | {"imageHeight": 6, "imageWidth": 8} | fields


def folder(parent: Path, files: Mapping[str, object]) -> Path:
    path = parent / "labels"
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def records(path: Path, options: ReadOptions = PLAIN) -> list[ImageRecord | Unread]:
    return list(LABELME.read(path, options).records)


def record(parent: Path, content: object, options: ReadOptions = PLAIN) -> ImageRecord:
    (found,) = records(folder(parent, {"a.json": content}), options)
    assert isinstance(found, ImageRecord)
    return found


def regions(parent: Path, *shapes: object) -> list[Region]:
    found = record(parent, file(*shapes)).regions
    assert not [one for one in found if isinstance(one, Unread)]
    return [one for one in found if isinstance(one, Region)]


def unread(parent: Path, one: object, **fields: object) -> Unread:
    (found,) = record(parent, file(one, **fields)).regions
    assert isinstance(found, Unread)
    return found


def of_shapes(*shapes: Shape, label: str | None = "car", **attributes: object) -> ImageRecord:
    found = tuple(
        Region(shape=one, label=label, index=i, where=f"regions[{i}]", attributes=attributes)
        for i, one in enumerate(shapes)
    )
    return ImageRecord(filename="a.jpg", where="[0]", regions=found, size_wh=(8, 6))


def there_and_back(parent: Path, *before: ImageRecord) -> tuple[list[ImageRecord], dict[str, int]]:
    report = LABELME.write(before, parent / "out")
    found = [one for one in records(parent / "out") if isinstance(one, ImageRecord)]
    assert (report.images, len(found)) == (len(before), len(before))
    return found, report.not_said


def said(record: ImageRecord) -> list[tuple[Shape, str | None, dict[str, Any]]]:
    assert not [one for one in record.regions if isinstance(one, Unread)]
    return [(one.shape, one.label, dict(one.attributes)) for one in record.regions if isinstance(one, Region)]


def written(parent: Path, name: str = "a.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((parent / "out" / name).read_bytes())
    return found


def png(bitmap: Bitmap) -> str:
    return b64encode(cv2.imencode(".png", bitmap)[1].tobytes()).decode()


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (shape("polygon", TRIANGLE), Polygon((((1, 2), (3.5, 4), (5, 0)),))),
        (shape(None, TRIANGLE), Polygon((((1, 2), (3.5, 4), (5, 0)),))),
        (shape("polygon", [[1, 2], [3, 4], [1, 2]]), Polygon((((1, 2), (3, 4)),), closed_in_file=True)),
        (shape("rectangle", [[5, 6], [1.25, 2]]), Rect(1.25, 2, 3.75, 4)),
        (shape("rectangle", [[1, 2], [5, 2], [5, 6], [1, 6]]), Rect(1, 2, 4, 4)),
        (shape("circle", [[10, 10], [13, 14]]), Circle(10, 10, 5)),
        (shape("line", [[1, 2], [3, 4]]), Polyline(((1, 2), (3, 4)))),
        (shape("linestrip", TRIANGLE), Polyline(((1, 2), (3.5, 4), (5, 0)))),
        (shape("point", [[1, 2]]), Spot(1, 2)),
        (shape("points", [[1, 2]]), Spot(1, 2)),
    ],
)
def test_every_kind_of_shape_is_read(tmp_path: Path, one: dict[str, Any], expected: Shape) -> None:
    assert [found.shape for found in regions(tmp_path, one)] == [expected]


def test_a_turned_rectangle_is_a_polygon_that_says_by_how_much(tmp_path: Path) -> None:
    corners = [[22, 12], [22, 32], [18, 32], [18, 12]]
    (found,) = regions(tmp_path, shape("oriented_rectangle", corners))
    assert found.shape == Polygon((tuple((x, y) for x, y in corners),))
    assert found.attributes == {"rotation": 90}


def test_a_mask_is_a_picture_in_its_box_the_last_pixel_included(tmp_path: Path) -> None:
    bitmap = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)
    (found,) = regions(tmp_path, shape("mask", [[4, 3], [6, 4]], mask=png(bitmap)))
    expected = np.zeros((6, 8), np.uint8)
    expected[3:5, 4:7] = bitmap
    assert isinstance(found.shape, Mask)
    assert np.array_equal(bitmap_of_mask(found.shape), expected)
    (back,), told = there_and_back(tmp_path, of_shapes(found.shape))
    assert told == {}
    assert [one for one, _, _ in said(back)] == [found.shape]
    assert written(tmp_path)["shapes"][0]["points"] == [[4, 3], [6, 4]]


def test_what_labelme_says_of_a_shape_are_attributes_and_written_as_such(tmp_path: Path) -> None:
    further = {"group_id": 3, "flags": {"blurred": True, "cut": False}, "description": "far", "other": [1]}
    (found,) = regions(tmp_path, shape("point", [[1, 2]], **further))
    assert found.attributes == further
    (back,), told = there_and_back(tmp_path, of_shapes(found.shape, **found.attributes))
    assert told == {}
    assert said(back) == [(found.shape, "car", further)]
    assert written(tmp_path)["shapes"] == [
        {"points": [[1, 2]], "shape_type": "point", "label": "car"} | further,
    ]


@pytest.mark.parametrize("value", [None, 3, -1, True, "", "x", {}, {"a": True}, {"a": 1}, [1], 0.5])
@pytest.mark.parametrize("name", ["group_id", "flags", "description", "points", "attributes", "imagePath", "any"])
def test_attributes_of_any_name_and_type_come_back(tmp_path: Path, name: str, value: object) -> None:
    before = of_shapes(Spot(1, 2))
    (one,) = (one for one in before.regions if isinstance(one, Region))
    attributes = {name: value}
    before = replace(before, attributes=attributes, regions=(replace(one, attributes=attributes),))
    (back,), told = there_and_back(tmp_path, before)
    assert told == {}
    assert json.dumps([dict(back.attributes), said(back)[0][2]]) == json.dumps([{name: value}] * 2)


def test_polygons_of_one_label_and_group_are_one_region(tmp_path: Path) -> None:
    first, second = shape("polygon", TRIANGLE, group_id=4), shape("polygon", TRIANGLE_2, group_id=4)
    found = regions(tmp_path, first, shape("point", [[1, 2]]), second)
    rings = tuple(tuple((x, y) for x, y in ring) for ring in (TRIANGLE, TRIANGLE_2))
    assert [(one.shape, one.where, one.index, one.attributes) for one in found] == [
        (Polygon(rings), "shapes[0]", 0, {}),
        (Spot(1, 2), "shapes[1]", 1, {}),
    ]


def test_the_number_of_a_group_is_kept_where_other_shapes_have_it(tmp_path: Path) -> None:
    parts = [shape("polygon", points, group_id=4) for points in (TRIANGLE, TRIANGLE_2)]
    found = regions(tmp_path, *parts, shape("rectangle", [[0, 0], [20, 9]], group_id=4))
    assert [(one.shape.kind, one.attributes) for one in found] == [
        ("polygon", {"group_id": 4}),
        ("rect", {"group_id": 4}),
    ]


@pytest.mark.parametrize("differs", [{"label": "bus"}, {"flags": {"cut": True}}, {"group_id": 5}, {"group_id": None}])
def test_polygons_that_differ_stay_apart(tmp_path: Path, differs: dict[str, Any]) -> None:
    found = regions(
        tmp_path, shape("polygon", TRIANGLE, group_id=4), shape("polygon", TRIANGLE_2, group_id=4) | differs
    )
    assert [(one.shape.kind, one.attributes.get("group_id")) for one in found] == [
        ("polygon", 4),
        ("polygon", differs.get("group_id", 4)),
    ]


def test_rings_of_one_polygon_are_written_as_a_group_and_are_one_again(tmp_path: Path) -> None:
    rings = (((1, 2), (3, 4), (5, 0)), ((7, 7), (8, 8), (9, 1)))
    given = replace(of_shapes(Polygon(rings), Spot(1, 2), Polygon(rings, closed_in_file=True)))
    numbered = tuple(
        replace(one, attributes={"group_id": 1}) if one.index == 0 else one
        for one in given.regions
        if isinstance(one, Region)
    )
    before = replace(given, regions=numbered)
    (back,), told = there_and_back(tmp_path, before)
    assert told == {}
    assert said(back) == said(before)
    assert [one["group_id"] for one in written(tmp_path)["shapes"]] == [2, 2, None, 3, 3]


def test_polygons_that_share_label_and_group_elsewhere_do_not_become_one(tmp_path: Path) -> None:
    triangles = [Polygon((tuple((x, y) for x, y in ring),)) for ring in (TRIANGLE, TRIANGLE_2)]
    before = of_shapes(*triangles, group_id=4)
    (back,), told = there_and_back(tmp_path, before)
    assert told == {}
    assert said(back) == said(before)


def test_flags_of_an_image_are_an_attribute(tmp_path: Path) -> None:
    found = record(tmp_path, file(flags={"night": True, "rain": False}, weather="dry"))
    assert found.attributes == {"flags": {"night": True, "rain": False}, "weather": "dry"}
    (back,), told = there_and_back(tmp_path, replace(found, where="[0]"))
    assert (back.attributes, told) == (found.attributes, {})
    assert written(tmp_path)["flags"] == {"night": True, "rain": False}


def test_flags_of_an_image_are_its_labels_where_images_are_to_be_labelled(tmp_path: Path) -> None:
    content = file(shape("point", [[1, 2]]), flags={"night": True, "rain": False})
    found = record(tmp_path, content, ReadOptions(image_labels=True))
    assert said(found) == [(Spot(1, 2), "car", {}), (WholeImage(), "night", {})]
    assert found.attributes == {"flags": {"rain": False}}


def test_labels_of_images_are_written_as_flags_and_that_is_told(tmp_path: Path) -> None:
    _, told = there_and_back(tmp_path, of_shapes(WholeImage(), label="night", seen=1))
    assert told == {"that a flag of an image is its label": 1, "attribute of a label of the whole image": 1}
    (back,) = records(tmp_path / "out", ReadOptions(image_labels=True))
    assert isinstance(back, ImageRecord)
    assert said(back) == [(WholeImage(), "night", {})]


def test_what_labelme_cannot_draw_is_told(tmp_path: Path) -> None:
    shapes = (
        Ellipse(4, 3, 2, 1),
        Polygon(((), ((1, 2), (3, 4)))),
        Polyline(()),
        Rect(5, 6, -2, -3),
        Circle(5, 6, -2),
        mask_of_bitmap(np.zeros((6, 8), np.uint8)),
        mask_of_bitmap(np.ones((2, 2), np.uint8)),
    )
    (back,), told = there_and_back(tmp_path, of_shapes(*shapes))
    assert [one.kind for one, _, _ in said(back)] == ["polygon", "polygon", "rect", "circle"]
    assert [one for one, _, _ in said(back)][1:] == [Polygon((((1, 2), (3, 4)),)), Rect(3, 3, 2, 3), Circle(5, 6, 2)]
    assert told == {
        "ellipse, as a polygon along it": 1,
        "polygon without points": 1,
        "linestrip without points": 1,
        "that a rectangle has a negative width or height": 1,
        "that a circle has a negative radius": 1,
        "mask without pixels": 1,
        "mask of another size than its image": 1,
    }


@pytest.mark.parametrize(
    ("place", "image_path", "name"),
    [
        ("a.json", "a.jpg", "a.jpg"),
        ("a.json", "day\\a.jpg", "day/a.jpg"),
        ("street/a.json", "a.jpg", "street/a.jpg"),
        ("street/a.json", "..\\images\\a.jpg", "images/a.jpg"),
        ("a.json", "../images/a.jpg", "images/a.jpg"),
        ("street/a.json", "/data/a.jpg", "/data/a.jpg"),
        ("street/a.json", "C:\\data\\a.jpg", "C:/data/a.jpg"),
    ],
)
def test_an_image_is_named_from_the_place_of_its_file(tmp_path: Path, place: str, image_path: str, name: str) -> None:
    (found,) = records(folder(tmp_path, {place: file(imagePath=image_path)}))
    assert isinstance(found, ImageRecord)
    assert (found.filename, found.where) == (name, place)


def test_images_beside_the_folder_are_found(tmp_path: Path) -> None:
    path = folder(tmp_path, {"a.json": file(imagePath="../images/a.png", imageHeight=None, imageWidth=None)})
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images/a.png"), np.zeros((3, 5, 3), np.uint8))
    assert [place / "images/a.png" for place in LABELME.image_folders(path)][1].is_file()
    done = convert(path, tmp_path / "coco.json", "coco", images=tmp_path)
    assert done.report.not_said == {}
    assert json.loads((tmp_path / "coco.json").read_bytes())["images"][0]["width"] == 5


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("street/a.jpg", "street/a.json"),
        ("a", "a.json"),
        (".jpg", ".jpg.json"),
        ("a/../b.jpg", "000000.json"),
        ("/data/a.jpg", "000000.json"),
        ("a//b.jpg", "000000.json"),
        (".", "000000.json"),
        ("x" * 300, "000000.json"),
        ("a\0.jpg", "000000.json"),
    ],
)
def test_a_file_stands_beside_its_image_where_it_can(tmp_path: Path, name: str, place: str) -> None:
    (back,), told = there_and_back(tmp_path, replace(of_shapes(), filename=name))
    assert (back.filename, back.where, told) == (name, place, {})


def test_a_name_that_leads_out_of_the_folder_is_told(tmp_path: Path) -> None:
    (back,), told = there_and_back(tmp_path, replace(of_shapes(), filename="../a.jpg"))
    assert (back.filename, told) == ("a.jpg", {"that the name of an image leads out of the folder": 1})


def test_images_that_differ_in_their_ending_only_have_files_of_their_own(tmp_path: Path) -> None:
    names = ["a.jpg", "a.png", "a.png", "a.json/b.jpg", "b.jpg"]
    back, told = there_and_back(tmp_path, *(replace(of_shapes(), filename=name) for name in names))
    assert sorted(one.filename for one in back) == sorted(names)
    assert sorted(one.where for one in back) == ["000002.json", "000003.json", "a.json", "a.png.json", "b.json"]
    assert told.keys() == {"place of an image among the others: files are read in the order of their names"}


def test_the_order_of_images_is_told_where_it_is_not_that_of_their_names(tmp_path: Path) -> None:
    back, told = there_and_back(tmp_path, *(replace(of_shapes(), filename=name) for name in ("b/a", "a", "c")))
    assert [one.filename for one in back] == ["a", "b/a", "c"]
    assert told == {"place of an image among the others: files are read in the order of their names": 1}


def test_labels_are_written_as_labelme_takes_them(tmp_path: Path) -> None:
    images = [replace(of_shapes(Spot(1, 2), label=label), filename=label or "0") for label in (None, "a b", "c", "ü\n")]
    LABELME.write([*images, replace(images[1], filename="z")], tmp_path / "out")
    assert (tmp_path / "out/labels.txt").read_text(encoding="utf-8") == "a b\nc\n"


def test_pictures_within_files_are_passed_by(tmp_path: Path) -> None:
    found = record(tmp_path, file(shape("point", [[1, 2]]), imageData="aGVsbG8=" * 1000))
    assert (len(found.regions), found.attributes) == (1, {})


def test_a_single_file_can_be_read_and_a_written_folder_cannot_be_overwritten(tmp_path: Path) -> None:
    path = folder(tmp_path, {"a.json": file(shape("point", [[1, 2]]))})
    assert format_of(path / "a.json").name == format_of(path).name == "labelme"
    (found,) = records(path / "a.json")
    assert isinstance(found, ImageRecord)
    assert (found.filename, len(found.regions)) == ("a.jpg", 1)
    with pytest.raises(AlreadyThere):
        LABELME.write([found], path)


@pytest.mark.parametrize(
    ("one", "where", "message"),
    [
        ("car", "", "must be an object, got 'car'"),
        (shape("polygon", None), ".points", "needs a list of points, got None"),
        (shape("polygon", [[1, 2], [3]]), ".points[1]", "must be two numbers, got [3]"),
        (shape("polygon", [[1, True]]), ".points[0]", "must be two numbers"),
        (shape("polygon", [[1, 2], [3]], group_id=4), ".points[1]", "must be two numbers"),
        (shape("rectangle", [[1, 2]]), ".points", "needs 2 or 4 points, got 1"),
        (shape("rectangle", [[1, 2], [5, 3], [4, 7], [0, 6]]), ".points", "at the corners of a box"),
        (shape("circle", TRIANGLE), ".points", "needs 2 points, got 3"),
        (shape("circle", [[1e308, 0], [-1e308, 0]]), ".points", "finite"),
        (shape("points", TRIANGLE), ".points", "needs 1 point, got 3"),
        (shape("oriented_rectangle", TRIANGLE), ".points", "needs 4 points, got 3"),
        (shape("cuboid", TRIANGLE), ".shape_type", "got 'cuboid'"),
        (shape("point", [[1, 2]], label=3), ".label", "must be text, got 3"),
        (shape("mask", [[0, 0], [1, 1]]), ".mask", "a PNG in base64, got None"),
        (shape("mask", [[0, 0], [1, 1]], mask="?"), ".mask", "a PNG in base64, got '?'"),
        (shape("mask", [[0, 0], [1, 1]], mask="aGVsbG8="), ".mask", "a PNG in base64"),
        (shape("mask", [[0, 0], [1, 1]], mask=png(np.ones((2, 3), np.uint8))), ".mask", "got 3 x 2 pixels"),
        (shape("mask", [[7, 0], [8, 1]], mask=png(np.ones((2, 2), np.uint8))), ".points", "inside its image of 8 x 6"),
    ],
)
def test_a_broken_shape_is_unread_and_says_where(tmp_path: Path, one: object, where: str, message: str) -> None:
    found = unread(tmp_path, one)
    assert (found.rule, found.where, found.index) == ("DR08", f"shapes[0]{where}", 0)
    assert message in found.message


def test_a_broken_polygon_of_a_group_leaves_the_others_whole(tmp_path: Path) -> None:
    shapes = [shape("polygon", points, group_id=4) for points in (TRIANGLE, [[1]], TRIANGLE_2)]
    found = record(tmp_path, file(*shapes)).regions
    assert [(one.where, isinstance(one, Unread)) for one in found] == [
        ("shapes[0]", False),
        ("shapes[1].points[0]", True),
    ]


def test_a_mask_in_an_image_of_unknown_size_is_unread(tmp_path: Path) -> None:
    one = shape("mask", [[0, 0], [1, 1]], mask=png(np.ones((2, 2), np.uint8)))
    assert "needs imageWidth and imageHeight" in unread(tmp_path, one, imageWidth=None).message


BROKEN = [
    ("[]", "must be an object"),
    ('{"shapes": []}', "must name its image, got imagePath=None"),
    ('{"imagePath": "a.jpg"}', "must have a list of shapes, got None"),
    ('{"shapes": [],\n "shapes": [], "imagePath": "a"}', "'shapes' must stand once"),
    ('{"shapes": [],\n "imagePath" "a"}', "line 2, column 2"),
    ("", "it is empty"),
]


@pytest.mark.parametrize(("content", "message"), BROKEN)
def test_a_broken_file_is_refused_alone_and_unread_in_a_folder(tmp_path: Path, content: str, message: str) -> None:
    path = folder(tmp_path, {"a.json": content, "b.json": file()})
    with pytest.raises(BadFile) as caught:
        records(path / "a.json")
    assert message in str(caught.value)
    broken, whole = records(path)
    assert isinstance(broken, Unread)
    assert (broken.rule, broken.where, broken.index) == ("DR01", "a.json", None)
    assert message in broken.message
    assert isinstance(whole, ImageRecord)


def test_other_json_is_none_of_labelme(tmp_path: Path) -> None:
    contents: list[object] = [
        [],
        {"shapes": []},
        {"shapes": {}, "imagePath": "a"},
        {"shapes": [1]},
        {"shapes": [{"a": 1}]},
    ]
    for content in contents:
        path = folder(tmp_path, {"a.json": content})
        assert not LABELME.sniff(path)
        assert not LABELME.sniff(path / "a.json")


def test_a_file_cut_off_is_still_known_for_what_it_is(tmp_path: Path) -> None:
    path = folder(tmp_path, {"a.json": json.dumps(file(shape("point", [[1, 2]]), shape("point", [[1, 2]])))[:-150]})
    assert format_of(path / "a.json").name == "labelme"


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="must hold JSON files"):
        records(tmp_path)
