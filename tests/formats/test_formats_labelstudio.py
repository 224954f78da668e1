"""Label Studio's JSON: what its exports say, what broken ones say, and what is said of them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from teppr.errors import BadFile, BadInput
from teppr.formats import ReadOptions, format_of
from teppr.formats._labelstudio_brush import brush_of_mask, mask_of_brush
from teppr.formats._labelstudio_names import address_of, image_name
from teppr.formats._labelstudio_write import write_tasks
from teppr.formats.labelstudio import PLUGIN as LABEL_STUDIO
from teppr.geometry import Bitmap, bitmap_of_mask, mask_of_bitmap
from teppr.testing.formats import names
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
SIZE = {"original_width": 200, "original_height": 100, "image_rotation": 0}
RECT = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
TWO_ROWS = np.array([[0, 0, 1], [1, 1, 0]], np.uint8)
CODE = [0, 0, 0, 24, 57, 27, 252, 224, 22, 255, 227, 0, 0]
"""The two rows as Label Studio's own converter packs them, with its last byte of nothing."""


def result(kind: str, value: Mapping[str, Any], **fields: object) -> dict[str, Any]:
    return {"id": "a1", "type": kind, "from_name": "label", "to_name": "image", "value": dict(value), **SIZE, **fields}


def car(**fields: object) -> dict[str, Any]:
    return result("rectanglelabels", RECT | {"rectanglelabels": ["car"]}, **fields)


def task(*results: object, **fields: object) -> dict[str, Any]:
    return {"id": 7, "data": {"image": "a.jpg"}, "annotations": [{"id": 3, "result": list(results)}], **fields}


def read(
    folder: Path, *tasks: object, options: ReadOptions = PLAIN
) -> tuple[list[ImageRecord | Unread], tuple[str, ...]]:
    path = folder / "tasks.json"
    path.write_text(json.dumps(tasks))
    reading = LABEL_STUDIO.read(path, options)
    found = list(reading.records)
    assert reading.entries == len(found) - sum(isinstance(one, Unread) and one.index is not None for one in found)
    return found, reading.notes


def record(folder: Path, one: object, options: ReadOptions = PLAIN) -> ImageRecord:
    (found,), _ = read(folder, one, options=options)
    assert isinstance(found, ImageRecord)
    return found


def regions(folder: Path, *results: object, options: ReadOptions = PLAIN) -> list[Region]:
    found = record(folder, task(*results), options).regions
    assert not [one for one in found if isinstance(one, Unread)]
    return [one for one in found if isinstance(one, Region)]


def unread(folder: Path, *results: object) -> Unread:
    (found,) = record(folder, task(*results)).regions
    assert isinstance(found, Unread)
    return found


def there_and_back(folder: Path, one: ImageRecord) -> tuple[ImageRecord, dict[str, int]]:
    path = folder / "out.json"
    report = LABEL_STUDIO.write([one], path)
    (found,) = LABEL_STUDIO.read(path, PLAIN).records
    assert isinstance(found, ImageRecord)
    return found, report.not_said


def written(folder: Path) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = json.loads((folder / "out.json").read_bytes())
    return tasks


def image(*shapes: Shape, label: str | None = "car", attribute: str | None = None) -> ImageRecord:
    of_shapes = tuple(
        Region(shape=shape, label=label, label_attribute=attribute, index=i, where=f"regions[{i}]")
        for i, shape in enumerate(shapes)
    )
    return ImageRecord(filename="a.jpg", where="[0]", regions=of_shapes, size_wh=(200, 100))


@pytest.mark.parametrize(
    ("one", "shape"),
    [
        (car(), Rect(20, 20, 60, 40)),
        (result("ellipselabels", {"x": 10, "y": 20, "radiusX": 5, "radiusY": 4}), Ellipse(20, 20, 10, 4)),
        (
            result("ellipselabels", {"x": 10, "y": 20, "radiusX": 5, "radiusY": 4, "rotation": 90}),
            Ellipse(20, 20, 10, 4, pi / 2),
        ),
        (result("polygonlabels", {"points": [[0, 0], [50, 0], [0, 33.3]]}), Polygon((((0, 0), (100, 0), (0, 33.3)),))),
        (
            result("polygonlabels", {"points": [[0, 0], [50, 0], [0, 0]], "closed": True}),
            Polygon((((0, 0), (100, 0)),), closed_in_file=True),
        ),
        (result("polygonlabels", {"points": [[0, 0], [50, 9]], "closed": False}), Polyline(((0, 0), (100, 9)))),
        (result("keypointlabels", {"x": 25, "y": 75, "width": 0.3}), Spot(50, 75)),
        (result("rectangle", RECT), Rect(20, 20, 60, 40)),
        (result("choices", {"choices": ["rain"]}), WholeImage()),
    ],
)
def test_every_kind_of_result_is_read(tmp_path: Path, one: dict[str, Any], shape: Shape) -> None:
    assert [found.shape for found in regions(tmp_path, one)] == [shape]


