"""The figures against the reference: pycocotools, and what COCO published."""

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from teppr.errors import BadInput
from teppr.geometry import box_xywh, mask_of_bitmap, mask_of_shape, xyxy_of
from teppr.metrics.detection import (
    STATS,
    UNDEFINED,
    IouType,
    TruthImage,
    evaluate,
    evaluate_files,
    result_rows,
    truth_document,
)
from teppr.testing.examples import examples
from teppr.types import Detections, Mask, Rect

LABELS = ("sign", "light", "cone")


def reference(document: dict[str, Any], results: list[dict[str, Any]], iou_type: IouType) -> COCOeval:
    """An evaluation by pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = document
        truth.createIndex()
        if results:
            found = truth.loadRes(results)
        else:  # loadRes looks at the first row
            found = COCO()
            found.dataset = {**document, "annotations": []}
            found.createIndex()
        run = COCOeval(truth, found, {"box": "bbox", "mask": "segm"}[iou_type])
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run


def truth_image(
    image_id: int,
    boxes: list[list[float]],
    label_ids: list[int],
    *,
    is_crowd: list[bool] | None = None,
    masks: tuple[Mask, ...] | None = None,
) -> TruthImage:
    array = np.array(boxes, np.float64).reshape(-1, 4)
    return TruthImage(
        image_id=image_id,
        size_wh=(120, 100),
        boxes_xywh_px=array,
        areas_px=array[:, 2] * array[:, 3],
        label_ids=np.array(label_ids, np.int64),
        is_crowd=np.array(is_crowd or [False] * len(boxes), bool),
        masks=masks,
    )


def found(
    boxes_xywh: list[list[float]], scores: list[float], label_ids: list[int], masks: tuple[Mask, ...] | None = None
) -> Detections:
    order = np.argsort(-np.array(scores), kind="stable")
    return Detections(
        size_wh=(120, 100),
        boxes_xyxy_px=xyxy_of(boxes_xywh).astype(np.float32)[order],
        scores_0_1=np.array(scores, np.float32)[order],
        label_ids=np.array(label_ids, np.int64)[order],
        masks=None if masks is None else tuple(masks[i] for i in order),
    )


def published(data: Path) -> list[float]:
    facts = json.loads((data / "FACTS.json").read_text())["official COCO example, bbox"]
    return [float(number) for number in re.findall(r"=([\d.]+)", facts["published (val2014_fake_eval_res.txt)"])]


def test_the_official_example_gives_the_published_numbers(data: Path) -> None:
    folder = data / "coco_eval_val2014"
    truth, results = folder / "instances_val2014_100.json", folder / "instances_val2014_fakebbox100_results.json"
    metrics = evaluate_files(truth, results, "box")
    assert [round(value, 3) for value in metrics.stats] == pytest.approx(published(data), abs=1e-9)


def test_the_official_example_equals_pycocotools_to_the_last_digit(data: Path) -> None:
    folder = data / "coco_eval_val2014"
    truth, results = folder / "instances_val2014_100.json", folder / "instances_val2014_fakebbox100_results.json"
    metrics = evaluate_files(truth, results, "box")
    run = reference(json.loads(truth.read_bytes()), json.loads(results.read_bytes()), "box")
    assert metrics.stats == tuple(run.stats)
    np.testing.assert_array_equal(metrics.precision, run.eval["precision"][:, :, :, 0, -1])


@pytest.mark.parametrize("iou_type", ["box", "mask"])
def test_shifted_masks_of_real_objects_equal_pycocotools(data: Path, tmp_path: Path, iou_type: IouType) -> None:
    truth = data / "coco_eval_val2014" / "instances_val2014_100.json"
    document = json.loads(truth.read_bytes())
    results = shifted(document)
    predictions = tmp_path / "results.json"
    predictions.write_text(json.dumps(results))
    metrics = evaluate_files(truth, predictions, iou_type)
    assert metrics.stats == tuple(reference(document, results, iou_type).stats)
    assert 0.1 < metrics.stats[0] < 0.95


def shifted(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Results made of the truth: objects moved by up to six pixels, some left out, some with another's label."""
    coco = COCO()
    with contextlib.redirect_stdout(io.StringIO()):
        coco.dataset = document
        coco.createIndex()
    random = np.random.default_rng(3)
    categories = sorted(row["id"] for row in document["categories"])
    results = []
    for row in document["annotations"]:
        if random.random() < 0.15:
            continue
        bitmap = np.roll(coco.annToMask(row), random.integers(-6, 7, 2), axis=(0, 1))
        mask = mask_of_bitmap(bitmap)
        other = int(random.choice(categories))
        results.append(
            {
                "image_id": row["image_id"],
                "category_id": other if random.random() < 0.1 else row["category_id"],
                "score": round(float(random.random()), 2),
                "bbox": list(box_xywh(mask)),
                "segmentation": {"size": list(bitmap.shape), "counts": mask.counts},
            }
        )
    return results


coordinate = st.integers(0, 40).map(float)
side = st.integers(1, 60).map(float)
box = st.tuples(coordinate, coordinate, side, side).map(list)
label = st.integers(0, len(LABELS) - 1)
# Few different scores, so that ties are common.
score = st.sampled_from([0.05, 0.3, 0.5, 0.5, 0.9, 1.0])


Objects = list[tuple[list[float], int, bool]]
Guesses = list[tuple[list[float], int, float]]


