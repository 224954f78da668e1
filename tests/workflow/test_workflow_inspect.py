"""What training feeds its network, looked at beforehand."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from teppr.cli.main import run as teppr
from teppr.errors import BadExperiment, BadInput
from teppr.images import read
from teppr.progress import QUIET
from teppr.testing.datasets import small_snapshot
from teppr.workflow.batches import load_batches
from teppr.workflow.begin import begin
from teppr.workflow.experiment import Experiment, parse_experiment
from teppr.workflow.inspect import inspect_training, write_inspection
from teppr.workflow.interrupt import never
from teppr.workflow.train import Training

EXPERIMENT = """
name: shapes
dataset: shapes
train:
  from: scratch
  image_size_px: {size}
  batch_size: 2
  seed: 11
  stages: [{{epochs: {epochs}, layers: all, learning_rate: 1.0e-3}}]
  augment: [{augment}]
"""


def experiment(
    augment: str = "flip_horizontal, color_jitter, scale_jitter", size: int = 96, epochs: int = 2
) -> Experiment:
    return parse_experiment(EXPERIMENT.format(augment=augment, size=size, epochs=epochs), name="shapes.yml")


@pytest.mark.parametrize("boxes_only", [False, True])
def test_what_is_inspected_is_to_the_bit_what_training_is_fed(home: Path, boxes_only: bool) -> None:
    small_snapshot(home, boxes_only=boxes_only)
    asked = experiment()
    seen = inspect_training(asked, home, count=5, epochs=2)

    run = begin(asked, home)
    training = Training(run, home, torch.device("cpu"), progress=QUIET, stop=never, max_pixels=10**6)
    batches = load_batches(training.data.augmented, training.order.batches(0, 0, 2), 0)
    fed = [sample for batch in batches for sample in batch]
    epochs = (fed[: len(fed) // 2], fed[len(fed) // 2 :])

    by_image = [{sample.image_id: sample for sample in epoch} for epoch in epochs]
    assert [image.fed[0].sample.image_id for image in seen.images] == [sample.image_id for sample in epochs[0][:5]]
    for image in seen.images:
        for one in image.fed:
            sample = by_image[one.epoch][one.sample.image_id]
            assert torch.equal(one.sample.image, sample.image)
            assert torch.equal(one.sample.boxes_xyxy_px, sample.boxes_xyxy_px)
            assert torch.equal(one.sample.label_ids, sample.label_ids)
            if boxes_only:
                assert one.sample.masks is sample.masks is None
            else:
                assert one.sample.masks is not None
                assert sample.masks is not None
                assert torch.equal(one.sample.masks, sample.masks)


def test_the_changes_that_were_made_are_named(home: Path) -> None:
    small_snapshot(home, images=20)
    seen = inspect_training(experiment("flip_horizontal"), home, count=12)
    plain = inspect_training(experiment(""), home, count=12)
    changes = set()
    for image, other in zip(seen.images, plain.images, strict=True):
        assert image.filename == other.filename
        assert [fed.changed_by for fed in other.fed] == [(), ()]
        for fed, unchanged in zip(image.fed, other.fed, strict=True):
            flipped = torch.equal(fed.sample.image, unchanged.sample.image.flip(-1))
            assert fed.changed_by == (("flip_horizontal",) if flipped else ())
            changes.add(fed.changed_by)
    assert changes == {(), ("flip_horizontal",)}


def test_regions_that_moved_out_of_the_image_are_counted(home: Path) -> None:
    small_snapshot(home, images=30)
    seen = inspect_training(experiment("scale_jitter", epochs=3), home, count=18, epochs=3)
    for image in seen.images:
        assert all(len(fed.sample.label_ids) + fed.vanished == image.regions for fed in image.fed)
    assert all(fed.vanished >= 0 for image in seen.images for fed in image.fed)


def test_a_picture_shows_the_tensor_as_it_is(home: Path) -> None:
    small_snapshot(home, images=20)
    seen = inspect_training(experiment("flip_horizontal", size=480), home, count=12)
    without = [fed for image in seen.images for fed in image.fed if not len(fed.sample.label_ids)]
    assert without
    for fed in without:
        assert np.array_equal(fed.picture, fed.sample.image.permute(1, 2, 0).numpy())


def test_no_more_epochs_are_shown_than_there_will_be(home: Path) -> None:
    small_snapshot(home)
    seen = inspect_training(experiment(epochs=1), home, count=2, epochs=5)
    assert [len(image.fed) for image in seen.images] == [1, 1]


def test_page_and_sheets_show_each_image_beside_what_is_fed(home: Path, tmp_path: Path) -> None:
    small_snapshot(home)
    page, *sheets = write_inspection(inspect_training(experiment(), home, count=6), tmp_path / "out")
    text = page.read_text()
    assert text.count('<img src="data:image/jpeg;base64,') == 6 * 3
    assert not re.search(r"https?://|<script", text)
    assert "flip_horizontal, color_jitter, scale_jitter" in text
    assert [sheet.name for sheet in sheets] == ["fed-1.png", "fed-2.png"]
    assert read(sheets[0])[1].format == "PNG"


def test_what_cannot_be_trained_cannot_be_inspected(home: Path) -> None:
    small_snapshot(home)
    with pytest.raises(BadExperiment, match="image_size_px"):
        inspect_training(experiment(size=4000), home)
    with pytest.raises(BadInput, match="got 0 images, 2 epochs"):
        inspect_training(experiment(), home, count=0)


def test_the_command_writes_a_page_and_answers_machines(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small_snapshot(home)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "shapes.yml"
    file.write_text(EXPERIMENT.format(augment="flip_horizontal", size=96, epochs=2))
    arguments = ["--home", str(home), "dataset", "inspect", str(file), "--count", "3"]
    assert teppr(arguments) == 0
    assert "page: inspect-shapes/index.html" in capsys.readouterr().out
    assert teppr([*arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [len(image["fed"]) for image in answer["images"]] == [2, 2, 2]
    assert answer["images"][0]["fed"][0]["size_wh"] == [96, 72]
    assert not list((home / "runs").glob("*"))