def test_a_region_says_label_control_id_and_place(tmp_path: Path) -> None:
    found = record(tmp_path, task(car(), car(id="22", from_name="vehicle", score=0.5, meta={"text": ["blurred"]})))
    assert found == ImageRecord(
        filename="a.jpg",
        where="[0]",
        source_id=7,
        size_wh=(200, 100),
        regions=(
            Region(
                shape=Rect(20, 20, 60, 40),
                label="car",
                label_attribute="label",
                index=0,
                where="annotations[0].result[0]",
            ),
            Region(
                shape=Rect(20, 20, 60, 40),
                label="car",
                label_attribute="vehicle",
                index=1,
                where="annotations[0].result[1]",
                source_id=22,
                attributes={"text": ["blurred"], "score": 0.5},
            ),
        ),
    )


def test_results_of_one_id_are_one_region(tmp_path: Path) -> None:
    place = RECT | {"labels": ["car"]}
    answers = [
        result("choices", RECT | {"choices": ["red"]}, from_name="colour"),
        result("textarea", RECT | {"text": ["one", "two"]}, from_name="remarks"),
        result("rating", RECT | {"rating": 4}, from_name="stars"),
    ]
    (found,) = regions(tmp_path, result("rectangle", RECT), result("labels", place, from_name="kind"), *answers)
    assert (found.shape, found.label, found.label_attribute) == (Rect(20, 20, 60, 40), "car", "kind")
    assert found.attributes == {"colour": "red", "remarks": ["one", "two"], "stars": 4}


def test_an_answer_is_the_label_where_it_is_said_to_be(tmp_path: Path) -> None:
    answer = result("choices", RECT | {"choices": ["red"]}, from_name="colour")
    (found,) = regions(tmp_path, result("rectangle", RECT), answer, options=ReadOptions(label_attribute="colour"))
    assert (found.label, found.label_attribute, found.attributes) == ("red", "colour", {})


def test_a_region_without_a_label_gets_the_one_that_is_given(tmp_path: Path) -> None:
    (found,) = regions(tmp_path, result("rectangle", RECT), options=ReadOptions(label="car"))
    assert (found.label, found.label_attribute) == ("car", None)


def test_every_choice_about_the_image_labels_it(tmp_path: Path) -> None:
    one = result("choices", {"choices": ["rain", "night"]}, from_name="weather")
    found = regions(tmp_path, one)
    assert [(each.shape, each.label, each.label_attribute, each.index) for each in found] == [
        (WholeImage(), "rain", "weather", 0),
        (WholeImage(), "night", "weather", 1),
    ]


def test_other_answers_about_the_image_are_its_attributes(tmp_path: Path) -> None:
    data = {"image": "a.jpg", "camera": "front", "stars": "many"}
    remark = result("textarea", {"text": ["a dog"]}, from_name="caption", id="t1")
    stars = result("rating", {"rating": 5}, from_name="stars", id="t2")
    found = record(tmp_path, task(remark, stars, data=data, meta={"batch": 3}))
    assert found.regions == ()
    assert found.attributes == {
        "camera": "front",
        "stars": "many",
        "meta": {"batch": 3},
        "caption": ["a dog"],
        "@stars": 5,
    }


def test_a_turned_box_turns_about_its_top_left_corner_and_is_written_as_one(tmp_path: Path) -> None:
    (found,) = regions(tmp_path, result("rectanglelabels", RECT | {"rotation": 90, "rectanglelabels": ["car"]}))
    assert found.shape == Polygon((((20, 20), (20, 80), (-20, 80), (-20, 20)),))
    assert found.attributes == {"rotation": 90}
    back, told = there_and_back(tmp_path, replace(image(), regions=(found,)))
    assert told == {}
    assert [(one.shape, one.attributes) for one in back.regions if isinstance(one, Region)] == [
        (found.shape, found.attributes)
    ]
    (one,) = written(tmp_path)[0]["annotations"][0]["result"]
    assert one["type"] == "rectanglelabels"
    assert one["value"] == RECT | {"rotation": 90, "rectanglelabels": ["car"]}


