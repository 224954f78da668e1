"""`teppr run` of many experiments: what is wrong said first, each done in turn, a table at the end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from teppr.cli.session import Session, note, print_json, print_table
from teppr.errors import BadInput, Refused
from teppr.files import alone_in

if TYPE_CHECKING:
    from teppr.workflow.batch import Job
    from teppr.workflow.conduct import Conductor
    from teppr.workflow.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """What the command line said of a batch."""

    fresh: bool
    device: str | None
    retries: int
    strict: bool
    csv: Path | None
    as_json: bool


def is_batch(places: Sequence[Path]) -> bool:
    """Whether more than one experiment is meant; of a single file that is wrong, its own faults are the answer."""
    from teppr.workflow.experiment import read_experiment

    return len(places) > 1 or places[0].is_dir() or read_experiment(places[0]).grid is not None


def run_batch(session: Session, places: Sequence[Path], options: BatchOptions) -> None:
    """Do all experiments of files and folders; leaves with the batch's exit code."""
    from teppr.workflow.batch import files_of
    from teppr.workflow.interrupt import stop_on_signals

    files = files_of(places)
    folder = session.settings.home / "batches" / _name(places)
    try:
        with alone_in(folder, waits=False), stop_on_signals() as stop:
            conductor = conductor_of(session, options, stop)
            jobs = conductor.check(files, folder)
            _say_faults(jobs, strict=options.strict)
            outcomes = list(conductor.do_all(jobs, folder))
            tell(session, outcomes, options.csv or folder / "summary.csv", options)
    except BlockingIOError as error:
        raise Refused(f"another process is at work on this batch, in {folder}") from error


def conductor_of(session: Session, options: BatchOptions, stop: Callable[[], bool]) -> Conductor:
    """Who does the experiments as the command line said."""
    from teppr.workflow.conduct import Conductor

    return Conductor(
        home=session.settings.home,
        frame=session.frame,
        options=["--device", options.device] if options.device else [],
        fresh=options.fresh,
        retries=options.retries,
        say=note,
        stop=stop,
    )


def check(session: Session, places: Sequence[Path], *, as_json: bool) -> None:
    """Say what of the experiments is wrong, and what of them is done; begins nothing."""
    from teppr.workflow.batch import files_of, jobs_of

    jobs = jobs_of(files_of(places), session.settings.home)
    if as_json:
        print_json({"experiments": [_row(job) for job in jobs]})
    else:
        for job in jobs:
            typer.echo(f"{job.name}: " + (job.fault or (f"done by {job.done}" if job.done else "can be done")))
    if any(job.fault for job in jobs):
        raise typer.Exit(2)


def tell(session: Session, outcomes: Sequence[Outcome], csv: Path, options: BatchOptions) -> None:
    """The table, as file and for whoever reads; leaves with the exit code where not all went well."""
    from teppr.workflow.outcome import exit_code_of, table_of, write_csv

    code = exit_code_of(outcomes)
    write_csv(outcomes, csv)
    if options.as_json:
        rows = [outcome.to_dict() for outcome in outcomes]
        print_json({"experiments": rows, "csv": str(csv), "exit_code": code})
    else:
        columns, cells = table_of(outcomes)
        well = sum(outcome.is_well for outcome in outcomes)
        title = f"{well} of {len(outcomes)} experiments went well"
        print_table(session.console, title, columns[:-2], [row[:-2] for row in cells])
        for outcome in outcomes:
            if outcome.reason:
                typer.echo(f"{outcome.name}: {outcome.reason}")
        typer.echo(f"table: {csv}")
    if code:
        raise typer.Exit(code)


def _say_faults(jobs: Sequence[Job], *, strict: bool) -> None:
    wrong = [job for job in jobs if job.fault]
    if wrong and strict:
        faults = "\n".join(f"{job.name}: {job.fault}" for job in wrong)
        raise BadInput(f"{len(wrong)} of {len(jobs)} experiments cannot be done, so none is begun:\n{faults}")
    for job in wrong:
        note(f"wrong: {job.name}: {job.fault}")
    if wrong:
        note(f"{len(wrong)} of {len(jobs)} experiments cannot be done; the others are (--strict would begin none)")


def _name(places: Sequence[Path]) -> str:
    # The same words name the same batch, so that its table and its logs are where they were.
    whole = "\n".join(sorted(str(place.resolve()) for place in places))
    return f"{places[0].stem}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def _row(job: Job) -> dict[str, object]:
    return {
        "name": job.name,
        "settings": job.settings,
        "experiment": job.experiment.to_yaml() if job.experiment else "",
        "fault": job.fault,
        "done": job.done,
    }
