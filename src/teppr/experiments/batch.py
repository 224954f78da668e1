"""A batch: experiments of several files, of a folder, or of a file's grid, done one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from teppr.environments.kept import environment_of
from teppr.errors import BadInput, TepprError
from teppr.workflow.begin import pinned_and_feasible
from teppr.workflow.environment import require_training
from teppr.workflow.experiment import Experiment, read_experiment
from teppr.workflow.pipeline import is_done
from teppr.workflow.run import run_to_go_on_with
from teppr.workflow.variation import Settings, combinations, varied

SUFFIXES = frozenset({".yml", ".yaml"})
"""Of experiment files in a folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One experiment of a batch.

    name: the file's, with the number within its grid behind it
    settings: what of the file's grid it was given
    experiment: None where the file cannot be read
    fault: what keeps it from being begun
    done: id of the run in which all of it is done already
    """

    name: str
    settings: Settings = field(default_factory=dict)
    experiment: Experiment | None = None
    fault: str = ""
    done: str = ""


def files_of(places: Sequence[Path]) -> list[Path]:
    """The files among the places, and those of the folders, by name; raises BadInput for a folder without any."""
    found: list[Path] = []
    for place in places:
        within = sorted(path for path in place.glob("*") if is_experiment_file(path)) if place.is_dir() else [place]
        if not within:
            raise BadInput(f"there is no experiment file ({', '.join(sorted(SUFFIXES))}) in {place}")
        found += within
    return list(dict.fromkeys(found))


def is_experiment_file(path: Path) -> bool:
    """By its name alone."""
    return path.suffix in SUFFIXES and not path.name.startswith(".") and path.is_file()


def jobs_of(files: Iterable[Path], home: Path) -> list[Job]:
    """All experiments of these files, checked as far as can be without beginning them."""
    return list(_published_once(_checked(job, home) for file in files for job in _read(file)))


def _read(file: Path) -> Iterator[Job]:
    try:
        experiment = read_experiment(file)
    except TepprError as error:
        yield Job(name=file.name, fault=str(error))
        return
    if experiment.grid is None:
        yield Job(name=file.name, experiment=experiment.itself)
        return
    for number, settings in enumerate(combinations(experiment.grid), start=1):
        job = Job(name=f"{file.name}#{number}", settings=settings)
        try:
            yield replace(job, experiment=varied(experiment.itself, settings))
        except TepprError as error:
            yield replace(job, fault=str(error))


def _checked(job: Job, home: Path) -> Job:
    """With its dataset's version; whether the architecture can do it is only known where the architecture runs."""
    if job.experiment is None:
        return job
    environment = environment_of(home, job.experiment.architecture)
    if environment is not None and not environment.is_this:
        return job
    try:
        require_training(job.experiment.architecture)
        pinned = pinned_and_feasible(job.experiment, home)
        run = run_to_go_on_with(home, pinned)
        return replace(job, experiment=pinned, done=run.id if run and is_done(run, pinned) else "")
    except TepprError as error:
        return replace(job, fault=str(error))


def _published_once(jobs: Iterable[Job]) -> Iterator[Job]:
    """A release key may be asked for by one of them: which one would get it is not for chance to say."""
    jobs = list(jobs)
    keys = Counter(job.experiment.publish.key for job in jobs if job.experiment and job.experiment.publish)
    for job in jobs:
        publish = job.experiment.publish if job.experiment else None
        if publish is None or job.fault or keys[publish.key] == 1:
            yield job
            continue
        others = f"{keys[publish.key]} experiments of the batch ask for it"
        yield replace(job, fault=f"publish.key: a release is published once, and {others}: {publish.key}")
