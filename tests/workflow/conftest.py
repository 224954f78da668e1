"""One small run, trained and evaluated for real, for all tests that need one."""

import shutil
from pathlib import Path

import pytest

from teppr.testing.datasets import small_snapshot
from teppr.workflow.begin import begin
from teppr.workflow.compute import Compute
from teppr.workflow.evaluate import evaluate_run
from teppr.workflow.experiment import parse_experiment
from teppr.workflow.publish import PublishRequest, publish
from teppr.workflow.run import Run, find_run, list_runs
from teppr.workflow.train import train

EXPERIMENT = """
name: shapes
creator: AIE3
dataset: {dataset}
train:
  from: imagenet
  image_size_px: 128
  batch_size: 2
  stages: [{{epochs: 4, layers: all, learning_rate: 2.0e-3}}]
  validate_every_epochs: 2
publish: {{key: acme-ods-1, accept: {{test/map_50: ">= 0.05"}}, licence: Apache-2.0}}
"""


@pytest.fixture(scope="session")
def evaluated_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a dataset and a run that was trained on it and evaluated; only to be looked at."""
    home = tmp_path_factory.mktemp("evaluated") / "home"
    snapshot = small_snapshot(home, images=25)
    run = begin(parse_experiment(EXPERIMENT.format(dataset=snapshot.reference), name="shapes.yml"), home)
    train(run, home, compute=Compute(device="cpu", threads=1))
    evaluate_run(run, home, device="cpu")
    return home


@pytest.fixture
def evaluated(evaluated_home: Path, home: Path) -> Run:
    """That run in a copy of its own below `home`, free to be published and changed."""
    shutil.copytree(evaluated_home, home)
    return find_run(home, list_runs(home)[-1].id)


@pytest.fixture(scope="session")
def released_home(evaluated_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the run was published as acme-ods-1; only to be looked at."""
    home = tmp_path_factory.mktemp("released") / "home"
    shutil.copytree(evaluated_home, home)
    run = list_runs(home)[-1]
    accept = {"test/map_50": ">= 0.05", "latency_ms_p95": "<= 60000"}
    publish(run, home, PublishRequest(key="acme-ods-1", accept=accept, licence="Apache-2.0"))
    return home


@pytest.fixture
def released(released_home: Path, home: Path) -> Run:
    """That run in a copy of its own below `home`."""
    shutil.copytree(released_home, home)
    return find_run(home, list_runs(home)[-1].id)
