"""Batches of experiments, done by the command line in processes of their own; the network is quick and learns nothing
by chance.
"""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from teppr.cli.main import run as run_teppr
from teppr.experiments.batch import files_of, jobs_of
from teppr.experiments.outcome import Outcome, Verdict, exit_code_of
from teppr.testing.commands import Cli
from teppr.testing.datasets import small_snapshot
from teppr.testing.packages import write_package
from teppr.workflow.run import list_runs

EXPERIMENT = """\
name: colours
dataset: shapes
architecture: colour_boxes
train:
  image_size_px: 128
  stages: [{epochs: 2, layers: all, learning_rate: 1.0e-3}]
report: {formats: [json]}
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = write_package(tmp_path / "installed")
    monkeypatch.syspath_prepend(str(folder))
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    yield
    sys.modules.pop("teppr_colour_boxes", None)


@pytest.fixture
def dataset(home: Path) -> str:
    return small_snapshot(home, images=10, boxes_only=True).reference


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(run_teppr, home, capsys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "experiments"
    folder.mkdir()
    return folder


def put(folder: Path, name: str, change: tuple[str, str] = ("", "")) -> Path:
    path = folder / name
    path.write_text(EXPERIMENT.replace(*change), encoding="utf-8")
    return path


def test_a_folder_stands_for_its_experiment_files_and_no_file_is_meant_twice(folder: Path) -> None:
    a, b = put(folder, "a.yml"), put(folder, "b.yaml")
    put(folder, ".hidden.yml")
    put(folder, "notes.txt")
    assert files_of([b, folder]) == [b, a]


@pytest.mark.usefixtures("dataset")
class TestChecking:
    def test_all_that_is_wrong_is_said_at_once(self, folder: Path, home: Path) -> None:
        put(folder, "a.yml")
        put(folder, "key.yml", ("train:", "trian:"))
        put(folder, "dataset.yml", ("dataset: shapes", "dataset: shape"))
        put(folder, "size.yml", ("image_size_px: 128", "image_size_px: 1024"))
        faults = {job.name: job.fault for job in jobs_of(files_of([folder, folder / "none.yml"]), home)}
        assert faults.pop("a.yml") == ""
        assert "trian: unknown key" in faults["key.yml"]
        assert "there is no dataset 'shape'; did you mean 'shapes'?" in faults["dataset.yml"]
        assert "train.image_size_px must be 32 to 512" in faults["size.yml"]
        assert "cannot read the experiment file" in faults["none.yml"]

    def test_a_grid_is_an_experiment_for_every_combination_on_one_version_of_the_dataset(
        self, folder: Path, home: Path, dataset: str
    ) -> None:
        path = put(
            folder, "grid.yml", ("report:", "grid: {train.image_size_px: [96, 64], train.seed: [1, 2]}\nreport:")
        )
        jobs = jobs_of([path], home)
        assert [job.name for job in jobs] == [f"grid.yml#{i}" for i in (1, 2, 3, 4)]
        assert [(job.settings["train.image_size_px"], job.settings["train.seed"]) for job in jobs] == [
            (96, 1),
            (96, 2),
            (64, 1),
            (64, 2),
        ]
        assert {job.experiment.dataset for job in jobs if job.experiment} == {dataset}

    def test_a_release_key_is_for_one_experiment(self, folder: Path, home: Path) -> None:
        path = put(folder, "grid.yml", ("report:", "publish: {key: acme-ods-1}\ngrid: {train.seed: [1, 2]}\nreport:"))
        assert ["2 experiments of the batch ask for it: acme-ods-1" in job.fault for job in jobs_of([path], home)] == [
            True,
            True,
        ]


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([Verdict.DONE, Verdict.BEFORE], 0),
        ([Verdict.DONE, Verdict.WRONG], 1),
        ([Verdict.WRONG, Verdict.WRONG], 2),
        ([Verdict.REFUSED], 1),
        ([Verdict.LEFT, Verdict.DONE], 1),
        ([], 0),
    ],
)
def test_the_exit_code_says_whether_all_went_well(verdicts: list[Verdict], code: int) -> None:
    assert exit_code_of([Outcome(name="a", verdict=verdict) for verdict in verdicts]) == code


@pytest.mark.slow
@pytest.mark.usefixtures("dataset")
class TestDoing:
    def test_of_four_experiments_one_is_broken_and_three_are_done(self, cli: Cli, folder: Path, home: Path) -> None:
        put(folder, "a.yml")
        put(folder, "b.yml", ("image_size_px: 128", "image_size_px: 96"))
        put(folder, "broken.yml", ("train:", "trian:"))
        (folder / "empty").mkdir()
        put(folder, "c.yml", ("report:", f"predict: {{input: {folder}/empty}}\nreport:"))

        assert cli("run", folder, "--json") == 1

        rows = {row["name"]: row for row in cli.json["experiments"]}
        assert {name: row["verdict"] for name, row in rows.items()} == {
            "a.yml": "done",
            "b.yml": "done",
            "broken.yml": "wrong",
            "c.yml": "refused",
        }
        assert rows["a.yml"]["figures"].keys() >= {"test/map_50", "val/map_50"}
        assert "there is no image or video at" in rows["c.yml"]["reason"]
        with Path(cli.json["csv"]).open(encoding="utf-8") as file:
            table = list(csv.DictReader(file))
        assert [row["verdict"] for row in table] == ["done", "done", "wrong", "refused"]
        assert "wrong: broken.yml" in cli.err

        (folder / "broken.yml").unlink()
        put(folder, "c.yml", ("report:", "# no prediction\nreport:"))
        runs = list_runs(home)
        assert cli("run", folder, "--json") == 0
        assert {row["verdict"] for row in cli.json["experiments"]} == {"done before"}
        assert list_runs(home) == runs

    def test_none_is_begun_where_that_is_wished(self, cli: Cli, folder: Path, home: Path) -> None:
        put(folder, "a.yml")
        put(folder, "broken.yml", ("train:", "trian:"))
        assert cli("run", folder, "--strict") == 2
        assert "1 of 2 experiments cannot be done, so none is begun" in cli.err
        assert list_runs(home) == []

    def test_a_crash_ends_its_own_experiment_alone_and_is_tried_again(
        self, cli: Cli, folder: Path, tmp_path: Path
    ) -> None:
        module = tmp_path / "installed" / "teppr_colour_boxes.py"
        crash = "        if options.seed == 13:\n            import os\n            os.kill(os.getpid(), 9)\n"
        text = module.read_text(encoding="utf-8")
        module.write_text(
            text.replace("        colours = options", f"{crash}        colours = options"), encoding="utf-8"
        )
        path = put(folder, "grid.yml", ("report:", "grid: {train.seed: [13, 7]}\nreport:"))

        assert cli("run", path, "--retries", 1, "--json") == 1

        crashed, done = cli.json["experiments"]
        assert (crashed["verdict"], crashed["attempts"]) == ("failed", 2)
        assert "its process was killed" in crashed["reason"]
        assert done["verdict"] == "done"


@pytest.mark.slow
@pytest.mark.usefixtures("dataset")
def test_a_queue_is_emptied_and_what_cannot_be_done_is_put_aside_with_the_reason(cli: Cli, folder: Path) -> None:
    paths = [put(folder, "good.yml"), put(folder, "bad.yml", ("train:", "trian:"))]
    for path in paths:
        os.utime(path, (1_000_000_000, 1_000_000_000))

    assert cli("run", "--queue", folder, "--json") == 1

    assert [row["verdict"] for row in cli.json["experiments"]] == ["wrong", "done"]
    assert list(folder.glob("*.yml")) == []
    assert (folder / "done" / "good.yml").is_file()
    assert "trian: unknown key" in (folder / "failed" / "bad.yml.json").read_text(encoding="utf-8")


TUNE = """
tune:
  trials: 2
  space: {train.image_size_px: {choices: [128, 64]}}
"""


@pytest.mark.slow
@pytest.mark.usefixtures("dataset")
def test_a_tuning_that_was_killed_goes_on_and_compares_its_winner_with_the_default(
    cli: Cli, folder: Path, home: Path
) -> None:
    path = put(folder, "tune.yml")
    path.write_text(path.read_text(encoding="utf-8") + TUNE, encoding="utf-8")
    killed = subprocess.Popen(
        [sys.executable, "-m", "teppr", "--home", home, "tune", path], stderr=subprocess.PIPE, text=True
    )
    assert killed.stderr is not None
    with killed:
        # Its first trial has begun.
        assert any(line.startswith("[0] run ") for line in killed.stderr)
        killed.kill()

    assert cli("tune", path, "--json") == 0

    told = cli.json
    assert [row["state"] for row in told["trials"]] == ["complete"] * 2
    assert told["trials"][0]["settings"] == {"train.image_size_px": 128}
    assert told["best"] is not None
    assert "the default" in told["verdict"]
    assert told["trials"][0]["test"] is not None
    assert Path(told["report"]).is_file()
    assert cli("run", "--check", told["winner"]) == 0
    assert len(list_runs(home)) <= 2
