"""`teppr logs`: what the processes of the service say."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from teppr.cli.session import Json, Session, print_json


def logs(
    ctx: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written, until Ctrl+C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines of the end.")] = 100,
    process: Annotated[str, typer.Option(help="Only of this process, as teppr status names it.")] = "",
    as_json: Json = False,
) -> None:
    r"""Show the log of the service in the background.

    With --json: {"lines": [...]}.

    \b
    Examples:
      teppr logs -f
      teppr logs -n 1000 --process acme-ods-8:1
    """
    from teppr.ops import logs as of_service

    session: Session = ctx.obj
    home = session.settings.home
    if follow and not as_json:
        with suppress(KeyboardInterrupt):
            for line in of_service.follow(home, lines, process):
                typer.echo(line)
        return
    found = of_service.last_lines(home, lines, process)
    if as_json:
        print_json({"lines": found})
    else:
        typer.echo("\n".join(found))
