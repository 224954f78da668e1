"""Tasks are found by name, chosen by what a dataset holds, and named without a training framework."""

import subprocess
import sys
from pathlib import Path

import pytest

from teppr.datasets.snapshot import Snapshot
from teppr.problems.contract import PROBLEMS
from teppr.registry.acceptance import MAIN_KINDS, short
from teppr.tasks.contract import TASKS, Contents, Task
from teppr.testing.datasets import small_snapshot
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
