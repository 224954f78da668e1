"""`teppr train`: train a network as an experiment file says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from teppr.cli.elsewhere import go_where_it_runs
from teppr.cli.session import Json, Session, note, print_json, progress, say_next
from teppr.errors import BadInput

if TYPE_CHECKING:
    from teppr.workflow.run import Run


def train(
    ctx: typer.Context,
    experiment: Annotated[Path | None, typer.Argument(help="The experiment file.")] = None,
    resume: Annotated[str | None, typer.Option("--resume", help="Go on with this run instead.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin a new run, even where an earlier one is there.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N; default: the setting.")] = None,
    as_json: Json = False,
) -> None:
    """Train a network as an experiment file says.

    A training that was stopped or killed goes on where it was when it is started again; on the CPU it ends with the
    same weights as if it had never been cut off. Ctrl+C (or SIGTERM) ends it well-ordered, with exit code 1; a second
    one ends it at once. Mixed precision is used on GPUs that have bfloat16, never on the CPU.

    \b
    Examples:
      teppr train signs.yml
      teppr train signs.yml --fresh
      teppr train --resume signs-20261122-091500-3f9a
      tensorboard --logdir teppr-home/runs
    """  # noqa: D301 - the \b is for the help's layout
    session: Session = ctx.obj
    settings = session.settings
    go_where_it_runs(session, _architecture(settings.home, experiment, resume))
    from teppr.workflow.compute import Compute
    from teppr.workflow.interrupt import stop_on_signals
    from teppr.workflow.learn import learn
    from teppr.workflow.run import StageState

    run = _run(settings.home, experiment, resume, fresh=fresh)
    if run.stage("train") is StageState.FINISHED:
        note(f"run {run.id} is trained already; --fresh begins a new one")
    else:
        note(f"run {run.id} in {run.path}")
    compute = Compute(device=device or settings.device, threads=settings.thread_count)
    with progress("training") as bar, stop_on_signals() as stop:
        learn(run, settings.home, compute=compute, progress=bar, stop=stop, max_pixels=settings.max_image_pixels)
    _say(session, run, as_json=as_json)
    if run.stage("train") is not StageState.FINISHED:
        raise typer.Exit(1)


def _architecture(home: Path, experiment: Path | None, resume: str | None) -> str:
    from teppr.workflow.experiment import read_experiment
    from teppr.workflow.run import find_run

    if (experiment is None) == (resume is None):
        raise BadInput("give an experiment file, or a run to go on with: teppr train FILE, teppr train --resume RUN")
    if resume is not None:
        return find_run(home, resume).experiment.architecture
    return read_experiment(experiment or Path()).architecture


def _run(home: Path, experiment: Path | None, resume: str | None, *, fresh: bool) -> Run:
    from teppr.workflow.begin import begin
    from teppr.workflow.experiment import read_experiment
    from teppr.workflow.run import find_run

    if resume is not None:
        return find_run(home, resume)
    return begin(read_experiment(experiment or Path()), home, fresh=fresh)


def _say(session: Session, run: Run, *, as_json: bool) -> None:
    record: dict[str, Any] = dict(run.stage_record("train"))
    if as_json:
        print_json({"run": run.id, "path": str(run.path), "checkpoint": str(run.best), **record})
        return
    best = (
        ""
        if record["best"] is None
        else f"; best {record['best_by']} {record['best']:.3f} after {record['best_epoch']}"
    )
    typer.echo(f"{run.id}: {record['epochs']} epochs in {record['seconds']:.0f} s, {record['reason']}{best}")
    say_next(session, "evaluate", run.id)
