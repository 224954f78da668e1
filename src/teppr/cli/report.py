"""`teppr report`: what is known of a run or a release, for people and for machines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.runs import is_experiment, named_run
from teppr.cli.session import Json, Session, print_json

if TYPE_CHECKING:
    from teppr.workflow.report import Report


def report(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="Run, release key, alias, or experiment file.")],
    out: Annotated[
        Path | None, typer.Option(help="File to write, .html, .csv or .json; default: as asked for, in the run.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a run's or a release's report.

    The page needs nothing beside it: figures, curves, confusion, images with truth and detections, how it was made.
    Without --out the forms that the experiment asks for are written into the run's folder.

    \b
    Examples:
      teppr report acme-ods-8 --out report.html
      teppr report runs/signs-20261122-091500-3f9a
      teppr report acme-ods@production --out figures.csv
    """  # noqa: D301 - the \b is for the help's layout
    from teppr.workflow.report import report_on, report_on_run, write_report

    session: Session = ctx.obj
    home = session.settings.home
    made = report_on_run(home, named_run(home, model)) if is_experiment(model) else report_on(home, model)
    paths = [write_report(made, path) for path in ([out] if out else _places(home, made))]
    if as_json:
        print_json({"name": made.name, "run": made.run, "files": [str(path) for path in paths]})
    else:
        for path in paths:
            typer.echo(path)


def _places(home: Path, made: Report) -> list[Path]:
    """In the run's folder, in the experiment's forms; in the working folder where the run is gone."""
    from teppr.errors import UnknownName
    from teppr.workflow.run import find_run

    try:
        run = find_run(home, made.run)
    except UnknownName:
        return [Path(f"{made.name}.html")]
    return [run.path / f"report.{form}" for form in run.experiment.report.formats]
