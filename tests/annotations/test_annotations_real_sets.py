"""Every annotated set of the real data beside VIA's JSON and COCO, ingested as a user would, held to the facts."""

import json
from pathlib import Path
from typing import Any

import pytest

from teppr.cli.main import run

GTS = "metrics_100_formats/data/database/gts"
PHOTOS = "metrics_100_formats/data/database/images"
Facts = dict[str, dict[str, Any]]


def _answer(home: Path, capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, Any]]:
    code = run(["--home", str(home), "annotations", "ingest", *map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def facts(data: Path) -> Facts:
    found: Facts = json.loads((data / "FACTS.json").read_text(encoding="utf-8"))
    return found


def _tally(read: int, rejected: int = 0) -> dict[str, int]:
    return {"read": read, "accepted": read - rejected, "rejected": rejected}


@pytest.mark.parametrize("name", ["voc_kangaroo", "voc_bccd", "metrics_100_formats toyexample"])
def test_voc_folders(name: str, data: Path, facts: Facts, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = {
        "voc_kangaroo": "voc_kangaroo/annots",
        "voc_bccd": "voc_bccd/BCCD",
        "metrics_100_formats toyexample": "metrics_100_formats/toyexample/gts_vocpascal_format",
    }[name]
    fact, images = facts[name], facts.get(f"images {name}", {})
    broken = images.get("bad", [])
    flat = fact["degenerate boxes (xmin>=xmax or ymin>=ymax)"]
    code, report = _answer(home, capsys, data / folder)

    assert report["entries"] == _tally(fact["xml"], len(broken))
    assert report["regions"]["read"] == fact["objects"]
    findings = report["findings"]
    assert findings.get("DR04", 0) == len(broken)
    assert findings.get("DR13", 0) == flat
    assert findings.get("DR07", 0) == fact["xml without objects"]
    assert findings.get("DR15", 0) == fact["duplicate boxes"]
    assert findings.get("DR12", 0) == fact["boxes outside the image"]
    assert findings.get("DR06", 0) == images.get("duplicates", 0)
    if not broken:
        assert report["regions"] == _tally(fact["objects"], flat)
    assert code == (1 if broken or flat else 0)


@pytest.mark.parametrize(
    ("document", "fact_name"),
    [
        ("pascalvoc_format", "pascalvoc"),
        ("imagenet_format", "imagenet"),
        ("yolo_format", "yolo lines"),
        ("openimages_format/all_bounding_boxes.csv", "openimages csv rows"),
        ("cvat_format/annotations.xml", "cvat xml"),
        ("tfrecord_format", "coco v1"),
    ],
)
def test_the_same_boxes_out_of_every_format(
    document: str, fact_name: str, data: Path, facts: Facts, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    count = facts["metrics_100_formats: the same boxes in several formats"][fact_name]
    code, report = _answer(home, capsys, data / GTS / document, "--images", data / PHOTOS)
    assert code == 0
    assert report["entries"] == _tally(facts["metrics_100_formats coco v2"]["images"])
    assert report["regions"] == _tally(count)
    assert report["shapes"] == {"rect": count}
    assert report["labels"] == facts["metrics_100_formats pascalvoc"]["classes"]


def test_yolo_boxes_with_lost_images_and_lost_labels(
    data: Path, facts: Facts, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fact, folder = facts["coco128_train object_detection (YOLO)"], data / "coco128_train"
    code, report = _answer(home, capsys, folder / "object_detection", "--images", folder / "images")
    lost = fact["label files without an image"]
    assert code == 1
    assert report["entries"] == _tally(fact["images"] + lost, lost)
    assert report["regions"]["read"] == fact["lines"]
    assert report["findings"]["DR03"] == lost + report["regions"]["rejected"]
    assert report["findings"]["DR07"] == fact["images without a label file"]


def test_yolo_polygons(data: Path, facts: Facts, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fact = facts["coco128_train instance_segmentation (YOLO-seg)"]
    folder = data / "coco128_train"
    code, report = _answer(home, capsys, folder / "instance_segmentation", "--images", folder / "images")
    assert code == 0
    assert report["entries"] == _tally(fact["label files"] + fact["images without a label file"])
    assert report["regions"] == _tally(fact["polygon lines"])
    assert report["shapes"] == {"polygon": fact["lines"]}
    assert len(report["labels"]) == fact["distinct classes"]
    assert report["findings"]["DR07"] == fact["empty label files"] + fact["images without a label file"]


def test_lanes(data: Path, facts: Facts, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fact = facts["lanes_tusimple_sample"]
    file = data / "lanes_tusimple_sample/tusimple_sample_512x288/label_data.json"
    code, report = _answer(home, capsys, file, "--problem", "rld")
    assert code == 1
    assert report["entries"] == _tally(fact["label lines"])
    assert report["regions"] == _tally(fact["lanes"], fact["lanes with only -2"])
    assert report["findings"]["DR13"] == fact["lanes with only -2"]


@pytest.mark.parametrize("name", ["cls_hymenoptera", "cls_gtsrb_8x30"])
def test_classified_images(name: str, data: Path, facts: Facts, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fact = facts[name]
    code, report = _answer(home, capsys, data / name, "--problem", "cls")
    assert code == 0
    assert report["entries"] == report["regions"] == _tally(fact["images"])
    assert report["labels"] == fact["classes"]
    assert report["findings"].get("DR06", 0) == fact.get("exact duplicates", 0)


def test_a_panoptic_file_is_refused_with_the_reason(data: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = data / "coco128_train/panoptic_segmentation/annotations"
    code, report = _answer(home, capsys, folder / "panoptic_train2017.json")
    assert code == 2
    assert report["findings"] == {"DR01": 1}


def test_the_images_beside_a_document_are_no_document(
    data: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = data / "lanes_tusimple_sample/tusimple_sample_512x288"
    _, report = _answer(home, capsys, folder, "--problem", "rld")
    assert report["files"]["read"] == 1
    assert report["shapes"] == {"polyline": 40}
