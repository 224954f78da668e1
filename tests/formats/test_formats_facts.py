"""Real files are read to the last region: counts are those of FACTS.json, which another program counted."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from teppr.formats import FORMATS, ReadOptions, format_of
from teppr.types import ImageRecord, Polygon, Region

VIA_FILES = (
    "via_balloon_val/val/via_region_data.json",
    "via_car_damage/train/car-damage-train.json",
    "via_car_damage/train/train_multiclass.json",
    "via_car_damage/train/via_region_data.json",
    "via_car_damage/val/car-damage-val.json",
    "via_car_damage/val/val_multiclass.json",
    "via_car_damage/val/via_region_data.json",
    "via_claw/train/via_region_data.json",
    "via_claw/val/via_region_data.json",
    "via_tool_samples/face_track_annotation/sherlock_ep01_tracks_FRCNN.json",
    "via_tool_samples/testdata/sample_img5_region_data.json",
    "via_tool_samples/unit_test/unit_test_annotation2.json",
)
LABEL_ATTRIBUTE = {"via_tool_samples/testdata/sample_img5_region_data.json": "shape"}
"""Where two attributes are carried equally, the reader must be told."""

COCO_FILES = {
    "coco_eval_val2014/instances_val2014_100.json": "coco_eval_val2014 ground truth (instances_val2014_100.json)",
    "metrics_100_formats/data/database/gts/coco_format_v2/instances_v2.json": "metrics_100_formats coco v2",
}
SAME_BOXES = {
    "metrics_100_formats/data/database/gts/coco_format_v1/instances_default.json": "coco v1",
    "metrics_100_formats/data/database/gts/coco_format_v2/instances_v2.json": "coco v2",
    "metrics_100_formats/data/database/dets/coco_format/coco_dets.json": (
        "detections coco json (a full COCO file, scores in annotations)"
    ),
}
OTHER_FILES = (
    "FACTS.json",
    "coco_eval_val2014/instances_val2014_fakebbox100_results.json",
    "via_car_damage/train/car-damage-train_attributes.json",
    "via_tool_samples/face_track_annotation/sherlock_attributes.json",
    "via_tool_samples/basic/adutta_swan.jpg",
    "via_tool_samples/testdata/sample_attributes1.csv",
)


@pytest.fixture(scope="module")
def facts(data: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((data / "FACTS.json").read_bytes())
    return loaded


def records_of(path: Path, options: ReadOptions) -> list[ImageRecord]:
    """All records, none unread."""
    records = list(format_of(path).read(path, options).records)
    assert all(isinstance(record, ImageRecord) for record in records)
    return [record for record in records if isinstance(record, ImageRecord)]


def regions_of(records: list[ImageRecord]) -> list[Region]:
    """All regions, none unread."""
    regions = [region for record in records for region in record.regions]
    assert all(isinstance(region, Region) for region in regions)
    return [region for region in regions if isinstance(region, Region)]


def test_every_via_file_with_facts_is_here(facts: dict[str, Any]) -> None:
    stated = {name for name, fact in facts.items() if isinstance(fact, dict) and "VIA" in str(fact.get("kind"))}
    assert stated == set(VIA_FILES)


@pytest.mark.parametrize("name", VIA_FILES)
def test_a_via_file_is_read_to_the_last_region(data: Path, facts: dict[str, Any], name: str) -> None:
    attribute = LABEL_ATTRIBUTE.get(name)
    records = records_of(data / name, ReadOptions(label_attribute=attribute))
    regions, fact = regions_of(records), facts[name]
    labels = [labels for key, labels in fact.items() if key.startswith("attribute ")]
    rings = [region.shape for region in regions if isinstance(region.shape, Polygon)]

    assert format_of(data / name).name == "via"
    assert len(records) == fact["entries"]
    assert len(regions) == fact["regions"]
    assert Counter(region.shape.kind for region in regions) == fact["shapes"]
    assert sum(region.label is None for region in regions) == fact["unlabelled regions"]
    assert Counter(region.label for region in regions if region.label) == (labels[0] if labels else {})
    assert sum(not record.regions for record in records) == fact["entries without regions"]
    captioned = [record for record in records if any(str(value).strip() for value in record.attributes.values())]
    assert len(captioned) == fact["entries with file_attributes"]
    assert sum(shape.closed_in_file for shape in rings) == fact["closed rings (first vertex repeated)"]
    assert all(record.size_bytes is not None for record in records)


@pytest.mark.parametrize("name", COCO_FILES)
def test_a_coco_file_is_read_to_the_last_region(data: Path, facts: dict[str, Any], name: str) -> None:
    records = records_of(data / name, ReadOptions())
    regions, fact = regions_of(records), facts[COCO_FILES[name]]
    polygons = [region.shape for region in regions if isinstance(region.shape, Polygon)]

    assert format_of(data / name).name == "coco"
    assert len(records) == fact["images"]
    assert len(regions) == fact["annotations"]
    assert sum(region.is_crowd for region in regions) == fact["crowd"]
    assert sum(not record.regions for record in records) == fact["images without annotation"]
    assert len(polygons) == fact["segmentation"]["polygon"]
    assert sum(region.shape.kind == "mask" for region in regions) == fact["segmentation"].get("RLE counts list", 0)
    assert sum(len(shape.rings) > 1 for shape in polygons) == fact["annotations with several polygons"]
    assert all(record.size_wh for record in records)
    assert all(region.label and region.box_xywh_px and region.area_px for region in regions)


@pytest.mark.parametrize("name", SAME_BOXES)
def test_the_same_boxes_are_counted_in_every_coco_file(data: Path, facts: dict[str, Any], name: str) -> None:
    regions = regions_of(records_of(data / name, ReadOptions()))
    assert len(regions) == facts["metrics_100_formats: the same boxes in several formats"][SAME_BOXES[name]]


def test_labels_of_coco_are_the_names_of_its_categories(data: Path, facts: dict[str, Any]) -> None:
    name = "metrics_100_formats/data/database/gts/coco_format_v1/instances_default.json"
    regions = regions_of(records_of(data / name, ReadOptions()))
    assert Counter(region.label for region in regions) == facts["metrics_100_formats pascalvoc"]["classes"]


@pytest.mark.parametrize("name", OTHER_FILES)
def test_other_files_are_taken_by_no_format(data: Path, name: str) -> None:
    assert [plugin.name for plugin in FORMATS.all() if plugin.sniff(data / name)] == []
