"""COCO instances: the join, the rules that broken parts break, and what pycocotools makes of what is written."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO

from teppr.errors import BadFile
from teppr.formats import Reading, ReadOptions
from teppr.formats.coco import PLUGIN as COCO_FORMAT
from teppr.geometry import area, bitmap_of_mask, mask_of_shape
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
)

TRIANGLE = ((0.0, 0.0), (4.0, 0.0), (4.0, 3.0))
IMAGE = {"id": 1, "file_name": "a.jpg", "width": 30, "height": 20}
CAR = {"id": 3, "name": "car"}


def reading(folder: Path, **lists: object) -> Reading:
    path = folder / "coco.json"
    path.write_text(json.dumps({"images": [IMAGE], "annotations": [], "categories": [CAR]} | lists))
    return COCO_FORMAT.read(path, ReadOptions())


def records(folder: Path, **lists: object) -> list[ImageRecord | Unread]:
    return list(reading(folder, **lists).records)


def annotation(**fields: object) -> dict[str, Any]:
    return {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0, **fields}


def only_region(folder: Path, **fields: object) -> Region | Unread:
    (record,) = records(folder, annotations=[annotation(**fields)])
    assert isinstance(record, ImageRecord)
    (found,) = record.regions
    return found


@pytest.mark.parametrize(
    ("segmentation", "shape"),
    [
        pytest.param([], Rect(1, 2, 3, 4), id="box"),
        pytest.param(None, Rect(1, 2, 3, 4), id="box without the key"),
        pytest.param([[0, 0, 4, 0, 4, 3]], Polygon((TRIANGLE,)), id="polygon"),
        pytest.param([[0, 0, 4, 0, 4, 3, 0, 0]], Polygon((TRIANGLE,), closed_in_file=True), id="closed polygon"),
        pytest.param([[0, 0, 4, 0, 4, 3]] * 2, Polygon((TRIANGLE, TRIANGLE)), id="rings"),
        pytest.param(
            {"counts": [590, 10], "size": [20, 30]}, Mask("^b0:", (30, 20), compressed_in_file=False), id="runs"
        ),
        pytest.param({"counts": "^b0:", "size": [20, 30]}, Mask("^b0:", (30, 20)), id="compressed runs"),
    ],
)
def test_every_segmentation_is_read(tmp_path: Path, segmentation: object, shape: Shape) -> None:
    found = only_region(tmp_path, segmentation=segmentation)
    assert isinstance(found, Region)
    assert found.shape == shape
    assert (found.label, found.source_id, found.box_xywh_px, found.area_px) == ("car", 1, (1, 2, 3, 4), 12)


@pytest.mark.parametrize(
    ("fields", "where", "kind"),
    [
        ({"bbox": [1, 2, 3]}, ".bbox", "rect"),
        ({"bbox": [1, 2, 3, "4"]}, ".bbox", "rect"),
        ({"bbox": None}, "", None),
        ({"area": "big"}, ".area", None),
        ({"iscrowd": 2}, ".iscrowd", None),
        ({"segmentation": 5}, ".segmentation", None),
        ({"segmentation": [0, 0, 4, 0, 4, 3]}, ".segmentation[0]", "polygon"),
        ({"segmentation": [[0, 0, 4, 0, 4]]}, ".segmentation[0]", "polygon"),
        ({"segmentation": [[0, 0], [0, None]]}, ".segmentation[1]", "polygon"),
        ({"segmentation": {"counts": [5], "size": [20, 30]}}, ".segmentation", "mask"),
        ({"segmentation": {"counts": [600.0], "size": [20, 30]}}, ".segmentation", "mask"),
        ({"segmentation": {"counts": "zzz", "size": [20, 30]}}, ".segmentation", "mask"),
        ({"segmentation": {"counts": [600], "size": [600]}}, ".segmentation", "mask"),
        ({"segmentation": {"counts": [0], "size": [0, 30]}}, ".segmentation", "mask"),
        ({"shape": {"name": "circle", "cx": 1}}, ".cy", "circle"),
    ],
)
def test_numbers_that_are_none_break_rule_8(
    tmp_path: Path, fields: dict[str, object], where: str, kind: str | None
) -> None:
    found = only_region(tmp_path, **fields)
    assert isinstance(found, Unread)
    assert (found.rule, found.index, found.where, found.shape_kind) == ("DR08", 0, f"annotations[0]{where}", kind)


@pytest.mark.parametrize("given", [4, "3", 3.5, [3], True])
def test_an_unknown_category_breaks_rule_17(tmp_path: Path, given: object) -> None:
    found = only_region(tmp_path, category_id=given)
    assert isinstance(found, Unread)
    assert (found.rule, found.where) == ("DR17", "annotations[0].category_id")
    assert "which none has" in found.message


def test_a_category_id_of_two_names_breaks_rule_17(tmp_path: Path) -> None:
    (record,) = records(tmp_path, annotations=[annotation()], categories=[CAR, {"id": 3, "name": "van"}])
    assert isinstance(record, ImageRecord)
    (found,) = record.regions
    assert isinstance(found, Unread)
    assert "category_id=3, which several categories have" in found.message


@pytest.mark.parametrize("given", [None, 2, "1", [1], 2**61 - 1 + 1])
def test_an_unknown_image_breaks_rule_17_and_no_region_vanishes(tmp_path: Path, given: object) -> None:
    found = records(tmp_path, annotations=[annotation(), annotation(image_id=given), annotation()])
    record, orphan = found
    assert isinstance(record, ImageRecord)
    assert isinstance(orphan, Unread)
    assert [region.where for region in record.regions] == ["annotations[0]", "annotations[2]"]
    assert (orphan.rule, orphan.index, orphan.where) == ("DR17", 1, "annotations[1].image_id")


@pytest.mark.parametrize("image", [None, 5, {"id": 2}, {"id": 2, "file_name": " "}, {"id": 2, "file_name": 5}])
def test_an_image_that_cannot_be_read_is_told_with_its_regions(tmp_path: Path, image: object) -> None:
    found = records(tmp_path, images=[IMAGE, image], annotations=[annotation(image_id=2)])
    assert [(part.rule, part.index) for part in found if isinstance(part, Unread)] == [("DR01", None), ("DR17", 0)]


def test_a_second_image_of_the_same_id_breaks_rule_17(tmp_path: Path) -> None:
    first, second = records(tmp_path, images=[IMAGE, IMAGE | {"file_name": "b.jpg"}], annotations=[annotation()])
    assert isinstance(first, ImageRecord)
    assert len(first.regions) == 1
    assert isinstance(second, Unread)
    assert (second.rule, second.index, second.where) == ("DR17", None, "images[1]")


def test_equal_annotation_ids_are_kept_and_told(tmp_path: Path) -> None:
    found = reading(tmp_path, annotations=[annotation(), annotation(), annotation(id=2)])
    (record,) = found.records
    assert isinstance(record, ImageRecord)
    assert len(record.regions) == 3
    assert found.notes == ("1 annotations have an id that an earlier one has; all are kept",)


def test_ids_may_be_text(tmp_path: Path) -> None:
    (record,) = records(tmp_path, images=[IMAGE | {"id": "x"}], annotations=[annotation(image_id="x", id="y")])
    assert isinstance(record, ImageRecord)
    (found,) = record.regions
    assert isinstance(found, Region)
    assert (record.source_id, dict(record.attributes)) == (None, {"id": "x"})
    assert (found.source_id, dict(found.attributes)) == (None, {"id": "y"})


def test_lists_may_come_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    path.write_text(json.dumps({"annotations": [annotation()], "categories": [CAR], "info": {}, "images": [IMAGE]}))
    (record,) = COCO_FORMAT.read(path, ReadOptions()).records
    assert isinstance(record, ImageRecord)
    assert len(record.regions) == 1


def test_further_keys_are_attributes(tmp_path: Path) -> None:
    found = only_region(tmp_path, score=0.5, attributes={"occluded": True})
    assert isinstance(found, Region)
    assert found.attributes == {"score": 0.5, "occluded": True}


def test_attributes_that_are_said_twice_are_both_kept(tmp_path: Path) -> None:
    found = only_region(tmp_path, score=0.5, attributes={"score": 1})
    assert isinstance(found, Region)
    assert found.attributes == {"score": 0.5, "attributes": {"score": 1}}


def test_what_an_image_says_wrongly_stays_an_attribute(tmp_path: Path) -> None:
    (record,) = records(tmp_path, images=[IMAGE | {"width": -5, "license": 3, "coco_url": None}])
    assert isinstance(record, ImageRecord)
    assert record.size_wh is None
    assert record.attributes == {"width": -5, "height": 20, "license": 3, "coco_url": None}


def test_an_unlabelled_annotation_has_no_category(tmp_path: Path) -> None:
    found = only_region(tmp_path, category_id=None)
    assert isinstance(found, Region)
    assert found.label is None


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("[]", "must be an object of lists"),
        ('{"images": []}', "must have annotations"),
        ('{"images": [], "annotations": {}}', "'annotations' must be a list"),
        ('{"images": [], "annotations": [], "images": []}', "'images' must stand once"),
        ('{"images": [], "annotations": [{"segments_info": []}]}', "got a panoptic file"),
    ],
)
def test_other_documents_are_refused(tmp_path: Path, document: str, message: str) -> None:
    path = tmp_path / "coco.json"
    path.write_text(document)
    with pytest.raises(BadFile, match=message):
        COCO_FORMAT.read(path, ReadOptions())


def test_a_document_cut_off_is_still_known_and_refused(data: Path, tmp_path: Path) -> None:
    whole = (data / "coco_eval_val2014/instances_val2014_100.json").read_bytes()
    path = tmp_path / "cut.json"
    path.write_bytes(whole[: len(whole) // 2])
    assert COCO_FORMAT.sniff(path)
    with pytest.raises(BadFile, match="ends too early"):
        COCO_FORMAT.read(path, ReadOptions())


# Writing


def loaded(path: Path) -> COCO:
    """The file as pycocotools has it."""
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def record(*shapes: Shape, source_id: int | None = None) -> ImageRecord:
    regions = tuple(Region(shape=shape, label="car", index=i, where=f"regions[{i}]") for i, shape in enumerate(shapes))
    return ImageRecord(filename="a.jpg", where="", regions=regions, size_wh=(30, 20), source_id=source_id)


@pytest.mark.parametrize(
    "shape",
    [
        Rect(1, 2, 3, 4),
        Circle(10, 10, 5),
        Ellipse(12, 9, 8, 4, 0.4),
        Polygon((TRIANGLE,)),
        Polygon((TRIANGLE, ((10, 10), (15, 10), (15, 15))), closed_in_file=True),
        Polyline(((1, 1), (5, 9))),
        Spot(3, 4),
        mask_of_shape(Circle(10, 10, 5), (30, 20)),
    ],
    ids=lambda shape: shape.kind,
)
def test_pycocotools_reads_every_shape(tmp_path: Path, shape: Shape) -> None:
    COCO_FORMAT.write([record(shape)], tmp_path / "out.json")
    coco = loaded(tmp_path / "out.json")
    (found,) = coco.loadAnns(coco.getAnnIds(imgIds=1))
    assert found["area"] == pytest.approx(area(shape))
    assert coco.loadCats(found["category_id"])[0]["name"] == "car"
    if found["segmentation"]:
        drawn, expected = coco.annToMask(found), bitmap_of_mask(mask_of_shape(shape, (30, 20)))
        assert (drawn == expected).all()


def test_a_box_is_given_no_outline(tmp_path: Path) -> None:
    COCO_FORMAT.write([record(Rect(1, 2, 3, 4), Polygon((TRIANGLE,)))], tmp_path / "out.json")
    box, outlined = loaded(tmp_path / "out.json").loadAnns([1, 2])
    assert (box["segmentation"], box["bbox"]) == ([], [1, 2, 3, 4])
    assert "shape" not in box
    assert outlined["segmentation"]


def test_a_polygon_of_too_few_corners_does_not_trouble_pycocotools(tmp_path: Path) -> None:
    shapes = [Polygon((TRIANGLE, ((1, 1), (2, 2)))), Polygon((((1, 1),),)), Polygon(((),))]
    COCO_FORMAT.write([record(*shapes)], tmp_path / "out.json")
    coco = loaded(tmp_path / "out.json")
    assert [len(found["segmentation"]) for found in coco.loadAnns([1, 2, 3])] == [1, 0, 0]
    (read,) = COCO_FORMAT.read(tmp_path / "out.json", ReadOptions()).records
    assert isinstance(read, ImageRecord)
    assert [region.shape for region in read.regions if isinstance(region, Region)] == shapes


def test_ids_are_kept_where_they_are_free(tmp_path: Path) -> None:
    images = [record(Spot(1, 1), source_id=number) for number in (7, None, 7, 2)]
    report = COCO_FORMAT.write(images, tmp_path / "out.json")
    document = json.loads((tmp_path / "out.json").read_bytes())
    assert [image["id"] for image in document["images"]] == [7, 1, 3, 2]
    assert [found["image_id"] for found in document["annotations"]] == [7, 1, 3, 2]
    assert report.not_said == {"id of an image that an earlier one has": 1}


def test_categories_are_numbered_as_they_appear_and_the_unlabelled_have_none(tmp_path: Path) -> None:
    regions = tuple(
        Region(shape=Spot(1, 1), label=label, index=i, where="") for i, label in enumerate(["van", None, "car", "van"])
    )
    COCO_FORMAT.write([ImageRecord(filename="a", where="", regions=regions)], tmp_path / "out.json")
    document = json.loads((tmp_path / "out.json").read_bytes())
    assert [(c["id"], c["name"]) for c in document["categories"]] == [(1, "van"), (2, "car")]
    assert [found["category_id"] for found in document["annotations"]] == [1, None, 2, 1]


def test_boxes_and_areas_are_those_stated(data: Path, tmp_path: Path) -> None:
    source = data / "coco_eval_val2014/instances_val2014_100.json"
    read = [r for r in COCO_FORMAT.read(source, ReadOptions()).records if isinstance(r, ImageRecord)]
    assert COCO_FORMAT.write(read, tmp_path / "out.json").not_said == {}
    before, after = loaded(source), loaded(tmp_path / "out.json")
    assert before.anns.keys() == after.anns.keys()
    for number, found in after.anns.items():
        expected = before.anns[number]
        for key in ("image_id", "bbox", "area", "iscrowd", "segmentation"):
            assert found[key] == expected[key]
        assert after.cats[found["category_id"]]["name"] == before.cats[expected["category_id"]]["name"]


def test_no_half_written_file_is_left(tmp_path: Path) -> None:
    COCO_FORMAT.write([record(Spot(1, 1))], tmp_path / "new" / "out.json")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.json"]
