"""Files that are no COCO truth or results are refused where they are wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from teppr.errors import BadFile
from teppr.metrics.detection import DetectionMetrics, IouType, evaluate_files

SQUARE = [[10, 10, 30, 10, 30, 30, 10, 30]]


def truth(**changed: object) -> dict[str, Any]:
    return {
        "images": [{"id": 5, "width": 60, "height": 50}],
        "categories": [{"id": 3, "name": "sign"}, {"id": 9, "name": "light"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 5,
                "category_id": 3,
                "bbox": [10, 10, 20, 20],
                "area": 400,
                "iscrowd": 0,
                "segmentation": SQUARE,
            }
        ],
    } | changed


def result(**changed: object) -> dict[str, Any]:
    row = {"image_id": 5, "category_id": 3, "bbox": [10, 10, 20, 20], "score": 0.75} | changed
    return {key: value for key, value in row.items() if value is not None}


def measure(folder: Path, truth: object, results: object, iou_type: IouType = "box") -> DetectionMetrics:
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "found.json").write_text(json.dumps(results))
    return evaluate_files(folder / "truth.json", folder / "found.json", iou_type)


def annotation(**changed: object) -> dict[str, Any]:
    return truth(annotations=[truth()["annotations"][0] | changed])


def test_results_may_be_a_whole_coco_file_with_scores(tmp_path: Path) -> None:
    whole = truth(annotations=[truth()["annotations"][0] | {"score": 0.5}])
    for iou_type in ("box", "mask"):
        assert measure(tmp_path, truth(), whole, iou_type).stats[1] == pytest.approx(1)


def test_categories_keep_the_order_of_their_ids(tmp_path: Path) -> None:
    backwards = truth(categories=truth()["categories"][::-1])
    metrics = measure(tmp_path, backwards, [result()])
    assert metrics.labels == ("sign", "light")
    assert metrics.per_label["sign"]["regions"] == 1


@pytest.mark.parametrize(
    "segmentation",
    [
        pytest.param(SQUARE, id="polygon"),
        pytest.param({"size": [50, 60], "counts": [510, *[20, 30] * 19, 20, 1520]}, id="runs"),
    ],
)
def test_masks_may_be_polygons_or_runs(tmp_path: Path, segmentation: object) -> None:
    metrics = measure(tmp_path, truth(), [result(segmentation=segmentation)], "mask")
    assert metrics.as_dict()["map_50"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        pytest.param([], r"truth\.json is not COCO ground truth: expected an object, got a list", id="list"),
        pytest.param({"images": []}, r"'categories' must be a list, got nothing", id="no categories"),
        pytest.param(truth(images=[7]), r"expected an object, got 'a number' - at images\[0\]", id="image is number"),
        pytest.param(
            truth(images=[{"id": "a"}]), r"whole number that no other has, got 'a' - at images\[0\]\.id", id="id"
        ),
        pytest.param(truth(images=[{"id": 1}, {"id": 1}]), r"got 1 - at images\[1\]\.id", id="id twice"),
        pytest.param(truth(categories=[{"id": 3}]), r"expected text, got None - at categories\[0\]\.name", id="name"),
        pytest.param(
            truth(categories=[{"id": 3, "name": "a"}, {"id": 4, "name": "a"}]), "names must differ", id="same name"
        ),
        pytest.param(annotation(image_id=6), r"no image of this id, got 6 - at annotations\[0\]\.image_id", id="image"),
        pytest.param(annotation(category_id=1), r"no category of this id, got 1", id="category"),
        pytest.param(annotation(bbox=[1, 2, 3]), r"four finite numbers x, y, width, height", id="short box"),
        pytest.param(annotation(bbox=[1, 2, 3, float("nan")]), "cannot read", id="NaN is no JSON"),
        pytest.param(
            annotation(area="big"), r"expected a finite number, got 'big' - at annotations\[0\]\.area", id="area"
        ),
    ],
)
def test_wrong_truth_is_refused_where_it_is_wrong(tmp_path: Path, document: object, says: str) -> None:
    with pytest.raises(BadFile, match=says):
        measure(tmp_path, document, [result()])


@pytest.mark.parametrize(
    ("results", "iou_type", "says"),
    [
        pytest.param(5, "box", r"found\.json holds no COCO results: .* got a number", id="number"),
        pytest.param({"images": []}, "box", "holds no COCO results", id="no annotations"),
        pytest.param([result(score=None)], "box", r"finite number, got None - at \[0\]\.score", id="no score"),
        pytest.param([result(), result(image_id=77)], "box", r"no image of this id, got 77 - at \[1\]", id="image"),
        pytest.param([result(image_id="5")], "box", r"no image of this id, got '5'", id="image as text"),
        pytest.param([result(category_id=True)], "box", r"no category of this id, got True", id="category"),
        pytest.param([result(bbox=None)], "box", r"four finite numbers", id="no box"),
        pytest.param([result()], "mask", r"expected a run-length code, or rings", id="no mask"),
        pytest.param([result(segmentation=[[1, 2, 3]])], "mask", r"rings of at least three x, y pairs", id="odd ring"),
        pytest.param(
            [result(segmentation={"size": [60, 50], "counts": "x"})],
            "mask",
            r"\[height, width\] = \[50, 60\]",
            id="size",
        ),
        pytest.param(
            [result(segmentation={"size": [50, 60], "counts": [1, 2]})], "mask", r"add up to .* got 3", id="runs"
        ),
        pytest.param(
            [result(segmentation={"size": [50, 60], "counts": 7})], "mask", r"a list of run lengths", id="counts"
        ),
    ],
)
def test_wrong_results_are_refused_where_they_are_wrong(
    tmp_path: Path, results: object, iou_type: IouType, says: str
) -> None:
    with pytest.raises(BadFile, match=says):
        measure(tmp_path, truth(), results, iou_type)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="nowhere"):
        evaluate_files(tmp_path / "nowhere.json", tmp_path / "nowhere.json", "box")


def test_every_broken_file_is_refused_and_none_crashes(data: Path) -> None:
    good = data / "coco_eval_val2014" / "instances_val2014_100.json"
    files = sorted((data / "bad_json").glob("*.json"))
    assert len(files) > 50
    for path in files:
        with pytest.raises(BadFile):
            evaluate_files(path, good, "box")
        if path.read_bytes().strip() != b"[]":
            with pytest.raises(BadFile):
                evaluate_files(good, path, "box")
