"""Tasks are found by name, chosen by what a dataset holds, and named without a training framework."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teppr.datasets.snapshot import Snapshot, SnapshotImage
from teppr.geometry import box_xywh, mask_of_shape
from teppr.problems.contract import PROBLEMS
from teppr.registry.acceptance import MAIN_KINDS, short
from teppr.tasks.contract import TASKS, Contents, MeasureOptions, Task
from teppr.testing.classes import class_snapshot
from teppr.testing.datasets import small_snapshot
from teppr.testing.lanes import line_snapshot
from teppr.types import Polyline
from teppr.workflow.criteria import figures_to_come, followed_figures


@pytest.fixture(params=TASKS.names())
def task(request: pytest.FixtureRequest) -> Task:
    return TASKS.load(request.param)


def test_a_task_says_what_it_is(task: Task) -> None:
    assert task.name in TASKS.names()
    assert task.title
    assert task.answers in {"detect", "segment", "lanes", "classify"}
    assert task.kinds[0] in MAIN_KINDS
    assert {*task.followed, *task.headline} <= task.figures.keys()


def test_its_figures_can_be_named_before_they_are_measured(task: Task) -> None:
    come = figures_to_come(["val"], [0.5], [task])
    assert {f"val/{name}" for name in task.figures} <= come
    assert {f"val/{name}/per_label" for name in task.label_figures} <= come
    assert {f"val/{name}" for name in task.followed} <= set(followed_figures([task]))


def test_nothing_found_holds_no_parity(task: Task) -> None:
    assert not task.parity().holds


def test_a_draw_of_every_image_once_is_the_measurement_itself(task: Task, home: Path) -> None:
    snapshot = snapshot_for(task, home)
    images = snapshot.images("test")
    rows = [row for image in images[::2] for row in rows_of_truth(task, image)]
    found = {
        image.image_id: task.detections([row for row in rows if row["image_id"] == image.image_id], image.size_wh)
        for image in images[::2]
    }
    measurement = task.measure(snapshot, images, found, MeasureOptions())
    all_of_them = np.arange(len(images))
    assert measurement.drawn(all_of_them).figures == measurement.figures
    assert (
        measurement.drawn(all_of_them.repeat(2)).figures[task.kinds[0]].keys()
        == measurement.figures[task.kinds[0]].keys()
    )
    main = task.followed[0]
    right = measurement.drawn(np.zeros(len(images), np.int64)).figures[task.kinds[0]]
    assert right[main] == pytest.approx(1.0)
    assert (measurement.figures[task.kinds[0]][main] or 0) < 1


def snapshot_for(task: Task, home: Path) -> Snapshot:
    if task.answers == "lanes":
        return line_snapshot(home)
    return class_snapshot(home) if task.answers == "classify" else small_snapshot(home)


def rows_of_truth(task: Task, image: SnapshotImage) -> list[dict[str, Any]]:
    """The truth as a network that is sure of it would tell it, for `Task.detections`."""
    rows = []
    for shape, label_id in zip(image.shapes, image.label_ids.tolist(), strict=True):
        row: dict[str, Any] = {"image_id": image.image_id, "category_id": label_id, "score": 0.99}
        row["bbox"] = list(box_xywh(shape)) if task.answers != "classify" else [0, 0, *image.size_wh]
        if isinstance(shape, Polyline):
            row["line"] = [list(point) for point in shape.points]
        if task.answers == "segment":
            row["segmentation"] = {"counts": mask_of_shape(shape, image.size_wh).counts}
        rows.append(row)
    return rows


def test_a_dataset_without_regions_fits_all(task: Task) -> None:
    empty = Contents(shapes=frozenset(), has_masks=False, several_labels=False)
    assert task.fits(empty) == ("mask" not in task.kinds)


def test_masks_are_learned_only_where_there_are_some(home: Path) -> None:
    boxes = Contents.of(small_snapshot(home, boxes_only=True))
    assert TASKS.load("detect").fits(boxes)
    assert not TASKS.load("segment").fits(boxes)


def test_objects_are_not_found_in_images_that_are_labelled_as_a_whole() -> None:
    contents = Contents(shapes=frozenset({"image"}), has_masks=True, several_labels=False)
    assert not TASKS.load("detect").fits(contents)
    assert not TASKS.load("segment").fits(contents)


def test_a_dataset_of_objects_has_no_images_of_several_labels(home: Path) -> None:
    snapshot: Snapshot = small_snapshot(home)
    assert not Contents.of(snapshot).several_labels
    assert not Contents.of(snapshot, PROBLEMS.load("ods")).several_labels


@pytest.mark.parametrize(
    ("figure", "shorter"),
    [
        ("test/box/map_50", "test/map_50"),
        ("val/mask/map", "val/mask/map"),
        ("val/map", "val/map"),
        ("latency_ms_p50", "latency_ms_p50"),
    ],
)
def test_the_main_kind_may_be_left_out(figure: str, shorter: str) -> None:
    assert short(figure) == shorter


def test_naming_tasks_needs_no_training_framework() -> None:
    script = "import sys; from teppr.tasks.contract import TASKS; TASKS.all(); print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
