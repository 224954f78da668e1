"""Doing the experiments of a batch: each in a process of its own, tried again where that may help."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from teppr.errors import Missing, Refused
from teppr.experiments.at_work import AtWork
from teppr.experiments.batch import Job
from teppr.experiments.outcome import Outcome, Verdict, headline_figures, said
from teppr.files import whole_file
from teppr.workflow.experiment import parse_experiment
from teppr.workflow.interrupt import never
from teppr.workflow.run import Run, StageState, find_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Conductor:
    """How experiments are done.

    frame: options of `teppr` itself that its children are given as well
    options: of `teppr run`, such as --device
    fresh: a new run is begun for each, even where an earlier one is there
    retries: further attempts for one that crashed, or for which something was missing
    say: told what goes on, a line each
    """

    home: Path
    frame: Sequence[str] = ()
    options: Sequence[str] = ()
    fresh: bool = False
    retries: int = 0
    say: Callable[[str], None]
    stop: Callable[[], bool] = never

    def check(self, files: Sequence[Path], folder: Path) -> list[Job]:
        """The experiments of these files; in a process of its own, which takes the memory of its framework with it."""
        child = AtWork([*self.frame, "run", "--check", "--json", "--", *map(str, files)], folder / "check")
        self._attend(child, quiet=True)
        if self.stop():
            raise Refused("stopped before anything was begun")
        printed = child.printed()
        if "experiments" not in printed:
            raise Missing(f"the experiments could not be checked: {child.last_remark()}; all is in {child.log}")
        return [_job_of(row) for row in printed["experiments"]]

    def do_all(self, jobs: Sequence[Job], folder: Path) -> Iterator[Outcome]:
        """Do them in order, an outcome each; none that fails keeps the others from being done."""
        for number, job in enumerate(jobs, start=1):
            if not job.fault and not self.stop():
                settings = "".join(f", {path} = {said(value)}" for path, value in job.settings.items())
                self.say(f"[{number}/{len(jobs)}] {job.name}{settings}")
            outcome = self.do(job, folder)
            if not job.fault and outcome.verdict is not Verdict.LEFT:
                self.say(f"[{number}/{len(jobs)}] {job.name}: {outcome.verdict}" + _because(outcome))
            yield outcome

    def do(self, job: Job, folder: Path) -> Outcome:
        """Do one, with its log and its effective experiment in `folder`."""
        outcome = Outcome(name=job.name, settings=job.settings, verdict=Verdict.LEFT)
        if job.fault or job.experiment is None:
            return replace(outcome, verdict=Verdict.WRONG, reason=job.fault)
        if job.done and not self.fresh:
            run = find_run(self.home, job.done)
            return replace(outcome, verdict=Verdict.BEFORE, run=run.id, figures=headline_figures(run))
        began = time.monotonic()
        stem = folder / job.name.replace("#", "-")
        file = stem.with_name(f"{stem.name}.effective.yml")
        with whole_file(file) as effective:
            effective.write(job.experiment.to_yaml().encode())
        for attempt in range(1, self.retries + 2):
            if self.stop():
                break
            fresh = ["--fresh"] if self.fresh and attempt == 1 else []
            child = AtWork([*self.frame, "run", *self.options, *fresh, "--json", "--", str(file)], stem)
            self._attend(child)
            ended = _outcome_of(child, stopped=self.stop())
            outcome = replace(ended, name=job.name, settings=job.settings, attempts=attempt)
            if outcome.is_well or not _may_help(child):
                break
        return replace(outcome, seconds=time.monotonic() - began)

    def _attend(self, child: AtWork, *, quiet: bool = False) -> None:
        asked = False
        try:
            while child.code is None:
                child.wait()
                self._pass_on(child, quiet=quiet)
                if self.stop() and not asked:
                    child.ask_to_end()
                    asked = True
            self._pass_on(child, quiet=quiet)
        finally:
            child.kill()

    def _pass_on(self, child: AtWork, *, quiet: bool) -> None:
        for line in () if quiet else child.news():
            self.say(f"    {line}")


def _job_of(row: Mapping[str, Any]) -> Job:
    text = row["experiment"]
    return Job(
        name=row["name"],
        settings=row["settings"],
        experiment=parse_experiment(text, name=row["name"]) if text else None,
        fault=row["fault"],
        done=row["done"],
    )


def _outcome_of(child: AtWork, *, stopped: bool) -> Outcome:
    """What the child's end means; its name is the caller's to give."""
    printed = child.printed()
    outcome = Outcome(name="", verdict=Verdict.DONE)
    if "run" in printed:
        run = Run(Path(printed["path"]))
        outcome = replace(outcome, run=run.id, figures=headline_figures(run))
    if child.code == 0:
        return outcome
    stages: Mapping[str, Mapping[str, Any]] = printed.get("stages", {})
    failed = {name: stage for name, stage in stages.items() if stage["state"] == StageState.FAILED}
    if failed:
        reason = "; ".join(f"{name}: {stage['reason']}" for name, stage in failed.items())
        return replace(outcome, verdict=Verdict.REFUSED, reason=reason)
    if stages or stopped:
        return replace(outcome, verdict=Verdict.STOPPED, reason="it goes on when started again")
    return replace(outcome, verdict=Verdict.FAILED, reason=printed.get("detail") or _crash(child))


def _crash(child: AtWork) -> str:
    code = child.code or 0
    if code == -signal.SIGKILL:
        return f"its process was killed, perhaps for want of memory; its log: {child.log}"
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return f"its process ended {how}: {child.last_remark()}; its log: {child.log}"


def _may_help(child: AtWork) -> bool:
    """Whether to try again: not where the same words would be said again."""
    printed = child.printed()
    return not printed or printed.get("exit_code") == Missing.exit_code


def _because(outcome: Outcome) -> str:
    return f" ({outcome.reason})" if outcome.reason else ""