def test_annotations_of_several_annotators_are_told_apart(tmp_path: Path) -> None:
    annotations = [
        {"id": 1, "completed_by": 5, "result": [car()]},
        {"id": 2, "completed_by": {"id": 6, "email": "b@c"}, "result": [car(), car(id="b")]},
        {"id": 3, "completed_by": 7, "was_cancelled": True, "result": [car()]},
    ]
    (found,), notes = read(tmp_path, task(annotations=annotations))
    assert isinstance(found, ImageRecord)
    assert [(one.index, one.where, one.attributes) for one in found.regions if isinstance(one, Region)] == [
        (0, "annotations[0].result[0]", {"annotation_id": 1, "annotator": 5}),
        (1, "annotations[1].result[0]", {"annotation_id": 2, "annotator": "b@c"}),
        (2, "annotations[1].result[1]", {"annotation_id": 2, "annotator": "b@c"}),
    ]
    assert notes == ("1 cancelled annotations are not read",)


def test_one_annotator_needs_no_telling(tmp_path: Path) -> None:
    (found,) = record(tmp_path, task(annotations=[{"id": 1, "completed_by": 5, "result": [car()]}])).regions
    assert isinstance(found, Region)
    assert found.attributes == {}


def test_predictions_are_read_where_nothing_is_annotated(tmp_path: Path) -> None:
    guess = [{"model_version": "m1", "result": [car(score=0.25)]}]
    (found,), notes = read(tmp_path, task(annotations=[], predictions=guess))
    assert isinstance(found, ImageRecord)
    (one,) = found.regions
    assert isinstance(one, Region)
    assert one.where == "predictions[0].result[0]"
    assert one.attributes == {"score": 0.25, "model_version": "m1"}
    assert notes == ("no task has an annotation, so its predictions are read: 1",)


def test_predictions_are_not_mixed_with_annotations(tmp_path: Path) -> None:
    other = task(annotations=[], predictions=[{"result": [car(), car(id="b")]}], drafts=[{"result": []}])
    found, notes = read(tmp_path, task(car()), other)
    assert [len(one.regions) for one in found if isinstance(one, ImageRecord)] == [1, 0]
    assert notes == (
        "1 predictions are not read",
        "1 drafts are not read",
        "1 of 2 tasks have no annotations and are images without regions",
    )


def test_relations_of_regions_are_noted(tmp_path: Path) -> None:
    relation = {"type": "relation", "from_id": "a1", "to_id": "b", "direction": "right"}
    (found,), notes = read(tmp_path, task(car(), car(id="b"), relation))
    assert isinstance(found, ImageRecord)
    assert len(found.regions) == 2
    assert notes == ("1 relations are not read",)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"data": {"image": "street/a b.jpg"}}, "street/a b.jpg"),
        ({"data": {"image": "street\\a.jpg"}}, "street/a.jpg"),
        ({"data": {"image": "caf%C3%A9%20100%25.jpg"}}, "café 100%.jpg"),
        ({"data": {"image": "/data/upload/3/ab12cd34-name.jpg"}}, "name.jpg"),
        ({"data": {"image": "/data/upload/3/name-12.jpg"}}, "name-12.jpg"),
        ({"data": {"image": "/data/local-files/?d=set%201/images/a.jpg"}}, "a.jpg"),
        ({"data": {"image": "http://localhost:8080/data/local-files/?d=set/a.jpg"}}, "a.jpg"),
        ({"data": {"image": "s3://bucket/folder/a.jpg"}}, "a.jpg"),
        ({"data": {"image": "https://host/folder/a%20b.jpg?signature=1/2"}}, "a b.jpg"),
        ({"data": {"image": "https://host/ab12cd34-a.jpg"}}, "ab12cd34-a.jpg"),
        ({"data": {"image": "https://host/x"}, "file_upload": "ab12cd34-name.jpg"}, "name.jpg"),
        ({"data": {"image": "s3://b/a.jpg"}, "file_upload": "ab12cd34-tasks.json"}, "a.jpg"),
        ({"data": {"picture": "s3://b/a.jpg", "text": "a street"}}, "a.jpg"),
        ({"data": {"img": "s3://b/a", "image_of": "b.jpg", "text": "x"}, "to": "img"}, "a"),
        ({"data": {"img": "/x/1", "size": 3}, "file_upload": "ab12cd34-a.png"}, "a.png"),
    ],
)
def test_an_image_has_the_name_that_it_had_before_it_was_imported(
    tmp_path: Path, fields: dict[str, Any], name: str
) -> None:
    given = {**fields}
    found = record(tmp_path, task(car(to_name=given.pop("to", "image")), **given))
    assert found.filename == name


