import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from teppr.datasets.snapshot import Snapshot, find_snapshot
from teppr.errors import BadInput, UnknownName
from teppr.metrics.confusion import confusion
from teppr.metrics.detection import TruthImage
from teppr.tasks._boxes import truth_of
from teppr.tasks.contract import TASKS, MeasureOptions
from teppr.testing.datasets import small_snapshot
from teppr.types import Detections
from teppr.workflow.begin import begin
from teppr.workflow.compute import Compute
from teppr.workflow.evaluate import evaluate_model, evaluate_run
from teppr.workflow.experiment import parse_experiment
from teppr.workflow.measure import find_all, followed, relabelled, spread
from teppr.workflow.run import Run, StageState
from teppr.workflow.train import train

TRAINED = """\
name: shapes
dataset: shapes
train:
  image_size_px: 128
  stages: [{epochs: 6, layers: all, learning_rate: 1.0e-3}]
evaluate: {on: [val, test], iou: [0.5, 0.6]}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    home = tmp_path_factory.mktemp("home")
    small_snapshot(home, images=60)
    run = begin(parse_experiment(TRAINED, name="shapes.yml"), home)
    return train(run, home, compute=Compute(device="cpu", threads=1)), home


def perfect(snapshot: Snapshot, split: str) -> dict[int, Detections]:
    """Detections that are the truth."""
    found = {}
    for image in snapshot.images(split):
        truth = truth_of(image, with_masks=True)
        boxes = image.boxes_xywh_px.copy()
        boxes[:, 2:] += boxes[:, :2]
        found[image.image_id] = Detections(
            size_wh=image.size_wh,
            boxes_xyxy_px=boxes.astype(np.float32),
            scores_0_1=np.linspace(0.9, 0.8, len(boxes)).astype(np.float32),
            label_ids=image.label_ids,
            masks=truth.masks,
        )
    return found


def test_the_truth_itself_scores_one(home: Path) -> None:
    snapshot = small_snapshot(home)
    task = TASKS.load("segment")
    measured = task.measure(snapshot, snapshot.images("val"), perfect(snapshot, "val"), MeasureOptions())
    figures = followed(task, measured, "val")
    assert figures["val/map"] == figures["val/box/map"] == pytest.approx(1)
    assert figures["val/mask/map"] == pytest.approx(1)


def test_a_dataset_of_boxes_is_measured_by_boxes_only(home: Path) -> None:
    snapshot = small_snapshot(home, boxes_only=True)
    measured = TASKS.load("segment").measure(
        snapshot, snapshot.images("val"), perfect(snapshot, "val"), MeasureOptions()
    )
    assert list(measured.figures) == ["box"]


def test_labels_are_exchanged_and_strange_ones_left_out() -> None:
    found = Detections(
        size_wh=(9, 9),
        boxes_xyxy_px=np.zeros((3, 4), np.float32),
        scores_0_1=np.array([0.9, 0.8, 0.7], np.float32),
        label_ids=np.array([2, 0, 1]),
    )
    changed = relabelled(found, {0: 5, 2: 3})
    assert changed.label_ids.tolist() == [3, 5]
    assert changed.scores_0_1.tolist() == pytest.approx([0.9, 0.8])


@pytest.mark.parametrize(("count", "expected"), [(0, 10), (3, 3), (10, 10), (99, 10)])
def test_a_few_images_are_spread_evenly(home: Path, count: int, expected: int) -> None:
    images = small_snapshot(home, images=50).images("val")
    chosen = spread(images, count)
    assert len({image.image_id for image in chosen}) == expected


def test_prediction_ends_early_when_asked(home: Path) -> None:
    snapshot = small_snapshot(home)
    nothing = Detections(
        size_wh=(9, 9),
        boxes_xyxy_px=np.zeros((0, 4), np.float32),
        scores_0_1=np.zeros(0, np.float32),
        label_ids=np.zeros(0, np.int64),
    )
    assert find_all(lambda _: nothing, snapshot.images("train"), stop=lambda: True) == {}


def truth_image(boxes: list[list[float]], label_ids: list[int], crowd: list[bool] | None = None) -> TruthImage:
    return TruthImage(
        image_id=1,
        size_wh=(100, 100),
        boxes_xywh_px=np.array(boxes, np.float64).reshape(-1, 4),
        areas_px=np.ones(len(boxes)),
        label_ids=np.array(label_ids, np.int64),
        is_crowd=np.array(crowd or [False] * len(boxes), bool),
    )


def detections(boxes: list[list[float]], label_ids: list[int], scores: list[float]) -> Detections:
    return Detections(
        size_wh=(100, 100),
        boxes_xyxy_px=np.array(boxes, np.float32).reshape(-1, 4),
        scores_0_1=np.array(scores, np.float32),
        label_ids=np.array(label_ids, np.int64),
    )


def test_confusion_counts_right_confused_missed_and_spurious() -> None:
    truth = truth_image([[0, 0, 10, 10], [20, 0, 10, 10], [40, 0, 10, 10]], [0, 1, 1])
    found = detections([[0, 0, 10, 10], [20, 0, 30, 10], [70, 70, 80, 80]], [0, 0, 1], [0.9, 0.8, 0.7])
    counted = confusion([truth], {1: found}, 2)
    assert counted.table.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]
    faults = counted.images[0]
    assert (faults.right, faults.confused, faults.missed, faults.spurious) == (1, 1, 1, 1)


def test_confusion_takes_an_object_once_and_weak_detections_never() -> None:
    truth = truth_image([[0, 0, 10, 10]], [0])
    twice = detections([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 10]], [0, 0, 0], [0.9, 0.8, 0.4])
    assert confusion([truth], {1: twice}, 1).table.tolist() == [[1, 0], [1, 0]]


def test_confusion_passes_over_crowds() -> None:
    truth = truth_image([[0, 0, 50, 50]], [0], [True])
    counted = confusion([truth], {1: detections([[0, 0, 50, 50]], [0], [0.9])}, 1)
    assert counted.table.sum() == 0


def test_confusion_of_an_image_without_detections_is_all_missed() -> None:
    assert confusion([truth_image([[0, 0, 9, 9]], [0])], {}, 1).table.tolist() == [[0, 1], [0, 0]]


@pytest.mark.slow
def test_a_run_is_evaluated_on_the_splits_it_asks_for(trained: tuple[Run, Path]) -> None:
    run, home = trained
    result = evaluate_run(run, home, device="cpu")
    assert list(result["split"]) == ["val", "test"]
    box = result["split"]["val"]["box"]
    assert box["map_50"] > 0.8
    assert result["split"]["val"]["mask"]["map_50"] > 0.8
    assert box["per_label"].keys() == {"circle", "square", "triangle"}
    assert box["at_iou"]["0.5"] == pytest.approx(box["map_50"])
    details = result["details"]["test"]
    assert np.array(details["confusion"]["table"]).shape == (4, 4)
    assert details["confusion"]["labels"][-1] == "background"
    assert len(details["curves"]["box"]["circle"]) == 101
    assert run.evaluation["split"]["val"]["box"]["map"] == pytest.approx(box["map"])
    assert run.stage("evaluate") is StageState.FINISHED
    rows = json.loads((run.path / "detections" / "val.json").read_text())
    assert {"image_id", "category_id", "score", "bbox", "segmentation"} == rows[0].keys()


@pytest.mark.slow
def test_any_model_is_evaluated_on_any_dataset_by_the_labels_names(trained: tuple[Run, Path]) -> None:
    run, home = trained
    other = small_snapshot(home, images=10, name="others", seed=4)
    result = evaluate_model(home, run.id, "others", splits=["train"], device="cpu")
    assert result["model"] == run.id
    assert result["dataset"] == other.reference
    assert result["split"]["train"]["box"]["map_50"] > 0.6


@pytest.mark.slow
def test_a_split_that_is_not_there_is_named(trained: tuple[Run, Path]) -> None:
    run, home = trained
    with pytest.raises(BadInput, match="has no split vall, only: train, val, test"):
        evaluate_run(run, home, splits=["vall"])


@pytest.mark.slow
def test_a_dataset_that_is_not_there_is_named(trained: tuple[Run, Path]) -> None:
    run, home = trained
    with pytest.raises(UnknownName, match="there is no dataset 'signs'"):
        evaluate_model(home, run.id, "signs")


def teppr(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from teppr.cli.main import main; main()", "--home", str(home), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


@pytest.mark.slow
def test_all_stages_are_done_and_stay_done(trained: tuple[Run, Path], tmp_path: Path) -> None:
    run, home = trained
    image = find_snapshot(home, "shapes").images("val")[0].path
    file = tmp_path / "shapes.yml"
    asked = f"predict: {{input: {image}}}\npublish: {{key: acme-ods-1, accept: {{val/map_50: '>= 0.5'}}}}\n"
    file.write_text(TRAINED + asked)
    first = teppr(home, "run", str(file), "--json")
    assert first.returncode == 0, first.stderr
    shown = json.loads(first.stdout)
    assert shown["run"] == run.id
    states = {stage: what["state"] for stage, what in shown["stages"].items()}
    assert states["train"] == "kept"
    assert [states[stage] for stage in ("predict", "publish", "report")] == ["finished"] * 3
    assert (run.path / "predictions" / "via.json").is_file()
    assert (run.path / "report.html").is_file()
    again = json.loads(teppr(home, "run", str(file), "--json").stdout)
    assert {stage: what["state"] for stage, what in again["stages"].items()} == {
        "train": "kept",
        "evaluate": "kept",
        "predict": "kept",
        "publish": "kept",
        "report": "finished",
    }


@pytest.mark.slow
def test_a_publication_that_fails_does_not_keep_the_report_back(trained: tuple[Run, Path], tmp_path: Path) -> None:
    _, home = trained
    file = tmp_path / "shapes.yml"
    file.write_text(TRAINED + "publish: {key: acme-ods-2, accept: {val/map_50: '>= 1.5'}}\n")
    done = teppr(home, "run", str(file), "--json")
    assert done.returncode == 1, done.stderr
    stages = json.loads(done.stdout)["stages"]
    assert stages["publish"]["state"] == "failed"
    assert "criteria are not met" in stages["publish"]["reason"]
    assert stages["report"]["state"] == "finished"


def test_coco_files_are_scored_from_the_command_line(data: Path, tmp_path: Path) -> None:
    folder = data / "coco_eval_val2014"
    truth, results = folder / "instances_val2014_100.json", folder / "instances_val2014_fakebbox100_results.json"
    done = teppr(tmp_path, "evaluate", "--truth", str(truth), "--predictions", str(results), "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["stats"]) == 12
