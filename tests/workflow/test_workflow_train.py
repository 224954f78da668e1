import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from teppr.errors import BadExperiment, BadFile, Refused
from teppr.progress import Progress
from teppr.testing.datasets import small_snapshot
from teppr.workflow.begin import begin
from teppr.workflow.checkpoint import Checkpoint, open_checkpoint
from teppr.workflow.compute import Compute
from teppr.workflow.diary import read_lines
from teppr.workflow.experiment import Experiment, parse_experiment
from teppr.workflow.run import Run, StageState, create_run
from teppr.workflow.train import train

CPU = Compute(device="cpu", threads=1)
TINY = """\
name: tiny
dataset: shapes
train:
  from: {weights}
  image_size_px: 64
  batch_size: 2
  stages:
    - {{epochs: 1, layers: heads, learning_rate: 1.0e-3}}
    - {{epochs: {epochs}, layers: all, learning_rate: 1.0e-3}}
  augment: [flip_horizontal, color_jitter, scale_jitter]
  checkpoint_every_steps: 2
"""


def tiny(home: Path, *, epochs: int = 1, weights: str = "imagenet", more: str = "") -> Experiment:
    small_snapshot(home, images=10, image_size_px=64)
    return parse_experiment(TINY.format(epochs=epochs, weights=weights) + more, name="tiny.yml")


class StopAfter(Progress):
    """Asks for a stop after so many steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, steps: int = 1, *, news: str | None = None) -> None:
        if news is not None:
            self.left -= steps

    def __call__(self) -> bool:
        return self.left <= 0


class Milestones(Progress):
    """Keeps what was said of stretches of the work."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def milestone(self, sentence: str) -> None:
        self.said.append(sentence)


def weights_of(run: Run) -> dict[str, torch.Tensor]:
    return dict(Checkpoint.read(run.last).weights)


def assert_same_weights(first: Run, second: Run) -> None:
    one, other = weights_of(first), weights_of(second)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.mark.slow
