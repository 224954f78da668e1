from pathlib import Path

import pytest

from teppr.errors import BadFile, Refused, UnknownName
from teppr.files import HALF_WRITTEN, read_json
from teppr.workflow.experiment import Experiment, parse_experiment
from teppr.workflow.run import Run, StageState, create_run, find_run, list_runs, run_to_go_on_with


def experiment(**train: object) -> Experiment:
    given = ", ".join(f"{name}: {value}" for name, value in train.items())
    return parse_experiment(f"{{name: signs, dataset: signs@1, train: {{{given}}}}}", name="exp.yml")


@pytest.fixture
def run(home: Path) -> Run:
    return create_run(home, experiment())


def test_a_new_run_holds_its_experiment_and_where_it_happened(run: Run) -> None:
    assert run.id.startswith("signs-")
    assert run.experiment == experiment()
    environment = read_json(run.path / "environment.json")
    assert isinstance(environment, dict)
    assert {"python", "packages", "git", "cpu_cores"} <= environment.keys()


def test_every_stage_waits_at_first(run: Run) -> None:
    assert run.stage("train") is StageState.WAITING
    assert run.stage_record("train") == {}


def test_a_stage_says_how_far_it_is_and_what_it_found(run: Run) -> None:
    run.mark("train", StageState.RUNNING)
    run.mark("train", StageState.FINISHED, epochs=3)
    record = run.stage_record("train")
    assert run.stage("train") is StageState.FINISHED
    assert record["epochs"] == 3
    assert record["began"] <= record["ended"]


def test_an_unknown_stage_is_refused(run: Run) -> None:
    with pytest.raises(UnknownName, match="there is no stage 'training'"):
        run.mark("training", StageState.RUNNING)


@pytest.mark.parametrize("reference", ["{id}", "runs/{id}", "{path}", "runs/{id}/"])
def test_a_run_is_found_by_any_of_its_names(home: Path, run: Run, reference: str) -> None:
    assert find_run(home, reference.format(id=run.id, path=run.path)) == run


def test_an_unknown_run_lists_those_there_are(home: Path, run: Run) -> None:
    with pytest.raises(UnknownName, match=run.id):
        find_run(home, "signs-1")


def test_runs_are_listed_oldest_first_and_half_written_ones_are_not(home: Path) -> None:
    runs = [create_run(home, experiment()) for _ in range(3)]
    half = home / "runs" / f"{HALF_WRITTEN}x-signs"
    half.mkdir()
    (half / "state.json").write_text("{}")
    assert set(list_runs(home)) == set(runs)


def test_the_same_training_is_gone_on_with_and_another_is_not(home: Path, run: Run) -> None:
    assert run_to_go_on_with(home, experiment()) == run
    assert run_to_go_on_with(home, experiment(seed=8)) is None


def test_a_run_takes_over_what_follows_the_training(home: Path, run: Run) -> None:
    other = experiment().model_copy(update={"creator": "AIE3"})
    run.take_over(other)
    assert find_run(home, run.id).experiment.creator == "AIE3"


def test_a_run_does_not_take_over_another_training(run: Run) -> None:
    with pytest.raises(Refused, match="trained otherwise"):
        run.take_over(experiment(seed=8))


def test_two_cannot_work_on_one_run(run: Run) -> None:
    with run.alone(), pytest.raises(Refused, match="is being worked on by process"), run.alone():
        pass


def test_a_run_that_was_let_go_can_be_worked_on_again(run: Run) -> None:
    with run.alone():
        pass
    with run.alone():
        pass


def test_a_run_without_evaluation_says_what_to_do(run: Run) -> None:
    with pytest.raises(BadFile, match="teppr evaluate"):
        _ = run.evaluation
