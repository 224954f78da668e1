"""A study: the trials of a tuning, kept so that several processes may work on it, now or after they were cut off.

study.db       Optuna's storage
trials/<n>.*   lock of whoever works on the trial, log of its training
best.yml       the winner, ready to run
report.html, trials.csv, result.json
"""

from __future__ import annotations

import fcntl
import hashlib
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import optuna
import orjson
from optuna import distributions, pruners
from optuna.trial import FrozenTrial, TrialState
from pydantic import JsonValue

from teppr.files import alone_in
from teppr.workflow.experiment import Experiment
from teppr.workflow.search_space import Dimension, Pruner, Tune
from teppr.workflow.variation import Settings, value_at, varied

NAME = "study"
RUN, REASON = "run", "reason"
"""What is remembered of a trial beside its values."""
PATIENCE_S = 60
"""How long one process waits while another writes."""


@dataclass(slots=True)
class Attempt:
    """A trial that this process works on, for as long as the lock is held."""

    trial: optuna.Trial
    lock: BinaryIO

    @property
    def number(self) -> int:
        """From 0, which is the default."""
        return self.trial.number

    def release(self) -> None:
        """Leave it, finished or for another to go on with."""
        self.lock.close()


class Study:
    """The trials of an experiment's section `tune`.

    experiment: with its dataset's version, without the section
    """

    def __init__(self, home: Path, experiment: Experiment, tune: Tune, best_by: str) -> None:
        self.experiment, self.tune = experiment, tune
        self.metric = tune.metric or best_by
        self.is_upwards = tune.direction != "minimize" if tune.direction else self.metric != "loss"
        self.folder = home / "studies" / f"{experiment.name}-{_fingerprint(experiment, tune, self.metric)}"

    @cached_property
    def optuna_study(self) -> optuna.Study:
        """Optuna's own; the default configuration is its first trial."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{self.folder.absolute()}/study.db", engine_kwargs={"connect_args": {"timeout": PATIENCE_S}}
        )
        study = optuna.create_study(
            storage=storage,
            study_name=NAME,
            direction="maximize" if self.is_upwards else "minimize",
            pruner=_pruner(self.tune.pruner),
            load_if_exists=True,
        )
        if not study.get_trials(deepcopy=False):
            own = {path: value_at(self.experiment, path) for path in self.tune.space}
            study.enqueue_trial({path: self._told(path, value) for path, value in own.items()})
        return study

    def take(self) -> Attempt | None:
        """The next trial: one that was cut off, or a new one; None where there is none left to begin."""
        with alone_in(self.folder):
            study = self.optuna_study
            trials = study.get_trials(deepcopy=False)
            for found in trials:
                if found.state == TrialState.RUNNING and (lock := self._lock(found.number)):
                    return Attempt(optuna.trial.Trial(study, found._trial_id), lock)
            if sum(found.state != TrialState.WAITING for found in trials) >= self.tune.trials:
                return None
            # A seed of its own for each trial: a search that goes on does not repeat its first guesses.
            study.sampler = optuna.samplers.TPESampler(
                seed=self.tune.seed + len(trials), constant_liar=True, n_startup_trials=4
            )
            trial = study.ask({path: _distribution(one) for path, one in self.tune.space.items()})
            return Attempt(trial, self._lock(trial.number) or _never())

    def settings_of(self, parameters: Mapping[str, Any]) -> Settings:
        """Values by path, of a trial's parameters."""
        return {
            path: orjson.loads(value) if self.tune.space[path].choices else value for path, value in parameters.items()
        }

    def experiment_of(self, parameters: Mapping[str, Any]) -> Experiment:
        """The experiment that a trial is."""
        return varied(self.experiment, self.settings_of(parameters))

    def twin_of(self, attempt: Attempt) -> FrozenTrial | None:
        """Another trial of the same values that is done or at work."""
        for found in self.trials():
            is_other = found.number != attempt.number and found.params == attempt.trial.params
            if is_other and found.state in {TrialState.COMPLETE, TrialState.RUNNING}:
                return found
        return None

    def finish(self, attempt: Attempt, value: float | None, *, pruned: bool = False, reason: str = "") -> None:
        """A trial has ended: with a value, pruned, or failed for a reason."""
        if reason:
            attempt.trial.set_user_attr(REASON, reason)
        if pruned:
            self.optuna_study.tell(attempt.trial, state=TrialState.PRUNED)
        elif value is None:
            self.optuna_study.tell(attempt.trial, state=TrialState.FAIL)
        else:
            self.optuna_study.tell(attempt.trial, value)
        attempt.release()

    def values_of(self, number: int) -> Mapping[int, float]:
        """Of a trial, by epoch, as far as they were told."""
        return self.trials()[number].intermediate_values

    def trials(self) -> list[FrozenTrial]:
        """All, by number."""
        return self.optuna_study.get_trials(deepcopy=False)

    def best_of(self, values: list[float]) -> float | None:
        """The best of the values after each epoch."""
        return (max if self.is_upwards else min)(values, default=None)

    def importances(self) -> dict[str, float]:
        """Each value's share in how trials differ, by PED-ANOVA; empty with too few trials to tell."""
        # It warns where there are too few to tell.
        with warnings.catch_warnings(), suppress(ValueError, RuntimeError, UserWarning):
            warnings.simplefilter("error", UserWarning)
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            return dict(optuna.importance.get_param_importances(self.optuna_study, evaluator=evaluator))
        return {}

    def _told(self, path: str, value: JsonValue) -> JsonValue:
        """A value as Optuna is told it: one of several choices by its text."""
        choices = self.tune.space[path].choices
        if choices is None:
            return value
        same = next(one for one in choices if value_at(varied(self.experiment, {path: one}), path) == value)
        return orjson.dumps(same).decode()

    def _lock(self, number: int) -> BinaryIO | None:
        path = self.folder / "trials" / f"{number}.lock"
        path.parent.mkdir(exist_ok=True)
        file = path.open("wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file


def _never() -> BinaryIO:
    raise AssertionError("a new trial is nobody else's")


def _fingerprint(experiment: Experiment, tune: Tune, metric: str) -> str:
    """More trials, another pruner or seed go on with the same study; another space, metric or training begins one."""
    space = {path: one.model_dump(mode="json") for path, one in tune.space.items()}
    what = [experiment.training_fingerprint(), space, metric, tune.direction]
    return hashlib.sha256(orjson.dumps(what, option=orjson.OPT_SORT_KEYS)).hexdigest()[:8]


def _distribution(one: Dimension) -> distributions.BaseDistribution:
    if one.choices is not None:
        return distributions.CategoricalDistribution([orjson.dumps(choice).decode() for choice in one.choices])
    low, high = one.low or 0, one.high or 0
    if one.is_whole:
        return distributions.IntDistribution(int(low), int(high), log=one.log, step=int(one.step or 1))
    return distributions.FloatDistribution(low, high, log=one.log, step=one.step)


def _pruner(asked: Pruner) -> pruners.BasePruner:
    if asked.kind == "median":
        return pruners.MedianPruner(n_startup_trials=asked.startup_trials, n_warmup_steps=asked.warmup_epochs)
    return pruners.SuccessiveHalvingPruner(min_resource=1) if asked.kind == "halving" else pruners.NopPruner()
