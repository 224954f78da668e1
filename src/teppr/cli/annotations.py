"""`teppr annotations`: annotation files in, findings and statistics out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.annotation_export import convert, export
from teppr.cli.annotation_people import agreement, duplicates, history, withdraw
from teppr.cli.annotation_tables import (
    say_what_is_not_said,
    severities_found,
    show_findings,
    show_report,
    show_statistics,
)
from teppr.cli.on_record import check_annotator, file_key
from teppr.cli.problem_options import OnlyProblem, Problem
from teppr.cli.session import Json, Session, note, print_json, print_table, progress
from teppr.types import Provenance, Severity

if TYPE_CHECKING:
    from teppr.store.contract import FindingQuery, Store

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Ingest, check, count, export and convert annotations."""


@app.command()
def ingest(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Annotation files, folders of them, or job folders.")],
    problem: Problem = "ods",
    label_attribute: Annotated[str | None, typer.Option(help="Attribute whose value is the label.")] = None,
    label: Annotated[str | None, typer.Option(help="The one label of regions without attributes.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images; default: beside the file, or the job's.")
    ] = None,
    no_images: Annotated[bool, typer.Option("--no-images", help="Do not open images; sizes as declared.")] = False,
    annotator: Annotated[str | None, typer.Option(help="Who annotated, where the file's name does not say.")] = None,
    tool: Annotated[str | None, typer.Option(help="With which tool.")] = None,
    batch: Annotated[str | None, typer.Option(help="Which batch of images.")] = None,
    released: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%d%m%y"], help="When it was released.")
    ] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", help="Format of the files; default: found out.")
    ] = None,
    clip_tolerance: Annotated[
        float | None, typer.Option(min=0, help="Pixels that a shape may reach beyond its image and is clipped.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes for checking images.")] = None,
    refuse_errors: Annotated[
        bool, typer.Option("--refuse-errors", help="Reject a file whole that has any finding of severity error.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Check anew what is on record (images were mended).")] = False,
    as_json: Json = False,
) -> None:
    r"""Put annotation files into the database, checked by the design rules.

    What is read is accepted or rejected, counted, and on record; a file that is on record already stays as it is.
    Exit code 0: all accepted, 1: something was rejected, 2: nothing could be read.

    \b
    Examples:
      teppr annotations ingest ods_job_150126 --problem ods
      teppr annotations ingest via_region_data.json --problem ods --label balloon
      teppr annotations ingest instances.json --images photos/ --annotator AT1 --released 2026-01-15
    """
    from teppr.annotations.ingest import IngestOptions
    from teppr.annotations.ingest import ingest as run
    from teppr.problems import problem_named
    from teppr.store import open_store

    session: Session = ctx.obj
    settings = session.settings
    options = IngestOptions(
        label_attribute=label_attribute,
        label=label,
        images=images,
        open_images=not no_images,
        given=Provenance(annotator=annotator, tool=tool, batch=batch, released=released.date() if released else None),
        format=format_name,
        clip_tolerance_px=settings.clip_tolerance_px if clip_tolerance is None else clip_tolerance,
        workers=workers or settings.worker_count,
        max_image_pixels=settings.max_image_pixels,
        refuse_errors=refuse_errors,
        again=again,
    )
    specification = problem_named(problem, settings.home)
    with open_store(settings.store_url) as store, progress("checking annotations") as bar:
        report = run(paths, store, specification, options, bar)
        severities = severities_found(store, report) if report.findings and not as_json else {}
    for sentence in report.notes:
        note(sentence)
    if as_json:
        print_json(report.as_dict())
    else:
        show_report(session, report, severities)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


@app.command()
def findings(
    ctx: typer.Context,
    redo: Annotated[
        Path | None, typer.Argument(help="File to write what must be done again to, for the annotator's tool.")
    ] = None,
    format_name: Annotated[str | None, typer.Option("--as", help="Format of that file; default: via.")] = None,
    problem: OnlyProblem = None,
    annotator: Annotated[str | None, typer.Option(help="Only of this annotator.")] = None,
    file: Annotated[str | None, typer.Option(help="Only of this annotation file: path, or sha256.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only of this rule, such as DR12.")] = None,
    severity: Annotated[
        Severity | None, typer.Option(help="Only of this severity; of what must be done again: at least this one.")
    ] = None,
    superseded: Annotated[bool, typer.Option("--superseded", help="Of superseded releases as well.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write all to this CSV file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write pages with pictures to this folder.")] = None,
    as_json: Json = False,
) -> None:
    r"""What the design rules found, with values and how to mend it.

    Pages and the file of what must be done again are for sending to the annotator.

    \b
    Examples:
      teppr annotations findings --severity error
      teppr annotations findings --annotator AT1 --html findings/
      teppr annotations findings --annotator AT1 --as via redo.json
      teppr annotations findings --rule DR12 --json
    """
    from teppr.annotations.findings import finding_row, write_csv
    from teppr.annotations.rules import RULES
    from teppr.errors import BadInput, UnknownName
    from teppr.store.contract import FindingQuery

    if rule is not None and rule not in RULES:
        raise UnknownName.of("design rule", rule, RULES)
    if format_name is not None and redo is None:
        raise BadInput("--as needs the file to write: teppr annotations findings --as via redo.json")
    session: Session = ctx.obj
    with session.open_record() as store:
        if annotator is not None:
            check_annotator(store, annotator)
        query = FindingQuery(
            problem=problem,
            annotator=annotator,
            file=file_key(file),
            rule=rule,
            severity=severity,
            with_past=superseded,
        )
        if csv is not None:
            note(f"{write_csv(store.findings(query), csv)} findings in {csv}")
        if html is not None:
            from teppr.annotations.pages import write_findings

            on_record = (summary.file for summary in store.files(problem))
            note(f"pages in {write_findings(store.findings(query), html, on_record)[0]}")
        if redo is not None:
            _write_redo(store, query, format_name or "via", redo, as_json=as_json)
        elif as_json:
            print_json([finding_row(found) for found in store.findings(query)])
        elif csv is None and html is None:
            show_findings(session, store, query)


