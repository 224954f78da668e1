"""`teppr run` of many experiments: what is wrong said first, each done in turn, a table at the end."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from teppr.cli.session import Session, note, print_json, print_table
from teppr.errors import BadInput, Refused, TepprError
from teppr.files import alone_in

if TYPE_CHECKING:
    from teppr.experiments.batch import Job
    from teppr.experiments.conduct import Conductor
    from teppr.experiments.outcome import Outcome
    from teppr.experiments.queue_folder import QueueFolder


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
    from teppr.experiments.batch import files_of
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


def run_queue(session: Session, place: Path, options: BatchOptions, *, wait: bool) -> None:
    """Do what is in a queue folder, one file after the other; `wait` for more until a signal comes."""
    from teppr.experiments.at_work import pause
    from teppr.experiments.queue_folder import QueueFolder
    from teppr.workflow.interrupt import stop_on_signals

    if not place.is_dir():
        raise BadInput(f"there is no queue folder {place}; make it, and put experiment files into it")
    queue = QueueFolder(place)
    outcomes: list[Outcome] = []
    with stop_on_signals() as stop:
        conductor = conductor_of(session, options, stop)
        while not stop():
            with queue.taking() as file:
                if file is not None:
                    outcomes += _do_file(conductor, queue, file)
                    continue
            if not wait and not queue.has_unsettled():
                break
            pause()
    csv = options.csv or place / "logs" / f"summary-{os.getpid()}.csv"
    tell(session, outcomes, csv, options)


def _do_file(conductor: Conductor, queue: QueueFolder, file: Path) -> list[Outcome]:
    """Do one file of a queue and put it away; it stays where it is if that was stopped."""
    from teppr.experiments.outcome import Outcome, Verdict

    note(f"{file.name}: taken, {len(queue.waiting())} in the queue")
    logs = queue.path / "logs" / file.name
    try:
        jobs = conductor.check([file], logs)
        _say_faults(jobs, strict=False)
        outcomes = list(conductor.do_all(jobs, logs))
    except TepprError as error:
        # Whatever is wrong with this file, the next one may be right.
        outcomes = [Outcome(name=file.name, verdict=Verdict.FAILED, reason=str(error))]
    if not conductor.stop():
        note(f"{file.name}: now {queue.put_away(file, outcomes)}")
    return outcomes


def conductor_of(session: Session, options: BatchOptions, stop: Callable[[], bool]) -> Conductor:
    """Who does the experiments as the command line said."""
    from teppr.experiments.conduct import Conductor

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
    from teppr.experiments.batch import files_of, jobs_of

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
    from teppr.experiments.outcome import exit_code_of, table_of, write_csv

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
    if wrong and len(jobs) > len(wrong):
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