def test_images_of_the_same_name_keep_their_folders(tmp_path: Path) -> None:
    addresses = ["s3://bucket/day/a.jpg", "s3://bucket/night/a.jpg", "/data/local-files/?d=more/b.jpg"]
    found, notes = read(tmp_path, *(task(car(), data={"image": address}) for address in addresses))
    assert [one.filename for one in found if isinstance(one, ImageRecord)] == ["day/a.jpg", "night/a.jpg", "more/b.jpg"]
    assert "folders are part of the names" in notes[0]


@settings(deadline=None)
@given(
    name=names
    | st.sampled_from(["s3://a/b.jpg", "/data/upload/1/ab12cd34-a.jpg", "data:a", "http://[", "a%20b", "c:d"])
)
def test_an_address_is_read_as_the_name_that_it_was_made_of(name: str) -> None:
    assert image_name(None, address_of(name), whole=False) == name
    assert image_name(None, address_of(name), whole=True) == name


def test_plain_names_are_written_as_they_are() -> None:
    assert address_of("straße/a b.jpg") == "straße/a b.jpg"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data": {"text": "a"}}, "must name one image, got the keys text"),
        ({"data": {}}, "got the keys none"),
        ({"data": {"left": "a.jpg", "right": "b.jpg"}}, "got the keys left, right"),
        ({"data": {"image": ["a.jpg", "b.jpg"]}}, "got the keys image"),
        ({"data": {"image": "data:image/png;base64,iVBORw0KGgo="}}, "must name its image, got image='data:image"),
        ({"data": [1]}, "must be an object with an object 'data'"),
    ],
)
def test_a_task_without_an_image_is_unread_with_all_its_regions(
    tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    found, _ = read(tmp_path, task(car(), car(), **fields), task(car()))
    assert [(one.rule, one.where, one.index) for one in found if isinstance(one, Unread)] == [
        ("DR01", "[0]", None),
        ("DR01", "[0]", 0),
        ("DR01", "[0]", 1),
    ]
    assert isinstance(found[0], Unread)
    assert message in found[0].message
    assert isinstance(found[3], ImageRecord)


@pytest.mark.parametrize(
    ("one", "where", "message"),
    [
        (result("rectanglelabels", RECT | {"x": None}), ".value.x", "needs a number as x, got None"),
        (result("rectanglelabels", RECT | {"height": True}), ".value.height", "got True"),
        (result("rectanglelabels", RECT | {"rotation": "left"}), ".value.rotation", "got 'left'"),
        (result("rectanglelabels", {"x": 1e308, "y": 1, "width": 1, "height": 1}), ".value", "finite"),
        (result("rectanglelabels", {}), ".value.x", "needs a number"),
        (car() | {"value": 3}, ".value.x", "needs a number"),
        (result("ellipselabels", RECT), ".value.radiusX", "got None"),
        (result("polygonlabels", {"points": 3}), ".value.points", "needs a list of points"),
        (result("polygonlabels", {"points": [[1, 2], [3]]}), ".value.points[1]", "must be two numbers, got [3]"),
        (result("polygonlabels", {"points": [[1, "2"]]}), ".value.points[0]", "must be two numbers"),
        (result("brushlabels", {"format": "rle"}), ".value.rle", "needs a list rle, got None"),
        (result("brushlabels", {"rle": [0, 0]}), ".value.rle", "must not end within a number, got 2 bytes"),
        (result("brushlabels", {"rle": [0, 0, 0, 300]}), ".value.rle", "bytes from 0 to 255"),
        (result("brushlabels", {"rle": CODE}), ".value.rle", "4 values for each of 200 x 100 pixels, got 24 values"),
        (car(original_width=0), "", "needs original_width and original_height"),
        (car(image_rotation=90), ".image_rotation", "got it turned by 90 degrees"),
        (result("videorectangle", {"sequence": []}), ".type", "got 'videorectangle'"),
        (result("labels", {"labels": ["car"]}), ".type", "got 'labels'"),
        ("car", ".type", "got"),
    ],
)
def test_a_broken_result_is_unread_and_says_where(tmp_path: Path, one: object, where: str, message: str) -> None:
    found = unread(tmp_path, one)
    assert (found.rule, found.where, found.index) == ("DR08", f"annotations[0].result[0]{where}", 0)
    assert message in found.message


def test_a_region_of_several_labels_is_unread(tmp_path: Path) -> None:
    found = unread(tmp_path, result("rectanglelabels", RECT | {"rectanglelabels": ["car", "bus"]}))
    assert (found.rule, found.message) == ("DR10", "a region must have one label, got 2: car, bus")


def test_a_broken_annotation_is_unread(tmp_path: Path) -> None:
    found = record(tmp_path, task(annotations=[{"result": "none"}, {"result": [car()]}]))
    assert [(one.index, one.where) for one in found.regions] == [(0, "annotations[0]"), (1, "annotations[1].result[0]")]
    assert isinstance(found.regions[0], Unread)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"data": 1}', "must be a list of tasks, got another value"),
        ('[{"data": {}},\n {"data" }]', "at line 2, column 10"),
        ('[{"data": {}}', "expected a whole value, then ',' or ']' at line 1, column 2"),
        ("[] []", "expected the end of the document at line 1, column 4"),
    ],
)
def test_a_broken_document_is_refused_and_says_where(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(BadFile) as caught:
        list(LABEL_STUDIO.read(path, PLAIN).records)
    assert message in str(caught.value)


def test_a_document_cut_off_is_still_known_for_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([task(car()), task(car())])[:-9])
    assert format_of(path).name == "labelstudio"


