"""Tuning: trials of a study trained in processes of their own, ended early where they are no good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from teppr.errors import TepprError, UnknownName
from teppr.experiments.at_work import AtWork, pause
from teppr.experiments.outcome import said
from teppr.experiments.study import RUN, Attempt, Study
from teppr.workflow.begin import begin
from teppr.workflow.diary import read_lines
from teppr.workflow.interrupt import never
from teppr.workflow.run import Run, StageState, find_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How a study's trials are done.

    frame: options of `teppr` itself that its children are given as well
    options: of `teppr train`, such as --device
    variables: of the environment, for the children
    processes: trainings at once
    say: told what goes on, a line each
    """

    study: Study
    home: Path
    frame: Sequence[str] = ()
    options: Sequence[str] = ()
    variables: dict[str, str] = field(default_factory=dict)
    processes: int = 1
    say: Callable[[str], None]
    stop: Callable[[], bool] = never

    def go_on(self) -> None:
        """Do trials until none is left to begin, or until `stop` says so; what is cut off goes on another time."""
        at_work: list[TrialAtWork] = []
        try:
            while True:
                while not self.stop() and len(at_work) < self.processes and (attempt := self.study.take()):
                    if (begun := self._begin(attempt)) is not None:
                        at_work.append(begun)
                if not at_work:
                    return
                pause()
                at_work = [one for one in at_work if one.goes_on(stop=self.stop())]
        finally:
            for one in at_work:
                one.child.kill()

    def _begin(self, attempt: Attempt) -> TrialAtWork | None:
        """Its training, or None where there is nothing to train: it was done already, or cannot be done."""
        study, trial = self.study, attempt.trial
        twin = study.twin_of(attempt)
        values = ", ".join(f"{path} = {said(value)}" for path, value in study.settings_of(trial.params).items())
        self.say(f"[{attempt.number}] {values}" + ("" if attempt.number else " (the default)"))
        if twin is not None and twin.value is not None:
            trial.set_user_attr(RUN, twin.user_attrs[RUN])
            study.finish(attempt, twin.value)
            self.say(f"[{attempt.number}] the same as trial {twin.number}: {study.metric} {twin.value:.4f}")
            return None
        try:
            run = self._run(attempt, fresh=twin is not None)
        except TepprError as error:
            study.finish(attempt, None, reason=str(error))
            self.say(f"[{attempt.number}] failed: {error}")
            return None
        trial.set_user_attr(RUN, run.id)
        words = [*self.frame, "train", "--resume", run.id, *self.options, "--json"]
        child = AtWork(words, study.folder / "trials" / str(attempt.number), self.variables)
        return TrialAtWork(study=study, attempt=attempt, run=run, child=child, say=self.say)

    def _run(self, attempt: Attempt, *, fresh: bool) -> Run:
        known = attempt.trial.user_attrs.get(RUN)
        if known is not None:
            try:
                return find_run(self.home, known)
            except UnknownName:
                self.say(f"[{attempt.number}] run {known} is gone: begun anew")
        return begin(self.study.experiment_of(attempt.trial.params), self.home, fresh=fresh)


@dataclass(slots=True, kw_only=True)
class TrialAtWork:
    """A trial while it is trained."""

    study: Study
    attempt: Attempt
    run: Run
    child: AtWork
    say: Callable[[str], None]
    was_pruned: bool = False
    was_stopped: bool = False

    def goes_on(self, *, stop: bool) -> bool:
        """Look after it; False once it has ended."""
        code = self.child.code  # before its figures: what it wrote last is seen then
        for line in self.child.news():
            self.say(f"[{self.attempt.number}] {line}")
        values = self._follow()
        if code is not None:
            self._close(values)
            return False
        if stop and not self.was_stopped:
            self.was_stopped = True
            self.child.ask_to_end()
        # The default is what all others are compared with: it is never ended early.
        elif not self.was_pruned and self.attempt.number and values and self.attempt.trial.should_prune():
            self.was_pruned = True
            self.child.ask_to_end()
        return True

    def _follow(self) -> list[float]:
        """Tell the study what is new; gives the values of all epochs so far."""
        trial = self.attempt.trial
        known = self.study.values_of(trial.number)
        rows = [row for row in read_lines(self.run.path / "metrics.jsonl") if self.study.metric in row]
        for row in rows:
            if int(row["epoch"]) not in known:
                trial.report(row[self.study.metric], int(row["epoch"]))
        return [row[self.study.metric] for row in rows]

    def _close(self, values: list[float]) -> None:
        number, metric = self.attempt.number, self.study.metric
        best = self.study.best_of(values)
        if self.run.stage("train") is StageState.FINISHED:
            reason = "" if best is not None else f"{metric} was not measured: val has no objects, or there is no val"
            self.study.finish(self.attempt, best, reason=reason)
            self.say(f"[{number}] {reason or f'{metric} {best:.4f}'}")
        elif self.was_pruned:
            self.study.finish(self.attempt, None, pruned=True)
            self.say(f"[{number}] pruned after {len(values)} epochs, {metric} {best:.4f}")
        elif self.was_stopped:
            self.attempt.release()
        else:
            reason = str(self.child.printed().get("detail") or self.child.last_remark() or "its process was killed")
            self.study.finish(self.attempt, None, reason=reason)
            self.say(f"[{number}] failed: {reason}")