def squares(boxes: list[list[float]]) -> tuple[Mask, ...]:
    return tuple(mask_of_shape(Rect(*row), (120, 100)) for row in boxes)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[TruthImage], dict[int, Detections]]:
    truth, detections = [], {}
    for image_id in range(draw(st.integers(1, 4))):
        objects: Objects = draw(st.lists(st.tuples(box, label, st.booleans()), max_size=5))
        boxes = [row[0] for row in objects]
        labels, crowds = [row[1] for row in objects], [row[2] for row in objects]
        truth.append(truth_image(image_id, boxes, labels, is_crowd=crowds, masks=squares(boxes)))
        place = st.one_of(box, st.sampled_from(boxes or [[1.0] * 4]))
        guesses: Guesses = draw(st.lists(st.tuples(place, label, score), max_size=6))
        is_listed: bool = draw(st.booleans())
        if guesses or is_listed:
            places = [row[0] for row in guesses]
            detections[image_id] = found(
                places, [row[2] for row in guesses], [row[1] for row in guesses], squares(places)
            )
    return truth, detections


@pytest.mark.parametrize("iou_type", ["box", "mask"])
@settings(max_examples=examples(1.5))
@given(case=cases())
def test_any_case_equals_pycocotools(iou_type: IouType, case: tuple[list[TruthImage], dict[int, Detections]]) -> None:
    truth, detections = case
    metrics = evaluate(truth, detections, LABELS, iou_type)
    results = [row for image_id, some in detections.items() for row in result_rows(image_id, some, iou_type)]
    run = reference(truth_document(truth, LABELS, iou_type), results, iou_type)
    assert metrics.stats == tuple(run.stats)
    np.testing.assert_array_equal(metrics.precision, run.eval["precision"][:, :, :, 0, -1])
    for i, name in enumerate(LABELS):
        assert metrics.per_label[name]["map"] == mean_of(run.eval["precision"][:, :, i, 0, -1])
        assert metrics.per_label[name]["map_50"] == mean_of(run.eval["precision"][0, :, i, 0, -1])
        assert metrics.per_label[name]["mar_100"] == mean_of(run.eval["recall"][:, i, 0, -1])


def mean_of(values: np.ndarray) -> float:
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else -1.0


def test_thresholds_of_ones_own_equal_pycocotools(data: Path) -> None:
    folder = data / "coco_eval_val2014"
    truth, results = folder / "instances_val2014_100.json", folder / "instances_val2014_fakebbox100_results.json"
    metrics = evaluate_files(truth, results, "box", [0.5, 0.3])
    run = reference(json.loads(truth.read_bytes()), json.loads(results.read_bytes()), "box")
    run.params.iouThrs = np.array([0.3, 0.5])
    with contextlib.redirect_stdout(io.StringIO()):
        run.evaluate()
        run.accumulate()
        run.summarize()
    assert metrics.stats == tuple(run.stats)
    assert metrics.as_dict()["map_75"] is None


def test_the_annotation_with_id_0_counts_as_any_other(tmp_path: Path) -> None:
    row = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 20, 20]}
    document = {
        "images": [{"id": 1, "width": 50, "height": 50}],
        "categories": [{"id": 1, "name": "sign"}],
        "annotations": [{**row, "id": 0, "area": 400, "iscrowd": 0}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(document))
    (tmp_path / "found.json").write_text(json.dumps([{**row, "score": 0.9}]))
    metrics = evaluate_files(tmp_path / "truth.json", tmp_path / "found.json", "box")
    assert metrics.as_dict()["map_50"] == pytest.approx(1)


def test_a_label_that_the_truth_does_not_have_is_undefined_and_not_in_the_mean() -> None:
    truth = [truth_image(7, [[1, 2, 30, 40]], [0])]
    metrics = evaluate(truth, {7: found([[1, 2, 30, 40], [50, 50, 9, 9]], [0.9, 0.8], [0, 2])}, LABELS, "box")
    figures = metrics.as_dict()
    assert figures["map_50"] == pytest.approx(1)
    assert figures["per_label"]["cone"] == {"map": None, "map_50": None, "map_75": None, "mar_100": None, "regions": 0}
    assert metrics.per_label["cone"]["map"] == UNDEFINED
    assert metrics.curve(label="cone") == []


def test_no_detections_at_all_score_nothing() -> None:
    figures = evaluate([truth_image(1, [[1, 2, 30, 40]], [0])], {}, LABELS, "box").as_dict()
    assert (figures["map"], figures["mar_100"], figures["map_small"]) == (0.0, 0.0, None)


def test_no_objects_at_all_leave_every_figure_undefined() -> None:
    metrics = evaluate([truth_image(1, [], [])], {1: found([[1, 1, 5, 5]], [0.9], [0])}, LABELS, "box")
    assert metrics.stats == (UNDEFINED,) * len(STATS)


def test_the_mean_curve_is_the_mean_of_the_labels_that_have_one() -> None:
    truth = [truth_image(1, [[1, 1, 20, 20], [60, 60, 20, 20]], [0, 1])]
    metrics = evaluate(truth, {1: found([[1, 1, 20, 20]], [0.9], [0])}, LABELS, "box")
    assert metrics.curve(label="sign")[0] == pytest.approx(1)
    assert metrics.curve()[0] == pytest.approx(0.5)
    with pytest.raises(BadInput, match=r"no curve was measured at an IoU of 0\.42"):
        metrics.curve(0.42)


def test_detections_of_unknown_images_are_refused() -> None:
    with pytest.raises(BadInput, match=r"ids \[8\]"):
        evaluate([truth_image(1, [], [])], {8: found([], [], [])}, LABELS, "box")


def test_masks_cannot_be_measured_where_there_are_none() -> None:
    with pytest.raises(BadInput, match="the truth of image 1 is boxes only"):
        evaluate([truth_image(1, [], [])], {}, LABELS, "mask")
    truth = [truth_image(1, [], [], masks=())]
    with pytest.raises(BadInput, match="detections of image 1 are boxes only"):
        evaluate(truth, {1: found([[1, 1, 5, 5]], [0.9], [0])}, LABELS, "mask")
