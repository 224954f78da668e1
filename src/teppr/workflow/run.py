"""A run: the folder of everything that came of one experiment, `<home>/runs/<id>/`.

experiment.yml      the effective experiment, defaults filled in, the dataset's version pinned
environment.json    versions, code, hardware
state.json          how far each stage is
metrics.jsonl       one line a measurement
tensorboard/        events
checkpoints/        last.pt, best.pt; of architectures that see to their own training last.npz, best.npz
evaluation.json     figures of each split
predictions/ export/ report.html ...
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from teppr.errors import BadFile, Refused, UnknownName
from teppr.files import HALF_WRITTEN, read_json, whole_file, whole_folder, write_json
from teppr.workflow.environment import describe_environment
from teppr.workflow.experiment import Experiment, read_experiment

STAGES = ("train", "evaluate", "predict", "publish", "report")
"""In the order in which they are done."""
ARRAYS_SUFFIX = ".npz"


class StageState(StrEnum):
    """How far a stage is; one that was killed still says that it is running."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Run:
    """One run by its folder; what it says is read from there each time, so that it is never stale."""

    path: Path

    @property
    def id(self) -> str:
        """The folder's name: the experiment's, when it began, and four random digits."""
        return self.path.name

    @property
    def experiment(self) -> Experiment:
        """The effective experiment."""
        return read_experiment(self.path / "experiment.yml")

    @property
    def best(self) -> Path:
        """Checkpoint of the best weights so far, of whichever kind there is."""
        return self.best_arrays if self.best_arrays.is_file() else self.path / "checkpoints" / "best.pt"

    @property
    def best_arrays(self) -> Path:
        """The same of an architecture that sees to its own training."""
        return self.path / "checkpoints" / f"best{ARRAYS_SUFFIX}"

    @property
    def last(self) -> Path:
        """Checkpoint that training goes on from."""
        return self.path / "checkpoints" / "last.pt"

    @property
    def last_arrays(self) -> Path:
        """The same of an architecture that sees to its own training."""
        return self.path / "checkpoints" / f"last{ARRAYS_SUFFIX}"

    @property
    def created(self) -> datetime:
        """When it began."""
        return datetime.fromisoformat(str(self._state()["created"]))

    @property
    def training(self) -> str:
        """Fingerprint of all that its training follows from."""
        return str(self._state()["training"])

    @property
    def evaluation(self) -> Mapping[str, Any]:
        """What was measured: {"run", "split": {"val": {"box": {...}, "mask": {...}}}, ...}; raises BadFile."""
        path = self.path / "evaluation.json"
        if not path.is_file():
            raise BadFile(f"run {self.id} has not been evaluated: teppr evaluate {self.id}")
        return cast("Mapping[str, Any]", read_json(path))

    def stage(self, name: str) -> StageState:
        """How far a stage is."""
        return StageState(self.stage_record(name).get("state", StageState.WAITING))

    def stage_record(self, name: str) -> Mapping[str, Any]:
        """All that is known of a stage: "state", "began", "ended" and what it reported; empty while it waits."""
        record: Mapping[str, Any] = self._state()["stages"].get(name, {})
        return record

    def mark(self, name: str, state: StageState, **report: object) -> None:
        """Write down how far a stage is, with what it has to report (figures, file names, a reason)."""
        if name not in STAGES:
            raise UnknownName.of("stage", name, STAGES)
        whole = self._state()
        before, now = whole["stages"].get(name, {}), datetime.now(UTC).isoformat(timespec="seconds")
        began = now if state is StageState.RUNNING or "began" not in before else before["began"]
        ended = {} if state is StageState.RUNNING else {"ended": now}
        whole["stages"][name] = {"state": str(state), "began": began, **ended, **report}
        write_json(self.path / "state.json", whole)

    def take_over(self, experiment: Experiment) -> None:
        """Let the run go on under an experiment whose training is the same; stages that follow it may differ."""
        if experiment.training_fingerprint() != self.training:
            raise Refused(f"run {self.id} was trained otherwise than {experiment.name!r} asks for: begin a new one")
        _write_experiment(self.path, experiment)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes out for as long as the block runs; raises Refused where one is at work.

        The system lets go of the lock when the process ends, however it ends.
        """
        with (self.path / ".lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                raise Refused(f"run {self.id} is being worked on by process {lock.read().strip()}") from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def _state(self) -> dict[str, Any]:
        return cast("dict[str, Any]", read_json(self.path / "state.json"))


def create_run(home: Path, experiment: Experiment, packages: Sequence[str] = ()) -> Run:
    """A new run, whole or absent; `experiment` must name its dataset with the version.

    packages: whose versions are written down beside the usual ones
    """
    now = datetime.now(UTC)
    path = home / "runs" / f"{experiment.name}-{now:%Y%m%d-%H%M%S}-{uuid4().hex[:4]}"
    with whole_folder(path) as folder:
        _write_experiment(folder, experiment)
        write_json(folder / "environment.json", describe_environment(packages))
        state = {"created": now.isoformat(timespec="seconds"), "training": experiment.training_fingerprint()}
        write_json(folder / "state.json", {**state, "stages": {}})
    return Run(path)


def _write_experiment(folder: Path, experiment: Experiment) -> None:
    with whole_file(folder / "experiment.yml") as file:
        file.write(experiment.to_yaml().encode())


def list_runs(home: Path) -> list[Run]:
    """All runs, oldest first."""
    folders = [path.parent for path in (home / "runs").glob("*/state.json")]
    runs = [Run(path) for path in folders if not path.name.startswith(HALF_WRITTEN)]
    return sorted(runs, key=lambda run: (run.created, run.id))


def find_run(home: Path, reference: str) -> Run:
    """By id, "runs/<id>" or folder; raises UnknownName listing the newest."""
    name = reference.rstrip("/")
    for path in (home / "runs" / name.removeprefix("runs/"), Path(name)):
        if (path / "state.json").is_file():
            return Run(path)
    raise UnknownName.of("run", reference, [run.id for run in list_runs(home)[-10:]])


def run_to_go_on_with(home: Path, experiment: Experiment) -> Run | None:
    """The newest run whose training is that of `experiment`, finished or not."""
    wanted = experiment.training_fingerprint()
    same = [run for run in list_runs(home) if run.training == wanted]
    return same[-1] if same else None
