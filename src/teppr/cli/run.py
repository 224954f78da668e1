"""`teppr run`: all stages of an experiment file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from teppr.cli.elsewhere import go_where_it_runs
from teppr.cli.session import Json, Session, note, print_json, progress

if TYPE_CHECKING:
    from teppr.workflow.pipeline import StageVerdict


def run(
    ctx: typer.Context,
    experiment: Annotated[Path, typer.Argument(help="The experiment file.")],
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin a new run, even where an earlier one is there.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N; default: the setting.")] = None,
    as_json: Json = False,
) -> None:
    """Do all stages of an experiment file: train, evaluate, predict, publish, report.

    Started again it goes on where it was: what is done and still holds stays done. A prediction or a publication that
    fails is reported, and the rest goes on.

    Exit codes: 0 all done, 1 stopped, or criteria not met, 2 wrong input.

    \b
    Examples:
      teppr run signs.yml
      teppr run signs.yml --json
    """  # noqa: D301 - the \b is for the help's layout
    from teppr.workflow.experiment import read_experiment

    session: Session = ctx.obj
    settings = session.settings
    asked = read_experiment(experiment)
    go_where_it_runs(session, asked.architecture)
    from teppr.workflow.begin import begin
    from teppr.workflow.compute import Compute
    from teppr.workflow.interrupt import stop_on_signals
    from teppr.workflow.pipeline import Pipeline

    begun = begin(asked, settings.home, fresh=fresh)
    note(f"run {begun.id} in {begun.path}")
    verdicts = []
    with stop_on_signals() as stop:
        pipeline = Pipeline(
            run=begun,
            home=settings.home,
            watch=progress,
            compute=Compute(device=device or settings.device, threads=settings.thread_count),
            max_pixels=settings.max_image_pixels,
            stop=stop,
        )
        for verdict in pipeline.stages():
            verdicts.append(verdict)
            note(_sentence(verdict))
    if as_json:
        stages: dict[str, Any] = {verdict.stage: {"state": verdict.state, **verdict.report} for verdict in verdicts}
        print_json({"run": begun.id, "path": str(begun.path), "stages": stages})
    else:
        typer.echo(begun.path)
    if code := max(verdict.exit_code for verdict in verdicts):
        raise typer.Exit(code)


def _sentence(verdict: StageVerdict) -> str:
    said = verdict.report.get("reason") or verdict.report.get("key") or ""
    return f"{verdict.stage:>9}: {verdict.state}" + (f" ({said})" if said else "")