def test_other_lists_are_none_of_label_studio(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for content in (
        [],
        [1],
        [{"image": "a.jpg", "label": []}],
        [{"data": {"image": "a"}}],
        [{"data": 1, "annotations": []}],
    ):
        path.write_text(json.dumps(content))
        assert not LABEL_STUDIO.sniff(path)


def test_a_brush_is_read_as_label_studio_packs_it(tmp_path: Path) -> None:
    small = {"original_width": 3, "original_height": 2}
    (found,) = regions(tmp_path, result("brushlabels", {"format": "rle", "rle": CODE, "brushlabels": ["a"]}, **small))
    assert isinstance(found.shape, Mask)
    assert np.array_equal(bitmap_of_mask(found.shape), TWO_ROWS)
    assert brush_of_mask(found.shape) == CODE[:-1]


def packed(*runs: str) -> list[int]:
    """A code of eight values: two pixels."""
    bits = f"{8:032b}{7:05b}" + f"{2:04b}{3:04b}{7:04b}{15:04b}" + "".join(runs)
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def test_a_brush_may_hold_values_one_by_one_and_only_alpha_counts() -> None:
    values = "".join(f"{value:08b}" for value in (255, 255, 255, 0, 0, 0, 0, 9))
    assert np.array_equal(bitmap_of_mask(mask_of_brush(packed("000", f"{7:03b}", values), (2, 1))), [[0, 1]])


def test_a_brush_of_more_values_than_it_says_is_refused() -> None:
    with pytest.raises(BadInput, match="must hold 8 values, got 16 or more"):
        mask_of_brush(packed("110", f"{15:08b}", f"{255:08b}"), (2, 1))


def test_a_brush_of_more_pixels_than_an_image_may_have_is_refused_unpacked() -> None:
    with pytest.raises(BadInput, match="pixels, got 99999 x 99999"):
        mask_of_brush(CODE, (99999, 99999))


@settings(deadline=None)
@given(bitmap=arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 1)))
def test_a_brush_holds_any_mask(bitmap: Bitmap) -> None:
    mask = mask_of_bitmap(bitmap)
    assert mask_of_brush(brush_of_mask(mask), mask.size_wh) == mask


def test_long_runs_of_a_brush_are_split() -> None:
    mask = mask_of_bitmap(np.ones((300, 400), np.uint8))
    assert mask_of_brush(brush_of_mask(mask), (400, 300)) == mask


