"""Annotation files of lanes, road boundaries, classified images and a team's own problem, ingested as users do."""

import json
from pathlib import Path
from typing import Any

import pytest

from teppr.testing.commands import Cli
from teppr.testing.deliveries import Delivery, ViaRegion, rect
from teppr.testing.problems import ROADWORKS

LEFT = {"name": "polyline", "all_points_x": [10, 20, 40], "all_points_y": [79, 50, 20]}
RIGHT = {"name": "polyline", "all_points_x": [90, 80, 60], "all_points_y": [79, 50, 20]}
VERGE = {"name": "polygon", "all_points_x": [0, 10, 10, 0], "all_points_y": [20, 20, 79, 79]}
BOWTIE = {"name": "polygon", "all_points_x": [10, 30, 30, 10], "all_points_y": [10, 30, 10, 35]}
WHOLE = {"name": "image"}

Report = dict[str, Any]


def _coco(delivery: Delivery, regions: dict[str, list[tuple[dict[str, Any], str]]], **further: object) -> Path:
    """A COCO file: for each image shapes in the words of ours, with their labels."""
    labels = sorted({label for found in regions.values() for _, label in found})
    document = {
        "images": [{"id": i, "file_name": name, "width": 100, "height": 80} for i, name in enumerate(regions, start=1)],
        "categories": [{"id": i, "name": label} for i, label in enumerate(labels, start=1)],
        "annotations": [
            {"id": 10 * i + j, "image_id": i, "category_id": labels.index(label) + 1, "shape": shape, **further}
            for i, found in enumerate(regions.values(), start=1)
            for j, (shape, label) in enumerate(found)
        ],
    }
    for name in regions:
        delivery.image(name)
    path = delivery.folder / "coco.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def _via(shape: dict[str, Any], **attributes: object) -> ViaRegion:
    return {"shape_attributes": shape, "region_attributes": attributes}


def _ingested(cli: Cli, path: Path, problem: object, code: int) -> Report:
    assert cli("annotations", "ingest", path, "--problem", problem, "--json") == code, cli.err
    report: Report = cli.json
    report["findings"].pop("DR02", None)
    return report


def _found(cli: Cli, rule: str) -> list[dict[str, Any]]:
    cli("annotations", "findings", "--rule", rule, "--json")
    found: list[dict[str, Any]] = cli.json
    return found


def test_lanes_are_lines(cli: Cli, delivery: Delivery) -> None:
    path = _coco(
        delivery, {"a.png": [(LEFT, "solid"), (RIGHT, "dashed"), (VERGE, "verge")], "b.png": [(LEFT, "solid")]}
    )
    report = _ingested(cli, path, "rld", 1)
    assert report["regions"] == {"read": 4, "accepted": 3, "rejected": 1}
    assert report["shapes"] == {"polyline": 3, "polygon": 1}
    assert report["labels"] == {"solid": 2, "dashed": 1}
    assert report["findings"] == {"DR09": 1}
    assert _found(cli, "DR09")[0]["message"] == "a polygon is no shape of rld; allowed: polyline"


def test_road_boundaries_are_lines_or_polygons(cli: Cli, delivery: Delivery) -> None:
    delivery.image("a.png")
    path = delivery.via({"a.png": [_via(LEFT, label="kerb"), _via(VERGE, label="verge"), rect(label="kerb")]})
    report = _ingested(cli, path, "rbd", 1)
    assert report["regions"] == {"read": 3, "accepted": 2, "rejected": 1}
    assert report["labels"] == {"kerb": 1, "verge": 1}
    assert report["findings"] == {"DR09": 1}


