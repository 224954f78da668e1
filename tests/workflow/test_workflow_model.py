"""A model is found by whatever name people call it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from teppr.errors import BadFile, Corrupt, UnknownName
from teppr.registry.bundle import Bundle
from teppr.registry.releases import Registry
from teppr.testing.bundles import COLORS, colored_picture
from teppr.testing.datasets import small_snapshot
from teppr.testing.releases import small_release
from teppr.workflow.begin import begin
from teppr.workflow.experiment import parse_experiment
from teppr.workflow.model import open_model
from teppr.workflow.run import Run


@pytest.fixture
def in_production(home: Path) -> Bundle:
    """The small model as acme-ods-1, in production."""
    release = small_release(home)
    Registry(home).point("acme-ods@production", "acme-ods-1")
    return Bundle.open(release.bundle_path)


def test_a_release_is_opened_by_key_alias_and_folder(home: Path, in_production: Bundle) -> None:
    for reference in ("acme-ods-1", "acme-ods@production", str(in_production.path)):
        predictor = open_model(home, reference)
        assert (predictor.name, predictor.architecture) == ("acme-ods-1", "color_finder")
        assert [label.name for label in predictor.labels] == list(COLORS)
        assert len(predictor.predict(colored_picture({"stop": (5, 5, 50, 50)}))) == 1


def test_a_release_needs_no_training_framework(home: Path, in_production: Bundle) -> None:
    program = f"""
import json, sys
from teppr.cli.main import run
code = run(["--home", {str(home)!r}, "predict", {in_production.card.key!r}, {str(home / "picture.png")!r}])
print(json.dumps([code, sorted({{"torch", "torchvision", "onnx", "pyarrow"}} & sys.modules.keys())]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [2, []]


def test_an_unknown_name_is_answered_with_releases_and_runs(home: Path, in_production: Bundle) -> None:
    assert in_production.card.key == "acme-ods-1"
    with pytest.raises(UnknownName, match=r"no model 'acme-ods-11'; did you mean 'acme-ods-1'\?; known: acme-ods-1"):
        open_model(home, "acme-ods-11")


def test_a_changed_release_is_refused(home: Path, in_production: Bundle) -> None:
    network = Registry(home).release(in_production.card.key).bundle_path / "model.onnx"
    network.write_bytes(b"other")
    with pytest.raises(Corrupt, match=r"model\.onnx is not what was written"):
        open_model(home, "acme-ods-1")


def test_a_run_that_was_not_trained_says_what_to_do(home: Path) -> None:
    snapshot = small_snapshot(home, images=5)
    run = begin(parse_experiment(f"name: shapes\ndataset: {snapshot.reference}", name="shapes.yml"), home)
    with pytest.raises(BadFile, match=f"run {run.id} has no trained weights yet.*go on with teppr train"):
        open_model(home, run.id)


def test_a_file_that_is_no_checkpoint_is_refused(home: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"not weights")
    with pytest.raises(Corrupt, match=r"weights\.pt cannot be read"):
        open_model(home, str(tmp_path / "weights.pt"))


@pytest.mark.slow
def test_a_run_is_opened_by_id_folder_and_checkpoint(home: Path, evaluated: Run) -> None:
    for reference in (evaluated.id, f"runs/{evaluated.id}", str(evaluated.path), str(evaluated.best)):
        predictor = open_model(home, reference, device="cpu")
        assert predictor.architecture == "mask_rcnn"
        assert [label.name for label in predictor.labels] == ["circle", "square", "triangle"]
