"""An architecture that sees to its own training: teppr measures it, keeps it, and goes on where it was cut off."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from teppr.architectures.contract import ARCHITECTURES, torch_architecture
from teppr.errors import BadExperiment, BadFile, BadInput, Corrupt, Missing
from teppr.testing.datasets import small_snapshot
from teppr.testing.packages import NAME, write_package
from teppr.workflow.arrays import ArrayCheckpoint, open_arrays, self_taught
from teppr.workflow.begin import begin
from teppr.workflow.environment import require_training
from teppr.workflow.evaluate import evaluate_run
from teppr.workflow.experiment import Experiment, parse_experiment
from teppr.workflow.learn import learn
from teppr.workflow.model import open_model
from teppr.workflow.run import Run, StageState

EXPERIMENT = """
name: colours
dataset: shapes
architecture: colour_boxes
train:
  image_size_px: 128
  stages: [{epochs: 6, layers: all, learning_rate: 1.0e-3}]
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = write_package(tmp_path / "installed")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    sys.modules.pop("teppr_colour_boxes", None)


@pytest.fixture
def dataset(home: Path) -> str:
    return small_snapshot(home, images=20, boxes_only=True).reference


def asked(text: str = EXPERIMENT) -> Experiment:
    return parse_experiment(text, name="colours.yml")


@pytest.mark.usefixtures("dataset")
class TestTraining:
    def test_it_learns_and_is_measured_after_each_epoch(self, home: Path) -> None:
        run = learn(begin(asked(), home), home)

        record = run.stage_record("train")
        assert (run.stage("train"), record["epochs"], record["best_by"]) == (StageState.FINISHED, 6, "val/map_50")
        assert record["best"] > 0.9
        lines = (run.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 6
        assert run.best.name == "best.npz"
        assert ArrayCheckpoint.read(run.best).facts.task == "detect"
        assert evaluate_run(run, home)["split"]["test"]["box"]["map_50"] > 0.9

    def test_what_was_cut_off_goes_on_after_the_last_whole_epoch(self, home: Path) -> None:
        left = iter([False, False, True])
        run = learn(begin(asked(), home), home, stop=lambda: next(left))
        assert (run.stage("train"), run.stage_record("train")["epochs"]) == (StageState.STOPPED, 3)

        again = learn(begin(asked(), home), home)
        assert again == run
        whole = learn(begin(asked(), home, fresh=True), home)
        first, second = (ArrayCheckpoint.read(one.last_arrays) for one in (run, whole))
        assert first.facts.epoch == second.facts.epoch == 6
        np.testing.assert_array_equal(first.weights["colours"], second.weights["colours"])

    def test_early_stop_ends_it(self, home: Path) -> None:
        text = EXPERIMENT.replace("epochs: 6", "epochs: 50") + "  early_stop: {patience_epochs: 2}\n"
        run = learn(begin(asked(text), home), home)
        record = run.stage_record("train")
        assert record["reason"].startswith("no better")
        assert record["epochs"] < 50

    def test_a_trained_one_is_left_as_it_is(self, home: Path) -> None:
        run = learn(begin(asked(), home), home)
        before = run.best.stat().st_mtime_ns
        assert learn(run, home).best.stat().st_mtime_ns == before

    def test_it_is_a_model_by_its_run_and_by_its_file(self, home: Path) -> None:
        run = learn(begin(asked(), home), home)
        pixels = np.full((96, 128, 3), 100, np.uint8)
        pixels[20:50, 30:70] = (220, 60, 50)
        for reference in (run.id, str(run.best)):
            found = open_model(home, reference).predict(pixels)
            assert found.label_ids.tolist() == [0]
            np.testing.assert_allclose(found.boxes_xyxy_px, [[30, 20, 70, 50]], atol=1)


@pytest.mark.usefixtures("dataset")
@pytest.mark.parametrize(
    ("addition", "sentence"),
    [
        ("  from: imagenet\n", "train.from must be scratch, for colour_boxes sees to its own training, got 'imagenet'"),
        ("  augment: [blur]\n", r"train.augment must be \[\], for colour_boxes .* got blur"),
    ],
)
def test_what_it_cannot_do_is_refused_where_it_is_asked_for(home: Path, addition: str, sentence: str) -> None:
    with pytest.raises(BadExperiment, match=sentence):
        begin(asked(EXPERIMENT + addition), home)


@pytest.mark.usefixtures("dataset")
def test_defaults_that_it_does_not_have_are_left_out(home: Path) -> None:
    train = begin(asked(), home).experiment.train
    assert (train.weights, train.augment) == ("scratch", ())


def test_more_stages_than_one_are_refused(home: Path, dataset: str) -> None:
    text = EXPERIMENT.replace("}]", "}, {epochs: 1, layers: all, learning_rate: 1.0e-3}]").replace("shapes", dataset)
    with pytest.raises(BadExperiment, match=r"train\.stages must be one"):
        begin(asked(text), home)


def test_a_checkpoint_that_is_none_is_refused(home: Path, dataset: str, tmp_path: Path) -> None:
    run: Run = learn(begin(asked(EXPERIMENT.replace("shapes", dataset)), home), home)
    whole = run.best.read_bytes()
    broken, other = tmp_path / "broken.npz", tmp_path / "other.npz"
    broken.write_bytes(whole[: len(whole) // 2])
    np.savez(other, colours=np.zeros(3))

    with pytest.raises(Corrupt, match=r"broken\.npz cannot be read"):
        open_arrays(broken)
    with pytest.raises(BadFile, match=r"other\.npz is no checkpoint of arrays"):
        open_arrays(other)
    with pytest.raises(BadFile, match="there is no checkpoint"):
        open_arrays(tmp_path / "none.npz")


def test_each_kind_of_architecture_has_its_door() -> None:
    with pytest.raises(BadInput, match="mask_rcnn is trained by teppr"):
        self_taught("mask_rcnn")
    with pytest.raises(BadInput, match="colour_boxes is one of numpy; here one of PyTorch is needed"):
        torch_architecture(NAME)
    assert ARCHITECTURES.load(NAME).framework == "numpy"


def test_what_an_architecture_lacks_here_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_training(NAME)
    sys.modules.pop("teppr_colour_boxes")
    monkeypatch.syspath_prepend(str(write_package(tmp_path / "other", ("numpy<1.5", "nosuchpackage", "pillow"))))
    with pytest.raises(Missing, match=r"needs numpy<1.5, nosuchpackage, which .* teppr env create colour_boxes"):
        require_training(NAME)