def test_a_classified_image_has_one_label(cli: Cli, delivery: Delivery) -> None:
    path = _coco(
        delivery,
        {
            "right.png": [(WHOLE, "bee")],
            "torn.png": [(WHOLE, "bee"), (WHOLE, "ant")],
            "twice.png": [(WHOLE, "ant"), (WHOLE, "ant")],
            "boxed.png": [({"name": "rect", "x": 1, "y": 1, "width": 9, "height": 9}, "ant")],
            "bare.png": [],
        },
    )
    report = _ingested(cli, path, "cls", 1)
    assert report["entries"] == {"read": 5, "accepted": 5, "rejected": 0}
    assert report["regions"] == {"read": 6, "accepted": 3, "rejected": 3}
    assert report["labels"] == {"bee": 2, "ant": 1}
    assert report["findings"] == {"DR07": 1, "DR09": 1, "DR10": 1, "DR15": 1}
    (torn,) = _found(cli, "DR10")
    assert torn["message"] == "the image is labelled 'ant', and by region 0 'bee' already; cls allows 1 label an image"
    assert (torn["image"], torn["region_index"], torn["severity"]) == ("torn.png", 1, "error")
    assert [found["image"] for found in _found(cli, "DR15")] == ["twice.png"]


def test_labels_of_whole_images_are_counted_shown_exported_and_made_datasets(
    cli: Cli, delivery: Delivery, tmp_path: Path
) -> None:
    images = {f"{i}.png": [(WHOLE, ("bee", "ant")[i % 2])] for i in range(12)}
    images["torn.png"] = [(WHOLE, "bee"), (WHOLE, "ant")]
    _ingested(cli, _coco(delivery, images), "cls", 1)
    assert cli("annotations", "stats", "--problem", "cls", "--json", "--html", tmp_path / "stats.html") == 0
    (by_shape,) = cli.json["by_shape"]
    assert (by_shape["value"], by_shape["regions"], by_shape["coverage_0_1"]) == ("image", 13, 0)
    assert cli("annotations", "stats", "--problem", "cls") == 0
    assert cli("annotations", "findings", "--html", tmp_path / "findings") == 0
    assert "data:image/jpeg" in (tmp_path / "findings" / "findings-unknown.html").read_text(encoding="utf-8")
    # VIA has no region for a whole image: its label is an attribute of the image, which the result tells.
    for format_name, regions in (("coco", 13), ("via", 0)):
        assert cli("annotations", "export", tmp_path / f"{format_name}.json", "--format", format_name, "--json") == 0
        assert cli.json["regions"] == regions
        assert sum(cli.json["not_said"].values()) >= 13 - regions
    assert cli("dataset", "create", "insects", "--problem", "cls", "--json") == 0
    assert sum(split["regions"] for split in cli.json["splits"].values()) == 13
    assert cli.json["labels"] == ["ant", "bee"]


def test_an_alias_of_the_same_label_is_a_repetition_and_no_second_label(
    cli: Cli, delivery: Delivery, tmp_path: Path
) -> None:
    insects = tmp_path / "insects.yml"
    insects.write_text(
        "{id: insects, title: Insects, shapes: [image], labels: [{name: bee, aliases: [Bee]}], labels_per_image: 1}",
        encoding="utf-8",
    )
    report = _ingested(cli, _coco(delivery, {"a.png": [(WHOLE, "Bee"), (WHOLE, "bee")]}), insects, 1)
    assert report["labels"] == {"bee": 1}
    assert report["findings"] == {"DR15": 1}


def test_a_closed_list_takes_its_labels_and_their_aliases_only(cli: Cli, delivery: Delivery, roadworks: Path) -> None:
    delivery.image("a.png")
    kinds = ("cone", "traffic cone", "barrier", "Cone", "bollard")
    regions = [_via(rect(x=5 * i)["shape_attributes"], kind=kind, side="left") for i, kind in enumerate(kinds)]
    report = _ingested(cli, delivery.via({"a.png": regions}), roadworks, 1)
    assert report["regions"] == {"read": 5, "accepted": 3, "rejected": 2}
    assert report["labels"] == {"cone": 2, "barrier": 1}
    assert report["findings"] == {"DR11": 2}
    assert [found["message"] for found in _found(cli, "DR11")] == [
        "'Cone' is no label of roadworks; known: cone, barrier",
        "'bollard' is no label of roadworks; known: cone, barrier",
    ]


