"""Every VIA and COCO file of the real data through the command line, held against the facts counted from the files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teppr.cli.main import run

VIA_FILES = {
    "via_balloon_val/val/via_region_data.json": ["--label", "balloon"],
    "via_car_damage/train/car-damage-train.json": [],
    "via_car_damage/train/train_multiclass.json": [],
    "via_car_damage/train/via_region_data.json": [],
    "via_car_damage/val/car-damage-val.json": [],
    "via_car_damage/val/val_multiclass.json": [],
    "via_car_damage/val/via_region_data.json": [],
    "via_claw/train/via_region_data.json": [],
    "via_claw/val/via_region_data.json": [],
    "via_tool_samples/face_track_annotation/sherlock_ep01_tracks_FRCNN.json": [],
    "via_tool_samples/testdata/sample_img5_region_data.json": ["--label-attribute", "shape"],
    "via_tool_samples/unit_test/unit_test_annotation2.json": [],
}
"""Each file with the options that it needs."""

RULE_OF_FACT = {
    "entries whose image is missing": "DR03",
    "byte size differs from the file": "DR05",
    "entries without regions": "DR07",
    "x/y length mismatch": "DR08",
    "shapes outside the image": "DR12",
    "degenerate shapes": "DR13",
    "self-crossing polygons": "DR14",
    "duplicate regions in one image": "DR15",
}

Answer = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def answer(home: Path, capsys: pytest.CaptureFixture[str]) -> Answer:
    """`teppr annotations ...` with --json: the exit code and what it printed."""

    def ask(*words: object) -> tuple[int, dict[str, Any]]:
        code = run(["--home", str(home), "annotations", *map(str, words), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return ask


@pytest.fixture(scope="module")
def facts(data: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((data / "FACTS.json").read_text(encoding="utf-8"))
    return found


def _label_counts(fact: dict[str, Any], options: list[str]) -> dict[str, int]:
    if options[:1] == ["--label"]:
        return {options[1]: fact["regions"]}
    attribute = options[1] if options else None
    counts = [value for key, value in fact.items() if key == f"attribute {attribute or key.removeprefix('attribute ')}"]
    return dict(counts[0])


@pytest.mark.parametrize("file", VIA_FILES)
def test_a_via_file_is_counted_as_it_is(file: str, data: Path, facts: dict[str, Any], answer: Answer) -> None:
    fact, options = facts[file], VIA_FILES[file]
    code, report = answer("ingest", data / file, "--problem", "ods", *options)

    n_missing = fact["entries whose image is missing"]
    n_unlabelled = 0 if "--label" in options else fact["unlabelled regions"]
    findings = report["findings"]
    assert {key: findings.get(rule, 0) for key, rule in RULE_OF_FACT.items()} == {
        key: fact[key] for key in RULE_OF_FACT
    }
    assert findings.get("DR10", 0) == n_unlabelled
    assert findings["DR02"] == 1
    assert report["entries"] == {
        "read": fact["entries"],
        "accepted": fact["entries"] - n_missing,
        "rejected": n_missing,
    }
    assert report["regions"]["read"] == fact["regions"]
    assert report["shapes"] == fact["shapes"]
    assert report["images"] == fact["entries"] - n_missing
    if n_missing:
        assert report["labels"] == {}
        assert report["regions"]["rejected"] == fact["regions"]
    else:
        assert report["labels"] == _label_counts(fact, options)
        assert report["regions"]["accepted"] == fact["regions"]
    assert code == (1 if n_missing else 0)


def test_every_via_file_of_the_facts_is_tested(facts: dict[str, Any]) -> None:
    assert {name for name, fact in facts.items() if str(fact.get("kind", "")).startswith("VIA")} == set(VIA_FILES)


def test_regions_without_label_are_rejected_one_by_one(data: Path, answer: Answer) -> None:
    code, report = answer("ingest", data / "via_balloon_val/val/via_region_data.json")
    assert code == 1
    assert report["findings"]["DR10"] == 50
    assert report["regions"] == {"read": 50, "accepted": 0, "rejected": 50}
    assert report["entries"] == {"read": 13, "accepted": 13, "rejected": 0}


def test_clipped_shapes_are_inside_afterwards(data: Path, answer: Answer, tmp_path: Path) -> None:
    answer("ingest", data / "via_car_damage/train/train_multiclass.json")
    answer("export", tmp_path / "coco.json")
    document = json.loads((tmp_path / "coco.json").read_text(encoding="utf-8"))
    values = [value for each in document["annotations"] for ring in each["segmentation"] for value in ring]
    assert (min(values), max(values)) == (0, 1024)


def test_a_tie_for_the_label_names_the_candidates(data: Path, answer: Answer) -> None:
    code, report = answer("ingest", data / "via_tool_samples/testdata/sample_img5_region_data.json")
    assert code == 2
    assert "'shape'" in report["detail"]
    assert "'size'" in report["detail"]
    assert "--label-attribute" in report["detail"]


COCO_FILES = [
    pytest.param(
        "coco_eval_val2014/instances_val2014_100.json",
        "coco_eval_val2014 ground truth (instances_val2014_100.json)",
        {"polygon": 830, "mask": 9},
        ["--no-images"],
        id="val2014, without photos",
    ),
    pytest.param(
        "metrics_100_formats/data/database/gts/coco_format_v2/instances_v2.json",
        "metrics_100_formats coco v2",
        {"polygon": 273},
        ["--images", "metrics_100_formats/data/database/images"],
        id="v2",
    ),
    pytest.param(
        "metrics_100_formats/data/database/gts/coco_format_v1/instances_default.json",
        "metrics_100_formats coco v2",
        {"rect": 273},
        ["--images", "metrics_100_formats/data/database/images"],
        id="v1",
    ),
]


@pytest.mark.parametrize(("file", "fact_name", "shapes", "options"), COCO_FILES)
def test_a_coco_file_is_counted_as_it_is(
    file: str,
    fact_name: str,
    shapes: dict[str, int],
    options: list[str],
    data: Path,
    facts: dict[str, Any],
    answer: Answer,
) -> None:
    fact = facts[fact_name]
    places = [data / word if "/" in word else word for word in options]
    code, report = answer("ingest", data / file, *places)
    assert code == 0
    everything = {"read": fact["annotations"], "accepted": fact["annotations"], "rejected": 0}
    assert report["regions"] == everything
    assert report["entries"] == {"read": fact["images"], "accepted": fact["images"], "rejected": 0}
    assert report["shapes"] == shapes
    assert sum(report["labels"].values()) == fact["annotations"]
    assert report["findings"] == {"DR02": 1}


def test_the_labels_of_a_coco_file_are_its_categories(data: Path, facts: dict[str, Any], answer: Answer) -> None:
    gts = data / "metrics_100_formats/data/database/gts"
    images = data / "metrics_100_formats/data/database/images"
    _, report = answer("ingest", gts / "coco_format_v2/instances_v2.json", "--images", images)
    assert report["labels"] == facts["metrics_100_formats pascalvoc"]["classes"]
