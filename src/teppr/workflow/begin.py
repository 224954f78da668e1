"""The beginning of a run: the dataset's version pinned, an earlier run of the same training found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from teppr.architectures.contract import ARCHITECTURES, Blueprint, SelfTaught
from teppr.datasets.snapshot import Snapshot, find_snapshot
from teppr.errors import BadExperiment, UnknownName
from teppr.problems.find import problem_named
from teppr.tasks.contract import TASKS, Contents, Task
from teppr.workflow.criteria import check_figure, check_followed
from teppr.workflow.environment import required_packages
from teppr.workflow.experiment import Experiment
from teppr.workflow.facts import NetworkFacts
from teppr.workflow.run import Run, create_run, run_to_go_on_with

SELF_TAUGHT_DEFAULTS: Mapping[str, Any] = MappingProxyType({"weights": "scratch", "augment": ()})
"""Of the section `train`, for an architecture that sees to its own training."""


def begin(experiment: Experiment, home: Path, *, fresh: bool = False) -> Run:
    """The run of an experiment: an earlier one of the same training, to go on with, or a new one.

    What the experiment asks for beside the training (evaluation, publishing ...) is taken over into an earlier run.
    Raises BadExperiment where dataset or architecture cannot do what is asked.
    """
    if experiment.grid:
        raise BadExperiment(f"{experiment.name!r} has a grid, which makes it many experiments: teppr run does them all")
    pinned = pinned_and_feasible(experiment, home)
    earlier = None if fresh else run_to_go_on_with(home, pinned)
    if earlier is None:
        return create_run(home, pinned, required_packages(ARCHITECTURES.load(pinned.architecture)))
    earlier.take_over(pinned)
    return earlier


def pinned_and_feasible(experiment: Experiment, home: Path) -> Experiment:
    """The experiment with its dataset's version; raises BadExperiment where dataset or architecture cannot do it."""
    snapshot = find_snapshot(home, experiment.dataset)
    pinned = _pinned(experiment, snapshot, home)
    check_feasible(pinned, snapshot, home)
    return pinned


def run_of(experiment: Experiment, home: Path) -> Run:
    """The newest run of an experiment; raises UnknownName where it was never begun."""
    pinned = _pinned(experiment, find_snapshot(home, experiment.dataset), home)
    run = run_to_go_on_with(home, pinned)
    if run is None:
        raise UnknownName(f"there is no run of experiment {experiment.name!r} as its file is now: teppr train FILE")
    run.take_over(pinned)
    return run


def check_feasible(experiment: Experiment, snapshot: Snapshot, home: Path) -> None:
    """Raise BadExperiment naming what the dataset or the architecture cannot do."""
    architecture, train = ARCHITECTURES.load(experiment.architecture), experiment.train
    smallest, largest = architecture.image_sizes_px
    if not smallest <= train.image_size_px <= largest:
        raise BadExperiment(
            f"train.image_size_px must be {smallest} to {largest} for {architecture.name}, got {train.image_size_px}"
        )
    if train.backbone is not None and train.backbone not in architecture.backbones:
        raise BadExperiment(str(UnknownName.of("train.backbone", train.backbone, architecture.backbones)))
    for stage in train.stages:
        if stage.layers not in architecture.stages:
            raise BadExperiment(str(UnknownName.of("train.stages.layers", stage.layers, architecture.stages)))
    try:
        snapshot.check_split("train")
    except UnknownName as error:
        raise BadExperiment(f"dataset: {error}") from error
    if isinstance(architecture, SelfTaught):
        _check_self_taught(architecture, experiment)
    _check_figures(experiment, task_of(experiment, snapshot, home))


def _check_self_taught(architecture: SelfTaught, experiment: Experiment) -> None:
    train = experiment.train
    learns = f"{architecture.name} sees to its own training"
    if train.weights != "scratch":
        raise BadExperiment(f"train.from must be scratch, for {learns}, got {train.weights!r}")
    if train.augment:
        raise BadExperiment(f"train.augment must be [], for {learns}, got {', '.join(train.augment)}")
    if len(train.stages) > 1:
        raise BadExperiment(f"train.stages must be one, for {learns}, got {len(train.stages)}")


def task_of(experiment: Experiment, snapshot: Snapshot, home: Path) -> Task:
    """What the experiment's network learns: what it asks for, or the first of its architecture's tasks that the dataset
    fits; raises BadExperiment where there is none.
    """
    architecture = ARCHITECTURES.load(experiment.architecture)
    if experiment.task is not None and experiment.task not in architecture.tasks:
        raise BadExperiment(str(UnknownName.of(f"task of {architecture.name}", experiment.task, architecture.tasks)))
    asked = (experiment.task,) if experiment.task else architecture.tasks
    contents = contents_of(snapshot, home)
    for name in asked:
        if (task := TASKS.load(name)).fits(contents):
            return task
    raise BadExperiment(
        f"dataset {snapshot.reference} has regions of shape {', '.join(sorted(contents.shapes))}, from which "
        f"{architecture.name} cannot learn {' or '.join(asked)}"
    )


def contents_of(snapshot: Snapshot, home: Path) -> Contents:
    """What the dataset is about; a team's problem may be unknown on the machine that trains."""
    try:
        return Contents.of(snapshot, problem_named(snapshot.problem, home))
    except UnknownName:
        return Contents.of(snapshot)


def _check_figures(experiment: Experiment, task: Task) -> None:
    """Raise BadExperiment naming a figure that the experiment asks for, and that its task does not have."""
    try:
        if experiment.train.early_stop:
            check_followed(experiment.train.best_by(task), [task])
        for figure in experiment.publish.accept if experiment.publish else ():
            check_figure(figure, experiment.evaluate.on, experiment.evaluate.iou, [task])
    except UnknownName as error:
        raise BadExperiment(f"{error}; the dataset is for {task.title}") from error


def facts_of(run: Run, snapshot: Snapshot, architecture: Blueprint, task: Task) -> NetworkFacts:
    """What the run's network is."""
    experiment = run.experiment
    return NetworkFacts(
        architecture=architecture.name,
        backbone=experiment.train.backbone or architecture.backbones[0],
        image_size_px=experiment.train.image_size_px,
        labels=snapshot.labels,
        task=task.name,
        problem=snapshot.problem,
        dataset=experiment.dataset,
        run=run.id,
    )


def _pinned(experiment: Experiment, snapshot: Snapshot, home: Path) -> Experiment:
    # A folder is named by its path, so that the run finds it again from anywhere.
    folder, sign, fold = experiment.dataset.partition("#")
    reference = f"{snapshot.path}{sign}{fold}" if Path(folder).is_dir() else snapshot.reference
    train = experiment.train.judged_by(task_of(experiment, snapshot, home))
    if isinstance(ARCHITECTURES.load(experiment.architecture), SelfTaught):
        # What it cannot do is refused where it is asked for, and left out where it is only the default.
        given = train.model_fields_set
        train = train.model_copy(update={k: v for k, v in SELF_TAUGHT_DEFAULTS.items() if k not in given})
    return experiment.itself.model_copy(update={"dataset": reference, "train": train})