def test_an_open_list_takes_others_beside_its_own(cli: Cli, delivery: Delivery, roadworks: Path) -> None:
    roadworks.write_text(f"{ROADWORKS}open_labels: true\n", encoding="utf-8")
    delivery.image("a.png")
    regions = [rect(x=5 * i, kind=kind, side="left") for i, kind in enumerate(("pylon", "bollard"))]
    assert _ingested(cli, delivery.via({"a.png": regions}), roadworks, 0)["labels"] == {"cone": 1, "bollard": 1}


@pytest.mark.parametrize(
    ("severities", "accepted", "code"),
    [
        pytest.param("{DR14: error}", 1, 1, id="an error rejects"),
        pytest.param("{}", 2, 0, id="a warning as usual"),
        pytest.param("{DR14: note}", 2, 0, id="a note"),
    ],
)
def test_a_crossing_outline_is_as_bad_as_the_problem_says(
    cli: Cli, delivery: Delivery, roadworks: Path, severities: str, accepted: int, code: int
) -> None:
    text = ROADWORKS.replace("{DR14: error, DR16: error, DR07: error}", severities)
    roadworks.write_text(text, encoding="utf-8")
    delivery.image("a.png")
    path = delivery.via({"a.png": [_via(BOWTIE, kind="cone", side="left"), _via(VERGE, kind="cone", side="left")]})
    report = _ingested(cli, path, roadworks, code)
    assert report["regions"] == {"read": 2, "accepted": accepted, "rejected": 2 - accepted}
    assert report["findings"] == {"DR14": 1}


def test_an_entry_without_regions_is_as_bad_as_the_problem_says(cli: Cli, delivery: Delivery, roadworks: Path) -> None:
    delivery.image("a.png")
    path = delivery.via({"a.png": []})
    assert _ingested(cli, path, roadworks, 1)["entries"] == {"read": 1, "accepted": 0, "rejected": 1}
    assert _ingested(cli, path, "ods", 0)["entries"] == {"read": 1, "accepted": 1, "rejected": 0}


def test_required_attributes_are_asked_for(cli: Cli, delivery: Delivery, roadworks: Path) -> None:
    delivery.image("a.png")
    sides: tuple[object, ...] = ("left", {"right": True, "left": False}, "up", None)
    regions = [rect(x=5 * i, kind="cone", side=side) for i, side in enumerate(sides)]
    report = _ingested(cli, delivery.via({"a.png": regions}), roadworks, 1)
    assert report["regions"] == {"read": 4, "accepted": 2, "rejected": 2}
    assert [found["message"] for found in _found(cli, "DR16")] == [
        "required attributes: 'side' has the value 'up', which is not allowed",
        "required attributes: 'side' is not given",
    ]


def test_regions_that_need_no_label_make_no_label_of_a_dataset(cli: Cli, delivery: Delivery, roadworks: Path) -> None:
    roadworks.write_text(ROADWORKS.replace("{DR14: error, DR16: error, DR07: error}", "{DR10: warning}"))
    images = [f"{number}.png" for number in range(12)]
    for name in images:
        delivery.image(name)
    bare = _via(rect(x=40)["shape_attributes"], side="left")
    regions = {name: [_via(rect()["shape_attributes"], kind="cone", side="left"), bare] for name in images}
    report = _ingested(cli, delivery.via(regions | {"0.png": [bare]}), roadworks, 0)
    assert report["regions"] == {"read": 23, "accepted": 23, "rejected": 0}
    assert cli("dataset", "create", "cones", "--problem", roadworks) == 0
    assert "regions without a label: 11" in cli.err
    assert "entries none of whose regions is labelled: 1" in cli.err
    assert cli("dataset", "show", "cones", "--json") == 0
    assert cli.json["labels"] == ["cone"]
