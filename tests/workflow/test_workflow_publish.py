"""Publishing a really trained run."""

import json
from pathlib import Path

import numpy as np
import pytest

from teppr import images
from teppr.cli.main import run as teppr
from teppr.datasets.snapshot import find_snapshot
from teppr.errors import AlreadyThere, BadFile, BadInput, CriteriaNotMet, UnknownName
from teppr.files import HALF_WRITTEN
from teppr.problems import PROBLEMS
from teppr.registry.releases import Registry
from teppr.registry.runtime import Runtime
from teppr.testing.datasets import small_snapshot
from teppr.testing.killing import run_killed
from teppr.types import Detections
from teppr.workflow.begin import begin
from teppr.workflow.compute import Compute
from teppr.workflow.evaluate import evaluate_run
from teppr.workflow.experiment import parse_experiment
from teppr.workflow.model import open_model
from teppr.workflow.publish import PublishRequest, metric_of, publish
from teppr.workflow.run import Run, StageState, list_runs
from teppr.workflow.train import train

pytestmark = pytest.mark.slow
SQUARES = """
name: shapes
dataset: shapes
architecture: fcos
train:
  image_size_px: 96
  batch_size: 2
  stages: [{epochs: 8, layers: all, learning_rate: 2.0e-3}]
  validate_every_epochs: 8
"""
REACHED = {"test/map_50": ">= 0.05", "latency_ms_p95": "<= 60000"}


def test_a_release_finds_what_its_run_does(released_home: Path) -> None:
    run = list_runs(released_home)[-1]
    parity = Registry(released_home).release("acme-ods-1").record.measured["parity"]
    assert parity["compared"] > 0
    assert parity["agreed"] == parity["compared"]
    assert parity["largest_box_difference_px"] < 0.1
    ours, theirs = open_model(released_home, "acme-ods-1"), open_model(released_home, run.id, device="cpu")
    pixels, _ = images.read(find_snapshot(released_home, "shapes").images("test")[0].path)
    one, other = ours.predict(pixels).at_least(0.1), theirs.predict(pixels).at_least(0.1)
    np.testing.assert_array_equal(one.label_ids, other.label_ids)
    np.testing.assert_allclose(one.boxes_xyxy_px, other.boxes_xyxy_px, atol=0.05)


def test_a_network_of_squares_is_published_as_such_and_finds_the_same_in_batches(home: Path) -> None:
    small_snapshot(home, images=25)
    run = begin(parse_experiment(SQUARES, name="shapes.yml"), home)
    train(run, home, compute=Compute(device="cpu", threads=1))
    evaluate_run(run, home, device="cpu")
    publish(run, home, PublishRequest(key="acme-ods-1", accept=REACHED))

    runtime = Runtime(Registry(home).find("acme-ods-1"))
    assert (runtime.card.square, runtime.card.batch, runtime.card.task) == (True, True, "detect")
    pictures = [images.read(image.path)[0] for image in find_snapshot(home, "shapes").images("test")]
    pictures[1] = pictures[1][:, :100]
    alone = [runtime.predict(picture) for picture in pictures]
    for one, other in zip(runtime.predict_many([runtime.feed(picture) for picture in pictures]), alone, strict=True):
        assert isinstance(one, Detections)
        assert one.size_wh == other.size_wh
        np.testing.assert_allclose(one.boxes_xyxy_px, other.boxes_xyxy_px, atol=0.05)


def test_a_release_says_where_it_comes_from(released_home: Path) -> None:
    run, registry = list_runs(released_home)[-1], Registry(released_home)
    record, card = registry.release("acme-ods-1").record, registry.find("acme-ods-1").card
    assert (record.run, record.dataset) == (run.id, run.experiment.dataset)
    assert (record.accepted, record.forced, record.why) == (True, False, "")
    assert [verdict.criterion for verdict in record.acceptance] == list(REACHED)
    assert record.metrics == run.evaluation["split"]
    assert card.source["run"] == run.id
    assert (card.creator, card.licence, card.task) == ("AIE3", "Apache-2.0", "segment")
    assert card.frameworks["torch"]
    assert (card.embedding, card.embedding_size) == ("embedding", 320)
    assert run.stage("publish") is StageState.FINISHED
    assert not list(run.path.glob(f"{HALF_WRITTEN}*"))


def test_criteria_that_are_not_met_refuse_the_release_unless_forced_for_a_reason(home: Path, evaluated: Run) -> None:
    accept = REACHED | {"test/map_50/per_label": ">= 1.5"}
    with pytest.raises(
        CriteriaNotMet, match=r"1 of 3 criteria are not met\n  test/map_50/per_label: wanted >= 1.5"
    ) as it:
        publish(evaluated, home, PublishRequest(key="acme-ods-1", accept=accept))
    assert [row["met"] for row in it.value.verdicts] == [True, True, False]
    assert Registry(home).list() == []
    assert evaluated.stage("publish") is StageState.FAILED
    with pytest.raises(BadInput, match="by force needs the reason"):
        publish(evaluated, home, PublishRequest(key="acme-ods-1", accept=accept, force=True, why=" "))
    info = publish(evaluated, home, PublishRequest(key="acme-ods-1", accept=accept, force=True, why="for pre-labels"))
    assert (info.record.accepted, info.record.forced, info.record.why) == (False, True, "for pre-labels")


def test_a_key_is_published_once(home: Path, released: Run) -> None:
    with pytest.raises(AlreadyThere, match="acme-ods-1 is published already"):
        publish(released, home, PublishRequest(key="acme-ods-1", accept=REACHED, force=True, why="again"))


