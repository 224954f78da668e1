"""`teppr run`: all stages of an experiment file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from teppr.cli.batch import BatchOptions, check, is_batch, run_batch, run_queue
from teppr.cli.elsewhere import go_where_it_runs
from teppr.cli.session import Json, Session, note, print_json, progress
from teppr.errors import BadInput

if TYPE_CHECKING:
    from teppr.workflow.pipeline import StageVerdict


def run(
    ctx: typer.Context,
    experiments: Annotated[list[Path] | None, typer.Argument(help="Experiment files, or folders of them.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin a new run, even where an earlier one is there.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N; default: the setting.")] = None,
    retries: Annotated[
        int, typer.Option(min=0, help="Of many: further attempts for one that crashed, or for want of something.")
    ] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Of many: begin none where one is wrong.")] = False,
    only_check: Annotated[
        bool, typer.Option("--check", help="Say what is wrong and what is done; begin none.")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option(help="Of many: where the table goes; default: the batch's folder.")
    ] = None,
    queue: Annotated[
        Path | None, typer.Option(help="Take experiment files out of this folder instead, one after the other.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="With --queue: wait for more when it is empty.")] = False,
    as_json: Json = False,
) -> None:
    """Do all stages of an experiment file, or of many: train, evaluate, predict, publish, report.

    Started again it goes on where it was: what is done and still holds stays done. A prediction or a publication that
    fails is reported, and the rest goes on.

    Several files, a folder of them, or a file with a grid are a batch: experiments are checked first and all that is
    wrong is said at once; then each that can be done is done in a process of its own, whatever becomes of the others.
    At the end stands a table, as CSV too. A batch that was killed goes on where it was when started again.

    A queue is a folder that can be topped up while it runs, and that several processes may take from: files are done
    the oldest first, and moved into done/ or failed/ below it, each with what came of it in FILE.json beside it.

    Exit codes: 0 all done, 1 stopped, or criteria not met; of many: at least one did not end well, the others are done;
    2 wrong input; of many: none could be begun.

    \b
    Examples:
      teppr run signs.yml
      teppr run signs.yml --json
      teppr run a.yml b.yml experiments/ --retries 1
      teppr run grid.yml --csv grid.csv
      teppr run --queue nightly/ --wait
    """  # noqa: D301 - the \b is for the help's layout
    session: Session = ctx.obj
    places = experiments or []
    if bool(places) == (queue is not None) or (wait and queue is None):
        raise BadInput("give experiment files or folders of them, or a queue: teppr run FILE, teppr run --queue FOLDER")
    options = BatchOptions(fresh=fresh, device=device, retries=retries, strict=strict, csv=csv, as_json=as_json)
    if queue is not None:
        run_queue(session, queue, options, wait=wait)
    elif only_check:
        check(session, places, as_json=as_json)
    elif is_batch(places):
        run_batch(session, places, options)
    else:
        _run_one(session, places[0], options)


def _run_one(session: Session, experiment: Path, options: BatchOptions) -> None:
    from teppr.workflow.experiment import read_experiment

    settings = session.settings
    asked = read_experiment(experiment)
    go_where_it_runs(session, asked.architecture)
    from teppr.workflow.begin import begin
    from teppr.workflow.compute import Compute
    from teppr.workflow.interrupt import stop_on_signals
    from teppr.workflow.pipeline import Pipeline

    begun = begin(asked, settings.home, fresh=options.fresh)
    note(f"run {begun.id} in {begun.path}")
    verdicts = []
    with stop_on_signals() as stop:
        pipeline = Pipeline(
            run=begun,
            home=settings.home,
            watch=progress,
            compute=Compute(device=options.device or settings.device, threads=settings.thread_count),
            max_pixels=settings.max_image_pixels,
            stop=stop,
        )
        for verdict in pipeline.stages():
            verdicts.append(verdict)
            note(_sentence(verdict))
    if options.as_json:
        stages: dict[str, Any] = {verdict.stage: {"state": verdict.state, **verdict.report} for verdict in verdicts}
        print_json({"run": begun.id, "path": str(begun.path), "stages": stages})
    else:
        typer.echo(begun.path)
    if code := max(verdict.exit_code for verdict in verdicts):
        raise typer.Exit(code)


def _sentence(verdict: StageVerdict) -> str:
    said = verdict.report.get("reason") or verdict.report.get("key") or ""
    return f"{verdict.stage:>9}: {verdict.state}" + (f" ({said})" if said else "")