def test_a_task_is_written_as_label_studio_imports_it(tmp_path: Path) -> None:
    one = replace(image(Rect(20, 20, 60, 40)), source_id=4, size_bytes=99, attributes={"camera": "front"})
    _, told = there_and_back(tmp_path, one)
    assert told == {}
    assert written(tmp_path) == [
        {
            "id": 4,
            "data": {"image": "a.jpg", "camera": "front"},
            "meta": {"width": 200, "height": 100, "size_bytes": 99},
            "annotations": [{"result": [car(id="region0")]}],
        }
    ]


def test_predictions_can_be_written_in_the_same_way(tmp_path: Path) -> None:
    write_tasks([image(Rect(20, 20, 60, 40))], tmp_path / "out.json", "predictions")
    assert written(tmp_path)[0]["predictions"] == [{"result": [car(id="region0")]}]


def test_a_control_has_results_of_one_kind(tmp_path: Path) -> None:
    one = image(Rect(1, 2, 3, 4), Spot(1, 2), Rect(1, 2, 3, 4), WholeImage(), attribute="vehicle")
    back, _ = there_and_back(tmp_path, one)
    controls = [each["from_name"] for each in written(tmp_path)[0]["annotations"][0]["result"]]
    assert controls == ["vehicle", "vehicle_keypoint", "vehicle", "vehicle_choices"]
    assert {each.label_attribute for each in back.regions if isinstance(each, Region)} == {"vehicle"}


def test_attributes_that_the_data_has_no_room_for_come_back(tmp_path: Path) -> None:
    attributes = {"image": "another", "meta": {"width": 3}, "a": None}
    back, told = there_and_back(tmp_path, replace(image(), attributes=attributes))
    assert (back.attributes, back.filename, told) == (attributes, "a.jpg", {})


def test_an_image_of_unknown_size_is_left_out_if_it_has_regions_and_that_is_told(tmp_path: Path) -> None:
    unsized = [replace(image(shape), size_wh=None) for shape in (Spot(1, 2), WholeImage())]
    report = LABEL_STUDIO.write(unsized, tmp_path / "out.json")
    assert (report.images, report.regions) == (1, 1)
    assert report.not_said == {"image with regions whose width and height are not known": 1}
    (found,) = LABEL_STUDIO.read(tmp_path / "out.json", PLAIN).records
    assert isinstance(found, ImageRecord)
    assert found.size_wh is None


def test_what_label_studio_cannot_say_is_told(tmp_path: Path) -> None:
    shapes = (
        Circle(5, 6, 2),
        Polygon((((1, 2), (3, 4)), ((5, 6), (7, 8)), ())),
        Polyline(()),
        Polygon((((1, 2), (3, 4), (1, 2.0000001)),)),
        mask_of_bitmap(TWO_ROWS),
    )
    back, told = there_and_back(tmp_path, image(*shapes))
    assert [one.shape for one in back.regions if isinstance(one, Region)] == [
        Ellipse(5, 6, 2, 2),
        Polygon((((1, 2), (3, 4)),)),
        Polygon((((5, 6), (7, 8)),)),
        Polygon((((1, 2), (3, 4)),), closed_in_file=True),
    ]
    assert told == {
        "that an ellipse is a circle": 1,
        "that several rings are one polygon: each is a region of its own": 1,
        "polygon without points": 1,
        "polyline without points": 1,
        "that the first and the last corner of a polygon are not the same": 1,
        "mask of another size than its image": 1,
    }


def test_an_id_that_stands_twice_makes_no_one_region_of_two(tmp_path: Path) -> None:
    one = image(Rect(1, 2, 3, 4), Rect(5, 6, 7, 8))
    twins = tuple(replace(each, source_id=5) for each in one.regions if isinstance(each, Region))
    back, told = there_and_back(tmp_path, replace(one, regions=twins))
    assert [each.source_id for each in back.regions if isinstance(each, Region)] == [5, None]
    assert told == {"id of a region that an earlier one of the image has": 1}


def test_only_the_first_ring_of_a_polygon_has_its_id(tmp_path: Path) -> None:
    one = image(Polygon((((1, 2), (3, 4)), ((5, 6), (7, 8)))))
    numbered = tuple(replace(each, source_id=5) for each in one.regions if isinstance(each, Region))
    back, told = there_and_back(tmp_path, replace(one, regions=numbered))
    assert [each.source_id for each in back.regions if isinstance(each, Region)] == [5, None]
    assert told == {"that several rings are one polygon: each is a region of its own": 1}
