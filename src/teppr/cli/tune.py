"""`teppr tune`: search for better values than an experiment file has."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.elsewhere import go_where_it_runs
from teppr.cli.session import Json, Session, note, print_json, say_next
from teppr.errors import BadExperiment, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable

    from teppr.experiments.study import Study
    from teppr.experiments.study_report import StudyReport


def tune(
    ctx: typer.Context,
    experiment: Annotated[Path, typer.Argument(help="The experiment file, with a section `tune`.")],
    trials: Annotated[int | None, typer.Option(min=1, help="Trainings in all; default: the file's.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Trainings at once.")] = 1,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N; default: the setting.")] = None,
    as_json: Json = False,
) -> None:
    """Search for better values than an experiment file has, as its section `tune` says.

    The first trial is the file as it is. Trials that fall behind are ended early. A study that was stopped or killed
    goes on where it was when started again, the trial that was cut off too; started twice, two work on it. More trials
    go on with the same study, another space begins one.

    In the end the best trial and the default are measured on the dataset's splits. The study's folder then holds
    report.html (history, what mattered), trials.csv, result.json, and best.yml: teppr run takes it, and does not train
    again what was trained.

    Exit codes: 0 all trials have ended, better than the default or not; 1 stopped; 2 wrong input; 3 no Optuna.

    \b
    Examples:
      teppr tune signs.yml
      teppr tune signs.yml --processes 2 --trials 40
      teppr tune signs.yml --json
    """  # noqa: D301 - the \b is for the help's layout
    session: Session = ctx.obj
    from teppr.workflow.experiment import read_experiment

    asked = read_experiment(experiment)
    if asked.tune is None:
        raise BadExperiment(f"{experiment}: there is no section tune, which says what may be varied")
    go_where_it_runs(session, asked.architecture)
    if find_spec("optuna") is None:
        raise MissingExtra("tuning", "tune")
    from teppr.datasets.snapshot import find_snapshot
    from teppr.experiments.study import Study
    from teppr.experiments.study_report import report_on_study, write_study_report
    from teppr.experiments.tune import Tuning
    from teppr.workflow.begin import pinned_and_feasible, task_of
    from teppr.workflow.interrupt import stop_on_signals

    home = session.settings.home
    pinned = pinned_and_feasible(asked, home)
    best_by = pinned.train.best_by(task_of(pinned, find_snapshot(home, pinned.dataset), home))
    wanted = asked.tune.model_copy(update={"trials": trials or asked.tune.trials})
    study = Study(home, pinned, wanted, best_by)
    note(f"study {study.folder}")
    options = ["--device", device] if device else []
    with stop_on_signals() as stop:
        Tuning(
            study=study,
            home=home,
            frame=session.frame,
            options=options,
            variables=_threads(session, processes),
            processes=processes,
            say=note,
            stop=stop,
        ).go_on()
        report = report_on_study(study, home)
        if report.is_whole:
            _measure(session, study, report, stop)
            report = report_on_study(study, home)
    page = write_study_report(report, study.folder)
    _say(session, report, page, as_json=as_json)
    if not report.is_whole:
        raise typer.Exit(1)


def _measure(session: Session, study: Study, report: StudyReport, stop: Callable[[], bool]) -> None:
    """Evaluate the winner and the default, so that they are compared by what neither was chosen by."""
    from teppr.experiments.at_work import AtWork

    runs = {row.run for row in (report.best, report.default) if row is not None and row.test is None}
    for run in sorted(runs):
        if stop():
            return
        note(f"measuring {run} on all splits")
        child = AtWork([*session.frame, "evaluate", run, "--json"], study.folder / "trials" / run)
        try:
            while child.code is None:
                child.wait()
                if stop():
                    child.ask_to_end()
        finally:
            child.kill()
        if child.code:
            note(f"it could not be measured: {child.last_remark()}")


def _threads(session: Session, processes: int) -> dict[str, str]:
    """Trainings at once share the processors, unless the settings say how many threads each has."""
    if processes == 1 or session.settings.threads:
        return {}
    return {"TEPPR_THREADS": str(max(1, (os.cpu_count() or 1) // processes))}


def _say(session: Session, report: StudyReport, page: Path, *, as_json: bool) -> None:
    if as_json:
        from teppr.experiments.study_report import document_of

        print_json(document_of(report) | {"report": str(page)})
        return
    typer.echo(report.verdict)
    if not report.is_whole:
        typer.echo("not all trials have ended; the same command goes on")
    typer.echo(f"report: {page}")
    if report.winner is not None:
        say_next(session, "run", report.winner)
