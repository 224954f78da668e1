"""Training on a dataset that came in one file, where there is neither its database nor its images."""

import shutil
from pathlib import Path

import pytest

from teppr.cli.main import run
from teppr.testing.datasets import small_snapshot
from teppr.workflow.run import StageState, list_runs

EXPERIMENT = """
name: packed
dataset: shapes
train:
  from: scratch
  image_size_px: 64
  stages: [{epochs: 1, layers: heads, learning_rate: 1.0e-3}]
"""


@pytest.mark.slow
def test_a_packed_dataset_is_trained_on_without_a_database(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = small_snapshot(home, images=5, image_size_px=64)
    assert run(["--home", str(home), "dataset", "pack", "shapes", str(tmp_path / "shapes.tar")]) == 0
    shutil.rmtree(home)
    there = tmp_path / "there"
    monkeypatch.setenv("TEPPR_STORE", "mongodb://127.0.0.1:1")
    (tmp_path / "packed.yml").write_text(EXPERIMENT)

    assert run(["--home", str(there), "dataset", "unpack", str(tmp_path / "shapes.tar")]) == 0
    assert run(["--home", str(there), "train", str(tmp_path / "packed.yml")]) == 0

    (trained,) = list_runs(there)
    assert trained.experiment.dataset == snapshot.reference
    assert trained.stage("train") is StageState.FINISHED
    assert trained.best.is_file()
