from pathlib import Path

import pytest

from teppr.errors import BadExperiment
from teppr.experiments.study import Study
from teppr.experiments.study_report import report_on_study, write_study_report
from teppr.workflow.experiment import Experiment, parse_experiment, read_experiment

TUNED = """\
name: signs
dataset: signs@1
train: {stages: [{epochs: 3, learning_rate: 1.0e-3}]}
tune:
  trials: 5
  space:
    train.stages[0].learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}
    train.image_size_px: {low: 128, high: 320, step: 64}
    train.augment: {choices: [[], [flip_horizontal, color_jitter]]}
"""


def tuned(text: str = TUNED) -> Experiment:
    return parse_experiment(text, name="signs.yml")


def study_of(home: Path, text: str = TUNED) -> Study:
    experiment = tuned(text)
    assert experiment.tune is not None
    return Study(home, experiment.itself, experiment.tune, "val/map_50")


def do_all(study: Study, values: list[float | None]) -> None:
    for value in values:
        attempt = study.take()
        assert attempt is not None
        study.finish(attempt, value)


def test_the_first_trial_is_the_file_as_it_is(home: Path) -> None:
    study = study_of(home)
    attempt = study.take()
    assert attempt is not None
    attempt.release()
    assert study.experiment_of(attempt.trial.params).train == tuned().train


def test_every_trial_is_an_experiment_within_the_space(home: Path) -> None:
    study = study_of(home)
    do_all(study, [0.1, 0.2, 0.3, 0.2, 0.1])
    for trial in study.trials():
        train = study.experiment_of(trial.params).train
        assert 1e-4 <= train.stages[0].learning_rate <= 1e-2
        assert train.image_size_px in {128, 192, 256, 320}
        assert train.augment in {(), ("flip_horizontal", "color_jitter")}
    assert study.take() is None


def test_a_trial_that_was_cut_off_is_taken_up_again_and_one_that_is_at_work_is_not(home: Path) -> None:
    study, other = study_of(home), study_of(home)
    first, second = study.take(), other.take()
    assert first is not None
    assert second is not None
    assert (first.number, second.number) == (0, 1)
    second.release()  # as the system does when a process is killed

    again = study.take()

    assert again is not None
    assert (again.number, again.trial.params) == (1, second.trial.params)
    first.release()
    again.release()


def test_a_search_that_was_cut_off_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    values: list[float | None] = [0.1, 0.3, 0.2, 0.25, 0.4]
    whole = study_of(tmp_path / "whole")
    do_all(whole, values)
    for i in range(5):
        do_all(study_of(tmp_path / "in parts"), values[i : i + 1])
    parts = study_of(tmp_path / "in parts")
    assert [trial.params for trial in parts.trials()] == [trial.params for trial in whole.trials()]


def test_more_trials_go_on_with_the_study_and_another_space_begins_one(home: Path) -> None:
    more, wider = TUNED.replace("trials: 5", "trials: 9"), TUNED.replace("high: 320", "high: 384")
    assert study_of(home, more).folder == study_of(home).folder
    assert study_of(home, wider).folder != study_of(home).folder


def test_the_winner_is_an_experiment_file_that_can_be_read(home: Path) -> None:
    study = study_of(home)
    do_all(study, [0.2, None, 0.5, 0.3, 0.4])
    report = report_on_study(study, home)
    assert report.is_whole
    assert report.winner is not None
    assert read_experiment(report.winner).train == study.experiment_of(study.trials()[2].params).train
    assert report.verdict == "trial 2 is better than the default by 0.3000: val/map_50 0.5000, the default 0.2000"
    page = write_study_report(report, study.folder).read_text(encoding="utf-8")
    assert "Trial 2 is better than the default" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert (study.folder / "trials.csv").read_text(encoding="utf-8").count("\n") == 6


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([0.5, 0.2, 0.5], "no trial is better than the default so far, val/map_50 0.5000"),
        ([None, 0.2], "trial 1 is the best so far, val/map_50 0.2000; the default has no value"),
        ([None], "no trial has a value yet"),
        ([], "no trial has a value yet"),
    ],
)
def test_it_is_said_where_nothing_better_was_found(home: Path, values: list[float | None], says: str) -> None:
    study = study_of(home)
    do_all(study, values)
    report = report_on_study(study, home)
    assert report.verdict == says
    assert not report.is_whole
    write_study_report(report, study.folder)


def test_of_losses_the_lower_is_better(home: Path) -> None:
    study = study_of(home, TUNED.replace("  trials:", "  metric: loss\n  trials:"))
    do_all(study, [0.5, 0.2])
    assert report_on_study(study, home).gain == pytest.approx(0.3)
    assert study.best_of([3.0, 1.0, 2.0]) == 1.0


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("high: 320", "high: 100"), 8, "tune.space.train.image_size_px: low must be less than high, got 128 and 100"),
        (("low: 128", "low: 8"), 8, "tune.space.train.image_size_px: train.image_size_px: input should be greater"),
        (("image_size_px", "image_size"), 8, "tune.space.train.image_size: train.image_size: unknown key"),
        (("high: 320", "high: 256"), 8, "the file's own value must be one that is tried, for comparison, got 320"),
        (("choices: [[],", "choices: [[blur],"), 0, ""),
        (("[flip_horizontal, color_jitter]", "[blur]"), 9, 'for comparison, got ["flip_horizontal","color_jitter"]'),
        (("[flip_horizontal, color_jitter]", "[glow]"), 9, "unknown augmentation 'glow'"),
        (("log: true", "log: true, step: 1.0e-4"), 7, "log is for a range above 0 without a step"),
        (("log: true", "logg: true"), 7, "unknown key; did you mean 'log'?; known: low, high, log, step, choices"),
        (("trials: 5", "trials: 5\n  metric: val/mapp"), 6, "there is no figure of an epoch 'val/mapp'"),
        (("choices: [[], [flip_horizontal, color_jitter]]", "low: 1"), 9, "give low and high, or choices"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_the_space_is_checked_when_the_file_is_read(change: tuple[str, str], line: int, says: str) -> None:
    if not says:
        tuned(TUNED.replace(*change))
        return
    with pytest.raises(BadExperiment) as refused:
        tuned(TUNED.replace(*change))
    assert says in str(refused.value)
    assert f"signs.yml:{line}: tune." in str(refused.value)