def test_a_publication_that_was_killed_when_all_was_done_is_done(home: Path, released: Run) -> None:
    released.mark("publish", StageState.RUNNING, key="acme-ods-1")  # as a process that dies right there leaves it
    info = publish(released, home, PublishRequest(key="acme-ods-1", accept=REACHED))
    assert info == Registry(home).release("acme-ods-1")
    assert released.stage("publish") is StageState.FINISHED


def test_the_gain_over_production_is_measured_on_the_same_images(home: Path, released: Run) -> None:
    accept = {"versus_production": ">= -0.01"}
    Registry(home).point("acme-ods@production", "acme-ods-1")
    row = publish(released, home, PublishRequest(key="acme-ods-2", accept=accept)).record.acceptance[0]
    assert (row.got, row.met) == (0.0, True)
    assert "acme-ods-1 has" in row.detail


def test_unknown_figures_and_runs_that_are_not_evaluated_are_refused_at_once(home: Path, evaluated: Run) -> None:
    with pytest.raises(UnknownName, match=r"'test/map50'; did you mean 'test/map_50'\?"):
        publish(evaluated, home, PublishRequest(key="acme-ods-1", accept={"test/map50": ">= 0.1"}))
    with pytest.raises(BadInput, match="a release key is"):
        publish(evaluated, home, PublishRequest(key="acme", accept=REACHED))
    evaluated.mark("evaluate", StageState.RUNNING)
    with pytest.raises(BadInput, match="trained further since it was evaluated"):
        publish(evaluated, home, PublishRequest(key="acme-ods-1", accept=REACHED))
    (evaluated.path / "evaluation.json").unlink()
    with pytest.raises(BadFile, match="has not been evaluated: teppr evaluate"):
        publish(evaluated, home, PublishRequest(key="acme-ods-1", accept=REACHED))


KILLED = """
import sys
from teppr.cli.main import run
from teppr.testing.killing import die_at

home, reference, moment, about = sys.argv[1:]
die_at(moment, about=about)
sys.exit(run(["--home", home, "publish", reference]))
"""


@pytest.mark.parametrize(
    ("moment", "about"),
    [
        pytest.param("open", "network/model.onnx", id="while exporting"),
        pytest.param("os.rename", "acme/ods/1", id="just before the release"),
    ],
)
def test_a_killed_publish_leaves_no_release_and_the_next_one_does_it(
    home: Path, evaluated: Run, moment: str, about: str
) -> None:
    run_killed(KILLED, home, evaluated.id, moment, about)
    assert Registry(home).list() == []
    info = publish(evaluated, home, PublishRequest(key="acme-ods-1", accept=REACHED))
    assert Registry(home).verify(info.record.key) == []
    left = [path for path in home.rglob(f"{HALF_WRITTEN}*") if "checkpoints" not in path.parts]
    assert left == []


def test_the_command_publishes_or_prints_the_table(
    home: Path, evaluated: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--home", str(home), "publish", evaluated.id]
    assert teppr([*common, "--accept", "test/map_50 >= 1.5", "--json"]) == 1
    refused = json.loads(capsys.readouterr().out)
    assert (refused["error"], refused["acceptance"][0]["wanted"]) == ("CriteriaNotMet", ">= 1.5")
    assert teppr([*common, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["key"] == "acme-ods-1"
    assert teppr(common) == 1
    assert teppr([*common, "--accept", "half"]) == 2


def test_the_commands_list_show_verify_and_alias(home: Path, released: Run, capsys: pytest.CaptureFixture[str]) -> None:
    def say(*words: str) -> tuple[int, str]:
        code = teppr(["--home", str(home), "model", *words])
        return code, capsys.readouterr().out

    assert say("alias", "acme-ods@production", "acme-ods-1")[0] == 0
    row = json.loads(say("list", "--json")[1])[0]
    assert (row["key"], row["aliases"], row["accepted"], row["forced"]) == ("acme-ods-1", ["production"], True, False)
    assert "production" in say("list")[1]
    shown = json.loads(say("show", "acme-ods@production", "--json")[1])
    assert (shown["card"]["key"], shown["run"]) == ("acme-ods-1", released.id)
    assert released.id in say("show", "acme-ods-1")[1]
    assert say("verify")[0] == 0
    network = Path(shown["path"]) / "model.onnx"
    network.write_bytes(network.read_bytes()[:-1])
    code, out = say("verify", "acme-ods-1", "--json")
    assert code == 1
    assert str(network) in json.loads(out)["problems"]["acme-ods-1"][0]
    assert say("show", "acme-ods-9")[0] == 2


def test_a_model_is_judged_by_its_problems_metric() -> None:
    assert metric_of(PROBLEMS.load("ods"), {"map": 0.3, "map_50": 0.5}) == 0.5
    assert metric_of(PROBLEMS.load("ods"), {"map_50": None}) == 0
    with pytest.raises(UnknownName, match="there is no measured figure for problem rld 'accuracy'; known: map"):
        metric_of(PROBLEMS.load("rld"), {"map": 0.3, "map_50": 0.5})


def test_each_stage_says_what_is_to_be_done_next(
    home: Path, evaluated: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert teppr(["--home", str(home), "evaluate", evaluated.id]) == 0
    assert f"\nnext: teppr --home {home} publish {evaluated.id}\n" in capsys.readouterr().out
    assert teppr(["--home", str(home), "publish", evaluated.id]) == 0
    assert capsys.readouterr().out.endswith(f"\nnext: teppr --home {home} serve --model acme-ods-1\n")
