"""The whole line, end to end, by the command that shows it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from teppr import images
from teppr.cli.demo import DemoRefused, _make_room, _Walk, best_of
from teppr.registry.releases import Registry
from teppr.scenes.delivery import deliver
from teppr.testing.bundles import colored_picture, small_bundle
from teppr.workflow.model import open_model


def demo(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "teppr", "demo", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


@pytest.mark.slow
def test_the_demo_ends_with_a_prediction_worth_looking_at(tmp_path: Path) -> None:
    shown = demo("--out", "demo", cwd=tmp_path)

    assert shown.returncode == 0, shown.stdout[-3000:] + shown.stderr[-3000:]
    assert "all 25 planted faults were found, and no others" in shown.stdout
    out = tmp_path / "demo"
    answer = json.loads((out / "prediction.json").read_text())
    (entry,) = answer["result"].values()
    assert answer["type"] == "demo-ods-1"
    assert {region["region_attributes"]["label"] for region in entry["regions"]} >= {"stop_sign", "traffic_light"}
    plain, _ = images.read(out / "street" / "ods_job_150126" / "samples" / "sample_00.jpg")
    drawn, _ = images.read(out / "prediction.png")
    assert drawn.shape == plain.shape
    assert np.abs(drawn.astype(int) - plain).max() > 100
    assert (out / "report.html").stat().st_size > 50_000
    release = Registry(out / "home").release("demo-ods-1")
    assert release.record.accepted
    assert [verdict.criterion for verdict in release.record.acceptance] == ["test/map_50"]


@pytest.mark.slow
def test_the_demo_takes_a_folder_of_ones_own(tmp_path: Path) -> None:
    job = deliver(tmp_path / "mine", images=48, samples=1).job

    shown = demo("--data", str(job), "--out", "demo", "--minutes", "0.3", cwd=tmp_path)

    assert shown.returncode == 0, shown.stdout[-3000:] + shown.stderr[-3000:]
    assert (tmp_path / "demo" / "prediction.png").is_file()
    assert not (tmp_path / "demo" / "street").exists()


def test_the_demo_leaves_a_folder_of_other_things_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    shown = demo("--out", str(tmp_path), cwd=tmp_path)

    assert shown.returncode == 1
    assert "holds other things than a demo's" in shown.stderr
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_the_demo_wants_a_folder(tmp_path: Path) -> None:
    shown = demo("--data", str(tmp_path / "none"), cwd=tmp_path)

    assert shown.returncode == 2
    assert "--data must be a folder" in shown.stderr


def test_a_step_that_is_refused_ends_the_demo_with_1_and_says_where_to_look(tmp_path: Path) -> None:
    page = tmp_path / "findings" / "index.html"
    page.parent.mkdir()
    page.touch()
    (tmp_path / "via.json").write_text("{}")
    with pytest.raises(DemoRefused, match=rf"ended with exit code 1; findings: {page}$") as refused:
        _Walk(tmp_path)._run("annotations", "convert", str(tmp_path / "via.json"), str(tmp_path / "via.json"))
    assert refused.value.exit_code == 1


def test_an_earlier_demo_is_replaced_and_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _make_room(tmp_path / "demo")
    assert capsys.readouterr().err == ""
    (tmp_path / "demo" / "old.txt").touch()
    _make_room(tmp_path / "demo")
    assert re.fullmatch(r"replacing the demo of \d{4}-\d\d-\d\d \d\d:\d\d in .*demo/\n", capsys.readouterr().err)
    assert not (tmp_path / "demo" / "old.txt").exists()


def test_where_nothing_scored_enough_the_best_is_named(tmp_path: Path) -> None:
    model = open_model(tmp_path, str(small_bundle(tmp_path / "bundle").path))
    assert re.fullmatch(
        r"nothing scored 0\.\d+; the best was stop at \d\.\d\d",
        best_of(model, colored_picture({"stop": (20, 30, 50, 60)})),
    )
