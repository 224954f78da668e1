"""`teppr store`: the annotation database itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from teppr.cli.session import Json, Session, print_json, print_table, progress

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Show the annotation database, or copy it into another."""


@app.command()
def show(ctx: typer.Context, as_json: Json = False) -> None:
    r"""Say where the annotation database is, what it is, and how much it holds.

    Superseded and withdrawn files count as well. With --json: {"url", "back_end", "schema_version", "files",
    "images", "regions", "findings"}.

    \b
    Examples:
      teppr store show
      TEPPR_STORE=mongodb://server/teppr teppr store show --json
    """
    from teppr.store import open_store

    session: Session = ctx.obj
    with open_store(session.settings.store_url, make=False) as store:
        row = {**asdict(store.about()), **asdict(store.count())}
    if as_json:
        print_json(row)
    else:
        print_table(session.console, "Annotation database", ("what", "is"), ((k, str(v)) for k, v in row.items()))


@app.command()
def copy(
    ctx: typer.Context,
    source_url: Annotated[str, typer.Argument(help="URL of the database to read.")],
    target_url: Annotated[str, typer.Argument(help="URL of the database to write, made if need be.")],
    as_json: Json = False,
) -> None:
    r"""Copy all annotation files into another database, SQLite or MongoDB.

    With their images and findings, and with what is superseded or withdrawn. Files that are there already stay as
    they are, and every file is whole or absent: a copy that was stopped is completed by the next.
    Keys of the service and the audit log are not copied.
    Exit code 0: both have as many records of these files, 1: they have not.

    \b
    Examples:
      teppr store copy sqlite:///teppr-home/store.db mongodb://server/teppr
      teppr store copy mongodb://server/teppr sqlite:////backup/store.db --json
    """
    from teppr.store import open_store
    from teppr.store.copy import copy as run

    session: Session = ctx.obj
    with open_store(source_url, make=False) as read, open_store(target_url) as written, progress("copying") as bar:
        report = run(read, written, bar)
    if as_json:
        print_json(report.as_dict())
    else:
        done = f"{report.copied} files copied, {report.brought_up_to_date} brought up to date, {report.unchanged}"
        typer.echo(f"{done} there already")
        of_source, of_target = asdict(report.source), asdict(report.target)
        rows = [(name, of_source[name], of_target[name]) for name in of_source]
        print_table(session.console, "Records of these files", ("what", "source", "target"), rows)
    if not report.is_equal:
        raise typer.Exit(1)