def _write_redo(store: Store, query: FindingQuery, format_name: str, path: Path, *, as_json: bool) -> None:
    from teppr.annotations.redo import write_redo

    least = query.severity or Severity.ERROR
    redo = write_redo(store.findings(replace(query, severity=None)), format_name, path, least)
    if as_json:
        print_json({"path": str(path), **redo.as_dict()})
        return
    typer.echo(f"{redo.report.images} images with {redo.report.regions} regions to be done again in {path}")
    if redo.unread:
        note(f"{redo.unread} regions have no readable shape; their images say which (attribute teppr_unread)")
    for name in redo.whole_files:
        note(f"wrong as a whole, to be delivered again: {name}")
    if redo.nameless:
        some = ", ".join(redo.nameless_at) + (" ..." if redo.nameless > len(redo.nameless_at) else "")
        note(f"{redo.nameless} entries have no image and so are not in it, to be mended where they are: {some}")
    say_what_is_not_said(redo.report.not_said)


@app.command()
def stats(
    ctx: typer.Context,
    problem: OnlyProblem = None,
    csv: Annotated[Path | None, typer.Option(help="Write all to this CSV file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with pictures to this file.")] = None,
    as_json: Json = False,
) -> None:
    r"""How much there is: per label, annotator, file, batch, release date and shape.

    \b
    Examples:
      teppr annotations stats --problem ods
      teppr annotations stats --html annotations.html --csv annotations.csv
    """
    from teppr.annotations.statistics import statistics_of, write_csv

    session: Session = ctx.obj
    with session.open_record() as store:
        counted = statistics_of(store, problem)
        if csv is not None:
            write_csv(counted, csv)
            note(f"written: {csv}")
        if html is not None:
            from teppr.annotations.pages import write_statistics
            from teppr.problems.find import colors_named

            problems = {problem} if problem else {found.file.problem for found in store.files(with_past=False)}
            colors = colors_named(sorted(problems), session.settings.home)
            note(f"written: {write_statistics(counted, store, html, colors)}")
    if as_json:
        print_json(counted.as_dict())
    elif csv is None and html is None:
        show_statistics(session, counted)


@app.command()
def files(
    ctx: typer.Context,
    problem: OnlyProblem = None,
    current: Annotated[bool, typer.Option("--current", help="Without superseded releases.")] = False,
    as_json: Json = False,
) -> None:
    r"""The annotation files on record, with who, when and with what.

    \b
    Examples:
      teppr annotations files
      teppr annotations files --current --json
    """
    from teppr.annotations.report import summary_row

    session: Session = ctx.obj
    with session.open_record() as store:
        rows = [summary_row(summary) for summary in store.files(problem, with_past=not current)]
    if as_json:
        print_json(rows)
        return
    print_table(
        session.console,
        "Annotation files",
        ("file", "annotator", "released", "images", "regions", "rejected", "state"),
        (
            (
                Path(str(row["path"])).name,
                row["annotator"],
                row["released"],
                row["images"],
                row["regions"]["accepted"],
                row["regions"]["rejected"],
                row["state"],
            )
            for row in rows
        ),
    )


# Here, for help lists commands in this order.
app.command()(export)
app.command()(convert)


@app.command()
def rules(ctx: typer.Context, problem: Problem = "ods", as_json: Json = False) -> None:
    r"""The design rules: what each checks, what it is about, how bad it is for a problem, and how to mend it.

    \b
    Examples:
      teppr annotations rules
      teppr annotations rules --problem ods --json
    """
    from teppr.annotations.rules import RULES, Broken, severity_of
    from teppr.problems import problem_named

    session: Session = ctx.obj
    specification = problem_named(problem, session.settings.home)
    rows = [
        {
            "rule": rule.id,
            "scope": rule.scope,
            "severity": severity_of(Broken(rule=rule.id, message=""), specification).value,
            "checks": rule.checks,
            "remedy": rule.remedy,
        }
        for rule in RULES.values()
    ]
    if as_json:
        print_json(rows)
        return
    columns = ("rule", "scope", "severity", "checks")
    print_table(session.console, "Design rules", columns, ([row[name] for name in columns] for row in rows))


@app.command()
def verify(
    ctx: typer.Context,
    problem: OnlyProblem = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Files that are hashed at a time.")] = None,
    as_json: Json = False,
) -> None:
    r"""Hold the database against the files: every annotation file and image is hashed again.

    Exit code 0: all as ingested, 1: something is missing or has changed.

    \b
    Examples:
      teppr annotations verify
    """
    from teppr.annotations.verify import verify as run

    session: Session = ctx.obj
    with session.open_record() as store, progress("hashing") as bar:
        result = run(store, problem, workers=workers or session.settings.worker_count, progress=bar)
    if as_json:
        print_json(result.as_dict())
    elif result.differences:
        rows = ((row.what, row.problem, row.path, Path(row.file).name) for row in result.differences)
        print_table(session.console, "Not as ingested", ("what", "problem", "path", "annotation file"), rows)
    else:
        typer.echo(f"{result.files} annotation files and {result.images} images are as they were ingested")
    if result.differences:
        raise typer.Exit(1)


for command in (agreement, duplicates, history, withdraw):
    app.command()(command)
