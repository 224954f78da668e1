"""The example in `examples/`: found by its entry point, it trains, publishes, predicts and serves from an environment
of its own, while this one has other versions.
"""

import json
import os
import signal
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import httpx
import pytest

from teppr.environments.kept import environment_of, list_environments
from teppr.testing.datasets import small_snapshot

EXAMPLE = Path(__file__).parents[2] / "examples" / "patch_boxes"
EXPERIMENT = """
name: patches
dataset: {dataset}
architecture: patch_boxes
train:
  image_size_px: 128
  batch_size: 4
  stages: [{{epochs: 15, layers: all, learning_rate: 2.0e-3}}]
publish: {{key: acme-ods-1, accept: {{test/map_50: ">= 0.6"}}}}
"""


class Teppr:
    """The command of an installation that the example was added to, as its README says."""

    def __init__(self, folder: Path) -> None:
        self.home, self.folder = folder / "home", folder
        installed = folder / "installed"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--target", str(installed), str(EXAMPLE)], check=True, timeout=300)
        found = [str(installed), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.variables = {**os.environ, "PYTHONPATH": os.pathsep.join(found)}

    def command(self, *words: object) -> list[str]:
        return [sys.executable, "-P", "-m", "teppr", "--home", str(self.home), *map(str, words)]

    def __call__(self, *words: object, code: int = 0) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, timeout=600, env=self.variables, cwd=self.folder
        )
        assert done.returncode == code, done.stderr
        return done

    def json(self, *words: object) -> Any:  # noqa: ANN401 - whatever was printed
        return json.loads(self(*words, "--json").stdout)


@pytest.fixture(scope="module")
def teppr(tmp_path_factory: pytest.TempPathFactory) -> Teppr:
    return Teppr(tmp_path_factory.mktemp("environments"))


@pytest.fixture(scope="module")
def experiment(teppr: Teppr) -> Path:
    dataset = small_snapshot(teppr.home, images=60, boxes_only=True)
    path = teppr.folder / "patches.yml"
    path.write_text(EXPERIMENT.format(dataset=dataset.reference), encoding="utf-8")
    return path


def where_it_runs(teppr: Teppr) -> str:
    rows = {row["name"]: row for row in teppr.json("architectures")}
    assert rows["patch_boxes"]["framework"] == "scikit-learn"
    assert rows["patch_boxes"]["package"] == "teppr-patch-boxes 0.1.0"
    return str(rows["patch_boxes"]["runs_in"])


@pytest.mark.slow
def test_an_architecture_from_outside_lives_in_an_environment_of_its_own(teppr: Teppr, experiment: Path) -> None:
    # Given: here is nothing that it could be trained with
    assert where_it_runs(teppr) == "nowhere yet: teppr env create patch_boxes"
    assert "teppr env create patch_boxes" in teppr("train", experiment, code=3).stderr
    refused = teppr("env", "check", "patch_boxes", "--python", _python_that_is_too_new(teppr.folder), code=1)
    assert "for Python 3.9 to 3.12" in refused.stderr
    assert list_environments(teppr.home) == []

    # When it gets its environment
    made = teppr.json("env", "create", "patch_boxes")

    # Then that has versions that this one does not have
    assert where_it_runs(teppr) == made["path"]
    assert made["packages"]["numpy"] == "1.26.4" != version("numpy")
    assert made["packages"]["scikit-learn"].startswith("1.5")
    with pytest.raises(PackageNotFoundError):
        version("scikit-learn")
    assert "torch" not in made["packages"]
    assert "as wanted" in teppr("env", "list").stdout

    # ... and all stages run there, up to a release that this one predicts with alike
    done = teppr.json("run", experiment)
    assert done["stages"]["train"]["best"] > 0.6
    assert done["stages"]["publish"]["state"] == "finished"
    recorded = json.loads((Path(done["path"]) / "environment.json").read_text(encoding="utf-8"))
    assert (recorded["prefix"], recorded["packages"]["numpy"]) == (made["path"], "1.26.4")
    picture = next((teppr.home / "pictures").rglob("00004.png"))
    there, here = teppr.folder / "there", teppr.folder / "here"
    assert "runs in" in teppr("predict", done["run"], picture, "--out", there).stderr
    assert "runs in" not in teppr("predict", "acme-ods-1", picture, "--out", here).stderr
    assert _boxes(there) == pytest.approx(_boxes(here), abs=0.05)

    # ... and serves from either
    for words in (("env", "run", "patch_boxes", "serve"), ("serve",)):
        assert _served(teppr, [*words, "--model", "acme-ods-1", "--port", "0", "--json"], picture) == 3

    # When it is removed, nothing is left of it
    assert teppr.json("env", "remove", "patch_boxes") == {"removed": [made["name"]]}
    assert environment_of(teppr.home, "patch_boxes") is None
    assert not Path(made["path"]).exists()


def _python_that_is_too_new(folder: Path) -> Path:
    """A Python as `env check` asks for its version."""
    path = folder / "python3.14"
    path.write_text("#!/bin/sh\necho 3.14.2\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def _boxes(folder: Path) -> list[float]:
    found = json.loads((folder / "coco.json").read_text(encoding="utf-8"))["annotations"]
    return [value for one in sorted(found, key=lambda one: one["category_id"]) for value in one["bbox"]]


def _served(teppr: Teppr, words: list[str], picture: Path) -> int:
    """Objects that a service finds in a picture."""
    with subprocess.Popen(
        teppr.command(*words), stdout=subprocess.PIPE, text=True, env=teppr.variables, cwd=teppr.folder
    ) as service:
        assert service.stdout
        try:
            says = json.loads(service.stdout.readline())
            answer = httpx.post(
                f"{says['url']}/api/vision/v2/predict", files={"image": picture.read_bytes()}, timeout=60
            ).json()
        finally:
            service.send_signal(signal.SIGTERM)
            assert service.wait(60) == 0
    (found,) = answer["result"].values()
    return len(found["regions"])
