"""Whole images all the way: learned, measured, published, predicted, embedded, reported; one label each, or several."""

import json
from pathlib import Path

import numpy as np
import pytest

from teppr.images import read
from teppr.registry.releases import Registry
from teppr.registry.runtime import Runtime
from teppr.testing.classes import LABELS, class_snapshot
from teppr.workflow.begin import begin
from teppr.workflow.checkpoint import Checkpoint
from teppr.workflow.compute import Compute
from teppr.workflow.evaluate import evaluate_model, evaluate_run
from teppr.workflow.experiment import parse_experiment
from teppr.workflow.inputs import find_pictures
from teppr.workflow.model import open_model
from teppr.workflow.predict import predict_files
from teppr.workflow.publish import PublishRequest, publish
from teppr.workflow.report import report_on, write_report
from teppr.workflow.run import Run, list_runs
from teppr.workflow.train import train

pytestmark = pytest.mark.slow

EXPERIMENT = """
name: {name}
dataset: {name}
architecture: classifier
train:
  image_size_px: 64
  batch_size: 6
  stages: [{{epochs: {epochs}, layers: all, learning_rate: 3.0e-3}}]
  augment: [color_jitter]
  validate_every_epochs: {epochs}
evaluate: {{on: [val, test]}}
"""
TAGS = """
id: tags
title: Tags of images
shapes: [image]
"""
KEYS = {"colors": "acme-cls-1", "several": "acme-tags-1"}


def learned(home: Path, name: str, epochs: int) -> Run:
    run = begin(parse_experiment(EXPERIMENT.format(name=name, epochs=epochs), name=f"{name}.yml"), home)
    train(run, home, compute=Compute(device="cpu", threads=1))
    evaluate_run(run, home, device="cpu")
    return run


@pytest.fixture(scope="module")
def classes_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which both kinds were learned, a little, and released; only to be looked at."""
    home = tmp_path_factory.mktemp("classes") / "home"
    (home / "problems").mkdir(parents=True)
    (home / "problems" / "tags.yml").write_text(TAGS)
    class_snapshot(home, images=15)
    class_snapshot(home, images=20, several=True)
    publish(learned(home, "colors", 3), home, PublishRequest(key=KEYS["colors"], accept={}))
    publish(learned(home, "several", 3), home, PublishRequest(key=KEYS["several"], accept={}))
    return home


def run_of(home: Path, name: str) -> Run:
    return next(run for run in list_runs(home) if run.id.startswith(name))


@pytest.mark.parametrize("name", KEYS)
def test_the_release_names_images_takes_batches_and_describes_them(classes_home: Path, name: str) -> None:
    bundle = Registry(classes_home).find(KEYS[name])
    decode = {"colors": "classes", "several": "labels"}[name]
    assert (bundle.card.task, bundle.card.decode, bundle.card.batch) == ("classify", decode, True)
    pixels, _ = read(next((classes_home / "pictures").rglob("*.png")))
    vector = Runtime(bundle).embed(pixels)
    assert vector.shape == (bundle.card.embedding_size,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", KEYS)
def test_the_released_temperature_is_the_one_of_val(classes_home: Path, name: str) -> None:
    weights = Checkpoint.read(run_of(classes_home, name).best).weights
    assert float(weights["temperature"]) != 1
    assert float(Checkpoint.read(run_of(classes_home, name).last).weights["temperature"]) == 1


@pytest.mark.parametrize(
    ("name", "task", "figure"), [("colors", "classify", "accuracy"), ("several", "multilabel", "map")]
)
def test_a_release_is_measured_as_its_run_was(classes_home: Path, name: str, task: str, figure: str) -> None:
    of_run = run_of(classes_home, name).evaluation
    of_release = evaluate_model(classes_home, KEYS[name], name, splits=["test"])
    assert of_run["task"] == of_release["task"] == task
    figures = [one["split"]["test"]["class"] for one in (of_run, of_release)]
    assert figures[0][figure] == pytest.approx(figures[1][figure], abs=0.01)
    assert set(figures[0]["per_label"]) == set(LABELS)


def test_predictions_are_labels_of_whole_images(classes_home: Path, tmp_path: Path) -> None:
    pictures = find_pictures([str(classes_home / "pictures" / "one")])[:6]
    model = open_model(classes_home, KEYS["colors"])
    done = predict_files(model, pictures, tmp_path / "out", score_threshold_0_1=0.05)
    entries = json.loads(Path(done.files["via"]).read_text()).values()
    assert len(entries) == done.images == 6
    rows = json.loads(Path(done.files["coco"]).read_text())["annotations"]
    assert {tuple(row["bbox"]) for row in rows} == {(0, 0, 64, 64)}


@pytest.mark.parametrize(
    ("name", "words"), [("colors", "What is taken for what"), ("several", "precision over recall")]
)
def test_the_report_draws_how_right_scores_are(classes_home: Path, tmp_path: Path, name: str, words: str) -> None:
    text = write_report(report_on(classes_home, run_of(classes_home, name).id), tmp_path / "report.html").read_text()
    assert "calibration error" in text
    assert "scores and how often they are right" in text
    assert words in text
