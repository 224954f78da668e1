"""Lanes all the way: learned, measured, published, predicted, reported."""

import json
from pathlib import Path

import numpy as np
import pytest

from teppr.images import read
from teppr.registry.releases import Registry
from teppr.registry.runtime import Runtime
from teppr.tasks.contract import TASKS
from teppr.testing.lanes import LABELS, line_snapshot
from teppr.types import Detections
from teppr.workflow.begin import begin
from teppr.workflow.compute import Compute
from teppr.workflow.evaluate import evaluate_run
from teppr.workflow.experiment import parse_experiment
from teppr.workflow.inputs import find_pictures
from teppr.workflow.inspect import inspect_training
from teppr.workflow.model import open_model
from teppr.workflow.predict import predict_files
from teppr.workflow.publish import PublishRequest, publish
from teppr.workflow.report import report_on, write_report
from teppr.workflow.run import list_runs
from teppr.workflow.train import train

pytestmark = pytest.mark.slow

EXPERIMENT = """
name: lines
dataset: lines
architecture: lanenet
train:
  image_size_px: 128
  batch_size: 4
  stages: [{epochs: 12, layers: all, learning_rate: 3.0e-3}]
  augment: [flip_horizontal, color_jitter]
  validate_every_epochs: 6
evaluate: {on: [val, test]}
publish: {key: acme-rld-1, accept: {test/accuracy: ">= 0.5"}}
"""
KEY = "acme-rld-1"


@pytest.fixture(scope="module")
def lanes_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which lanes were learned and released; only to be looked at."""
    home = tmp_path_factory.mktemp("lanes") / "home"
    line_snapshot(home, images=30)
    run = begin(parse_experiment(EXPERIMENT, name="lines.yml"), home)
    train(run, home, compute=Compute(device="cpu", threads=1))
    evaluate_run(run, home, device="cpu")
    publish(run, home, PublishRequest(key=KEY, accept={"test/accuracy": ">= 0.5", "test/f1": ">= 0.3"}))
    return home


def test_lanes_are_learned_and_measured(lanes_home: Path) -> None:
    figures = list_runs(lanes_home)[-1].evaluation["split"]["test"]["lane"]
    assert figures["accuracy"] > 0.5
    assert set(figures["per_label"]) == set(LABELS)
    assert sum(label["regions"] for label in figures["per_label"].values()) > 0


def test_the_best_epoch_is_chosen_by_the_lanes_accuracy(lanes_home: Path) -> None:
    assert list_runs(lanes_home)[-1].experiment.train.best_by(TASKS.load("lanes")) == "val/accuracy"


def test_the_release_says_that_it_finds_lanes_and_takes_batches(lanes_home: Path) -> None:
    bundle = Registry(lanes_home).find(KEY)
    assert (bundle.card.task, bundle.card.decode, bundle.card.batch) == ("lanes", "lanes", True)
    (info,) = Registry(lanes_home).list()
    measured = info.record.measured["parity"]
    assert measured["agreed"] >= 0.99 * measured["compared"] > 0


def test_images_that_go_together_are_answered_as_alone(lanes_home: Path) -> None:
    runtime = Runtime(Registry(lanes_home).find(KEY))
    pictures = find_pictures([str(lanes_home / "pictures")])[:4]
    pixels = [read(picture.path)[0] for picture in pictures]
    together = runtime.predict_many([runtime.feed(some) for some in pixels])
    for found, some in zip(together, pixels, strict=True):
        assert isinstance(found, Detections)
        alone = runtime.predict(some)
        np.testing.assert_allclose(found.scores_0_1, alone.scores_0_1, atol=1e-4)
        for line, other in zip(found.lines or (), alone.lines or (), strict=True):
            np.testing.assert_allclose(line.points, other.points, atol=0.05)


def test_predictions_are_polylines_and_are_drawn(lanes_home: Path, tmp_path: Path) -> None:
    done = predict_files(open_model(lanes_home, KEY), find_pictures([str(lanes_home / "pictures")]), tmp_path / "out")
    entries = json.loads(Path(done.files["via"]).read_text()).values()
    shapes = [region["shape_attributes"] for entry in entries for region in entry["regions"]]
    assert shapes
    assert {shape["name"] for shape in shapes} == {"polyline"}
    assert all(len(shape["all_points_x"]) == len(shape["all_points_y"]) >= 2 for shape in shapes)
    assert len(list((tmp_path / "out" / "overlays").rglob("*.jpg"))) == done.images == 30
    assert json.loads(Path(done.files["coco"]).read_text())["annotations"]


def test_the_report_tells_the_benchmarks_figures_and_draws_open_lines(lanes_home: Path, tmp_path: Path) -> None:
    run = list_runs(lanes_home)[-1]
    text = write_report(report_on(lanes_home, run.id), tmp_path / "report.html").read_text()
    assert "accuracy (share of right points)" in text
    assert "false negatives" in text
    assert 'fill="none"' in text


def test_what_is_fed_is_shown_as_lines(lanes_home: Path) -> None:
    shown = inspect_training(parse_experiment(EXPERIMENT, name="lines.yml"), lanes_home, count=2, epochs=1)
    assert all(image.fed[0].sample.lines_px is not None for image in shown.images)
    assert all(image.fed[0].vanished == 0 for image in shown.images)
