"""VGG Image Annotator: what real and broken files say, and what is said of them."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from teppr.errors import BadFile, BadInput
from teppr.formats import Reading, ReadOptions
from teppr.formats.via import PLUGIN as VIA
from teppr.geometry import mask_of_shape
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
RECT = {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4}


def reading(folder: Path, document: object, options: ReadOptions = PLAIN) -> Reading:
    path = folder / "via.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return VIA.read(path, options)


def records(folder: Path, document: object, options: ReadOptions = PLAIN) -> list[ImageRecord | Unread]:
    return list(reading(folder, document, options).records)


def entry(*regions: object, **fields: object) -> dict[str, Any]:
    return {"filename": "a.jpg", "size": 7, "regions": list(regions), "file_attributes": {}, **fields}


def region(attributes: object = None, shape: Mapping[str, object] = RECT) -> dict[str, Any]:
    return {"shape_attributes": dict(shape), "region_attributes": {} if attributes is None else attributes}


def only_region(folder: Path, raw: object) -> Region | Unread:
    (record,) = records(folder, {"a.jpg7": entry(raw)})
    assert isinstance(record, ImageRecord)
    (found,) = record.regions
    return found


def labels(folder: Path, *attributes: object, options: ReadOptions = PLAIN) -> list[str | None]:
    (record,) = records(folder, {"a.jpg7": entry(*map(region, attributes))}, options)
    assert isinstance(record, ImageRecord)
    return [found.label for found in record.regions if isinstance(found, Region)]


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        (RECT, Rect(1, 2, 3, 4)),
        ({"name": "circle", "cx": 1.5, "cy": 2, "r": 3}, Circle(1.5, 2, 3)),
        ({"name": "ellipse", "cx": 1, "cy": 2, "rx": 3, "ry": 4}, Ellipse(1, 2, 3, 4)),
        ({"name": "ellipse", "cx": 1, "cy": 2, "rx": 3, "ry": 4, "theta": 0.5}, Ellipse(1, 2, 3, 4, 0.5)),
        ({"name": "point", "cx": 1, "cy": -2}, Spot(1, -2)),
        ({"name": "polyline", "all_points_x": [1, 2], "all_points_y": [3, 4]}, Polyline(((1, 3), (2, 4)))),
        (
            {"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [3, 4, 5]},
            Polygon((((1, 3), (2, 4), (3, 5)),)),
        ),
        (
            {"name": "polygon", "all_points_x": [1, 2, 3, 1], "all_points_y": [3, 4, 5, 3]},
            Polygon((((1, 3), (2, 4), (3, 5)),), closed_in_file=True),
        ),
        ({"name": "polygon", "all_points_x": [], "all_points_y": []}, Polygon(((),))),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else None,
)
def test_every_shape_is_read(tmp_path: Path, words: Mapping[str, object], shape: Shape) -> None:
    found = only_region(tmp_path, region(shape=words))
    assert isinstance(found, Region)
    assert found.shape == shape


@pytest.mark.parametrize(
    ("words", "where", "message"),
    [
        ({}, ".name", "must be one of rect, .*got None"),
        ({"name": "cuboid"}, ".name", "got 'cuboid'"),
        ({"name": ["rect"]}, ".name", r"got \['rect'\]"),
        ({"name": "rect", "x": 1, "y": 2, "width": 3}, ".height", "a rect needs a number as height, got None"),
        ({"name": "circle", "cx": "5", "cy": 2, "r": 3}, ".cx", "got '5'"),
        ({"name": "circle", "cx": True, "cy": 2, "r": 3}, ".cx", "got True"),
        ({"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1]}, "", "got 2 x and 1 y"),
        ({"name": "polygon", "all_points_x": [1, None], "all_points_y": [1, 2]}, ".all_points_x[1]", "got None"),
        ({"name": "polyline", "all_points_x": 5, "all_points_y": [1]}, ".all_points_x", "needs a list"),
    ],
)
def test_a_shape_without_its_numbers_breaks_rule_8(
    tmp_path: Path, words: Mapping[str, object], where: str, message: str
) -> None:
    found = only_region(tmp_path, region(shape=words))
    assert isinstance(found, Unread)
    assert (found.rule, found.index, found.where) == ("DR08", 0, f"regions[0].shape_attributes{where}")
    assert re.search(message, found.message)


@pytest.mark.parametrize(
    "raw", [None, 5, [], {}, {"shape_attributes": 5}, {"shape_attributes": RECT, "region_attributes": 5}]
)
def test_what_is_no_region_breaks_rule_8(tmp_path: Path, raw: object) -> None:
    found = only_region(tmp_path, raw)
    assert isinstance(found, Unread)
    assert found.rule == "DR08"


@pytest.mark.parametrize(
    ("size", "bytes_"),
    [(63930, 63930), ("63930", 63930), (63930.0, 63930), (-1, None), ("", None), (None, None), ("big", None), (0, 0)],
)
def test_the_declared_size_may_be_text_or_unknown(tmp_path: Path, size: object, bytes_: int | None) -> None:
    (record,) = records(tmp_path, {"a": entry(size=size)})
    assert isinstance(record, ImageRecord)
    assert record.size_bytes == bytes_


def test_folders_are_parted_by_slashes(tmp_path: Path) -> None:
    (record,) = records(tmp_path, {"a": entry(filename="images\\b\\a.jpg")})
    assert isinstance(record, ImageRecord)
    assert record.filename == "images/b/a.jpg"


@pytest.mark.parametrize(
    "broken",
    [None, 5, [], {"regions": [region()], "size": 1}, entry(filename=""), entry(filename=5), entry(regions="none")],
)
def test_an_entry_that_cannot_be_read_is_told_with_its_regions(tmp_path: Path, broken: object) -> None:
    found = records(tmp_path, {"good": entry(region()), "bad": broken})
    assert isinstance(found[0], ImageRecord)
    unread = found[1:]
    regions = broken["regions"] if isinstance(broken, dict) and isinstance(broken["regions"], list) else []
    assert [part.index for part in unread if isinstance(part, Unread)] == [None, *range(len(regions))]
    assert {part.rule for part in unread if isinstance(part, Unread)} == {"DR01"}
    assert all('["bad"]' in part.where for part in unread)


def test_equal_keys_hide_no_entry(tmp_path: Path) -> None:
    one = json.dumps(entry(region()))
    found = records(tmp_path, f'{{"a.jpg7": {one}, "a.jpg7": {one}}}')
    assert [len(record.regions) for record in found if isinstance(record, ImageRecord)] == [1, 1]


def test_equal_keys_hide_no_region(tmp_path: Path) -> None:
    one = json.dumps(region())
    found = records(tmp_path, f'{{"a.jpg7": {{"filename": "a.jpg", "regions": {{"0": {one}, "0": {one}}}}}}}')
    assert isinstance(found[0], Unread)
    assert "keys stand twice, and one would hide the other: 0" in found[0].message


def test_words_of_the_format_may_be_values(tmp_path: Path) -> None:
    assert labels(tmp_path, {"label": "shape_attributes"}) == ["shape_attributes"]


# Which attribute is the label


def test_the_attribute_that_most_regions_carry_is_the_label_and_it_is_told(tmp_path: Path) -> None:
    found = reading(tmp_path, {"a": entry(region({"kind": "car", "note": ""}), region({"kind": "van", "note": "far"}))})
    assert found.label_attribute == "kind"
    assert found.notes == ("the label is attribute 'kind' (2 of 2 regions)",)


def test_a_tie_is_for_the_user_to_decide(data: Path) -> None:
    path = data / "via_tool_samples/testdata/sample_img5_region_data.json"
    with pytest.raises(BadInput, match=r"'shape' \(5 of 5 regions\), 'size' \(5 of 5 regions\); .*--label-attribute"):
        VIA.read(path, ReadOptions())
    assert VIA.read(path, ReadOptions(label_attribute="size")).label_attribute == "size"


def test_the_problem_s_attributes_come_first_and_each_may_hold_the_label(tmp_path: Path) -> None:
    attributes: list[object] = [{"sign": "stop", "note": "x"}, {"light": "red", "note": "y"}, {"note": "z"}]
    assert labels(tmp_path, *attributes, options=ReadOptions(category_attributes=("light", "sign"))) == [
        "stop",
        "red",
        None,
    ]


def test_an_attribute_called_label_needs_no_hint(tmp_path: Path) -> None:
    assert labels(tmp_path, {"score": 0.5, "label": "car", "color": "#fff"}) == ["car"]


def test_a_project_s_definitions_say_what_may_be_the_label(tmp_path: Path) -> None:
    project = {
        "_via_settings": {},
        "_via_img_metadata": {"a": entry(region({"class": "car", "editor": "v2", "made": "by hand"}))},
        "_via_attributes": {"region": {"class": {"type": "dropdown"}}, "file": {}},
    }
    assert reading(tmp_path, project).label_attribute == "class"


def test_a_slip_in_the_attribute_s_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"got 'nmae'; carried: 'name' \(1 of 1 regions\)"):
        labels(tmp_path, {"name": "car"}, options=ReadOptions(label_attribute="nmae"))


def test_an_attribute_that_is_blank_leaves_the_region_unlabelled(tmp_path: Path) -> None:
    found = only_region(tmp_path, region({"name": "  "}))
    assert isinstance(found, Region)
    assert (found.label, found.label_attribute, dict(found.attributes)) == (None, None, {"name": "  "})


@pytest.mark.parametrize(("value", "label"), [(320, "320"), (True, "true"), (1.5, "1.5"), ("1564865", "1564865")])
def test_numbers_become_text(tmp_path: Path, value: object, label: str) -> None:
    assert labels(tmp_path, {"track": value}) == [label]


def test_one_tick_of_a_checkbox_is_the_label(tmp_path: Path) -> None:
    assert labels(tmp_path, {"kind": {"car": True, "van": False}}, {"kind": {"van": True}}) == ["car", "van"]


def test_several_ticks_are_no_label(tmp_path: Path) -> None:
    found = only_region(tmp_path, region({"kind": {"car": True, "van": True}}))
    assert isinstance(found, Unread)
    assert (found.rule, found.shape_kind) == ("DR10", "rect")
    assert found.message == "a region must have one label, got 2 ticked in 'kind': car, van"


def test_regions_without_attributes_can_be_given_one_label(data: Path) -> None:
    found = VIA.read(data / "via_balloon_val/val/via_region_data.json", ReadOptions(label="balloon"))
    assert found.notes == ("50 of 50 regions carry no attribute and are labelled 'balloon', as given",)
    assert {
        r.label for e in found.records if isinstance(e, ImageRecord) for r in e.regions if isinstance(r, Region)
    } == {"balloon"}


def test_that_nothing_is_labelled_is_told(tmp_path: Path) -> None:
    found = reading(tmp_path, {"a": entry(region(), region())})
    assert found.notes == ("none of 2 regions carries an attribute, so none is labelled; --label labels all",)
    assert reading(tmp_path, {"a": entry()}).notes == ()


def test_a_given_label_does_not_replace_one_in_the_file(tmp_path: Path) -> None:
    assert labels(tmp_path, {"name": "car"}, {}, options=ReadOptions(label="thing")) == ["car", "thing"]


# Labels of whole images

CLASSES = ReadOptions(image_labels=True)


def whole_images(folder: Path, *file_attributes: object, options: ReadOptions = CLASSES) -> list[list[str | None]]:
    """The labels of each image's whole, where the file's images have these attributes and no regions."""
    entries = {f"{i}.jpg7": entry(file_attributes=given) for i, given in enumerate(file_attributes)}
    found = [record for record in records(folder, entries, options) if isinstance(record, ImageRecord)]
    regions = [[region for region in record.regions if isinstance(region, Region)] for record in found]
    assert all(isinstance(region.shape, WholeImage) for each in regions for region in each)
    return [[region.label for region in each] for each in regions]


def test_an_attribute_of_images_is_no_region_unless_asked_for(tmp_path: Path) -> None:
    assert whole_images(tmp_path, {"class": "cat"}, options=PLAIN) == [[]]


def test_the_attribute_that_most_images_carry_labels_them_and_it_is_told(tmp_path: Path) -> None:
    given = {str(i): entry(file_attributes={"class": kind}) for i, kind in enumerate(["cat", "dog", " "])}
    found = reading(tmp_path, given, CLASSES)
    assert found.label_attribute == "class"
    assert found.notes == ("the label is attribute 'class' (2 of 3 images)",)
    cat, _, blank = found.records
    assert isinstance(cat, ImageRecord)
    (region,) = cat.regions
    assert isinstance(region, Region)
    assert (region.label, region.label_attribute, region.where) == ("cat", "class", "file_attributes.class")
    assert cat.attributes == {}
    assert isinstance(blank, ImageRecord)
    assert (blank.regions, dict(blank.attributes)) == ((), {"class": " "})


def test_several_ticks_are_several_labels_of_an_image(tmp_path: Path) -> None:
    assert whole_images(tmp_path, {"seen": {"cat": True, "dog": False, "cow": True}}) == [["cat", "cow"]]


@pytest.mark.parametrize(
    "options",
    [
        ReadOptions(image_labels=True, label_attribute="kind"),
        ReadOptions(image_labels=True, category_attributes=("kind",)),
    ],
    ids=["given", "the problem's"],
)
def test_what_is_given_says_which_attribute_labels_images(tmp_path: Path, options: ReadOptions) -> None:
    assert whole_images(tmp_path, {"caption": "a cat", "kind": "cat"}, options=options) == [["cat"]]


def test_a_tie_among_attributes_of_images_is_for_the_user_to_decide(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"'caption' \(1 of 1 images\), 'kind' \(1 of 1 images\); .*--label-attribute"):
        whole_images(tmp_path, {"caption": "a cat", "kind": "cat"})


def test_a_project_s_definitions_say_what_may_label_images(tmp_path: Path) -> None:
    project = {
        "_via_settings": {},
        "_via_img_metadata": {"a": entry(file_attributes={"class": "cat", "caption": "a cat"})},
        "_via_attributes": {"region": {}, "file": {"class": {"type": "dropdown"}}},
    }
    assert reading(tmp_path, project, CLASSES).label_attribute == "class"


def test_images_without_attributes_can_be_given_one_label(tmp_path: Path) -> None:
    options = ReadOptions(image_labels=True, label="road")
    assert whole_images(tmp_path, {}, {}, options=options) == [["road"], ["road"]]


def test_regions_count_where_images_say_nothing(tmp_path: Path) -> None:
    (found,) = records(tmp_path, {"a": entry(region({"name": "car"}))}, CLASSES)
    assert isinstance(found, ImageRecord)
    (only,) = found.regions
    assert isinstance(only, Region)
    assert (only.shape.kind, only.label) == ("rect", "car")


def test_the_whole_image_comes_after_the_regions(tmp_path: Path) -> None:
    (found,) = records(tmp_path, {"a": entry(region(), region(), file_attributes={"class": "cat"})}, CLASSES)
    assert isinstance(found, ImageRecord)
    assert [(part.index, part.label) for part in found.regions if isinstance(part, Region)] == [
        (0, None),
        (1, None),
        (2, "cat"),
    ]


def labelled(*labels: str | None, **attributes: object) -> ImageRecord:
    regions = tuple(Region(shape=WholeImage(), label=label, index=i, where="") for i, label in enumerate(labels))
    return ImageRecord(filename="a.jpg", where="", regions=regions, attributes=attributes)


@pytest.mark.parametrize(
    ("labels", "attribute"), [(["cat"], "cat"), (["cat", "dog"], {"cat": True, "dog": True})], ids=["one", "two"]
)
def test_labels_of_whole_images_become_an_attribute_and_come_back(
    tmp_path: Path, labels: list[str], attribute: object
) -> None:
    document, not_said = written(tmp_path, labelled(*labels, caption="x"))
    assert document["a.jpg-1"]["file_attributes"] == {"caption": "x", "label": attribute}
    assert document["a.jpg-1"]["regions"] == []
    assert not_said == {"label of a whole image, as an attribute of the image": len(labels)}
    (again,) = VIA.read(tmp_path / "out.json", CLASSES).records
    assert isinstance(again, ImageRecord)
    assert [(part.shape, part.label) for part in again.regions if isinstance(part, Region)] == [
        (WholeImage(), label) for label in labels
    ]
    assert again.attributes == {"caption": "x"}


def test_what_of_whole_images_has_no_place_is_told(tmp_path: Path) -> None:
    document, not_said = written(tmp_path, labelled("cat", "cat", None, label="mine"))
    assert document["a.jpg-1"]["file_attributes"] == {"label": "cat"}
    assert not_said == {
        "label of a whole image, as an attribute of the image": 1,
        "label that a whole image has twice": 1,
        "whole image without a label": 1,
        "attribute 'label' of an image, whose name the label needs": 1,
    }


def test_the_attribute_of_images_is_no_slip_where_regions_are_read(tmp_path: Path) -> None:
    given = {"a": entry(region({"note": "x"}), file_attributes={"class": "cat"})}
    found = reading(tmp_path, given, ReadOptions(label_attribute="class"))
    (record,) = found.records
    assert isinstance(record, ImageRecord)
    assert [part.label for part in record.regions if isinstance(part, Region)] == [None]


# Layouts


def test_an_answer_of_the_service_is_read(tmp_path: Path) -> None:
    answer = {
        "api": "predict",
        "type": "acme-ods-1",
        "dnnarch": "mask_rcnn",
        "result": {
            "a.jpg7": {"filename": "a.jpg", "file_attributes": {"width": 5}, "regions": [region({"label": "car"})]}
        },
        "status_code": 200,
        "timings": {"predict": 0.1},
    }
    (record,) = records(tmp_path, answer)
    assert VIA.sniff(tmp_path / "via.json")
    assert isinstance(record, ImageRecord)
    assert record.where == 'result["a.jpg7"]'
    assert record.size_bytes is None


def test_a_project_without_entries_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="must hold its entries under '_via_img_metadata'"):
        reading(tmp_path, {"_via_settings": {}})


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([1], "must be an object"),
        ({"_via_img_metadata": []}, "'_via_img_metadata' must be an object"),
        ({"images": [], "annotations": []}, "no entry has 'filename'"),
    ],
)
def test_other_documents_are_refused(tmp_path: Path, document: object, message: str) -> None:
    with pytest.raises(BadFile, match=message):
        reading(tmp_path, document)


def test_an_export_without_entries_is_read(tmp_path: Path) -> None:
    assert records(tmp_path, {}) == []


# Writing


def written(folder: Path, *given: ImageRecord) -> tuple[Any, dict[str, int]]:
    report = VIA.write(given, folder / "out.json")
    return json.loads((folder / "out.json").read_bytes()), report.not_said


def record(*shapes: Shape) -> ImageRecord:
    regions = tuple(Region(shape=shape, label="car", index=i, where=f"regions[{i}]") for i, shape in enumerate(shapes))
    return ImageRecord(filename="a.jpg", where="", regions=regions)


def test_an_export_is_written_as_the_tool_writes_it(tmp_path: Path) -> None:
    given = replace(record(Rect(1.0, 2.5, 3.0, 4.0)), size_bytes=7, attributes={"caption": "é"})
    document, not_said = written(tmp_path, given)
    assert document == {
        "a.jpg7": {
            "filename": "a.jpg",
            "size": 7,
            "regions": [
                {
                    "shape_attributes": {"name": "rect", "x": 1, "y": 2.5, "width": 3, "height": 4},
                    "region_attributes": {"label": "car"},
                }
            ],
            "file_attributes": {"caption": "é"},
        }
    }
    assert '"x":1,' in (tmp_path / "out.json").read_text()
    assert not_said == {}


def test_equal_names_get_keys_of_their_own(tmp_path: Path) -> None:
    document, _ = written(tmp_path, record(), record(), record())
    assert list(document) == ["a.jpg-1", "a.jpg-1 (2)", "a.jpg-1 (3)"]


def test_a_mask_becomes_polygons_and_that_is_told(tmp_path: Path) -> None:
    mask = mask_of_shape(Rect(2, 3, 10, 5), (30, 20))
    document, not_said = written(tmp_path, record(mask))
    (found,) = document["a.jpg-1"]["regions"]
    assert found["shape_attributes"]["name"] == "polygon"
    assert min(found["shape_attributes"]["all_points_x"]) == pytest.approx(2, abs=0.5)
    assert not_said == {"mask, as polygons around its parts": 1}


def test_an_empty_mask_is_left_out_and_that_is_told(tmp_path: Path) -> None:
    empty: Mask = mask_of_shape(Polyline(()), (30, 20))
    document, not_said = written(tmp_path, record(empty))
    assert document["a.jpg-1"]["regions"] == []
    assert not_said == {"mask without an outline": 1}


def test_rings_become_regions_and_that_is_told(tmp_path: Path) -> None:
    ring = ((0, 0), (5, 0), (5, 5))
    document, not_said = written(tmp_path, record(Polygon((ring, ring))))
    assert len(document["a.jpg-1"]["regions"]) == 2
    assert not_said == {"that several rings are one polygon: each is a region of its own": 1}


def test_what_the_format_has_no_word_for_is_told(tmp_path: Path) -> None:
    crowd = Region(
        shape=Rect(1, 2, 3, 4),
        label="car",
        index=0,
        where="",
        is_crowd=True,
        source_id=5,
        area_px=3,
        attributes={"label": "x"},
    )
    _, not_said = written(tmp_path, ImageRecord(filename="a", where="", regions=(crowd,), size_wh=(3, 4), source_id=1))
    assert not_said == {
        "width and height of an image": 1,
        "id of an image": 1,
        "that a region stands for a crowd": 1,
        "id of a region": 1,
        "box and area of a region as stated, beside its shape": 1,
        "attribute 'label' of a region, whose name the label needs": 1,
    }


def test_what_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="only what JSON can hold"):
        written(tmp_path, replace(record(), attributes={"when": object()}))