def test_a_training_leaves_all_that_its_followers_need(home: Path) -> None:
    run = train(begin(tiny(home), home), home, compute=CPU)
    assert run.stage("train") is StageState.FINISHED
    record = run.stage_record("train")
    assert record["epochs"] == 2
    assert record["reason"] == "all epochs done"
    lines = read_lines(run.path / "metrics.jsonl")
    assert [line["epoch"] for line in lines] == [1, 2]
    assert {"loss", "loss/mask", "val/map_50", "val/mask/map_50", "val/box/map"} <= lines[0].keys()
    assert list((run.path / "tensorboard").glob("events*"))
    trained = open_checkpoint(run.best)
    assert [label.name for label in trained.facts.labels] == ["circle", "square", "triangle"]
    assert trained.facts.run == run.id
    assert trained.facts.dataset == run.experiment.dataset


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 3, 5], ids=["in the first epoch", "at its end", "in the second stage"])
def test_a_stopped_training_goes_on_to_the_same_weights(home: Path, steps: int) -> None:
    experiment = tiny(home)
    whole = train(begin(experiment, home, fresh=True), home, compute=CPU)
    stop = StopAfter(steps)
    cut = train(begin(experiment, home, fresh=True), home, compute=CPU, progress=stop, stop=stop)
    assert cut.stage("train") is StageState.STOPPED
    assert begin(experiment, home) == cut
    told = Milestones()
    train(cut, home, compute=CPU, progress=told)
    assert cut.stage("train") is StageState.FINISHED
    assert re.fullmatch(r"goes on at epoch [12] of 2, step \d", told.said[0])
    assert re.fullmatch(r"epoch 2 of 2: loss \d\.\d{3}, val/map_50 \d\.\d{3}", told.said[-1])
    assert_same_weights(whole, cut)
    drop = {"seconds"}
    first, second = (
        [{k: v for k, v in line.items() if k not in drop} for line in read_lines(run.path / "metrics.jsonl")]
        for run in (whole, cut)
    )
    assert first == second


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_weights(home: Path, tmp_path: Path) -> None:
    experiment = tiny(home, epochs=2)
    file = tmp_path / "tiny.yml"
    file.write_text(experiment.to_yaml())
    whole = train(begin(experiment, home, fresh=True), home, compute=CPU)
    cut = begin(experiment, home, fresh=True)
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from teppr.progress import Progress; from teppr.workflow.compute import Compute\n"
        "from teppr.workflow.run import find_run; from teppr.workflow.train import train\n"
        "class Kill(Progress):\n"
        "    left = int(sys.argv[3])\n"
        "    def advance(self, steps=1, *, news=None):\n"
        "        self.left -= news is not None\n"
        "        if not self.left: os.kill(os.getpid(), signal.SIGKILL)\n"
        "home = Path(sys.argv[1])\n"
        "train(find_run(home, sys.argv[2]), home, compute=Compute(device='cpu', threads=1), progress=Kill())\n"
    )
    # Before the first checkpoint; between two checkpoints; after the first epoch; then it may end.
    for steps, code in ((1, -signal.SIGKILL), (3, -signal.SIGKILL), (4, -signal.SIGKILL), (99, 0)):
        arguments = [sys.executable, "-c", script, str(home), cut.id, str(steps)]
        done = subprocess.run(arguments, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
    assert cut.stage("train") is StageState.FINISHED
    assert_same_weights(whole, cut)
    assert [line["epoch"] for line in read_lines(cut.path / "metrics.jsonl")] == [1, 2, 3]


@pytest.mark.slow
def test_a_finished_training_is_left_as_it_is(home: Path) -> None:
    run = train(begin(tiny(home), home), home, compute=CPU)
    before = run.last.stat().st_mtime_ns
    again = begin(tiny(home), home)
    assert again == run
    train(again, home, compute=CPU)
    assert run.last.stat().st_mtime_ns == before


@pytest.mark.slow
def test_training_begins_from_an_earlier_runs_weights(home: Path) -> None:
    first = train(begin(tiny(home), home), home, compute=CPU)
    experiment = tiny(home, weights=first.id, more="  time_limit_minutes: 0.00001\n")
    second = train(begin(experiment, home), home, compute=CPU)
    assert second.stage_record("train")["reason"] == "time limit reached"
    name = "detector.backbone.body.17.conv.0.0.weight"
    assert torch.equal(weights_of(second)[name], dict(Checkpoint.read(first.best).weights)[name])
    assert second.best.is_file()


@pytest.mark.slow
def test_training_stops_early_when_nothing_gets_better(home: Path) -> None:
    early = "  early_stop: {metric: val/map_50, patience_epochs: 2}\n"
    experiment = tiny(home, epochs=40, more=early).model_copy()
    run = train(begin(experiment, home), home, compute=CPU)
    assert run.stage_record("train")["reason"].startswith("no better")
    assert run.stage_record("train")["epochs"] < 41


def test_a_diverging_training_says_so(home: Path) -> None:
    text = tiny(home, weights="scratch").to_yaml().replace("learning_rate: 0.001", "learning_rate: 1.0e+30")
    run = begin(parse_experiment(text, name="tiny.yml"), home)
    with pytest.raises(BadExperiment, match="training diverged: the loss is nan in epoch 1, step"):
        train(run, home, compute=CPU)
    assert run.stage("train") is StageState.FAILED


def test_two_processes_do_not_train_one_run(home: Path) -> None:
    run = begin(tiny(home), home)
    with run.alone(), pytest.raises(Refused, match="is being worked on by process"):
        train(run, home, compute=CPU)


@pytest.mark.parametrize(
    ("train_section", "says"),
    [
        ("{backbone: vgg3}", "train.backbone 'vgg3'; known: mobilenet_v2, resnet50"),
        ("{image_size_px: 4000}", "train.image_size_px must be 64 to 2048 for mask_rcnn, got 4000"),
        ("{stages: [{epochs: 1, layers: tail, learning_rate: 1.0e-3}]}", "'tail'; known: all, heads"),
    ],
    ids=["backbone", "image size", "layers"],
)
def test_what_the_architecture_cannot_do_is_said_before_a_run_begins(home: Path, train_section: str, says: str) -> None:
    small_snapshot(home, images=5, image_size_px=64)
    experiment = parse_experiment(f"{{name: a, dataset: shapes, train: {train_section}}}", name="a.yml")
    with pytest.raises(BadExperiment) as caught:
        begin(experiment, home)
    assert says in str(caught.value)
    assert not (home / "runs").exists()


def test_weights_that_are_nowhere_are_named(home: Path) -> None:
    run = begin(tiny(home, weights="acme-ods-77"), home)
    with pytest.raises(BadExperiment, match=r"train\.from must be imagenet, scratch, a file, a run or a release"):
        train(run, home, compute=CPU)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"garbage"], ids=["empty", "cut off", "garbage"])
def test_a_damaged_checkpoint_is_named(home: Path, content: bytes) -> None:
    run = create_run(home, tiny(home))
    run.best.parent.mkdir()
    run.best.write_bytes(content)
    with pytest.raises(Exception, match=r"best\.pt"):
        open_checkpoint(run.best)


def test_a_missing_checkpoint_is_named(home: Path) -> None:
    with pytest.raises(BadFile, match="there is no checkpoint"):
        open_checkpoint(home / "best.pt")
